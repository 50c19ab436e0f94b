"""A compression chiller that takes heat out of a cold store and may give it to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working

KELVIN = 273.15
SMALLEST_LIFT_K = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chiller:
    """An air- or tower-cooled chiller; the set-point is its load as a share of full power.

    The energy efficiency ratio is a constant share of Carnot's between the chilled water and the outdoor air plus an
    approach; at part load the ratio changes as the usual quadratic of the load share.

    References
    ----------
    .. [1] Gordon, J. M.; Ng, K. C.: Cool Thermodynamics, Cambridge Int. Science 2000, ch. 4.
    .. [2] AHRI 550/590 (part-load points).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"outdoor", "health"})
    uncertain: ClassVar[tuple[str, ...]] = ("power_kw", "eer")

    power_kw: float = field(metadata={"gt": 0})
    """Electrical power at full load."""
    eer: float = field(metadata={"gt": 1})
    """Cold over power at full load and the rated outdoor temperature."""
    rated_outdoor_c: float = 30.0
    chilled_c: float = 7.0
    approach_k: float = field(default=10.0, metadata={"ge": 0})
    part_load_gain: float = field(default=0.3, metadata={"ge": 0})
    """The ratio is better by this share times ``s (1 − s) 4`` at load share `s`."""
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def _carnot(self, outdoor: Numbers) -> Numbers:
        lift = np.asarray(outdoor) + self.approach_k - self.chilled_c
        return np.asarray((np.asarray(self.chilled_c) + KELVIN) / np.maximum(lift, SMALLEST_LIFT_K))

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Heat out of the cold store (negative), power, and heat rejected."""
        share = np.asarray(setpoint)
        wear = 1.0 - np.asarray(conditions.health)
        power = self.power_kw * share
        ratio = self.eer * self._carnot(conditions.outdoor) / self._carnot(self.rated_outdoor_c)
        cold = power * ratio * (1.0 + self.part_load_gain * share * (1.0 - share)) * (1.0 - 0.3 * wear)
        return Working(power_kw=power, output_per_h=-cold, second_output_per_h=cold + power)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Controls and oil heater."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One piece; four loads where it is adjustable."""
        return (tuple(np.linspace(low, high, 4).tolist()),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Condensing temperature (first-order stand-in)."""
        wear = 1.0 - np.asarray(conditions.health)
        rise = on * (np.asarray(self.approach_k) * np.asarray(setpoint) + 12.0 * wear)
        return {"condensing_c": np.asarray(conditions.outdoor) + rise}
