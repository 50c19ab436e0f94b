"""A heat pump or air conditioner that heats or cools a zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from plant.physics import Conditions, Numbers, Working

KELVIN = 273.15
SMALLEST_LIFT_K = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPump:
    """An air-source machine between outdoor air and a supply temperature; the set-point is its compressor's speed share.

    The coefficient of performance is a constant share (second-law efficiency) of Carnot's between the two temperatures;
    part load is better by `part_load_gain`; frost between about −5 and 6 °C costs `defrost_share` of the heat at its worst
    (around 1 °C). Fouling lowers the coefficient.

    References
    ----------
    .. [1] EN 14825:2022 (rating points, part load); Bertagnolio, S.; Lebrun, J.: Simulation of a building and its HVAC
       system with an equation solver, Building Simulation 1 (2008) 234-250 (constant exergetic efficiency).
    """

    __pydantic_config__ = {"extra": "forbid"}
    depends_on: ClassVar[frozenset[str]] = frozenset({"outdoor", "health"})
    uncertain: ClassVar[tuple[str, ...]] = ("power_kw", "cop")

    power_kw: float = field(metadata={"gt": 0})
    """Electrical power at full speed."""
    cop: float = field(metadata={"gt": 1})
    """At the rated outdoor temperature."""
    rated_outdoor_c: float = 7.0
    supply_c: float = 40.0
    """Temperature of the heated (or cooled) side: water or air supply."""
    cooling: bool = False
    """True: takes heat out of the zone."""
    part_load_gain: float = field(default=0.15, metadata={"ge": 0})
    defrost_share: float = field(default=0.08, metadata={"ge": 0, "lt": 1})
    standby_kw: float = field(default=0.0, metadata={"ge": 0})

    def coefficient(self, outdoor: Numbers) -> Numbers:
        """Coefficient of performance at full speed and an outdoor temperature, as new."""
        return np.asarray(self.cop / self._ideal(self.rated_outdoor_c) * self._ideal(outdoor))

    def _ideal(self, outdoor: Numbers) -> Numbers:
        """Carnot's coefficient less what frost costs."""
        heats = 1.0 - self.cooling
        lift = (2.0 * heats - 1.0) * (self.supply_c - outdoor) + (10.0 - 5.0 * heats)
        away = (outdoor - 1.0) / 3.5
        frost = self.defrost_share * heats * np.exp(-away * away)
        return np.asarray((self.supply_c + KELVIN) / np.maximum(lift, SMALLEST_LIFT_K) * (1.0 - frost))

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """Heat into the zone (negative: out of it) and power at a speed."""
        wear = 1.0 - conditions.health
        power = self.power_kw * setpoint
        part_load = power * (1.0 + self.part_load_gain * (1.0 - setpoint))
        coefficient = self.coefficient(conditions.outdoor) * ((1.0 - 0.3 * wear) * (1.0 - 2.0 * self.cooling))
        return Working(power_kw=power, output_per_h=part_load * coefficient)

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """Controls, crankcase heater."""
        return self.standby_kw

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """One piece, three speeds where it is adjustable."""
        return ((low, (low + high) / 2, high),) if high > low else ((high,),)

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """Supply temperature and suction pressure (first-order stand-ins)."""
        wear = 1.0 - np.asarray(conditions.health)
        return {
            "supply_c": conditions.level + on * (np.asarray(self.supply_c) - conditions.level) * (1.0 - 0.15 * wear),
            "suction_bar": 9.0 + 0.15 * np.asarray(conditions.outdoor) - on * (2.0 * np.asarray(setpoint) + 2.5 * wear),
        }
