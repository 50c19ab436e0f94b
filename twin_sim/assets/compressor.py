"""An air compressor that feeds a receiver, fixed speed or behind a drive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working

POLYTROPIC = 0.286
"""(n − 1) / n of dry air, isentropic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressor:
    """An oil-injected screw compressor; the set-point is its load or speed as a share of the nominal.

    Power follows the isentropic work to the receiver's pressure over that at the rated pressure [1]_; a part of it, the
    no-load share, is drawn whatever it delivers. Fouling of filter and cooler raises power and discharge temperature and
    lowers delivery.

    References
    ----------
    .. [1] ISO 1217:2009, annex on isentropic power: ``P ∝ (p2/p1)^((κ−1)/κ) − 1``.
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"level", "health"})
    uncertain: ClassVar[tuple[str, ...]] = ("flow_per_h", "power_kw")

    flow_per_h: float = field(metadata={"gt": 0})
    """Delivery at full load, Nm3 per hour."""
    power_kw: float = field(metadata={"gt": 0})
    """Electrical power at full load and rated pressure."""
    rated_bar: float = field(default=7.5, metadata={"gt": 0})
    """Gauge pressure of the data sheet."""
    no_load_share: float = field(default=0.15, metadata={"ge": 0, "lt": 1})
    """Share of full power that does not fall with the load."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})
    fouling_power: float = field(default=0.35, metadata={"ge": 0})
    """Additional power, as a share, at health 0."""

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Delivery and power at a load."""
        wear = 1.0 - conditions.health
        rated = ((self.rated_bar + 1.013) / 1.013) ** POLYTROPIC - 1.0
        work = (np.power(np.maximum(conditions.level, 0.0) / 1.013 + 1.0, POLYTROPIC) - 1.0) / rated
        share = self.no_load_share + (1.0 - self.no_load_share) * setpoint
        return Working(
            power_kw=self.power_kw * share * ((0.25 + 0.75 * work) * (1.0 + self.fouling_power * wear)),
            output_per_h=self.flow_per_h * setpoint * (1.0 - 0.12 * wear),
        )

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Controls and dryer."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One straight piece."""
        return ((low, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Discharge temperature, pressure drop of the inlet filter, motor vibration (first-order stand-ins)."""
        wear = 1.0 - np.asarray(conditions.health)
        ambient = 18.0 + 0.3 * np.asarray(conditions.outdoor)
        load = np.asarray(setpoint)
        return {
            "discharge_c": ambient + on * (42.0 + 12.0 * load + 3.0 * (np.asarray(conditions.level) - 7.0) + 40.0 * wear),
            "filter_mbar": on * load * (18.0 + 45.0 * wear),
            "vibration_mm_s": 0.1 + on * (1.5 + 0.8 * load + 2.0 * wear),
        }
