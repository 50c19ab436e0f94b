"""What if: strategies side by side from one start, in the same futures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future as Submitted
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from multiprocessing import get_context
from typing import TypeVar

import numpy as np

from ems.config import LoadedSite, historian_url
from ems.forecasts import targets
from ems.historian import Historian
from ems.prices import Billing
from ems.site import calibration_of
from ems.whatif_loop import Beyond, Lived, least_cost, least_cost_with, live_alone, live_together, live_with, share
from plant.errors import ConfigError, DataError, NotFoundError
from plant.kinds import known
from plant.site import Site
from plant.table import Floats, Table
from plant.tariff import PriceSource
from plant.times import floor, iso
from policy.hindsight import Reached
from twin_sim.calibration import Calibration
from twin_sim.drivers import Drivers, Failure
from twin_sim.model import SiteModel
from twin_sim.resample import LEAST_DAYS, from_past
from twin_sim.state import MachineState, TwinState

_T = TypeVar("_T")
UNPLANNED = ("nothing", "hold", "release")
"""Strategies that send nothing: from a start under local control all three are what local control does."""
BOUND = "clairvoyant"
"""Not lived through: the model's bound on every other strategy's cost in each future, and so its regret."""
OUTLOOK = 40
"""Futures that the forecast of a what-if is made of."""
AHEAD = 8
"""Futures per process that are laid out before they are lived through, so that none waits for the slowest before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be different from the site file."""

    price_factor: float = 1.0
    import_kw: float | None = None
    without: tuple[str, ...] = ()
    """Assets taken out."""
    failed: tuple[str, ...] = ()
    """Assets out of order from the start to the end."""
    every_s: float | None = None
    """Seconds between plans; None = as the site file says."""
    rehearsal: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that a what-if depends on: the same question has the same answer with any number of processes."""

    site: Site
    calibration: Calibration | None
    start: datetime
    days: float
    futures: int
    seed: int
    changes: Changes
    state: TwinState
    drivers: Drivers
    outlook: Mapping[str, Floats]
    """What is known of every target: the 10th, 50th and 90th percentile over other futures drawn alike, shape (3, steps)."""
    energy: tuple[float, ...]
    """Price per kWh at every driver step, reaching a horizon beyond the end."""
    own: tuple[tuple[str, tuple[float, ...]], ...]
    """By asset with a tariff of its own, likewise."""
    export: tuple[float, ...]
    co2_g_per_kwh: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One figure over the futures."""

    mean: float
    p5: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """How a rule was broken, over the futures that broke it."""

    unit: str
    worst: float
    """Farthest beyond the limit in any future."""
    hours: float
    """Mean time beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One strategy's figures."""

    kpi: dict[str, Distribution]
    violations: dict[str, float]
    """Rule → share of the futures in which it was broken."""
    broken: dict[str, Broken]
    plans: dict[str, int]
    """How many were proposed and refused, how often a strategy failed, and how often only hold or release was left."""
    levels_end: dict[str, Distribution]
    """Store → level at the end: what is emptier than under another strategy was not saved but borrowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Strategies side by side; serialised as `ems whatif --json`."""

    start: datetime
    days: float
    futures: int
    seed: int
    currency: str
    strategies: dict[str, Answer]
    traces: dict[str, Lived] = field(default_factory=dict, repr=False)
    """Per strategy: power and levels of every future, for Parquet."""
    changes: Changes = field(default_factory=Changes)
    scratch: bool = False
    every_s: float
    """Seconds between two plans of the controller."""
    level_units: dict[str, str]
    """Unit of the level of each store."""
    unbounded: dict[str, int] = field(default_factory=dict)
    """Per strategy, futures without a bound: a store ran dry, or the model has no plan. Regret is told of the others."""


