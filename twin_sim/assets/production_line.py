"""A production line that makes pieces into a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductionLine:
    """A line whose set-point is its rate as a share of the nominal.

    Power is a base (drives, ovens, extraction) and a part in proportion to the rate: the straight line through two
    operating points that metering of real lines shows.

    References
    ----------
    .. [1] Gutowski, T.; Dahmus, J.; Thiriez, A.: Electrical energy requirements for manufacturing processes, 13th CIRP
       LCE, 2006 (fixed plus rate-dependent power).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"health"})
    uncertain: ClassVar[tuple[str, ...]] = ("rate_per_h", "power_kw")

    rate_per_h: float = field(metadata={"gt": 0})
    """Pieces (or tonnes) per hour at set-point 1."""
    power_kw: float = field(metadata={"gt": 0})
    """At set-point 1."""
    base_share: float = field(default=0.35, metadata={"ge": 0, "le": 1})
    """Share of it that does not fall with the rate."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Rate and power at a set-point."""
        rate = np.asarray(setpoint)
        wear = 1.0 - conditions.health
        made = self.rate_per_h * rate
        return Working(
            power_kw=self.power_kw * (self.base_share + (1.0 - self.base_share) * rate) * (1.0 + 0.15 * wear),
            output_per_h=made,
            input_per_h=made,
        )

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Standby power."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One straight piece."""
        return ((low, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Drive temperature (first-order stand-in)."""
        wear = 1.0 - np.asarray(conditions.health)
        return {"drive_c": 22.0 + on * (25.0 * np.asarray(setpoint) + 30.0 * wear)}
