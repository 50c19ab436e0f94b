"""A battery: its store holds the energy, its set-point is the power at the connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A battery with its converter; set-point in kW, positive = charging.

    References
    ----------
    .. [1] The usual one-reservoir model with a constant efficiency each way, for example in IEC 62933-2-1 (round trip =
       product of the two).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset()
    uncertain: ClassVar[tuple[str, ...]] = ("efficiency",)

    power_kw: float = field(metadata={"gt": 0})
    """Largest power at the connection, either way."""
    efficiency: float = field(default=0.95, metadata={"gt": 0, "le": 1})
    """One way."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Power at the connection and what it moves in the store."""
        power = np.clip(np.asarray(setpoint), -np.asarray(self.power_kw), self.power_kw)
        return Working(
            power_kw=power + self.standby_kw,
            output_per_h=np.maximum(power, 0.0) * self.efficiency + np.minimum(power, 0.0) / self.efficiency,
        )

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Controls and cooling."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """Charging and discharging are a straight piece each: cutting across would hide the losses."""
        return ((0.0, min(high, self.power_kw)), (max(low, -self.power_kw), 0.0))

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Cell temperature (first-order stand-in)."""
        share = np.asarray(setpoint) / self.power_kw
        return {"cell_c": 22.0 + on * 8.0 * share * share + 12.0 * (1.0 - np.asarray(conditions.health))}
