"""What local control will do: the course of assets that a plan has no say over, and of doing nothing at all."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from plant.assets import AlwaysControl, LevelTrigger, ScheduleControl, SelfConsumptionControl
from plant.envelopes import Envelope
from plant.hours import holds
from plant.site import Site
from plant.situation import Situation
from policy.outlook import Outlook, on_steps, outlook
from policy.walk import Moment, Rule, Walked, Wish, walk


def local_course(site: Site, situation: Situation, ahead: Outlook | None = None) -> Walked:
    """Every asset under its own local control from now on, as if this product had never connected."""
    known = outlook(situation) if ahead is None else ahead
    return walk(situation, local_rule(site, situation, known), known)


def local_rule(site: Site, situation: Situation, ahead: Outlook) -> Rule:
    """The rule that stands for the plant's own controllers.

    A machine whose local control is not stated runs where its production plan says so, else it keeps its state.
    """
    zone = ZoneInfo(site.site.timezone)
    closed = frozenset(date.fromisoformat(day) for day in site.site.shutdown_days)
    envelopes = {name: envelope for envelope in situation.envelopes for name in envelope.assets}
    planned = {name: _must_run(situation, envelope, name) for name, envelope in envelopes.items()}
    assets = {asset.name: asset for asset in site.assets}
    tripped = {state.asset for state in situation.assets if state.permit.tripped}

    def rule(name: str, moment: Moment) -> Wish:
        control, nominal = assets[name].local_control, assets[name].life.setpoint_nominal
        if name in tripped:
            return Wish(on=False)
        if isinstance(control, LevelTrigger):
            return Wish(on=_triggered(control, moment, name), setpoint=_first(control.setpoint, nominal))
        if isinstance(control, ScheduleControl):
            return Wish(on=holds(control.on, ahead.time(moment.step), zone, closed), setpoint=_first(control.setpoint, nominal))
        if isinstance(control, AlwaysControl):
            return Wish(on=True, setpoint=_first(control.setpoint, nominal))
        if isinstance(control, SelfConsumptionControl):
            return _balancing(envelopes[name], ahead, moment)
        must = planned[name]
        if must is not None:
            return Wish(on=must[moment.step] >= 0.5, setpoint=_first(moment.setpoints[name], nominal))
        return Wish(on=moment.on[name], setpoint=_first(moment.setpoints[name], nominal))

    return rule


def _first(one: float | None, other: float | None) -> float | None:
    return other if one is None else one


def _triggered(control: LevelTrigger, moment: Moment, name: str) -> bool:
    level, running = moment.levels[control.store], moment.on[name]
    if control.start < control.stop:
        return level <= control.start or (running and level < control.stop)
    return level >= control.start or (running and level > control.stop)


def _must_run(situation: Situation, envelope: Envelope, name: str) -> tuple[float, ...] | None:
    series = envelope.must_run[envelope.assets.index(name)] if envelope.must_run else None
    return None if series is None else tuple(on_steps(situation, series))


def _balancing(envelope: Envelope, ahead: Outlook, moment: Moment) -> Wish:
    """Charge from a surplus, discharge into a need, as far as the points reach."""
    need_kw = float(ahead.load_kw[moment.step])
    points = [point for regime in envelope.regimes for point in regime.points]
    power = min(max(-need_kw, min(sum(point.power_kw) for point in points)), max(sum(point.power_kw) for point in points))
    nearest = min(points, key=lambda point: abs(sum(point.power_kw) - power))
    return Wish(on=abs(power) > 1e-6, setpoint=nearest.setpoints[0])
