"""Issued forecasts against what came: by lead time, bias, skill against naive, coverage; drift, and the alarm it raises."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from scipy import stats

from ems.config import LoadedSite
from ems.historian import Historian
from ems.issued import Issued, IssuedForecasts, Notices
from ems.model_record import ModelRecord, State
from ems.readings import microseconds
from ems.wording import counted
from forecasting.accuracy import Accuracy, accuracy, drift
from plant.events import Alarm, AlarmState, Priority
from plant.identity import content_id
from plant.table import Floats

LEADS_H = (1.0, 6.0, 24.0, 48.0)
DAY_S = 86400.0
_LEAST_CELLS = 24
_SURE = 0.01
"""Significance from which the inputs count as drifted."""
_BASE_DAYS, _LEAST_BASE_DAYS = 28, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadAccuracy:
    """Forecasts of one span of lead times."""

    from_h: float
    until_h: float
    accuracy: Accuracy
    bias: float | None
    """Mean of p50 − actual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One model over one span of issue times."""

    model: str
    state: State
    target: str
    since: datetime
    until: datetime
    forecasts: int
    overall: Accuracy
    bias: float | None
    skill: float | None
    """1 − MAE / MAE of the same slot a week (where unknown, a day) before; positive = better than naive."""
    leads: tuple[LeadAccuracy, ...]
    expected_mae: float | None
    """What the evaluation promised."""
    ratio: float | None
    """Recent MAE over the promised one."""
    input_drift_p: float | None
    """Probability that recent daily means come from the same population as those of the weeks before (Kolmogorov-Smirnov)."""
    degraded: bool
    words: str
    """Why it is degraded, or that its inputs have drifted; empty where it is as good as promised, or not known."""

    @property
    def known(self) -> bool:
        """Whether enough of what was forecast has come to judge by."""
        return self.ratio is not None

    @property
    def judged(self) -> str:
        """In words: what was measured, against what was promised."""
        if self.overall.mae is None or not self.known:
            found = counted(self.overall.values, "forecast value")
            return f"not judged: only {found} can be compared with what came, {_LEAST_CELLS} are needed"
        promised = "nothing was promised" if self.expected_mae is None else f"{self.expected_mae:.3g} was promised"
        measured = f"error {self.overall.mae:.3g} over {counted(self.overall.values, 'value')}, {promised}"
        return f"{self.words} ({measured})" if self.words else f"as promised ({measured})"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """Forecast cells whose target time has passed: shapes (n, 3), (n,), (n,), (n,)."""

    forecast: Floats
    actual: Floats
    naive: Floats
    lead_h: Floats


def watch(
    loaded: LoadedSite,
    historian: Historian,
    record: ModelRecord,
    since: datetime,
    until: datetime,
    *,
    only: Collection[datetime] | None = None,
) -> Watch:
    """Measure a model's issued forecasts whose issue time lies in a span against the readings until its end.

    Parameters
    ----------
    only
        Issue times that count; None = all.
    """
    target = record.name.partition("/")[2]
    issued = IssuedForecasts(historian.database).of(target, model=record.id, since=since, until=until)
    issued = [each for each in issued if only is None or each.forecast.made_at in only]
    cells = _cells(historian, target, issued, until)
    overall = accuracy(cells.forecast, cells.actual)
    expected = record.metric("mae")
    words, ratio = _judged(overall, expected, loaded.site.learning.worst_ratio)
    chance = _input_drift(historian, target, since, until)
    return Watch(
        model=record.id,
        state=record.state,
        target=target,
        since=since,
        until=until,
        forecasts=len(issued),
        overall=overall,
        bias=_bias(cells),
        skill=_skill(cells),
        leads=tuple(_lead(cells, low, high) for low, high in zip((0.0, *LEADS_H), LEADS_H, strict=False)),
        expected_mae=expected,
        ratio=ratio,
        input_drift_p=chance,
        degraded=bool(words),
        words=words or ("the inputs have drifted" if chance is not None and chance < _SURE else ""),
    )


def compare(
    loaded: LoadedSite, historian: Historian, records: Sequence[ModelRecord], since: datetime, until: datetime
) -> list[Watch]:
    """Measure models of one name on the issue times that all of them have forecasts of (those without any are left aside)."""
    kept = IssuedForecasts(historian.database)
    times = [
        {each.forecast.made_at for each in kept.of(record.name.partition("/")[2], model=record.id, since=since, until=until)}
        for record in records
    ]
    issued = [each for each in times if each]
    shared = frozenset(issued[0].intersection(*issued[1:])) if issued else frozenset()
    return [watch(loaded, historian, record, since, until, only=shared) for record in records]


def best_of(found: Sequence[Watch]) -> Watch | None:
    """The one with the smallest error; None where nothing is known yet."""
    return min((each for each in found if each.overall.mae is not None), key=lambda each: each.overall.mae or 0.0, default=None)


def raise_alarms(historian: Historian, watches: Sequence[Watch], now: datetime) -> list[Alarm]:
    """An alarm for every serving model that is degraded, left as a notice; one per model and day.

    Plans do not rest on a challenger in its shadow: that one only loses the comparison.
    """
    alarms = [_alarm(found, now) for found in watches if found.degraded and found.state is State.SERVING]
    Notices(historian.database).add(alarms)
    return alarms


def _alarm(found: Watch, now: datetime) -> Alarm:
    return Alarm(
        id=content_id("a", "forecast_degraded", found.model, now.date().isoformat()),
        rule="forecast_degraded",
        asset=None,
        priority=Priority.MEDIUM,
        state=AlarmState.UNACKNOWLEDGED,
        raised_at=now,
        changed_at=now,
        words=f"forecasts of {found.target} by {found.model}: {found.words}",
        cause="what is forecast has changed, or a sensor of it has",
        consequence="plans rest on demand that will not come, or miss what comes",
        advice=f"look at {found.target}; then train a challenger: ems forecast train --target {found.target}",
    )


def _judged(overall: Accuracy, expected: float | None, worst_ratio: float) -> tuple[str, float | None]:
    """Why a model counts as degraded (empty if it does not), and its error over the promised one."""
    if overall.values < _LEAST_CELLS or overall.mae is None or overall.coverage80 is None or not expected:
        return "", None
    found = drift(overall.mae, expected, overall.coverage80, worst_ratio=worst_ratio)
    return (found.words if found.ratio > worst_ratio else ""), found.ratio


def _cells(historian: Historian, target: str, issued: Sequence[Issued], until: datetime) -> _Cells:
    empty = np.empty(0)
    if not issued:
        return _Cells(forecast=np.empty((0, 3)), actual=empty, naive=empty, lead_h=empty)
    step_s = issued[0].forecast.p50.step_s
    begin = min(each.forecast.made_at for each in issued) - timedelta(days=8)
    table = historian.table([target], begin, until, step_s=step_s)
    stamps, column = table.times.astype(np.int64), table.columns[target]
    parts = []
    for each in issued:
        middle = each.forecast.p50
        first = microseconds(middle.start)
        times = first + np.arange(len(middle.values)) * round(step_s * 1e6)
        levels = np.array([each.forecast.p10.values, middle.values, each.forecast.p90.values]).T
        week, day = (_at(stamps, column, times - round(days * DAY_S * 1e6)) for days in (7, 1))
        issue = microseconds(each.forecast.made_at)
        naive = np.where(np.isfinite(week), week, np.where(times - round(DAY_S * 1e6) < issue, day, np.nan))
        lead_h = (times - issue) / 3.6e9
        parts.append((levels, _at(stamps, column, times), naive, lead_h))
    return _Cells(
        forecast=np.concatenate([part[0] for part in parts]),
        actual=np.concatenate([part[1] for part in parts]),
        naive=np.concatenate([part[2] for part in parts]),
        lead_h=np.concatenate([part[3] for part in parts]),
    )


def _at(stamps: np.ndarray, column: Floats, times: np.ndarray) -> Floats:
    if not stamps.size:
        return np.full(times.size, np.nan)
    places = np.minimum(np.searchsorted(stamps, times), stamps.size - 1)
    return np.where(stamps[places] == times, column[places], np.nan)


def _bias(cells: _Cells) -> float | None:
    missed = cells.forecast[:, 1] - cells.actual
    return float(np.nanmean(missed)) if np.isfinite(missed).any() else None


def _skill(cells: _Cells) -> float | None:
    """1 − MAE / naive MAE over the cells that both know."""
    missed, naive = np.abs(cells.forecast[:, 1] - cells.actual), np.abs(cells.naive - cells.actual)
    both = np.isfinite(missed) & np.isfinite(naive)
    base = float(naive[both].sum())
    return 1.0 - float(missed[both].sum()) / base if base > 0 else None


def _lead(cells: _Cells, low: float, high: float) -> LeadAccuracy:
    mine = (cells.lead_h >= low) & (cells.lead_h < high)
    part = _Cells(forecast=cells.forecast[mine], actual=cells.actual[mine], naive=cells.naive[mine], lead_h=cells.lead_h[mine])
    return LeadAccuracy(from_h=low, until_h=high, accuracy=accuracy(part.forecast, part.actual), bias=_bias(part))


def _input_drift(historian: Historian, target: str, since: datetime, until: datetime) -> float | None:
    """Two-sample Kolmogorov-Smirnov test of recent daily means against those of the four weeks before.

    Days are counted back from `until`, so that none is only half there.
    """
    table = historian.table([target], since - timedelta(days=_BASE_DAYS), until, step_s=3600.0)
    column, end = table.columns[target], microseconds(until)
    day = (end - 1 - table.times.astype(np.int64)) // round(DAY_S * 1e6)
    recent = (end - microseconds(since)) // round(DAY_S * 1e6)
    here = np.isfinite(column) & (day >= 0)
    totals, counts = np.bincount(day[here], weights=column[here]), np.bincount(day[here])
    means = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    now, before = (part[np.isfinite(part)] for part in (means[:recent], means[recent:]))
    if now.size < 2 or before.size < _LEAST_BASE_DAYS:
        return None
    return float(stats.ks_2samp(now, before).pvalue)
