"""An electric furnace: its chamber is a store whose level is a temperature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnace:
    """A resistance furnace; the set-point is its heating power as a share of the nominal.

    Thermal mass and loss are the chamber's (store: kWh per K, kWh per hour and K), so holding a temperature takes what the
    chamber loses. Elements age: their resistance rises and power falls. Fans run with it.

    References
    ----------
    .. [1] Trinks, W. et al.: Industrial Furnaces, 6th ed., Wiley 2004, ch. 5 (heat balance: charge, wall loss, holding).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"health"})
    uncertain: ClassVar[tuple[str, ...]] = ("power_kw", "efficiency")

    power_kw: float = field(metadata={"gt": 0})
    """Heating power at set-point 1."""
    efficiency: float = field(default=0.95, metadata={"gt": 0, "le": 1})
    """Share of the heating power that enters the chamber."""
    fan_kw: float = field(default=0.0, metadata={"ge": 0})
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Heat into the chamber and power."""
        heating = self.power_kw * np.asarray(setpoint) * (0.8 + 0.2 * np.asarray(conditions.health))
        return Working(power_kw=heating + self.fan_kw, output_per_h=heating * self.efficiency)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Controls."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One straight piece."""
        return ((low, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Element resistance relative to new."""
        return {"resistance_share": 1.0 + 0.25 * (1.0 - np.asarray(conditions.health)) + 0.0 * np.asarray(on)}
