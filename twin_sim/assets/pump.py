"""A pump that lifts against a static head and friction, on the mains or behind a speed drive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working

SHUT_OFF_HEAD = 1.25
"""Head at no flow over rated head: typical of radial pumps (specific speed 20 to 40)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pump:
    """A centrifugal pump; the set-point is its speed as a share of the nominal.

    Normalised to the rated point (flow 1, head 1, speed 1) the pump curve is ``h = 1.25 n² − 0.25 q²``, the system curve
    ``h = s + (1 − s) q²`` with static share `s`; efficiency is a parabola in ``q / n`` with its best at the rated point, so
    that shaft power is ``n h / (2 − q / n)``.

    A pump whose curves were learned (`Calibration.groups`) needs no numbers here.

    References
    ----------
    .. [1] Gülich, J. F.: Centrifugal Pumps, 3rd ed., Springer 2014, ch. 4.5 (affinity laws) and 11.1 (system curve).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"health"})
    uncertain: ClassVar[tuple[str, ...]] = ("flow_per_h", "power_kw")
    affinity: ClassVar[bool] = True
    """Flow goes with speed, head with its square, power with its cube: calibration may carry a curve to other speeds."""

    flow_per_h: float = field(default=0.0, metadata={"ge": 0})
    """Flow at the rated point, service units per hour."""
    power_kw: float = field(default=0.0, metadata={"ge": 0})
    """Electrical power at the rated point."""
    static_share: float = field(default=0.5, metadata={"ge": 0, "lt": 1})
    """Static head as a share of the rated head."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Flow and power at a speed."""
        speed = np.maximum(setpoint, 1e-3)
        flow = np.sqrt(np.maximum(SHUT_OFF_HEAD * speed * speed - self.static_share, 0.0) / (SHUT_OFF_HEAD - self.static_share))
        head = np.maximum(self.static_share + (1.0 - self.static_share) * flow * flow, 0.0)
        delivered = self.flow_per_h * (flow * (0.85 + 0.15 * conditions.health))
        return Working(power_kw=self.power_kw * speed * head / (2.0 - flow / speed), output_per_h=delivered, input_per_h=delivered)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Standby of drive and controls."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One piece; five speeds where it is adjustable."""
        return (tuple(np.linspace(low, high, 5).tolist()),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Bearing temperature and vibration; both rise as the impeller wears (first-order stand-ins)."""
        wear = 1.0 - np.asarray(conditions.health)
        return {
            "bearing_c": 25.0 + on * (20.0 * np.asarray(setpoint) ** 2 + 25.0 * wear),
            "vibration_mm_s": 0.1 + on * (1.2 * np.asarray(setpoint) + 5.0 * wear),
        }
