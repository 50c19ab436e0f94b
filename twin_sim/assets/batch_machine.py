"""A machine that works in cycles: heat up, hold, unload, again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMachine:
    """An oven, autoclave or washer that repeats its cycle while it runs.

    Power follows the cycle: high while it heats up, lower while it holds. Output is booked at the cycle's mean rate, power
    at the phase in which each driver step begins: phases much shorter than a driver step are only right on average over
    many machines.

    References
    ----------
    .. [1] Duflou, J. R. et al.: Towards energy and resource efficient manufacturing, CIRP Annals 61 (2012) 587-609
       (machine states and their power).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"running_s", "health"})
    uncertain: ClassVar[tuple[str, ...]] = ("heat_kw", "hold_kw")

    heat_kw: float = field(metadata={"gt": 0})
    hold_kw: float = field(default=0.0, metadata={"ge": 0})
    heat_s: float = field(default=1800.0, metadata={"gt": 0})
    cycle_s: float = field(default=7200.0, metadata={"gt": 0})
    batch: float = field(default=1.0, metadata={"gt": 0})
    """Service units per cycle."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Power of the phase and the mean output; as an operating point (long running) the mean power."""
        share = np.minimum(np.asarray(self.heat_s) / self.cycle_s, 1.0)
        mean = share * self.heat_kw + (1.0 - share) * self.hold_kw
        known = np.asarray(conditions.running_s) < 1e8
        heating = np.mod(conditions.running_s, self.cycle_s) < self.heat_s
        phase = np.where(heating, self.heat_kw, self.hold_kw)
        wear = 1.0 - np.asarray(conditions.health)
        rate = self.batch / np.asarray(self.cycle_s) * 3600.0
        return Working(
            power_kw=np.where(known, phase, mean) * (1.0 + 0.15 * wear),
            output_per_h=rate + 0.0 * phase,
            input_per_h=rate + 0.0 * phase,
        )

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Standby power."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One operating point."""
        return ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Door seal leakage (first-order stand-in)."""
        return {"seal_mbar": on * 8.0 * (1.0 - np.asarray(conditions.health))}
