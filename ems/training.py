"""The training workflow: validate, learn, evaluate, register, and accept or refuse; every step says how it went."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian, this_process
from ems.learned import forecaster
from ems.registry import ModelRecord, Registry, State, Trained, registry_of
from ems.site import unit_of
from plant.errors import DataError, EmsError
from plant.site import Site, Threshold, VirtualTag
from plant.table import Table
from plant.tags import Tag

if TYPE_CHECKING:
    from anomaly.monitor import HealthMonitor

LEASE = "training"
LEASE_S = 6 * 3600.0
RULE = "rule of the site file"
_LARGEST_MISSING = 0.9
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the workflow."""

    name: str
    """`validate`, `learn`, `evaluate`, `register` or `accept`."""
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
    done: list[Step] = field(default_factory=list)

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Note a step with the words that its block leaves; a fault of the product's own kind is a step that failed."""
        words: list[str] = []
        began = time.perf_counter()
        try:
            yield words
        except EmsError as error:
            self.done.append(Step(name=name, ok=False, words=str(error), seconds=time.perf_counter() - began))
            raise
        self.done.append(Step(name=name, ok=True, words="; ".join(words), seconds=time.perf_counter() - began))


@contextmanager
def training_lease(historian: Historian, registry: Registry, now: datetime) -> Iterator[None]:
    """Only one trains at a time; what a killed one left behind is swept away first.

    Raises
    ------
    RefusedError
        If another process trains.
    """
    holder = this_process()
    historian.acquire(LEASE, holder, now, LEASE_S)
    try:
        registry.sweep()
        yield
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
) -> TrainingReport:
    """Train a forecaster for one target and take it as far as it may go.

    Parameters
    ----------
    table
        History up to `now`, at the control step.
    model
        File of `forecasting/models`; None = as the site file says.
    """
    site, registry = loaded.site, registry_of(loaded, historian)
    kind = model or site.learning.forecaster
    name, steps = f"forecast/{target}", _Steps()
    try:
        with steps.step("validate") as words:
            words.append(validated(site, table, target))
        with steps.step("evaluate") as words:
            metrics = evaluated(site, table, target, kind)
            words.append(", ".join(f"{key} {value:.4g}" for key, value in metrics))
        with steps.step("learn") as words:
            fitted = forecaster(site, kind, table, target, unit_of(site)[target])
            words.append(f"{kind} from {len(table)} rows")
        trained = Trained(name=name, kind="forecast", algorithm=kind, history=table.only(target), metrics=metrics)
        record = _registered(registry, fitted, trained, steps, now, who)
        return _accepted(site, registry, record, target, steps, now)
    except EmsError as error:
        return TrainingReport(name=name, ok=False, model=None, steps=tuple(steps.done), words=f"failed: {error}")


def train_health(loaded: LoadedSite, historian: Historian, table: Table, now: datetime, *, who: str = "ems") -> TrainingReport:
    """Train the health monitor of a site and take it as far as it may go.

    It is measured by the false alarms that it gives, learned from the first part, on the healthy last part of its history.
    """
    from anomaly.monitor import HealthMonitor
    from plant.kinds import find

    site, registry = loaded.site, registry_of(loaded, historian)
    name, steps, kind = f"health/{site.site.name}", _Steps(), site.learning.detector

    def fitted(rows: Table) -> HealthMonitor:
        return HealthMonitor.fit(site, rows, seed=site.control.seed, kind=find("anomaly.detectors", kind))

    try:
        with steps.step("validate") as words:
            words.append(f"{len(table)} rows of {len(table.columns)} tags")
        with steps.step("evaluate") as words:
            split = round(len(table) * (1 - site.learning.test_share))
            metrics = _false_alarms(site, fitted(_rows(table, 0, split)), table, split)
            words.append(", ".join(f"{key} {value:.3g}" for key, value in metrics))
        with steps.step("learn") as words:
            monitor = fitted(table)
            if not monitor.learners:
                raise DataError("no asset has enough healthy rows to learn from")
            words.append(f"{kind} for {', '.join(sorted(monitor.learners))}")
        trained = Trained(name=name, kind="health", algorithm=kind, history=table, metrics=metrics)
        record = _registered(registry, dict(monitor.learners), trained, steps, now, who)
        return _accepted(site, registry, record, None, steps, now)
    except EmsError as error:
        return TrainingReport(name=name, ok=False, model=None, steps=tuple(steps.done), words=f"failed: {error}")


