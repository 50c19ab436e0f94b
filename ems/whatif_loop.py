"""One strategy through one future, plan by plan; and all futures at once where nothing is commanded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

import numpy as np

from ems.observe import limits_of, permit
from plant.assets import Mode
from plant.identity import content_id
from plant.kinds import find
from plant.kpi import co2_kg, demand_peak_kw, energy_cost, energy_kwh
from plant.orders import Action, Command, Plan, Reason
from plant.ports import Strategy
from plant.series import Forecast, Series
from plant.site import Site
from plant.situation import AssetState, Situation, StoreState
from plant.table import Floats
from plant.tags import Snapshot
from plant.tariff import Prices
from policy.guard import check
from policy.orders import Intent, order
from twin_sim.drivers import Drivers
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Layout
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.rehearsal import rehearse
from twin_sim.report import served_shares
from twin_sim.twin import Twin

if TYPE_CHECKING:
    from ems.whatif import Question

TICK_S = 300.0
DIGITS = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """What some futures of one strategy came to; arrays over futures in the order in which they were drawn."""

    figures: tuple[tuple[str, Floats], ...]
    """Per figure of Kpi, shape (futures,)."""
    rules: tuple[tuple[str, Floats], ...]
    """Per rule 1 where a future broke it."""
    kw: Floats
    """Site power per tick, shape (ticks, futures)."""
    levels: Floats
    """Shape (ticks, stores, futures)."""

    def broken(self) -> dict[str, float]:
        """Rule → share of futures that broke it, those that some did."""
        return {name: float(hit.mean()) for name, hit in self.rules if hit.any()}

    @classmethod
    def joined(cls, parts: Sequence[Lived]) -> Lived:
        """Several stretches of futures as one."""
        first = parts[0]
        return cls(
            figures=tuple((key, np.concatenate([dict(part.figures)[key] for part in parts])) for key, _ in first.figures),
            rules=tuple((key, np.concatenate([dict(part.rules)[key] for part in parts])) for key, _ in first.rules),
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
    energy, export, grams = (np.array(column)[at] for column in (question.energy, question.export, question.co2_g_per_kwh))
    peak = demand_peak_kw(total, tick_s, tariff.demand_window_s)
    starts = ensemble.starts
    cost = energy_cost(total, energy, export, tick_s) + tariff.demand_charge_per_kw * np.maximum(peak, 0.0)
    cost = cost + (starts * ensemble.layout.start_cost[:, None]).sum(axis=0)
    figures = {
        "energy_kwh": energy_kwh(np.maximum(total, 0.0), tick_s),
        "cost": cost,
        "demand_peak_kw": peak,
        "co2_kg": co2_kg(total, grams, tick_s),
        "served_share": served_shares(model, ensemble, recorder),
        "starts": starts.sum(axis=0).astype(np.float64),
    }
    return Lived(
        figures=tuple(figures.items()),
        rules=tuple(_rules(question.site, ensemble, recorder, peak).items()),
        kw=total.T,
        levels=recorder.level[:ticks].copy(),
    )


def _rules(site: Site, ensemble: Ensemble, recorder: Recorder, peak: Floats) -> dict[str, Floats]:
    found: dict[str, Floats] = {}
    if site.limits.import_kw is not None:
        found["import_kw"] = (peak > site.limits.import_kw + 1e-6).astype(np.float64)
    for row, store in enumerate(ensemble.layout.stores):
        levels, room = recorder.level[: recorder.ticks, row], 0.01 * (store.high - store.low)
        found[f"{store.name}: store_low"] = np.asarray((levels < store.low - room).any(axis=0), dtype=np.float64)
        found[f"{store.name}: store_high"] = np.asarray((levels > store.high + room).any(axis=0), dtype=np.float64)
    return found


def live_alone(question: Question, model: SiteModel, strategy: str, drivers: Drivers) -> Lived:
    """One future with plans made, rehearsed and carried out as the product would."""
    return _Loop(question, model, cast(Strategy, find("policy.strategies", strategy)(question.site)), drivers).run()


_shared: list[tuple[Question, SiteModel]] = []
"""What a worker process answers, and the physics of its site: the same for every future."""


def share(question: Question) -> None:
    """Tell a worker process the question, once."""
    _shared[:] = [(question, SiteModel(question.site, question.calibration))]


def live_with(strategy: str, drivers: Drivers) -> Lived:
    """One future of the question that this process was told."""
    return live_alone(*_shared[0], strategy, drivers)


class _Loop:
    def __init__(self, question: Question, model: SiteModel, strategy: Strategy, drivers: Drivers) -> None:
        self.question, self.model, self.strategy = question, model, strategy
        self.site, self.zone = question.site, ZoneInfo(question.site.site.timezone)
        self.end = question.start + timedelta(days=question.days)
        self.twin = Twin(model, drivers, start=question.start, state=question.state, end=self.end, tick_s=TICK_S)
        self.released = dict.fromkeys((asset.name for asset in self.site.assets), True)
        self.since: dict[str, datetime] = {}
        self.was: dict[str, bool | None] = {}
        self.starts: dict[str, int] = {}
        self.previous: Plan | None = None
        self.peak_kw = 0.0

    def run(self) -> Lived:
        """Plan, rehearse and command until the end."""
        every = timedelta(seconds=self.question.changes.every_s or self.site.control.every_s)
        time = self.question.start
        while time < self.end:
            self.twin.wait_until(time)
            situation = self._situation(self.twin.read())
            plan = self.strategy.propose(situation)
            if not check(plan, situation) and (not self.question.changes.rehearsal or rehearse(plan, situation, self.model).ok):
                self.previous = plan
                for command in plan.commands:
                    self._command(command)
                self._follow(situation, plan, min(time + every, self.end))
            time += every
        self.twin.wait_until(self.end)
        return account(self.question, self.model, self.twin.ensemble, self.twin.recorder)

    def _follow(self, situation: Situation, plan: Plan, until: datetime) -> None:
        """Order what a plan intends for later steps as they come, until the next one is made."""
        step = timedelta(seconds=situation.step_s)
        time = situation.time + step
        while time < min(until, plan.until):
            self.twin.wait_until(time)
            snapshot = self.twin.read()
            now = replace(situation, time=time, snapshot=snapshot, assets=self._states(snapshot))
            for course in plan.courses:
                setpoint = None if course.setpoint is None else course.setpoint.at(time)
                on, power_kw = course.on.at(time) >= 0.5, course.power_kw.at(time)
                intent = Intent(
                    asset=course.asset, on=on, setpoint=setpoint, power_kw=power_kw, reason=Reason.SCHEDULE, words="as planned"
                )
                if (command := order(self.site, now, intent)) is not None:
                    self._command(command)
            time += step

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

    def _situation(self, snapshot: Snapshot) -> Situation:
        site, control, time = self.site, self.site.control, snapshot.time
        steps = round(control.horizon_s / control.step_s)
        forecasts = self._forecasts(time, steps)
        states = self._states(snapshot)
        made = Situation(
            id="",
            site=site.site.name,
            time=time,
            step_s=control.step_s,
            steps=steps,
            snapshot=snapshot,
            assets=states,
            stores=tuple(StoreState(store=store.name, level=snapshot.number(store.level)) for store in site.stores),
            envelopes=self.model.envelopes(time, control.step_s, steps, states, forecasts, (), ()),
            store_specs=self.model.stores,
            flows=self.model.flows,
            services=site.services,
            jobs=(),
            load_target=site.limits.load,
            forecasts=forecasts,
            ambient=(),
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

    def _forecasts(self, time: datetime, steps: int) -> tuple[Forecast, ...]:
        found, where, step_s = [], self._at(time, steps), self.site.control.step_s
        for target, bands in self.question.outlook.items():
            low, mid, high = (
                Series(start=time, step_s=step_s, values=tuple(np.round(row[where], DIGITS).tolist()), unit="1") for row in bands
            )
            found.append(Forecast(target=target, made_at=time, model_id="days of the past", p10=low, p50=mid, p90=high))
        return tuple(found)

    def _prices(self, time: datetime, steps: int) -> Prices:
        where, step_s, tariff = self._at(time, steps), self.site.control.step_s, self.site.tariff
        kw = self.twin.recorder.kw[: self.twin.recorder.ticks].sum(axis=1)[:, 0]
        if kw.size:
            self.peak_kw = max(self.peak_kw, float(demand_peak_kw(kw, TICK_S, tariff.demand_window_s)))

        def series(values: tuple[float, ...], unit: str) -> Series:
            return Series(start=time, step_s=step_s, values=values[where], unit=unit)

        return Prices(
            energy=series(self.question.energy, "1/kWh"),
            export=series(self.question.export, "1/kWh"),
            demand_charge_per_kw=tariff.demand_charge_per_kw,
            demand_window_s=tariff.demand_window_s,
            peak_so_far_kw=self.peak_kw,
            billing_end=self.end,
            co2_g_per_kwh=series(self.question.co2_g_per_kwh, "g/kWh"),
            co2_price_per_t=tariff.co2_price_per_t,
        )
