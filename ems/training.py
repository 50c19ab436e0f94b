"""The training workflow: validate, learn, evaluate, register, and accept or refuse; every step says how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian, this_process
from ems.learned import forecaster
from ems.outlook import outlook_of
from ems.registry import RULE, ModelRecord, Registry, Trained, registry_of
from ems.site import unit_of
from plant.errors import DataError, EmsError
from plant.site import Site, Threshold, VirtualTag
from plant.table import Table
from plant.tags import Tag

if TYPE_CHECKING:
    from anomaly.monitor import HealthMonitor

LEASE = "training"
LEASE_S = 6 * 3600.0
_LARGEST_MISSING = 0.9
_HEALTH_METRICS = frozenset({"false_alarms_per_month"})
_MONTH_S = 30 * 86400.0
_ROUNDING = 1e-9
"""Share by which a mean may lie outside its bounds without being wrong."""
Say = Callable[[str], None]
Metrics = tuple[tuple[str, float], ...]


def quiet(_: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the workflow."""

    name: str
    """`validate`, `evaluate`, `learn`, `register` or `accept`."""
    ok: bool
    words: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """How the training of one model went."""

    name: str
    ok: bool
    """False: it ended in a step that failed, or the model was rejected."""
    model: ModelRecord | None
    steps: tuple[Step, ...]
    words: str
    """The terminal state and its reason."""


@dataclass(slots=True)
class _Steps:
    name: str
    say: Say
    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Note a step with the words that its block leaves; a fault of the product's own kind is a step that failed."""
        words: list[str] = []
        began = time.perf_counter()
        try:
            yield words
        except EmsError as error:
            self._over(Step(name=name, ok=False, words=str(error), seconds=time.perf_counter() - began))
            raise
        self._over(Step(name=name, ok=True, words="; ".join(words), seconds=time.perf_counter() - began))

    def _over(self, step: Step) -> None:
        self.done.append(step)
        self.say(f"{self.name}: {step.name}{'' if step.ok else ' FAILED'}: {step.words} ({step.seconds:.1f} s)")

    def failed(self, error: EmsError) -> TrainingReport:
        """The report of a training that ended in a fault."""
        return TrainingReport(name=self.name, ok=False, model=None, steps=tuple(self.done), words=f"failed: {error}")


@contextmanager
def training_lease(historian: Historian, registry: Registry, now: datetime) -> Iterator[Callable[[datetime], None]]:
    """Only one trains at a time; what a killed one left behind is swept away first.

    Yields
    ------
    Callable
        To be called now and then, before `LEASE_S` is over, with the time: holds on.

    Raises
    ------
    RefusedError
        If another process trains.
    """
    holder = this_process()
    historian.acquire(LEASE, holder, now, LEASE_S)
    try:
        registry.sweep()
        yield lambda time: historian.renew(LEASE, holder, time, LEASE_S)
    finally:
        historian.give_up(LEASE, holder)


def history_of(site: Site, historian: Historian, until: datetime) -> Table:
    """The readings that models of a site learn from, at the control step.

    Raises
    ------
    DataError
        If there are none.
    """
    from datasets.repair import resample

    names = [tag.name for tag in site.tags] + [tag.name for tag in site.virtual_tags]
    table = historian.table(names, until - timedelta(days=site.learning.history_days), until)
    if len(table) < 2:
        raise DataError(f"no readings in the {site.learning.history_days} days before {until.isoformat()}: nothing to learn from")
    return resample(table, site.control.step_s)


def train_forecaster(
    loaded: LoadedSite,
    historian: Historian,
    target: str,
    table: Table,
    now: datetime,
    *,
    model: str | None = None,
    who: str = "ems",
    say: Say = quiet,
) -> TrainingReport:
    """Train a forecaster for one target and take it as far as it may go.

    Parameters
    ----------
    table
        History up to `now`, at the control step.
    model
        File of `forecasting/models`; None = as the site file says.
    say
        Told what begins that takes long, and how each step went.
    """
    site, registry = loaded.site, registry_of(loaded, historian)
    kind = model or site.learning.forecaster
    name = f"forecast/{target}"
    steps = _Steps(name, say)
    try:
        with steps.step("validate") as words:
            words.append(_target_validated(site, table, target))
        with steps.step("evaluate") as words:
            table, known, weather = _with_weather(site, historian, table)
            metrics, known, told = _measured(site, table, target, kind, known, say)
            words += [", ".join(f"{key} {value:.4g}" for key, value in metrics), *weather, *told]
        with steps.step("learn") as words:
            say(f"{target}: {kind} learns from all {len(table)} rows")
            fitted = forecaster(site, kind, table, target, unit_of(site)[target], known)
            words.append(f"{kind} from {len(table)} rows")
        trained = Trained(name=name, kind="forecast", algorithm=kind, history=table.only(target), metrics=metrics)
        return _taken_in(site, registry, fitted, trained, target, steps, now, who)
    except EmsError as error:
        return steps.failed(error)


