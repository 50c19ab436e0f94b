"""Rules that every machine of a kind gets without being asked, and the numbers that a site may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from anomaly.rules import Comparison, Rule, Term
from plant.errors import ConfigError
from plant.events import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatPumpLimits:
    """Numbers of a heat pump's rules. Parts: power, voltage, supply, return, tank, setpoint, outdoor."""

    rated_kw: float = field(default=2.5, metadata={"gt": 0})
    """Electrical rating."""
    standby_kw: float = 0.005
    """Below this not even its controls draw power."""
    voltage_v: float = 230.0
    tank_cold_c: float = 20.0
    tank_hot_c: float = 60.0
    setpoint_margin_k: float = 3.0
    """The tank may rise so much above its set-point, and may stay so much below it."""
    outdoor_low_c: float = -20.0
    outdoor_high_c: float = 43.0
    reach_s: float = 7200.0
    """A running heat pump must reach its set-point within this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLimits:
    """Numbers of the rules of any machine with a power reading. Parts: power."""

    rated_kw: float = field(default=1.0, metadata={"gt": 0})


def heat_pump(limits: HeatPumpLimits) -> tuple[Rule, ...]:
    """The rules of a heat pump that heats a tank or a water circuit."""
    return (*_electrical(limits), *_hydraulic(limits), *_tank(limits), _outdoor("low", limits), _outdoor("high", limits))


def machine(limits: MachineLimits) -> tuple[Rule, ...]:
    """The rules of a machine that nothing else is known of."""
    return (_overload(limits.rated_kw),)


def rules_of(kind: str, stated: Mapping[str, float]) -> tuple[Rule, ...]:
    """The rules of an asset kind, with some of their numbers set.

    Raises
    ------
    ConfigError
        If a name is not one of the kind's limits, or a number is not possible; the text lists the names.
    """
    limits: type[HeatPumpLimits] | type[MachineLimits] = HeatPumpLimits if kind == "heat_pump" else MachineLimits
    known = [entry.name for entry in fields(limits)]
    for name, value in stated.items():
        if name not in known:
            raise ConfigError(f"limit {name!r} of {kind}: there are {', '.join(known)}")
        if name == "rated_kw" and value <= 0.0:
            raise ConfigError(f"limit rated_kw = {value:g}: a rating is above 0 kW")
    return heat_pump(HeatPumpLimits(**stated)) if kind == "heat_pump" else machine(MachineLimits(**stated))


def _part(name: str, factor: float = 1.0, offset: float = 0.0) -> Term:
    return Term(part=name, factor=factor, offset=offset)


def _number(value: float) -> Term:
    return Term(offset=value)


def _above(left: Term, right: Term) -> Comparison:
    return Comparison(left=left, beyond="above", right=right)


def _below(left: Term, right: Term) -> Comparison:
    return Comparison(left=left, beyond="below", right=right)


def _overload(rated_kw: float) -> Rule:
    return Rule(
        name="power_above_rating",
        limit=_above(_part("power"), _number(1.1 * rated_kw)),
        deadband=0.05 * rated_kw,
        delay_s=300.0,
        priority=Priority.HIGH,
        words=f"power above its rating of {rated_kw:g} kW for 5 min",
        cause="blocked or worn machine, a phase missing, or heating rods switched on",
        consequence="the winding overheats, the fuse or the protection switch trips",
        advice="compare the currents of the phases; let it be serviced before it runs on",
    )


def _electrical(limits: HeatPumpLimits) -> tuple[Rule, ...]:
    return (
        Rule(
            name="no_supply_voltage",
            limit=_below(_part("voltage"), _number(0.85 * limits.voltage_v)),
            deadband=0.02 * limits.voltage_v,
            delay_s=60.0,
            priority=Priority.URGENT,
            words=f"supply voltage below 85 % of {limits.voltage_v:g} V for 1 min",
            cause="fuse, main switch or the grid",
            consequence="no heat; the circuit can freeze in winter",
            advice="look at fuse and main switch, then call the grid operator",
        ),
        Rule(
            name="no_supply_power",
            limit=_below(_part("power"), _number(limits.standby_kw)),
            delay_s=900.0,
            priority=Priority.URGENT,
            words=f"draws less than {1000 * limits.standby_kw:g} W for 15 min: not even its controls are supplied",
            cause="fuse or main switch, or the meter has failed",
            consequence="no heat; the circuit can freeze in winter",
            advice="look at fuse and main switch; if it runs, look at the meter",
        ),
        _overload(limits.rated_kw),
    )


def _hydraulic(limits: HeatPumpLimits) -> tuple[Rule, ...]:
    running = _above(_part("power"), _number(0.1 * limits.rated_kw))
    return (
        Rule(
            name="supply_colder_than_return",
            limit=_below(_part("supply"), _part("return", offset=-0.5)),
            while_=(running,),
            deadband=0.5,
            delay_s=900.0,
            priority=Priority.HIGH,
            words="supply colder than return while it has been running for 15 min",
            cause="refrigerant lost, stuck four-way valve, long defrosting, or swapped sensors",
            consequence="it draws power and takes heat out of the building",
            advice="stop it if it is not defrosting; look at sensors and valve, then call the service",
        ),
        Rule(
            name="setpoint_not_reached",
            limit=_below(_part("tank"), _part("setpoint", offset=-limits.setpoint_margin_k)),
            while_=(running,),
            deadband=1.0,
            delay_s=limits.reach_s,
            priority=Priority.MEDIUM,
            words=f"running for {limits.reach_s / 3600:g} h and still {limits.setpoint_margin_k:g} K below its set-point",
            cause="too little output (icing, refrigerant), too much demand, or a set-point beyond what it can reach",
            consequence="cold rooms or water, and the heating rod takes over",
            advice="compare supply and return; look at the outdoor coil for ice",
        ),
    )


def _tank(limits: HeatPumpLimits) -> tuple[Rule, ...]:
    tank = _part("tank")
    return (
        Rule(
            name="tank_above_setpoint",
            limit=_above(tank, _part("setpoint", offset=limits.setpoint_margin_k)),
            deadband=1.0,
            delay_s=600.0,
            words=f"tank more than {limits.setpoint_margin_k:g} K above its set-point for 10 min",
            cause="control does not stop it, a heating rod is on, or the set-point was lowered",
            consequence="energy wasted; the efficiency falls with every degree",
            advice="look at the control's state and the heating rod",
        ),
        Rule(
            name="tank_too_cold",
            limit=_below(tank, _number(limits.tank_cold_c)),
            deadband=2.0,
            delay_s=1800.0,
            words=f"tank colder than {limits.tank_cold_c:g} °C for 30 min",
            cause="not running, too much drawn, or its pump stands still",
            consequence="no comfort; in a tank for drinking water, germs",
            advice="look whether it runs and whether it may (tariff lock, mode)",
        ),
        Rule(
            name="tank_too_hot",
            limit=_above(tank, _number(limits.tank_hot_c)),
            deadband=2.0,
            delay_s=600.0,
            priority=Priority.HIGH,
            words=f"tank hotter than {limits.tank_hot_c:g} °C for 10 min",
            cause="control or thermostat has failed, or a heating rod is stuck on",
            consequence="scalding, and high pressure switches it off",
            advice="switch off the heating rod; look at the thermostat",
        ),
    )


def _outdoor(side: str, limits: HeatPumpLimits) -> Rule:
    cold = side == "low"
    bound = limits.outdoor_low_c if cold else limits.outdoor_high_c
    return Rule(
        name=f"outdoor_too_{'cold' if cold else 'hot'}",
        limit=_below(_part("outdoor"), _number(bound)) if cold else _above(_part("outdoor"), _number(bound)),
        deadband=1.0,
        delay_s=1800.0,
        words=f"outdoor temperature {'below' if cold else 'above'} {bound:g} °C for 30 min: outside its working range",
        cause="weather, or the outdoor sensor has failed or stands in the sun",
        consequence="output and efficiency are not what was planned with; it may switch itself off",
        advice="compare with another thermometer; be ready for the heating rod",
    )
