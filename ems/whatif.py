"""What if: strategies side by side from one start, in the same futures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future as Submitted
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from multiprocessing import get_context

import numpy as np

from ems.config import LoadedSite, historian_url
from ems.forecasts import targets
from ems.historian import Historian
from ems.prices import Billing
from ems.site import calibration_of
from ems.whatif_loop import Lived, live_alone, live_together, live_with, share
from plant.errors import NotFoundError
from plant.kinds import known
from plant.site import Site
from plant.table import Floats, Table
from plant.times import UTC, floor
from twin_sim.calibration import Calibration
from twin_sim.drivers import Drivers, Failure
from twin_sim.model import SiteModel
from twin_sim.resample import from_past
from twin_sim.state import MachineState, TwinState

UNPLANNED = ("nothing", "hold", "release")
"""Strategies that send nothing: from a start under local control all three are what local control does."""
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
class Answer:
    """One strategy's figures."""

    kpi: dict[str, Distribution]
    violations: dict[str, float]
    """Rule → share of the futures in which it was broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """Strategies side by side; serialised as `ems whatif --json`."""

    start: datetime
    days: float
    futures: int
    seed: int
    strategies: dict[str, Answer]
    traces: dict[str, Lived] = field(default_factory=dict, repr=False)
    """Per strategy: power and levels of every future, for Parquet."""


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
        Called with the number of futures × strategies lived through since the last call.

    Raises
    ------
    NotFoundError
        If there is no such strategy or asset.
    DataError
        If the history is too short to draw futures from.
    """
    for name in strategies:
        if name not in UNPLANNED and name not in known("policy.strategies"):
            raise NotFoundError(f"unknown strategy {name!r}: there are nothing, {', '.join(known('policy.strategies'))}")
    question = question_of(
        loaded, days=days, futures=futures, seed=seed, start=start, scratch=scratch, changes=changes or Changes()
    )
    lived = {name: Lived.joined(parts) for name, parts in _lived(question, strategies, processes, done).items()}
    answers = {name: Answer(kpi=_distributions(found), violations=found.broken()) for name, found in lived.items()}
    return WhatIf(start=question.start, days=days, futures=futures, seed=seed, strategies=answers, traces=lived)


def _distributions(found: Lived) -> dict[str, Distribution]:
    made = {}
    for key, values in found.figures:
        p5, p50, p95 = np.quantile(values, (0.05, 0.5, 0.95)).tolist()
        made[key] = Distribution(mean=float(values.mean()), p5=p5, p50=p50, p95=p95)
    return made


def _lived(
    question: Question, strategies: Sequence[str], processes: int, done: Callable[[int], None] | None
) -> dict[str, list[Lived]]:
    """Every strategy in every future, in order."""
    tasks = [(name, future) for name in strategies if name not in UNPLANNED for future in range(question.futures)]
    together = [name for name in strategies if name in UNPLANNED]
    found: dict[str, list[Lived]] = {name: [] for name in strategies}
    if together:
        shared = live_together(question, SiteModel(question.site, question.calibration))
        for name in together:
            found[name].append(shared)
            _tell(done, question.futures)
    for (name, _), part in zip(tasks, _each(question, tasks, processes), strict=True):
        found[name].append(part)
        _tell(done, 1)
    return found


def _tell(done: Callable[[int], None] | None, count: int) -> None:
    if done is not None:
        done(count)


def _each(question: Question, tasks: list[tuple[str, int]], processes: int) -> Iterator[Lived]:
    """Task by task in their order; a worker is told the question once, and with each task only what drives its one future."""
    if processes <= 1 or len(tasks) <= 1:
        model = SiteModel(question.site, question.calibration)
        for name, future in tasks:
            yield live_alone(question, model, name, question.drivers.only(future))
        return
    told = replace(question, drivers=replace(question.drivers, tags={}, failures=()))
    with ProcessPoolExecutor(processes, get_context("spawn"), share, (told,)) as pool:
        waiting: deque[Submitted[Lived]] = deque()
        for name, future in tasks:
            waiting.append(pool.submit(live_with, name, question.drivers.only(future)))
            if len(waiting) > AHEAD * processes:
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
    newest = datetime.fromisoformat(f"{table.times[-1]}+00:00") if len(table) else datetime(2026, 1, 1, tzinfo=UTC)
    begin = floor(newest if start is None else start, step_s)
    past = table.before(np.datetime64(begin.replace(tzinfo=None), "us"))
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
    factor = changes.price_factor
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
        energy=tuple(price * factor for price in billing.values(tariff.energy, times, past)),
        export=tuple(price * factor for price in billing.values(tariff.export, times, past)),
        co2_g_per_kwh=billing.values(tariff.co2_g_per_kwh, times, past),
    )


def changed(site: Site, changes: Changes) -> Site:
    """The site with what is to be different.

    Raises
    ------
    NotFoundError
        If an asset to be taken out or to fail does not exist.
    """
    names = [asset.name for asset in site.assets]
    for name in (*changes.without, *changes.failed):
        if name not in names:
            raise NotFoundError(f"no asset {name!r}: there are {', '.join(names)}")
    kept = tuple(asset for asset in site.assets if asset.name not in changes.without)
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
