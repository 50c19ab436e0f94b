"""The window of readings that a run keeps: means of steps, renewed with every snapshot, and nobody's but the asker's."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from ems.history import History
from plant.table import Table
from plant.tags import Reading, Snapshot
from plant.times import UTC

START = datetime(2026, 3, 2, tzinfo=UTC)


def snapshot(minutes: float, value: float) -> Snapshot:
    time = START + timedelta(minutes=minutes)
    return Snapshot(time=time, readings=(Reading(tag="load", time=time, value=value),))


def history() -> History:
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(4) * np.timedelta64(300, "s")
    return History(Table(times=times, columns={"load": np.array([1.0, 3.0, np.nan, 5.0])}), 900.0, timedelta(days=7))


def test_each_snapshot_changes_the_mean_of_its_step() -> None:
    kept = history()
    assert kept.table().columns["load"].tolist() == [2.0, 5.0]
    kept.add(snapshot(20, 7.0))
    assert kept.table().columns["load"].tolist() == [2.0, 6.0]
    kept.add(snapshot(31, 8.0))
    assert kept.table().columns["load"].tolist() == [2.0, 6.0, 8.0]
    assert kept.table(START + timedelta(minutes=30)).columns["load"].tolist() == [2.0, 6.0]


def test_what_is_done_to_a_table_does_not_come_back() -> None:
    kept = history()
    kept.table().columns["load"][:] = 99.0
    assert kept.table().columns["load"].tolist() == [2.0, 5.0]


def test_a_table_that_was_handed_out_stays_as_it_was() -> None:
    kept = history()
    before = kept.table()
    kept.add(snapshot(20, 7.0))
    assert before.columns["load"].tolist() == [2.0, 5.0]
