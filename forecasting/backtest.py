"""Rolling origin: what would have been forecast at each local midnight of the last part, and how that compares with what came."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from datasets.frame import local_times, utc_times
from forecasting.accuracy import Accuracy, accuracy
from forecasting.days import DAY_S, Days, place
from forecasting.forecaster import Forecaster
from forecasting.selection import make
from forecasting.windows import Rows, rows_at
from plant.errors import ConfigError, DataError
from plant.table import Floats, Table, Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How a backtest is run; the defaults are those of the command line."""

    horizon_s: float = DAY_S
    test_share: float = 0.3
    """Share of the days, at the end, that are forecast."""
    model: str = "auto"
    refit_days: int | None = None
    """Learn again after so many days; None = once."""
    seed: int = 0
    timezone: str = "UTC"
    country: str | None = None
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Every forecast of a backtest.

    Attributes
    ----------
    issue_times, target_times
        UTC, shape (rows,).
    forecast
        p10, p50, p90; shape (rows, 3).
    actual
        What came, NaN where nobody knows; shape (rows,).
    """

    model: str
    issue_times: Times
    target_times: Times
    forecast: Floats
    actual: Floats
    accuracy: Accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """What a backtest found."""

    origins: int
    champion: str
    fit_s: float
    predict_ms: float
    """Per origin, all its steps and quantiles."""
    made: tuple[Made, ...]
    """The champion first, then what it is measured against."""
    words: tuple[str, ...] = ()


def backtest(
    history: Table, target: str, protocol: Protocol, *, actual: Table | None = None, said: Callable[[str], None] = lambda _: None
) -> Backtest:
    """Forecast the last part of a series from each of its local midnights.

    Parameters
    ----------
    history
        Rows at equal steps, what a model may learn from and look at.
    target
        Column to forecast.
    protocol
        How.
    actual
        What came, where it is not the history itself (holes made on purpose, dead sensors taken out); same times.
    said
        Called with a line on what is being done.

    Raises
    ------
    DataError
        If there are too few days to learn from or to forecast.
    """
    if not 0 < protocol.test_share < 1:
        raise ConfigError(f"test share {protocol.test_share:g} is not between 0 and 1")
    first_model = _make(protocol.model, protocol)
    days = first_model.laid_out(history, target)
    rows = days.values.shape[0]
    first = int(rows * (1 - protocol.test_share) + 1e-9)
    if first < 2 or first >= rows:
        share = f"{protocol.test_share:.0%}"
        raise DataError(
            f"{target}: of {rows} day(s) {share} are to be forecast; two at least must be left to learn from: give more days"
        )
    truth = actual or history
    made, spent = [], [0.0, 0.0]
    names = [protocol.model] + (["seasonal_naive"] if protocol.model != "seasonal_naive" else [])
    scale = _naive_mae(days, first)
    for number, name in enumerate(names):
        said(f"{target}: {name} learns from {first} days")
        champion, forecasts, fit_s, predict_s, words = _rolled(history, target, name, protocol, days, first)
        made.append(_rows(champion, forecasts, days, first, truth, target, protocol, scale))
        if number == 0:
            spent, told = [fit_s, predict_s], words
    origins = rows - first
    return Backtest(
        origins=origins, champion=made[0].model, fit_s=spent[0], predict_ms=spent[1] * 1e3 / origins, made=tuple(made), words=told
    )


def _make(name: str, protocol: Protocol) -> Forecaster:
    return make(
        name, timezone=protocol.timezone, country=protocol.country, known=protocol.known, seed=protocol.seed,
        horizon_s=protocol.horizon_s,
    )  # fmt: skip


def _rolled(
    history: Table, target: str, name: str, protocol: Protocol, days: Days, first: int
) -> tuple[str, Floats, float, float, tuple[str, ...]]:
    """Learn (once, or again and again), forecast; seconds of both."""
    rows = days.values.shape[0]
    every = protocol.refit_days or rows
    if every < 1:
        raise ConfigError(f"refit every {every} days: write 1 or more")
    parts, fit_s, predict_s = [], 0.0, 0.0
    model: Forecaster | None = None
    for begin in range(first, rows, every):
        started = time.perf_counter()
        model = _make(name, protocol).fit(history.before(midnight(days.dates[begin], protocol.timezone)), target)
        learned = time.perf_counter()
        parts.append(model.forecast_days(history, np.arange(begin, min(begin + every, rows))))
        fit_s, predict_s = fit_s + learned - started, predict_s + time.perf_counter() - learned
    if model is None:
        raise DataError(f"{target}: no day to forecast")
    return model.name, np.concatenate(parts), fit_s, predict_s, model.words


def midnight(date: np.datetime64, timezone: str) -> np.datetime64:
    """The UTC instant at which a local date begins."""
    instant: np.datetime64 = utc_times(np.array([date], dtype="datetime64[us]"), timezone)[0]
    return instant


def _rows(
    model: str, forecasts: Floats, days: Days, first: int, truth: Table, target: str, protocol: Protocol, scale: float | None
) -> Made:
    """Forecasts by day and slot as rows by target time: a day of 23 or 25 hours has as many."""
    issues: list[Times] = []
    targets: list[Times] = []
    cells: list[Floats] = []
    step = np.timedelta64(round(days.step_s * 1e6), "us")
    phase = _phase(truth.times, days.step_s, protocol.timezone)
    for number, date in enumerate(days.dates[first:]):
        issue = midnight(date, protocol.timezone)
        end = local_times(np.array([issue]), protocol.timezone)[0] + np.timedelta64(round(protocol.horizon_s), "s")
        stop = utc_times(np.array([end]), protocol.timezone)[0]
        times = np.arange(issue + phase, stop, step)
        row, slot = place(times, protocol.timezone, days.step_s, 0)
        place_in = np.clip((row - date).astype(np.int64), 0, None) * days.slots + slot
        times, place_in = times[place_in < forecasts.shape[1]], place_in[place_in < forecasts.shape[1]]
        issues.append(np.full(times.size, issue))
        targets.append(times)
        cells.append(forecasts[number, place_in])
    target_times = np.concatenate(targets)
    came = _values_at(truth, target, target_times)
    last = truth.times[-1]
    inside = target_times <= last
    forecast = np.concatenate(cells)[inside]
    return Made(
        model=model, issue_times=np.concatenate(issues)[inside], target_times=target_times[inside], forecast=forecast,
        actual=came[inside], accuracy=accuracy(forecast, came[inside], scale),
    )  # fmt: skip


def _phase(times: Times, step_s: float, timezone: str) -> np.timedelta64:
    """How far the file's rows lie behind the beginning of a slot."""
    _, slots = place(times[:1], timezone, step_s, 0)
    wall = local_times(times[:1], timezone)[0]
    begins = wall.astype("datetime64[D]") + np.timedelta64(round(int(slots[0]) * step_s * 1e6), "us")
    return np.timedelta64(int((wall - begins).astype(np.int64)), "us")


def _values_at(table: Table, column: str, times: Times) -> Floats:
    index: Rows = np.searchsorted(table.times, times)
    found: npt.NDArray[np.bool_] = table.times[np.minimum(index, len(table) - 1)] == times
    return rows_at(table.columns[column], np.where(found, np.minimum(index, len(table) - 1), -1))


def _naive_mae(days: Days, first: int) -> float | None:
    """MAE of last week's value on the training part, of yesterday's where there is less than two weeks."""
    back = 7 if first > 14 else 1
    missed = np.abs(days.values[back:first] - days.values[: first - back])
    return float(np.nanmean(missed)) if np.isfinite(missed).any() else None
