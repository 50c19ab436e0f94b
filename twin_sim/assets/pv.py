"""Photovoltaics: generation that the sun allows and a set-point may curtail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Pv:
    """A PV plant; the set-point is the share of what the sun allows that is let through.

    `availability` is output over peak power: the drivers give it (from irradiance, or from a forecast of its power).

    References
    ----------
    .. [1] Dobos, A.: PVWatts Version 5 Manual, NREL/TP-6A20-62641, 2014 (power in proportion to irradiance).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"availability", "health"})
    uncertain: ClassVar[tuple[str, ...]] = ()

    peak_kw: float = field(metadata={"gt": 0})
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Generation (negative power)."""
        share = np.asarray(setpoint) * np.asarray(conditions.availability) * (0.7 + 0.3 * conditions.health)
        return Working(power_kw=-self.peak_kw * share, output_per_h=0.0)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Inverter at rest."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One straight piece."""
        return ((low, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Inverter temperature (first-order stand-in)."""
        return {"inverter_c": np.asarray(conditions.outdoor) + on * 30.0 * np.asarray(conditions.availability)}