def train_health(
    loaded: LoadedSite, historian: Historian, table: Table, now: datetime, *, who: str = "ems", say: Say = quiet
) -> TrainingReport:
    """Train the health monitor of a site and take it as far as it may go.

    It is measured by the false alarms that it gives, learned from the first part, on the healthy last part of its history.
    """
    from anomaly.monitor import HealthMonitor
    from ems.maintenance import begun
    from plant.kinds import find

    site, registry = loaded.site, registry_of(loaded, historian)
    name, kind = f"health/{site.site.name}", site.learning.detector
    steps, since = _Steps(name, say), begun(historian)

    def fitted(rows: Table) -> HealthMonitor:
        return HealthMonitor.fit(site, rows, seed=site.control.seed, kind=find("anomaly.detectors", kind), since=since)

    try:
        with steps.step("validate") as words:
            words.append(validated(site, table, [key for key, column in table.columns.items() if np.isfinite(column).any()]))
        with steps.step("evaluate") as words:
            split = round(len(table) * (1 - site.learning.test_share))
            say(f"{name}: {kind} learns from {split} rows")
            metrics = _false_alarms(site, fitted(_rows(table, 0, split)), table, split)
            words.append(", ".join(f"{key} {value:.3g}" for key, value in metrics))
        with steps.step("learn") as words:
            say(f"{name}: {kind} learns from all {len(table)} rows")
            monitor = fitted(table)
            if not monitor.learners:
                raise DataError("no asset has enough healthy rows to learn from")
            words.append(f"{kind} for {', '.join(sorted(monitor.learners))}")
            unknown = [health for health in monitor.observe(table) if health.asset not in monitor.learners]
            words += [f"none for {health.asset}: {health.words}" for health in unknown]
        trained = Trained(name=name, kind="health", algorithm=kind, history=table, metrics=metrics)
        return _taken_in(site, registry, dict(monitor.learners), trained, None, steps, now, who)
    except EmsError as error:
        return steps.failed(error)


def _with_weather(site: Site, historian: Historian, table: Table) -> tuple[Table, tuple[str, ...], list[str]]:
    """The history with the weather beside it, what of it is known, and where it comes from, in words.

    As it is, nothing and no words where the site asks for no weather.
    """
    outlook = outlook_of(historian.database, site)
    if outlook is None:
        return table, (), []
    joined = outlook.joined(table)
    words = outlook.source(joined) or "without weather: none is kept for these days (`ems jobs run weather`)"
    return joined, outlook.known(joined), [words]


def _measured(
    site: Site, table: Table, target: str, kind: str, known: tuple[str, ...], say: Say
) -> tuple[Metrics, tuple[str, ...], list[str]]:
    """The metrics of the better of two models, with and without the weather; what it wants to know; how they compare, in words."""
    blind = evaluated(site, table, target, kind, say)
    if not known:
        return blind, (), []
    knowing = evaluated(site, table, target, kind, say, known)
    mae, other = (dict(metrics).get("mae", np.inf) for metrics in (knowing, blind))
    if mae < other:
        return knowing, known, [f"without it the MAE is {other:.4g}"]
    return blind, (), [f"which does not help here (with it the MAE is {mae:.4g}) and is left out"]


def _target_validated(site: Site, table: Table, target: str) -> str:
    """`validated` for what is forecast: it must be known most of the time."""
    if target not in table.columns:
        raise DataError(f"{target!r} is no tag of this site; it forecasts {', '.join(targets(site)) or 'nothing'}")
    words = validated(site, table, [target])
    missing = float(np.isnan(table.columns[target]).mean())
    if missing > _LARGEST_MISSING:
        raise DataError(f"{target}: {missing:.0%} of the history is missing; at most {_LARGEST_MISSING:.0%} may be")
    return f"{words}, {missing:.1%} missing"


def validated(site: Site, table: Table, names: Sequence[str]) -> str:
    """Check columns of a history against their schema: numbers inside the bounds of their tags, at rising times.

    Raises
    ------
    DataError
        If one is not; the text names the column, how many places fail, and the first.
    """
    import pandas as pd
    import pandera.pandas as pa

    shape = pa.DataFrameSchema(
        {name: _column(pa, *_bounds(site, name)) for name in names},
        index=pa.Index(
            "datetime64[us, UTC]", checks=[pa.Check(lambda times: times.is_monotonic_increasing, error="times do not rise")]
        ),
    )
    frame = pd.DataFrame({name: table.columns[name] for name in names}, index=pd.DatetimeIndex(table.times).tz_localize("UTC"))
    try:
        shape.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases, first = error.failure_cases, error.failure_cases.iloc[0]
        when = f" at {first['index']}" if first["index"] is not None else ""
        words = f"{len(cases)} places fail, first {first['failure_case']}{when} ({first['check']})"
        raise DataError(f"{first['column']}: {words}") from error
    return f"{len(table)} rows of {table.step_s:g} s" + (f", {len(names)} tags" if len(names) != 1 else "")


