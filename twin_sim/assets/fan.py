"""A fan in a duct, on the mains or behind a speed drive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A fan; the set-point is its speed as a share of the nominal.

    Without static pressure flow goes with the speed and power with its cube; drive and belt take a constant share.

    References
    ----------
    .. [1] ISO 5801:2017, fan similarity laws.
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"health"})
    uncertain: ClassVar[tuple[str, ...]] = ("flow_per_h", "power_kw")

    flow_per_h: float = field(metadata={"gt": 0})
    """At set-point 1, service units (m3 of air) per hour."""
    power_kw: float = field(metadata={"gt": 0})
    """At set-point 1."""
    drive_share: float = field(default=0.06, metadata={"ge": 0, "lt": 1})
    """Share of the power that does not fall with the speed."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Flow and power at a speed; a clogged filter (health) takes flow."""
        speed = np.asarray(setpoint)
        flow = self.flow_per_h * speed * (0.7 + 0.3 * np.asarray(conditions.health))
        power = self.power_kw * (self.drive_share + (1.0 - self.drive_share) * speed**3)
        return Working(power_kw=power, output_per_h=flow, input_per_h=flow)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Standby of the drive."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One piece; four speeds where it is adjustable."""
        return (tuple(np.linspace(low, high, 4).tolist()),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Filter pressure drop and vibration (first-order stand-ins)."""
        wear = 1.0 - np.asarray(conditions.health)
        speed = np.asarray(setpoint)
        return {"filter_mbar": on * speed**2 * (1.5 + 4.0 * wear), "vibration_mm_s": 0.1 + on * (1.0 + 0.6 * speed + 3.0 * wear)}
