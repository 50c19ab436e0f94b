"""Forecasts: the packed forest against scikit-learn's, learning time, many series at once, a year of a steel plant, and peers.

Rows that need the public data sets read them from the folder that `EMS_DATA` names (`forecast/steel_industry.csv.gz` …) and
say so where there is none.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ems.bench.frame import Bench, Row, cpu_s, limit_row, ratio_row

if TYPE_CHECKING:
    from forecasting.cells import Cells
    from plant.table import Floats, Table

STEPS = 96
TREES = 200
SERIES, LEARNED = 500, 25


def _works(days: int, step_s: int, seed: int, series: int = 1) -> Table:
    """Seeded series of a works: weekdays, a day's course, noise."""
    from plant.table import Table

    rng = np.random.default_rng(seed)
    rows = days * 86400 // step_s
    times = np.datetime64("2024-01-01", "us") + np.arange(rows) * np.timedelta64(step_s, "s")
    hour = (times - times.astype("datetime64[D]")).astype("timedelta64[s]").astype(int) / 3600
    weekday = (times.astype("datetime64[D]").astype(int) + 3) % 7
    shape = 1 + (weekday < 5) * np.exp(-(((hour - 12) / 4) ** 2))
    columns = {f"s{number}": 100 * shape * rng.lognormal(0, 0.1, rows) for number in range(series)}
    return Table(times=times, columns=columns)


def _cells(days: int = 90) -> Cells:
    from forecasting.models.extra_trees import ExtraTrees

    model, table = ExtraTrees(), _works(days, 900, seed=0)
    laid = model.laid_out(table, "s0")
    return model.cells(table, laid, np.arange(14, days), 0)


def _forest() -> tuple[Row, ...]:
    from sklearn.ensemble import RandomForestRegressor

    from forecasting.packed import pack, quantiles_of_sorted

    cells = _cells()
    forest = RandomForestRegressor(TREES, min_samples_leaf=20, max_features=0.3, max_samples=0.5, random_state=0, n_jobs=1)
    forest.fit(cells.x, cells.y)
    packed = pack(forest.estimators_, cells.x, cells.y, 3, np.random.default_rng(0))
    day = np.ascontiguousarray(cells.x[-STEPS:])
    starts = packed.roots

    def theirs() -> Floats:
        leaves = forest.apply(day).T + starts[:, None]
        pooled = np.moveaxis(packed.kept[leaves], 0, 1).reshape(STEPS, -1)
        return quantiles_of_sorted(np.sort(pooled, axis=1))

    apart = float(np.abs(packed.quantiles(day) - theirs()).max() + np.abs(packed.means(day) - forest.predict(day)).max())
    mine = cpu_s(lambda: packed.quantiles(day), repeat=25) * 1e3
    return (
        limit_row(name="forecasting.forest.predict", value=mine, unit="ms", most=1.0),
        ratio_row(
            name="forecasting.forest.against_sklearn", value=mine, unit="ms", reference="scikit-learn, same forest",
            reference_value=cpu_s(theirs) * 1e3, most=0.1,
        ),
        limit_row(name="forecasting.forest.difference", value=apart, unit="kWh", most=1e-9),
    )  # fmt: skip


def _learning() -> tuple[Row, ...]:
    from sklearn.ensemble import RandomForestRegressor

    from forecasting.models.extra_trees import ExtraTrees

    cells = _cells()

    def plain() -> None:
        RandomForestRegressor(60, min_samples_leaf=20, n_jobs=1, random_state=0).fit(cells.x, cells.y)

    mine = cpu_s(lambda: ExtraTrees().learn(cells, np.random.default_rng(0)), repeat=1)
    return (
        ratio_row(
            name="forecasting.forest.learn", value=mine, unit="CPU s", reference="scikit-learn's forest, same rows and trees",
            reference_value=cpu_s(plain, repeat=1), most=1.0,
        ),
    )  # fmt: skip


