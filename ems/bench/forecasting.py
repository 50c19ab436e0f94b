"""Forecasts: the packed forest against scikit-learn's, learning time, many series at once, and public data sets.

Rows that need the public data sets read them from the folder that `EMS_DATA` names (`forecast/steel_industry.csv.gz` …) and
say so where there is none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ems.bench.frame import Bench, Row, cpu_s, limit_row, ratio_row
from plant.errors import NotFoundError

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
    same = [
        dict(zip(theirs, ours, strict=True)) for theirs, ours in zip(forest.apply(cells.x).T, packed.leaves(cells.x).T, strict=True)
    ]
    numbers = np.zeros((TREES, max(max(names) for names in same) + 1), dtype=np.int64)
    for tree, names in enumerate(same):
        numbers[tree, list(names)] = list(names.values())

    def theirs() -> Floats:
        leaves = numbers[np.arange(TREES), forest.apply(day)]
        return quantiles_of_sorted(np.sort(packed.kept[leaves].reshape(STEPS, -1), axis=1))

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

    cells, model = _cells(), ExtraTrees()

    def plain() -> None:
        RandomForestRegressor(model.trees, min_samples_leaf=model.leaf, n_jobs=1, random_state=0).fit(cells.x, cells.y)

    mine = cpu_s(lambda: model.learn(cells, np.random.default_rng(0)), repeat=1)
    return (
        ratio_row(
            name="forecasting.forest.learn", value=mine, unit="CPU s", reference="scikit-learn's forest, as many trees and leaves",
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
class Set:
    """A public data set and what is promised on it."""

    file: str
    time: str
    target: str
    country: str | None
    mae: float
    pinball: float


SETS = {
    "steel": Set(file="steel_industry", time="time", target="usage_kwh", country="KR", mae=8.35, pinball=2.88),
    "household": Set(file="household_hourly", time="time", target="load_kw", country="FR", mae=0.414, pinball=0.1315),
    "etth1": Set(file="ETTh1", time="date", target="HUFL", country=None, mae=3.10, pinball=0.94),
    "synthetic": Set(
        file="digital_twin_ems_synthetic_2025",
        time="timestamp",
        target="total_consumption_kwh",
        country=None,
        mae=6.6,
        pinball=2.13,
    ),
}


def file_of(one: Set) -> Path | None:
    """The set's file in the folder that `EMS_DATA` names; None if there is none."""
    folder = os.environ.get("EMS_DATA")
    file = Path(folder) / "forecast" / f"{one.file}.csv.gz" if folder else None
    return file if file is not None and file.is_file() else None


def read(name: str, column: str = "") -> tuple[Table, Table, str]:
    """A column of a set (its target unless named) as it is, with dead sensors taken out, and where its days begin."""
    from datasets.frame import read_csv
    from datasets.repair import even, repaired

    one = SETS[name]
    file = file_of(one)
    if file is None:
        raise NotFoundError(f"no {one.file}.csv.gz: set EMS_DATA")
    loaded = read_csv(file, time=one.time, columns=(column or one.target,))
    table = even(loaded.table)
    return table, repaired(table)[0], loaded.timezone


def absent(name: str, what: str) -> tuple[Row, ...]:
    """A row that says why nothing was measured."""
    return (Row(name=name, value=0.0, unit="", reference="", reference_value=None, ratio=None, goal=what, ok=None),)


def _accuracy(name: str) -> Callable[[], tuple[Row, ...]]:
    def run() -> tuple[Row, ...]:
        from forecasting.backtest import Protocol, backtest

        one, prefix = SETS[name], f"forecasting.{name}"
        if file_of(one) is None:
            return absent(f"{prefix}.mae", f"no {one.file}.csv.gz: set EMS_DATA")
        table, clean, timezone = read(name)
        began = time.process_time()
        protocol = Protocol(timezone=timezone, country=one.country)
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


BENCHES = (
    Bench(name="forecasting.forest", run=_forest),
    Bench(name="forecasting.learn", run=_learning),
    Bench(name="forecasting.many", run=_many),
    Bench(name="forecasting.steel", run=_accuracy("steel")),
    *(Bench(name=f"forecasting.{name}", run=_accuracy(name), by_name_only=True) for name in SETS if name != "steel"),
)