def ask(
    loaded: LoadedSite,
    strategies: Sequence[str],
    *,
    days: float,
    futures: int,
    seed: int,
    start: datetime | None = None,
    scratch: bool = False,
    changes: Changes | None = None,
    processes: int = 1,
    done: Callable[[int], None] | None = None,
) -> WhatIf:
    """Live through the days ahead with each strategy in each future.

    Parameters
    ----------
    start
        A moment in the historian's readings; None = the newest.
    scratch
        True: stores at the middle of their limits and machines off instead of as they were read.
    processes
        Worker processes; the numbers do not depend on it.
    done
        Called with the number of futures × strategies lived through, or bounds proven, since the last call.

    Raises
    ------
    NotFoundError
        If there is no such strategy or asset.
    DataError
        If the history is too short to draw futures from, or ends before the start.
    ConfigError
        If nothing is named that the bound could measure.
    """
    for name in strategies:
        if name not in UNPLANNED and name not in known("policy.strategies"):
            raise NotFoundError(f"unknown strategy {name!r}: there are nothing, {', '.join(known('policy.strategies'))}")
    living = [name for name in strategies if name != BOUND]
    if not living:
        raise ConfigError(f"--strategies: {BOUND} measures others, name one beside it, for example hold,optimal,{BOUND}")
    question = question_of(
        loaded, days=days, futures=futures, seed=seed, start=start, scratch=scratch, changes=changes or Changes()
    )
    stores, done = [store.name for store in question.site.stores], done or (lambda _count: None)
    with _Workers(question, processes) as workers:
        lived = _lived(question, living, workers, done)
        measured = _Measured(lived, stores, workers, done) if BOUND in strategies else None
    answers = {name: _answer(found, stores) for name, found in lived.items()}
    if measured is not None:
        answers |= measured.answers(answers)
    return WhatIf(
        start=question.start,
        days=question.days,
        futures=futures,
        seed=seed,
        currency=question.site.site.currency,
        strategies={name: answers[name] for name in strategies},
        traces=lived,
        changes=question.changes,
        scratch=scratch,
        every_s=question.site.control.every_s,
        level_units={store.name: store.unit for store in question.site.stores},
        unbounded={} if measured is None else measured.missing(),
    )


def parts_of(strategies: Sequence[str]) -> int:
    """How many times `done` is told of each future: once per strategy, and once per bound."""
    living = [name for name in strategies if name != BOUND]
    unlike = len([name for name in living if name not in UNPLANNED]) + any(name in UNPLANNED for name in living)
    return len(living) + (unlike if BOUND in strategies else 0)


def _answer(found: Lived, stores: Sequence[str]) -> Answer:
    hit = {rule.rule: rule for rule in found.rules if rule.hours.any()}
    return Answer(
        kpi={key: _distribution(values) for key, values in found.figures},
        violations={name: float((rule.hours > 0.0).mean()) for name, rule in hit.items()},
        broken={name: _broken(rule) for name, rule in hit.items()},
        plans=dict(found.plans),
        levels_end={store: _distribution(found.levels[-1, row]) for row, store in enumerate(stores)},
    )


def _broken(rule: Beyond) -> Broken:
    return Broken(unit=rule.unit, worst=float(rule.worst.max()), hours=float(rule.hours[rule.hours > 0.0].mean()))


def _distribution(values: Floats) -> Distribution:
    p5, p50, p95 = np.quantile(values, (0.05, 0.5, 0.95)).tolist()
    return Distribution(mean=float(values.mean()), p5=p5, p50=p50, p95=p95)


class _Measured:
    """What knowing each future would have saved every strategy.

    Parameters
    ----------
    lived
        What the strategies came to.
    stores, workers, done
        Names of the stores, who proves, and who is told of each bound.
    """

    def __init__(self, lived: Mapping[str, Lived], stores: Sequence[str], workers: _Workers, done: Callable[[int], None]) -> None:
        self._lived, self._bounds = lived, dict[int, Floats]()
        for found in lived.values():
            if id(found) in self._bounds:  # strategies that send nothing are one and the same
                continue
            bounds = []
            for bound in workers.bounds(list(_reached(found, stores))):
                bounds.append(bound)
                done(1)
            self._bounds[id(found)] = np.array(bounds)

    def missing(self) -> dict[str, int]:
        """Per strategy, futures without a bound, where there are any."""
        missing = {name: int(np.isnan(self._bounds[id(found)]).sum()) for name, found in self._lived.items()}
        return {name: count for name, count in missing.items() if count}

    def answers(self, answers: Mapping[str, Answer]) -> dict[str, Answer]:
        """The answers with their regret; and the bound, in each future the least of what it is for each of them."""
        made = {}
        for name, found in self._lived.items():
            regret = dict(found.figures)["cost"] - self._bounds[id(found)]
            made[name] = replace(answers[name], kpi=answers[name].kpi | _told("regret", regret))
        least = np.min(list(self._bounds.values()), axis=0)
        return made | {BOUND: Answer(kpi=_told("cost", least), violations={}, broken={}, plans={}, levels_end={})}


def _told(key: str, values: Floats) -> dict[str, Distribution]:
    known = values[np.isfinite(values)]
    return {key: _distribution(known)} if known.size else {}


