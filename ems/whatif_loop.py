"""One strategy through one future, plan by plan; and all futures at once where nothing is commanded."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import numpy as np

from ems.decide import LADDER, Decision, decide, rungs_below, unrehearsed
from ems.observe import limits_of, permit
from ems.situate import ambient_of
from ems.workers import end_with_parent
from plant.assets import Mode
from plant.errors import SolverError
from plant.identity import content_id
from plant.kinds import find
from plant.kpi import co2_kg, demand_windows_kw, energy_cost, energy_kwh
from plant.orders import Action, Command, Course, Plan, Reason, Verdict
from plant.ports import Strategy
from plant.series import Forecast, Series
from plant.site import Site
from plant.situation import AssetState, Situation, StoreState
from plant.table import Floats
from plant.tags import Snapshot
from plant.tariff import Prices
from plant.times import floor
from policy.guard import check
from policy.hindsight import Reached, hindsight
from policy.orders import Intent, order
from policy.proof import proven_apart
from policy.proposal import release_command, release_commands
from twin_sim.drivers import Drivers
from twin_sim.ensemble import Ensemble
from twin_sim.envelopes import at_levels
from twin_sim.layout import Layout
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.rehearsal import rehearse
from twin_sim.report import served_shares
from twin_sim.script import MARGIN
from twin_sim.twin import Twin

if TYPE_CHECKING:
    from ems.whatif import Question

log = logging.getLogger(__name__)

TICK_S = 300.0
PIECE_S, NODES, GUARD_S = 86400.0, 300, 3600.0
"""A bound is proven in pieces of a day, each in so many nodes of branch and bound; the clock only guards."""
DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """How far a rule was broken, 0 where it was kept; arrays over futures."""

    rule: str
    unit: str
    worst: Floats
    """Units beyond the limit."""
    hours: Floats
    """Hours beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What some futures of one strategy came to; arrays over futures in the order in which they were drawn."""

    figures: tuple[tuple[str, Floats], ...]
    """Per figure of Kpi, shape (futures,)."""
    rules: tuple[Beyond, ...]
    unserved: Floats
    """Service units that a store could not give, shape (stores, futures)."""
    wasted: Floats
    """Service units that a full store could not take, shape (stores, futures)."""
    plans: tuple[tuple[str, int], ...] = ()
    """How many were proposed, refused, and how often nothing but the ladder below was left."""
    kw: Floats
    """Site power per tick, shape (ticks, futures)."""
    levels: Floats
    """Shape (ticks, stores, futures)."""

    @classmethod
    def joined(cls, parts: Sequence[Lived]) -> Lived:
        """Several stretches of futures as one."""
        first = parts[0]
        return cls(
            figures=tuple((key, np.concatenate([dict(part.figures)[key] for part in parts])) for key, _ in first.figures),
            rules=tuple(
                replace(
                    same[0],
                    worst=np.concatenate([rule.worst for rule in same]),
                    hours=np.concatenate([rule.hours for rule in same]),
                )
                for same in zip(*(part.rules for part in parts), strict=True)
            ),
            unserved=np.concatenate([part.unserved for part in parts], axis=-1),
            wasted=np.concatenate([part.wasted for part in parts], axis=-1),
            plans=tuple((key, sum(dict(part.plans)[key] for part in parts)) for key, _ in first.plans),
            kw=np.concatenate([part.kw for part in parts], axis=-1),
            levels=np.concatenate([part.levels for part in parts], axis=-1),
        )


def live_together(question: Question, model: SiteModel) -> Lived:
    """Every future under local control, in one ensemble."""
    load = question.site.limits.load
    layout = Layout(model, with_loads=load is None)
    ticks = round(question.days * 86400.0 / TICK_S)
    recorder = Recorder(ticks, len(layout.bills), layout.real, question.futures)
    ensemble = Ensemble(
        layout,
        question.drivers,
        futures=question.futures,
        start=question.start,
        tick_s=TICK_S,
        state=question.state,
        base=load,
        recorder=recorder,
    )
    ensemble.run(ticks * TICK_S)
    return account(question, model, ensemble, recorder)


def account(question: Question, model: SiteModel, ensemble: Ensemble, recorder: Recorder) -> Lived:
    """Figures and broken rules of every future of an ensemble."""
    ticks, tick_s = recorder.ticks, ensemble.tick_s
    kw = np.moveaxis(recorder.kw[:ticks], 0, -1)
    total, tariff = kw.sum(axis=0), question.site.tariff
    at = np.minimum(np.arange(ticks) * tick_s // question.drivers.step_s, len(question.energy) - 1).astype(np.int64)
    export, grams = (np.array(column)[at] for column in (question.export, question.co2_g_per_kwh))
    windows = demand_windows_kw(total, tick_s, tariff.demand_window_s, gone_s(question))
    starts, own = ensemble.starts, dict(question.own)
    cost = tariff.demand_charge_per_kw * np.maximum(windows.max(axis=-1), 0.0)
    cost += (starts * ensemble.layout.start_cost[:, None]).sum(axis=0)
    for number, bill in enumerate(ensemble.layout.bills):
        cost += energy_cost(kw[number], np.array(own.get(bill, question.energy))[at], export, tick_s)
    figures = {
        "energy_kwh": energy_kwh(np.maximum(total, 0.0), tick_s),
        "cost": cost,
        "demand_peak_kw": windows.max(axis=-1),
        "co2_kg": co2_kg(total, grams, tick_s),
        "served_share": served_shares(model, ensemble, recorder),
        "starts": starts.sum(axis=0).astype(np.float64),
    }
    stores = slice(ensemble.layout.real)
    return Lived(
        figures=tuple(figures.items()),
        rules=_rules(question.site, ensemble, recorder, windows),
        unserved=ensemble.unserved[stores].copy(),
        wasted=ensemble.wasted[stores].copy(),
        kw=total.T,
        levels=recorder.level[:ticks].copy(),
    )


def gone_s(question: Question) -> float:
    """How much of the metering window that is open at the start is over: windows follow the clock."""
    return (question.start - floor(question.start, question.site.tariff.demand_window_s)).total_seconds()


def _rules(site: Site, ensemble: Ensemble, recorder: Recorder, windows: Floats) -> tuple[Beyond, ...]:
    found, tick_h = [], ensemble.tick_s / 3600.0
    if site.limits.import_kw is not None:
        window_h = max(site.tariff.demand_window_s / 3600.0, tick_h)
        found.append(_beyond("import_kw", "kW", windows - site.limits.import_kw, 1e-6, window_h))
    units = {store.name: store.unit for store in site.stores}
    for row, store in enumerate(ensemble.layout.stores):
        levels, room, unit = recorder.level[: recorder.ticks, row].T, 0.01 * (store.high - store.low), units[store.name]
        found.append(_beyond(f"{store.name}: store_low", unit, store.low - levels, room, tick_h))
        found.append(_beyond(f"{store.name}: store_high", unit, levels - store.high, room, tick_h))
    return tuple(found)


def _beyond(rule: str, unit: str, over: Floats, room: float, step_h: float) -> Beyond:
    """By the excess of every step, shape (futures, steps); less than the room is none."""
    broken = over > room
    return Beyond(rule=rule, unit=unit, worst=np.where(broken, over, 0.0).max(axis=-1), hours=broken.sum(axis=-1) * step_h)


def live_alone(question: Question, model: SiteModel, strategy: str, drivers: Drivers) -> Lived:
    """One future with plans made, rehearsed and carried out as the product would."""
    return _Loop(question, model, drivers).run(cast(Strategy, find("policy.strategies", strategy)(question.site)))


def least_cost(question: Question, model: SiteModel, drivers: Drivers, reached: Reached | None) -> float:
    """What the model proves that nothing which knew this future could have cost less than; NaN where there is nothing to prove.

    Parameters
    ----------
    reached
        How the strategy that is measured left the stores, and what it let happen: the bound may do the same.
    """
    if reached is None:
        return math.nan
    site, situation = question.site, _Loop(question, model, drivers).window(reached.means)
    for loose in (False, True):
        try:
            program = hindsight(site, situation, reached, loose=loose)
            return proven_apart(program, round(PIECE_S / question.drivers.step_s), GUARD_S, nodes=NODES)
        except SolverError as error:
            log.debug("no bound (minimum times %s): %s", "left out" if loose else "kept", error)
    return math.nan


_shared: list[tuple[Question, SiteModel]] = []
"""What a worker process answers, and the physics of its site: the same for every future."""


def share(question: Question) -> None:
    """Tell a worker process the question, once."""
    end_with_parent()
    _shared[:] = [(question, SiteModel(question.site, question.calibration))]


def live_with(strategy: str, drivers: Drivers) -> Lived:
    """One future of the question that this process was told."""
    return live_alone(*_shared[0], strategy, drivers)


def least_cost_with(drivers: Drivers, reached: Reached | None) -> float:
    """The bound of one future of the question that this process was told."""
    return least_cost(*_shared[0], drivers, reached)


class _Loop:
    def __init__(self, question: Question, model: SiteModel, drivers: Drivers) -> None:
        self.question, self.model, self.drivers = question, model, drivers
        self.site, self.zone = question.site, ZoneInfo(question.site.site.timezone)
        self.end = question.start + timedelta(days=question.days)
        self.twin = Twin(model, drivers, start=question.start, state=question.state, end=self.end, tick_s=TICK_S)
        self.released = dict.fromkeys((asset.name for asset in self.site.assets), True)
        self.since: dict[str, datetime] = {}
        self.was: dict[str, bool | None] = {}
        self.starts: dict[str, int] = {}
        self.previous: Plan | None = None
        self.plans = dict.fromkeys(("proposed", "refused", "failed", "fallback"), 0)
        self.peak_kw = 0.0
        managed = self.twin.ensemble.layout.managed
        self.kept = tuple(store for row, store in enumerate(self.site.stores) if not managed[row])

    def window(self, levels: Mapping[str, float]) -> Situation:
        """The whole time as one situation whose forecasts are what comes, its machines as they work at some levels."""
        start, step_s = self.question.start, self.question.drivers.step_s
        steps = round(self.question.days * 86400.0 / step_s)
        came = {name: np.repeat(column[:steps, 0][None], 3, axis=0) for name, column in self.drivers.tags.items()}
        made, failed = self._situation(self.twin.read(), steps, self._forecasts(start, steps, came)), self.question.changes.failed
        states = tuple(replace(state, running=False) if state.asset in failed else state for state in made.assets)
        model = self.model.changed(site=at_levels(self.site, levels))
        found = model.envelopes(start, step_s, steps, states, made.forecasts, made.ambient, ())
        return replace(made, assets=states, envelopes=found)

    def run(self, strategy: Strategy) -> Lived:
        """Plan, rehearse and command until the end."""
        control, time = self.site.control, self.question.start
        every = timedelta(seconds=self.question.changes.every_s or control.every_s)
        steps = round(control.horizon_s / control.step_s)
        while time < self.end:
            self.twin.wait_until(time)
            situation = self._situation(self.twin.read(), steps, self._forecasts(time, steps, self.question.outlook))
            decision = decide(situation, strategy, rungs_below(self.site), check, self._rehearsed)
            self._count(decision)
            chosen = decision.chosen.plan
            self.previous = chosen if chosen.courses else self.previous
            for command in chosen.commands:
                self._command(command)
            self._follow(situation, chosen, min(time + every, self.end))
            time += every
        self.twin.wait_until(self.end)
        lived = account(self.question, self.model, self.twin.ensemble, self.twin.recorder)
        return replace(lived, plans=tuple(self.plans.items()))

    def _count(self, decision: Decision) -> None:
        asked = [attempt for attempt in decision.attempts if attempt.plan.rung not in LADDER]
        self.plans["proposed"] += len(asked)
        self.plans["refused"] += sum(not attempt.verdict.ok for attempt in asked)
        self.plans["failed"] += len(decision.failures)
        self.plans["fallback"] += decision.chosen.plan.rung in LADDER

    def _rehearsed(self, plan: Plan, situation: Situation) -> Verdict:
        return rehearse(plan, situation, self.model) if self.question.changes.rehearsal else unrehearsed(plan, situation)

    def _follow(self, situation: Situation, plan: Plan, until: datetime) -> None:
        """Order what a plan intends for later steps as they come, until the next one is made; after its end give everything back.

        What fills a store that has left its limits is given back until that is well back inside, and what draws from one that
        runs low rests, as in a rehearsal.
        """
        step = timedelta(seconds=situation.step_s)
        time, left = situation.time + step, set[str]()
        while time < min(until, plan.until):
            now = self._at_step(situation, time)
            left = self._outside(now.snapshot, left)
            for course in plan.courses:
                self._order(now, course, left)
            time += step
        if plan.until < until:
            for command in release_commands(
                self.site, self._at_step(situation, plan.until), Reason.SCHEDULE, "the plan is at its end"
            ):
                self._command(command)

    def _at_step(self, situation: Situation, time: datetime) -> Situation:
        self.twin.wait_until(time)
        snapshot = self.twin.read()
        return replace(situation, time=time, snapshot=snapshot, assets=self._states(snapshot))

    def _outside(self, snapshot: Snapshot, left: set[str]) -> set[str]:
        """Stores that are outside their limits, or were and are not well back inside; not those that machines keep themselves."""
        found = set()
        for store in self.kept:
            level, room = snapshot.number(store.level), MARGIN * (store.high - store.low) if store.name in left else 0.0
            if level is not None and not store.low + room <= level <= store.high - room:
                found.add(store.name)
        return found

    def _order(self, now: Situation, course: Course, left: set[str]) -> None:
        envelope, state = now.envelope(course.asset), now.state(course.asset)
        filled, drawn = (None, None) if envelope is None else (envelope.store, envelope.input_store)
        on, setpoint = course.on.at(now.time) >= 0.5, None if course.setpoint is None else course.setpoint.at(now.time)
        power_kw, words = course.power_kw.at(now.time), "as planned"
        if drawn in left and filled is not None and filled not in left and self._low(now.snapshot, drawn):
            on, power_kw, words = False, 0.0, f"{drawn} runs low"
        elif left & {filled, drawn}:
            if state.released:
                return
            given = release_command(self.site, now, course.asset, Reason.SAFETY, "its store left its limits")
            if given is not None:
                self._command(given)
                return
        intent = Intent(asset=course.asset, on=on, setpoint=setpoint, power_kw=power_kw, reason=Reason.SCHEDULE, words=words)
        if (command := order(self.site, now, intent)) is not None:
            self._command(command)

    def _low(self, snapshot: Snapshot, name: str | None) -> bool:
        store = next(store for store in self.kept if store.name == name)
        level = snapshot.number(store.level)
        return level is not None and level < 0.5 * (store.low + store.high)

    def _command(self, command: Command) -> None:
        asset = self.site.asset(command.asset)
        self.released[asset.name] = command.action is Action.RELEASE
        if command.action is Action.RELEASE:
            for write in asset.release:
                self.twin.write(write.tag, write.value)
            return
        if command.setpoint is not None and asset.tags.setpoint_write:
            self.twin.write(asset.tags.setpoint_write, command.setpoint)
        if asset.tags.command:
            self.twin.write(asset.tags.command, getattr(asset.orders, command.action.value.lower()))

    def _situation(self, snapshot: Snapshot, steps: int, forecasts: tuple[Forecast, ...]) -> Situation:
        site, control, time = self.site, self.site.control, snapshot.time
        states, ambient = self._states(snapshot), ambient_of(site, forecasts)
        made = Situation(
            id="",
            site=site.site.name,
            time=time,
            step_s=control.step_s,
            steps=steps,
            snapshot=snapshot,
            assets=states,
            stores=tuple(StoreState(store=store.name, level=snapshot.number(store.level)) for store in site.stores),
            envelopes=self.model.envelopes(time, control.step_s, steps, states, forecasts, ambient, ()),
            store_specs=self.model.stores,
            flows=self.model.flows,
            services=site.services,
            jobs=(),
            load_target=site.limits.load,
            forecasts=forecasts,
            ambient=ambient,
            health=(),
            credibility=(),
            prices=self._prices(time, steps),
            limits=limits_of(site),
            locks=(),
            previous=self.previous,
            seed=self.question.seed,
            versions=(),
        )
        return replace(made, id=content_id("s", site.site.name, time, self.question.seed))

    def _states(self, snapshot: Snapshot) -> tuple[AssetState, ...]:
        time, found = snapshot.time, []
        local = time.astimezone(self.zone)
        if local.hour == 0 and local.minute == 0:
            self.starts = {}
        for asset in self.site.assets:
            running = snapshot.truth(asset.tags.running) if asset.tags.running else None
            before = self.was.get(asset.name)
            if before is not None and running != before:
                self.since[asset.name] = time
                self.starts[asset.name] = self.starts.get(asset.name, 0) + (1 if running else 0)
            self.was[asset.name] = running
            found.append(
                AssetState(
                    asset=asset.name,
                    running=running,
                    since=self.since.get(asset.name),
                    setpoint=snapshot.number(asset.tags.setpoint) if asset.tags.setpoint else None,
                    power_kw=snapshot.number(asset.tags.power) if asset.tags.power else None,
                    starts_today=self.starts.get(asset.name, 0),
                    mode=Mode.CONTROL,
                    permit=permit(asset, snapshot),
                    released=self.released[asset.name],
                )
            )
        return tuple(found)

    def _at(self, time: datetime, steps: int) -> slice:
        first = round((time - self.question.start).total_seconds() / self.question.drivers.step_s)
        return slice(first, first + steps)

    def _forecasts(self, time: datetime, steps: int, known: Mapping[str, Floats]) -> tuple[Forecast, ...]:
        found, where, step_s = [], self._at(time, steps), self.site.control.step_s
        for target, bands in known.items():
            low, mid, high = (
                Series(start=time, step_s=step_s, values=tuple(np.round(row[where], DIGITS).tolist()), unit="1") for row in bands
            )
            found.append(Forecast(target=target, made_at=time, model_id="days of the past", p10=low, p50=mid, p90=high))
        return tuple(found)

    def _prices(self, time: datetime, steps: int) -> Prices:
        where, step_s, tariff = self._at(time, steps), self.site.control.step_s, self.site.tariff
        kw = self.twin.recorder.kw[: self.twin.recorder.ticks].sum(axis=1)[:, 0]
        if kw.size:
            windows = demand_windows_kw(kw, TICK_S, tariff.demand_window_s, gone_s(self.question))
            self.peak_kw = max(self.peak_kw, float(windows.max()))

        def series(values: tuple[float, ...], unit: str) -> Series:
            return Series(start=time, step_s=step_s, values=values[where], unit=unit)

        return Prices(
            energy=series(self.question.energy, "1/kWh"),
            export=series(self.question.export, "1/kWh"),
            assets=tuple((name, series(column, "1/kWh")) for name, column in self.question.own),
            demand_charge_per_kw=tariff.demand_charge_per_kw,
            demand_window_s=tariff.demand_window_s,
            peak_so_far_kw=self.peak_kw,
            billing_end=self.end,
            co2_g_per_kwh=series(self.question.co2_g_per_kwh, "g/kWh"),
            co2_price_per_t=tariff.co2_price_per_t,
        )