def _column(pa: ModuleType, low: float, high: float) -> Any:
    """Schema of a column; a mean of values at a bound may miss it by rounding."""
    inside = pa.Check.in_range(low - _ROUNDING * abs(low), high + _ROUNDING * abs(high), error=f"outside {low:g} to {high:g}")
    return pa.Column(float, inside, nullable=True)


def _bounds(site: Site, name: str) -> tuple[float, float]:
    every: tuple[Tag | VirtualTag, ...] = (*site.tags, *site.virtual_tags)
    tag = next((tag for tag in every if tag.name == name), None)
    low, high = (None, None) if tag is None else (tag.low, tag.high)
    return -np.inf if low is None else low, np.inf if high is None else high


def evaluated(site: Site, table: Table, target: str, kind: str, say: Say = quiet, known: tuple[str, ...] = ()) -> Metrics:
    """Metrics of a model on the last part of the history, learned from the part before."""
    from forecasting.backtest import Protocol, backtest

    protocol = Protocol(
        horizon_s=site.control.horizon_s,
        test_share=site.learning.test_share,
        model=kind,
        seed=site.control.seed,
        timezone=site.site.timezone,
        country=site.site.country,
        known=known,
    )
    found = backtest(table.only(target, *known), target, protocol, said=say).made[0].accuracy
    return tuple((key, float(value)) for key, value in asdict(found).items() if value is not None)


def _false_alarms(site: Site, monitor: HealthMonitor, table: Table, split: int) -> Metrics:
    """Raised alarms per asset and month on healthy rows that the monitor had not seen; nothing where no asset was judged."""
    from anomaly.machines import machine

    window = _rows(table, split, len(table))
    raised, rows = 0, 0
    for asset in site.assets:
        seen, learner = machine(site, asset), monitor.learners.get(asset.name)
        if seen is None or learner is None:
            continue
        alarm = learner.judge(seen.table(window), asset.name).alarm.astype(np.int8)
        raised += int((np.diff(alarm, prepend=0) > 0).sum())
        rows += alarm.size
    assets = ("assets", float(len(monitor.learners)))
    return (("false_alarms_per_month", raised / (rows * table.step_s / _MONTH_S)), assets) if rows else (assets,)


def _rows(table: Table, first: int, stop: int) -> Table:
    return Table(times=table.times[first:stop], columns={name: column[first:stop] for name, column in table.columns.items()})


def missed(thresholds: tuple[Threshold, ...], trained: Trained, target: str | None) -> list[str]:
    """Thresholds that a model does not reach, in words; what could not be measured reaches none."""
    words, metrics = [], dict(trained.metrics)
    for threshold in thresholds:
        value = metrics.get(threshold.metric)
        if (trained.kind == "health") != (threshold.metric in _HEALTH_METRICS) or threshold.target not in {None, target}:
            continue
        if value is None:
            words.append(f"{threshold.metric} could not be measured")
            continue
        if threshold.most is not None and value > threshold.most:
            words.append(f"{threshold.metric} {value:.4g} is above {threshold.most:g}")
        if threshold.least is not None and value < threshold.least:
            words.append(f"{threshold.metric} {value:.4g} is below {threshold.least:g}")
    return words


def _taken_in(
    site: Site, registry: Registry, model: object, trained: Trained, target: str | None, steps: _Steps, now: datetime, who: str
) -> TrainingReport:
    """Register a model: refused where it misses a threshold, approved where the site's rule says so, else left to a person."""
    with steps.step("register") as words:
        told = replace(trained, importances=_importances(model))
        wrong = "; ".join(missed(site.learning.thresholds, trained, target))
        record = registry.register(model, told, now, who, refused=wrong)
        words.append(f"{record.id}, {record.size_bytes / 1e6:.1f} MB")
    with steps.step("accept") as words:
        if not wrong:
            registry.supersede(record, RULE, now)
        if not wrong and site.learning.approval == "rule":
            record = registry.approve(record.id, RULE, now, "meets every threshold")
        words.append(f"{record.state.value}{': ' + record.words if record.words else ''}")
    return TrainingReport(name=record.name, ok=not wrong, model=record, steps=tuple(steps.done), words=steps.done[-1].words)


def _importances(fitted: object) -> Metrics:
    """What the model says its features are worth, where it says so."""
    found = getattr(fitted, "importances", None)
    return tuple((str(name), float(value)) for name, value in found) if isinstance(found, tuple) else ()
