"""Anything that simply draws power: lighting, conveyors, presses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A consumer of a nominal power; the set-point is the share of it (a dimmer, a drive), `availability` its profile.

    References
    ----------
    .. [1] Constant-power load of IEC 61970-301 (EnergyConsumer).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"availability"})
    uncertain: ClassVar[tuple[str, ...]] = ("power_kw",)

    power_kw: float = field(metadata={"gt": 0})
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Power at a share."""
        power = self.power_kw * np.asarray(setpoint) * np.asarray(conditions.availability)
        return Working(power_kw=power, output_per_h=0.0)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Standby power."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One straight piece."""
        return ((low, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """No further sensors."""
        return {}