def validated(site: Site, table: Table, target: str) -> str:
    """Check the history of a target against its schema; says what it found.

    Raises
    ------
    DataError
        If there is no such target, its times do not rise in equal steps, values are implausible, or nearly all are missing.
    """
    import pandas as pd
    import pandera.pandas as pa

    if target not in targets(site) and target not in table.columns:
        raise DataError(f"{target!r} is no target of this site: {', '.join(targets(site))}")
    low, high = _bounds(site, target)
    checks = [pa.Check.in_range(low, high, error=f"outside {low:g} to {high:g}")]
    shape = pa.DataFrameSchema(
        {target: pa.Column(float, checks, nullable=True)},
        index=pa.Index(
            "datetime64[us, UTC]", checks=[pa.Check(lambda times: times.is_monotonic_increasing, error="times do not rise")]
        ),
    )
    frame = pd.DataFrame({target: table.columns[target]}, index=pd.DatetimeIndex(table.times).tz_localize("UTC"))
    try:
        shape.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        first = error.failure_cases.iloc[0]
        raise DataError(
            f"{target}: {len(error.failure_cases)} places fail, first {first['failure_case']} ({first['check']})"
        ) from error
    missing = float(np.isnan(table.columns[target]).mean())
    if missing > _LARGEST_MISSING:
        raise DataError(f"{target}: {missing:.0%} of the history is missing; at most {_LARGEST_MISSING:.0%} may be")
    return f"{len(table)} rows of {table.step_s:g} s, {missing:.1%} missing"


def _bounds(site: Site, target: str) -> tuple[float, float]:
    every: tuple[Tag | VirtualTag, ...] = (*site.tags, *site.virtual_tags)
    tag = next((tag for tag in every if tag.name == target), None)
    low, high = (None, None) if tag is None else (tag.low, tag.high)
    return -np.inf if low is None else low, np.inf if high is None else high


def evaluated(site: Site, table: Table, target: str, kind: str) -> tuple[tuple[str, float], ...]:
    """Metrics of a model on the last part of the history, learned from the part before."""
    from forecasting.backtest import Protocol, backtest

    protocol = Protocol(
        horizon_s=site.control.horizon_s,
        test_share=site.learning.test_share,
        model=kind,
        seed=site.control.seed,
        timezone=site.site.timezone,
        country=site.site.country,
    )
    found = backtest(table.only(target), target, protocol).made[0].accuracy
    return tuple((key, float(value)) for key, value in asdict(found).items() if value is not None)


def _false_alarms(site: Site, monitor: HealthMonitor, table: Table, split: int) -> tuple[tuple[str, float], ...]:
    """Raised alarms per asset and month on healthy rows that the monitor had not seen."""
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
    months = max(rows * table.step_s / (30 * 86400.0), 1e-9)
    return (("false_alarms_per_month", raised / months), ("assets", float(len(monitor.learners))))


def _rows(table: Table, first: int, stop: int) -> Table:
    return Table(times=table.times[first:stop], columns={name: column[first:stop] for name, column in table.columns.items()})


def missed(thresholds: tuple[Threshold, ...], record: ModelRecord, target: str | None) -> list[str]:
    """Thresholds that a model does not reach, in words."""
    words = []
    for threshold in thresholds:
        value = record.metric(threshold.metric)
        if value is None or threshold.target not in {None, target}:
            continue
        if threshold.most is not None and value > threshold.most:
            words.append(f"{threshold.metric} {value:.4g} is above {threshold.most:g}")
        if threshold.least is not None and value < threshold.least:
            words.append(f"{threshold.metric} {value:.4g} is below {threshold.least:g}")
    return words


def _accepted(
    site: Site, registry: Registry, record: ModelRecord, target: str | None, steps: _Steps, now: datetime
) -> TrainingReport:
    """Reject what misses a threshold, approve by the site's rule, else leave it to a person."""
    with steps.step("accept") as words:
        wrong = missed(site.learning.thresholds, record, target)
        if wrong:
            record = registry.reject(record.id, RULE, now, "; ".join(wrong))
        elif site.learning.approval == "rule":
            record = registry.approve(record.id, RULE, now, "meets every threshold")
        words.append(f"{record.state.value}{': ' + record.words if record.words else ''}")
    return TrainingReport(
        name=record.name, ok=record.state is not State.REJECTED, model=record, steps=tuple(steps.done), words=steps.done[-1].words
    )


def _registered(registry: Registry, model: object, trained: Trained, steps: _Steps, now: datetime, who: str) -> ModelRecord:
    with steps.step("register") as words:
        told = replace(trained, importances=_importances(model))
        record = registry.register(model, told, now, who)
        words.append(f"{record.id}, {record.size_bytes / 1e6:.1f} MB")
    return record


def _importances(fitted: object) -> tuple[tuple[str, float], ...]:
    """What the model says its features are worth, where it says so."""
    found = getattr(fitted, "importances", None)
    return tuple((str(name), float(value)) for name, value in found) if isinstance(found, tuple) else ()
