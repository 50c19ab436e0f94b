"""A boiler, electric or fired, that heats a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Boiler:
    """A boiler; the set-point is its load as a share of the nominal.

    A fired boiler draws fuel from the service it consumes (kWh per hour, upper heating value) and electricity for its fan
    and pump only; an electric one draws electricity. Standing losses of a hot boiler take a constant share.

    References
    ----------
    .. [1] EN 15502-1 / EN 12953-11 (indirect method: efficiency from flue and standing losses).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"health"})
    uncertain: ClassVar[tuple[str, ...]] = ("heat_kw", "efficiency")

    heat_kw: float = field(metadata={"gt": 0})
    """Heat given at set-point 1."""
    efficiency: float = field(default=0.93, metadata={"gt": 0, "le": 1.1})
    """Heat over fuel (or electricity) at full load."""
    fired: bool = False
    standing_share: float = field(default=0.01, metadata={"ge": 0, "lt": 0.2})
    """Standing loss of a running boiler as a share of its nominal heat."""
    auxiliary_kw: float = field(default=0.0, metadata={"ge": 0})
    """Fan and pump while it runs."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Heat, power and fuel at a load."""
        wear = 1.0 - np.asarray(conditions.health)
        heat = self.heat_kw * np.asarray(setpoint)
        taken = (heat + self.standing_share * self.heat_kw) / (self.efficiency * (1.0 - 0.1 * wear))
        return Working(
            power_kw=np.where(self.fired, self.auxiliary_kw, taken + self.auxiliary_kw),
            output_per_h=heat,
            input_per_h=np.where(self.fired, taken, 0.0),
        )

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Controls."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One straight piece."""
        return ((low, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Flue gas temperature; it rises as the surfaces foul (first-order stand-in)."""
        wear = 1.0 - np.asarray(conditions.health)
        return {"flue_c": 20.0 + on * (90.0 + 60.0 * np.asarray(setpoint) + 80.0 * wear)}