def _many() -> tuple[Row, ...]:
    from forecasting.many import Fleet

    table = _works(70, 3600, seed=1, series=SERIES)
    names = tuple(table.columns)
    start = datetime(2024, 3, 10, tzinfo=UTC)
    began = time.process_time()
    fleet = Fleet().fit(table, names[:LEARNED])
    learned = (time.process_time() - began) / LEARNED
    # Predicting costs the same whoever taught a series: those that were not learned borrow a learned one's member.
    fleet.members = {name: fleet.members[names[number % LEARNED]] for number, name in enumerate(names)}
    spent = cpu_s(lambda: fleet.predict(table, start, 24), repeat=2)
    return (
        limit_row(name="forecasting.series_500.predict", value=spent, unit="CPU s", most=5.0),
        Row(
            name="forecasting.series_500.learn_each", value=learned, unit="CPU s", reference="", reference_value=None, ratio=None,
            goal="for information", ok=None,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    file: str
    time: str
    target: str
    country: str | None
    mae: float
    pinball: float


SETS = {
    "steel": _Set(file="steel_industry", time="time", target="usage_kwh", country="KR", mae=8.35, pinball=2.88),
    "household": _Set(file="household_hourly", time="time", target="load_kw", country="FR", mae=0.414, pinball=0.1315),
    "etth1": _Set(file="ETTh1", time="date", target="HUFL", country=None, mae=3.10, pinball=0.94),
    "synthetic": _Set(
        file="digital_twin_ems_synthetic_2025",
        time="timestamp",
        target="total_consumption_kwh",
        country=None,
        mae=6.6,
        pinball=2.13,
    ),
}


def _file(one: _Set) -> Path | None:
    folder = os.environ.get("EMS_DATA")
    file = Path(folder) / "forecast" / f"{one.file}.csv.gz" if folder else None
    return file if file is not None and file.is_file() else None


def _absent(name: str, what: str) -> tuple[Row, ...]:
    return (Row(name=name, value=0.0, unit="", reference="", reference_value=None, ratio=None, goal=what, ok=None),)


def _accuracy(name: str) -> Callable[[], tuple[Row, ...]]:
    def run() -> tuple[Row, ...]:
        from datasets.frame import read_csv
        from datasets.repair import even, repaired
        from forecasting.backtest import Protocol, backtest

        one, prefix = SETS[name], f"forecasting.{name}"
        file = _file(one)
        if file is None:
            return _absent(f"{prefix}.mae", f"no {one.file}.csv.gz: set EMS_DATA")
        loaded = read_csv(file, time=one.time, columns=(one.target,))
        table = even(loaded.table)
        clean, _ = repaired(table)
        began = time.process_time()
        protocol = Protocol(timezone=loaded.timezone, country=one.country)
        score = backtest(clean, one.target, protocol, actual=table).made[0].accuracy
        spent = time.process_time() - began
        held = abs((score.coverage80 or 0.0) - 0.8)
        return (
            limit_row(name=f"{prefix}.mae", value=score.mae or 0.0, unit="of the target", most=one.mae),
            limit_row(name=f"{prefix}.pinball", value=score.pinball or 0.0, unit="of the target", most=one.pinball),
            limit_row(name=f"{prefix}.band_off_80", value=held, unit="share", most=0.04),
            limit_row(name=f"{prefix}.fit_and_backtest", value=spent, unit="CPU s", most=180.0),
        )

    return run


def _peers(name: str) -> Callable[[], tuple[Row, ...]]:
    """LightGBM on features as people usually make them, in the protocol of the backtest."""

    def run() -> tuple[Row, ...]:
        one, label = SETS[name], f"forecasting.peer.{name}.lightgbm"
        file = _file(one)
        if file is None:
            return _absent(label, f"no {one.file}.csv.gz: set EMS_DATA")
        if importlib.util.find_spec("lightgbm") is None:
            return _absent(label, "lightgbm is not installed")
        try:
            import lightgbm
        except OSError as error:
            return _absent(label, f"lightgbm cannot be loaded: {error}")
        began = time.process_time()
        mae = _lightgbm(lightgbm, file, one)
        spent = time.process_time() - began
        return (
            Row(
                name=label, value=mae, unit="MAE of the target", reference="what auto must reach", reference_value=one.mae,
                ratio=mae / one.mae, goal=f"for information; {spent:.0f} CPU s", ok=None,
            ),
        )  # fmt: skip

    return run


def _lightgbm(library: Any, file: Path, one: _Set) -> float:
    """MAE of a median booster on lags of 1 to 7 days, rolling means and the calendar."""
    from datasets.frame import read_csv
    from forecasting.calendar import Calendar
    from forecasting.days import fold

    loaded = read_csv(file, time=one.time, columns=(one.target,))
    table, calendar = loaded.table, Calendar(country=one.country)
    days = fold(table.times, table.columns[one.target], timezone=loaded.timezone, step_s=table.step_s, calendar=calendar)
    at = np.arange(28, days.values.shape[0])
    columns = [days.values[at - lag] for lag in (1, 2, 3, 7, 14)]
    columns += [np.nanmean([days.values[at - lag] for lag in range(1, span + 1)], axis=0) for span in (7, 28)]
    columns += [np.broadcast_to(np.arange(days.slots), columns[0].shape)]
    columns += [np.broadcast_to(each[at][:, None], columns[0].shape) for each in (days.groups, days.kinds)]
    x, y = np.stack(columns, axis=-1), days.values[at]
    first = int(days.values.shape[0] * 0.7) - 28
    settings = {"objective": "quantile", "alpha": 0.5, "n_estimators": 400, "learning_rate": 0.05, "verbose": -1, "n_jobs": 1}
    model = library.LGBMRegressor(**settings)
    there = np.isfinite(y[:first])
    model.fit(x[:first][there], y[:first][there])
    said = model.predict(x[first:].reshape(-1, x.shape[-1])).reshape(y[first:].shape)
    return float(np.nanmean(np.abs(said - y[first:])))


BENCHES = (
    Bench(name="forecasting.forest", run=_forest),
    Bench(name="forecasting.learn", run=_learning),
    Bench(name="forecasting.many", run=_many),
    Bench(name="forecasting.steel", run=_accuracy("steel")),
    *(Bench(name=f"forecasting.{name}", run=_accuracy(name), by_name_only=True) for name in SETS if name != "steel"),
    *(Bench(name=f"forecasting.peer.{name}", run=_peers(name), by_name_only=True) for name in SETS),
)