def _reached(found: Lived, stores: Sequence[str]) -> Iterator[Reached | None]:
    """What a strategy came to in each future; None where a store ran dry: what serving less is worth no bill tells."""
    lowest, highest = found.levels.min(axis=0), found.levels.max(axis=0)
    for future in range(found.kw.shape[-1]):
        if found.unserved[:, future].any():
            yield None
            continue
        spans = zip(lowest[:, future].tolist(), highest[:, future].tolist(), strict=True)
        yield Reached(
            ends=dict(zip(stores, found.levels[-1, :, future].tolist(), strict=True)),
            spans=dict(zip(stores, spans, strict=True)),
            means=dict(zip(stores, found.levels[:, :, future].mean(axis=0).tolist(), strict=True)),
            import_kw=float(found.kw[:, future].max()),
            export_kw=float(-found.kw[:, future].min()),
            wasted=bool(found.wasted[:, future].any()),
        )


def _lived(question: Question, strategies: Sequence[str], workers: _Workers, done: Callable[[int], None]) -> dict[str, Lived]:
    """Every strategy in every future, in order."""
    found: dict[str, Lived] = {}
    if any(name in UNPLANNED for name in strategies):
        together = live_together(question, workers.model)
    for name in strategies:
        if name in UNPLANNED:
            found[name] = together
            done(question.futures)
    tasks = [(name, future) for name in strategies if name not in UNPLANNED for future in range(question.futures)]
    parts: dict[str, list[Lived]] = {name: [] for name, _ in tasks}
    for (name, _), part in zip(tasks, workers.lives(tasks), strict=True):
        parts[name].append(part)
        done(1)
    return found | {name: Lived.joined(each) for name, each in parts.items()}


class _Workers:
    """Answers task by task in their order; a process is told the question once, and with each task only what drives its one future.

    Parameters
    ----------
    question
        What all of them answer.
    processes
        1 = none besides this one; the answers are the same.
    """

    def __init__(self, question: Question, processes: int) -> None:
        self.question, self.processes, self.model = question, processes, SiteModel(question.site, question.calibration)
        told = replace(question, drivers=replace(question.drivers, tags={}, failures=()))
        self.pool = None if processes <= 1 else ProcessPoolExecutor(processes, get_context("spawn"), share, (told,))

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)

    def lives(self, tasks: Sequence[tuple[str, int]]) -> Iterator[Lived]:
        """Strategies in futures."""
        if self.pool is None:
            return (live_alone(self.question, self.model, name, self.question.drivers.only(future)) for name, future in tasks)
        pool = self.pool
        return self._in_order(pool.submit(live_with, name, self.question.drivers.only(future)) for name, future in tasks)

    def bounds(self, reached: Sequence[Reached | None]) -> Iterator[float]:
        """The least cost of every future, each by what was reached in it; NaN where that is None."""
        tasks = ((self.question.drivers.only(future), each) for future, each in enumerate(reached))
        if self.pool is None:
            return (least_cost(self.question, self.model, drivers, each) for drivers, each in tasks)
        pool = self.pool
        return self._in_order(pool.submit(least_cost_with, drivers, each) for drivers, each in tasks)

    def _in_order(self, submitted: Iterator[Submitted[_T]]) -> Iterator[_T]:
        waiting: deque[Submitted[_T]] = deque()
        for each in submitted:
            waiting.append(each)
            if len(waiting) > AHEAD * self.processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def question_of(
    loaded: LoadedSite, *, days: float, futures: int, seed: int, start: datetime | None, scratch: bool, changes: Changes
) -> Question:
    """Everything that the answer depends on, from site file and historian."""
    site = changed(loaded.site, changes)
    step_s = site.control.step_s
    with Historian(historian_url(loaded)) as historian:
        table = historian.table((*driving_tags(site), *state_tags(site)), step_s=step_s)
        calibration = calibration_of(historian)
    if not len(table):
        raise DataError("the historian holds no readings of this site: import some (`ems import readings`), or run it")
    newest = datetime.fromisoformat(f"{table.times[-1]}+00:00")
    days = max(1, round(days * 86400.0 / step_s)) * step_s / 86400.0
    if start is not None and start > newest + timedelta(seconds=step_s):
        raise DataError(f"--from {iso(start)}: the historian's readings end at {iso(newest)}")
    begin = floor(newest if start is None else start, step_s)
    past = table.before(np.datetime64(begin.replace(tzinfo=None), "us"))
    if (begin - datetime.fromisoformat(f"{table.times[0]}+00:00")).total_seconds() < LEAST_DAYS * 86400.0:
        raise DataError(
            f"what-ifs draw whole days of the past, {LEAST_DAYS} at least: before {iso(begin)} readings begin at "
            f"{table.times[0]}Z only"
        )
    span_days = days + site.control.horizon_s / 86400.0
    drivers = from_past(site, past, driving_tags(site), start=begin, days=span_days, futures=futures, step_s=step_s, seed=seed)
    outlook = from_past(
        site, past, driving_tags(site), start=begin, days=span_days, futures=OUTLOOK, step_s=step_s, seed=seed + 1_000_003
    )
    ends = begin + timedelta(days=span_days)
    failures = tuple(
        Failure(asset=name, future=future, at=begin, until=ends) for name in changes.failed for future in range(futures)
    )
    times = [begin + timedelta(seconds=step_s * step) for step in range(drivers.steps)]
    billing, tariff = Billing(site, loaded.folder), site.tariff

    def priced(source: PriceSource | None) -> tuple[float, ...]:
        return tuple(price * changes.price_factor for price in billing.values(source, times, past))

    return Question(
        site=site,
        calibration=calibration,
        start=begin,
        days=days,
        futures=futures,
        seed=seed,
        changes=changes,
        state=TwinState() if scratch else state_at(site, past),
        drivers=replace(drivers, failures=failures),
        outlook={tag: np.quantile(column, (0.1, 0.5, 0.9), axis=1) for tag, column in outlook.tags.items()},
        energy=priced(tariff.energy),
        own=tuple((name, priced(each.price)) for each in site.asset_prices for name in each.assets if name not in changes.without),
        export=priced(tariff.export),
        co2_g_per_kwh=billing.values(tariff.co2_g_per_kwh, times, past),
    )


