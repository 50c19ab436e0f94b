"""The historian beside raw SQLite: the same rows, the same durability, in the same run."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np

from ems.bench.frame import Bench, Row, cpu_s, limit_row, ratio_row, wall_s
from ems.historian import Historian
from plant.events import Event
from plant.series import Forecast, Series
from plant.table import Table
from plant.tags import Reading, Snapshot

_T0 = datetime(2026, 1, 1, tzinfo=UTC)
_TAGS = 30
_ROWS = 10_000
_STEP_S = 60
_READINGS = 120
_FORECASTS = 15
_EVENTS = 25
_RAW_TABLE = (
    "CREATE TABLE readings (tag INTEGER NOT NULL, time INTEGER NOT NULL, value REAL, quality INTEGER NOT NULL,"
    " PRIMARY KEY (tag, time)) WITHOUT ROWID"
)


@contextmanager
def _works() -> Iterator[tuple[Historian, sqlite3.Connection]]:
    """A historian and a raw database side by side, both in WAL mode with NORMAL durability for readings."""
    with (
        tempfile.TemporaryDirectory(prefix="ems-bench-") as folder,
        Historian(f"sqlite:///{Path(folder) / 'ours.sqlite'}") as ours,
        closing(sqlite3.connect(Path(folder) / "raw.sqlite")) as raw,
    ):
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute(_RAW_TABLE)
        yield ours, raw


def _table(random: np.random.Generator, begin: int) -> Table:
    start = np.datetime64(_T0.replace(tzinfo=None), "us") + np.timedelta64(begin * _ROWS * _STEP_S, "s")
    times = start + np.arange(_ROWS) * np.timedelta64(_STEP_S, "s")
    return Table(times=times, columns={f"tag_{number}": random.normal(size=_ROWS) for number in range(_TAGS)})


def _raw_insert(raw: sqlite3.Connection, table: Table) -> None:
    stamps = table.times.astype(np.int64).tolist()
    for number, column in enumerate(table.columns.values()):
        rows = [(number, stamp, value, 192) for stamp, value in zip(stamps, column.tolist(), strict=True)]
        raw.executemany("INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?)", rows)
    raw.commit()


def _raw_range(raw: sqlite3.Connection, tag: int, since: int, until: int) -> Table:
    query = "SELECT time, value FROM readings WHERE tag = ? AND time >= ? AND time < ? ORDER BY time"
    rows = np.array(raw.execute(query, (tag, since, until)).fetchall())
    return Table(times=rows[:, 0].astype(np.int64).astype("datetime64[us]"), columns={"tag": rows[:, 1]})


def insert_and_range() -> tuple[Row, ...]:
    """Bulk insert, and one tag over a day among all of them."""
    random, ours_at, raw_at = np.random.default_rng(0), count(), count()
    day = timedelta(days=1)
    with _works() as (ours, raw):
        ours_s = cpu_s(lambda: ours.write_table(_table(random, next(ours_at))), repeat=3)
        raw_s = cpu_s(lambda: _raw_insert(raw, _table(random, next(raw_at))), repeat=3)
        since = int(_T0.timestamp() * 1e6)
        until = since + int(day.total_seconds() * 1e6)
        ours_range_s = cpu_s(_often(lambda: ours.table(["tag_7"], _T0, _T0 + day)), repeat=5) / _OFTEN
        raw_range_s = cpu_s(_often(lambda: _raw_range(raw, 7, since, until)), repeat=5) / _OFTEN
    values = _TAGS * _ROWS
    return (
        ratio_row(
            name="historian.insert", value=ours_s / values * 1e6, unit="us/value", reference="raw sqlite3 executemany, same rows",
            reference_value=raw_s / values * 1e6, most=2.0,
        ),
        ratio_row(
            name="historian.range", value=ours_range_s * 1e3, unit="ms/day of one tag",
            reference="raw sqlite3 into the same arrays", reference_value=raw_range_s * 1e3, most=3.0,
        ),
    )  # fmt: skip


_OFTEN = 20


def _often(work: Callable[[], object]) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(_OFTEN):
            work()

    return repeated


def _series(random: np.random.Generator, start: datetime, lift: float) -> Series:
    values = np.round(random.random(96) + lift, 6)
    return Series(start=start, step_s=900.0, values=tuple(values.tolist()), unit="kW")


def _forecast(random: np.random.Generator, number: int, start: datetime) -> Forecast:
    low, middle, high = (_series(random, start, lift) for lift in (0.0, 1.0, 2.0))
    return Forecast(target=f"target_{number}", made_at=start, model_id="m", p10=low, p50=middle, p90=high)


def cycle() -> tuple[Row, ...]:
    """What one cycle of the controller writes: its readings, and its records on the disk before it goes on."""
    random, numbers = np.random.default_rng(1), count()

    def one(historian: Historian) -> None:
        number = next(numbers)
        time = _T0 + timedelta(seconds=900 * number)
        readings = (Reading(tag=f"tag_{tag}", time=time, value=float(random.random())) for tag in range(_READINGS))
        historian.write_snapshot(Snapshot(time=time, readings=tuple(readings)))
        events = [
            Event(id=f"e-{number}-{item}", time=time, kind="bench", asset=None, words="one of many") for item in range(_EVENTS)
        ]
        forecasts = [_forecast(random, target, time) for target in range(_FORECASTS)]
        historian.append_all([("forecast", forecasts), ("event", events)], cycle=f"c-{number}", time=time)

    with _works() as (ours, _):
        took_s = wall_s(lambda: one(ours), repeat=20)
        rows = ours.verify()
        verify_s = cpu_s(ours.verify, repeat=3)
    return (
        limit_row(name="historian.cycle", value=took_s * 1e3, unit="ms", most=50.0),
        limit_row(name="historian.verify", value=verify_s / rows * 1e3, unit="ms/row", most=1.0),
    )


BENCHES = (
    Bench(name="historian.readings", run=insert_and_range),
    Bench(name="historian.cycle", run=cycle),
)