def changed(site: Site, changes: Changes) -> Site:
    """The site with what is to be different.

    Raises
    ------
    NotFoundError
        If an asset to be taken out or to fail does not exist.
    ConfigError
        If what it draws is not known apart from the site's uncommanded load.
    """
    names = [asset.name for asset in site.assets]
    for name in (*changes.without, *changes.failed):
        if name not in names:
            raise NotFoundError(f"no asset {name!r}: there are {', '.join(names)}")
    for name in (*changes.without, *changes.failed) if site.limits.load is not None else ():
        if site.asset(name).tags.command is None and site.asset(name).tags.setpoint_write is None:
            raise ConfigError(
                f"{name} takes no orders: its power is part of {site.limits.load}, which is drawn from the past as a whole, "
                "so it can neither fail nor be taken out here"
            )
    kept = tuple(
        replace(asset, may_start=False) if asset.name in changes.failed else asset
        for asset in site.assets
        if asset.name not in changes.without
    )
    groups = tuple(
        replace(group, assets=tuple(name for name in group.assets if name not in changes.without))
        for group in site.groups
        if set(group.assets) - set(changes.without)
    )
    limits = site.limits if changes.import_kw is None else replace(site.limits, import_kw=changes.import_kw)
    return replace(site, assets=kept, groups=groups, limits=limits)


def driving_tags(site: Site) -> tuple[str, ...]:
    """Tags that drive a twin from outside."""
    return tuple(dict.fromkeys(targets(site)))


def state_tags(site: Site) -> tuple[str, ...]:
    """Tags that tell where machines and stores stand."""
    running = [asset.tags.running for asset in site.assets if asset.tags.running]
    setpoints = [asset.tags.setpoint for asset in site.assets if asset.tags.setpoint]
    return tuple(dict.fromkeys([*running, *setpoints, *(store.level for store in site.stores)]))


def state_at(site: Site, past: Table) -> TwinState:
    """Where machines and stores stood at the end of a table: the last value of each tag."""

    def last(tag: str | None) -> float | None:
        column = past.columns.get(tag or "")
        known = np.zeros(0) if column is None else column[np.isfinite(column)]
        return float(known[-1]) if known.size else None

    machines = tuple(
        (asset.name, MachineState(running=(last(asset.tags.running) or 0.0) >= 0.5, setpoint=last(asset.tags.setpoint)))
        for asset in site.assets
    )
    levels = [(store.name, last(store.level)) for store in site.stores]
    return TwinState(machines=machines, levels=tuple((name, level) for name, level in levels if level is not None))
