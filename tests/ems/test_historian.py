"""The historian, on SQLite and on PostgreSQL: what goes in comes out, in order, once, and nothing changes unnoticed."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from ems.historian import Historian, this_process
from plant.errors import DataError, HistorianError, NotFoundError, RefusedError
from plant.events import Event
from plant.orders import Request
from plant.table import Table
from plant.tags import Quality, Reading, Snapshot

T0 = datetime(2026, 3, 1, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def event(number: int, words: str = "") -> Event:
    return Event(id=f"e-{number}", time=at(number), kind="test", asset=None, words=words)


def snapshot(minutes: float, **values: bool | float | str | None) -> Snapshot:
    readings = [
        Reading(tag=tag, time=at(minutes), value=value, quality=Quality.BAD if value is None else Quality.GOOD)
        for tag, value in values.items()
    ]
    return Snapshot(time=at(minutes), readings=tuple(readings))


def test_a_snapshot_comes_back_as_it_was(url: str) -> None:
    readings = (
        Reading(tag="flow", time=at(4), value=0.1 + 0.2, server_time=at(5), quality=Quality.UNCERTAIN, words="frozen"),
        Reading(tag="level", time=at(5), value=None, quality=Quality.BAD, words="too old"),
        Reading(tag="mode", time=at(5), value="AUTO"),
        Reading(tag="running", time=at(5), value=True),
    )
    with Historian(url) as historian:
        historian.write_snapshot(Snapshot(time=at(5), readings=readings))
        assert historian.latest() == Snapshot(time=at(5), readings=readings)


def test_the_same_time_again_replaces(url: str) -> None:
    with Historian(url) as historian:
        historian.write_snapshot(snapshot(0, flow=1.0))
        historian.write_snapshot(snapshot(0, flow=2.0))
        assert historian.table(["flow"]).columns["flow"].tolist() == [2.0]


def test_a_number_that_is_none_is_bad(url: str) -> None:
    with Historian(url) as historian:
        historian.write_snapshot(snapshot(0, flow=math.nan))
        read = historian.latest(["flow"]).find("flow")
    assert read is not None
    assert (read.value, read.quality, read.words) == (None, Quality.BAD, "not a number")


def test_table_keeps_gaps_as_gaps(url: str) -> None:
    with Historian(url) as historian:
        historian.write_snapshot(snapshot(0, a=1.0, b=True, c="text"))
        historian.write_snapshot(snapshot(15, a=None, b=False))
        historian.write_snapshot(snapshot(30, a=3.0))
        table = historian.table(["a", "b", "c", "never"])
    assert table.times.tolist() == [time.replace(tzinfo=None) for time in (at(0), at(15), at(30))]
    np.testing.assert_array_equal(table.columns["a"], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(table.columns["b"], [1.0, 0.0, np.nan])
    assert np.isnan(table.columns["c"]).all()
    assert np.isnan(table.columns["never"]).all()


def test_table_range_is_half_open(url: str) -> None:
    with Historian(url) as historian:
        for minutes in range(0, 60, 15):
            historian.write_snapshot(snapshot(minutes, a=float(minutes)))
        assert historian.table(["a"], at(15), at(45)).columns["a"].tolist() == [15.0, 30.0]
        assert historian.span() == (at(0), at(45))
        assert historian.span(["never"]) is None


@pytest.mark.parametrize("rows", [1, 70_000])
def test_a_table_comes_back_bit_for_bit(url: str, rows: int) -> None:
    values = np.random.default_rng(rows).normal(size=rows) * 10.0 ** np.arange(rows).clip(0, 200)
    values[rows // 2] = np.nan
    times = np.datetime64(T0.replace(tzinfo=None), "us") + np.arange(rows) * np.timedelta64(60, "s")
    with Historian(url) as historian:
        written = historian.write_table(Table(times=times, columns={"a": values}), {"a": "kW"})
        back = historian.table(["a"])
        assert historian.units() == {"a": "kW"}
    assert written == rows - 1
    known = np.isfinite(values)
    assert back.columns["a"].tobytes() == values[known].tobytes()
    np.testing.assert_array_equal(back.times, times[known])


def test_means_over_steps(url: str) -> None:
    times = np.datetime64("1969-12-31T23:50:00", "us") + np.arange(5) * np.timedelta64(300, "s")
    with Historian(url) as historian:
        historian.write_table(Table(times=times, columns={"a": np.array([1.0, 3.0, 5.0, 7.0, 9.0])}))
        table = historian.table(["a"], step_s=900.0)
    assert table.columns["a"].tolist() == [2.0, 7.0]
    assert table.times.astype(str).tolist() == ["1969-12-31T23:45:00.000000", "1970-01-01T00:00:00.000000"]


def test_keeping_or_replacing_what_is_there(url: str) -> None:
    times = np.array([np.datetime64("2026-01-01", "us")])
    with Historian(url) as historian:
        for value, replace in ((1.0, True), (2.0, False), (3.0, True)):
            historian.write_table(Table(times=times, columns={"a": np.array([value])}), replace=replace)
            assert historian.table(["a"]).columns["a"].tolist() == [3.0 if replace and value == 3.0 else 1.0]


def test_a_tag_does_not_change_its_unit(url: str) -> None:
    times = np.array([np.datetime64("2026-01-01", "us")])
    with Historian(url) as historian:
        historian.write_table(Table(times=times, columns={"a": np.array([1.0])}), {"a": "kW"})
        with pytest.raises(DataError, match="stored in kW, not in W"):
            historian.write_table(Table(times=times, columns={"b": np.array([1.0]), "a": np.array([5.0])}), {"a": "W"})
        assert historian.table(["a", "b"]).columns["a"].tolist() == [1.0]
        assert historian.units() == {"a": "kW"}


def test_latest_as_of_a_time(url: str) -> None:
    with Historian(url) as historian:
        with pytest.raises(NotFoundError, match="no readings yet"):
            historian.latest(["a"])
        historian.write_snapshot(snapshot(0, a=1.0, b=1.0))
        historian.write_snapshot(snapshot(15, a=2.0))
        assert historian.latest(["a", "b"]).number("a") == 2.0
        assert historian.latest(["a", "b"]).number("b") == 1.0
        assert historian.latest(["a"], at=at(14)).number("a") == 1.0


def test_retention_forgets_old_readings_only(url: str) -> None:
    with Historian(url) as historian:
        for minutes in (0, 15, 30):
            historian.write_snapshot(snapshot(minutes, a=1.0))
        assert historian.readings.forget(at(15)) == 1
        assert len(historian.table(["a"])) == 2


def test_entries_keep_their_order(url: str) -> None:
    with Historian(url) as historian:
        assert historian.append("event", [], cycle="c", time=at(0)) == []
        assert historian.append("event", [event(1), event(2)], cycle="c1", time=at(1)) == ["e-1", "e-2"]
        historian.append_all([("event", [event(3)]), ("alarm", [event(4)])], cycle="c2", time=at(2))
        assert [entry.seq for entry in historian.entries()] == [1, 2, 3, 4]
        assert [entry.id for entry in historian.entries("event", newest_first=True, limit=2)] == ["e-3", "e-2"]
        assert [entry.id for entry in historian.entries(cycle="c2")] == ["e-3", "e-4"]
        assert [entry.id for entry in historian.entries(since=at(2))] == ["e-3", "e-4"]
        assert [entry.id for entry in historian.entries("event", until=at(2))] == ["e-1", "e-2"]
        assert [entry.id for entry in historian.entries(after=3)] == ["e-4"]
        assert historian.records("event", Event) == [event(1), event(2), event(3)]
        assert historian.find("e-2").body == historian.entries("event")[1].body
        assert historian.verify() == 4


def test_find_gives_the_newest_of_an_id(url: str) -> None:
    with Historian(url) as historian:
        historian.append("event", [event(1, "raised")], cycle="", time=at(0))
        historian.append("event", [event(1, "ended")], cycle="", time=at(1))
        assert historian.find("e-1").seq == 2
        with pytest.raises(NotFoundError, match="no entry 'e-9'"):
            historian.find("e-9")


def test_what_cannot_be_recorded_is_refused(url: str) -> None:
    with Historian(url) as historian:
        with pytest.raises(HistorianError, match="no kind 'gossip'"):
            historian.append("gossip", [event(1)], cycle="", time=at(0))
        with pytest.raises(HistorianError, match="nan cannot be recorded"):
            historian.append("event", [event(1), {"x": math.nan}], cycle="", time=at(0))
        assert historian.verify() == 0


def test_large_parts_come_back_complete(url: str) -> None:
    long = event(1, 'ä"\\' * 4000)
    with Historian(url) as historian:
        historian.append_all([("event", [long, long])], cycle="", time=at(0))
        historian.append("event", [event(2, '{"$part":"' + "0" * 64 + '"}' + "x" * 3000)], cycle="", time=at(0))
        assert historian.records("event", Event)[:2] == [long, long]
        assert historian.verify() == 3
        with historian.database.reading() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM journal_parts")).scalar() == 2


_BREAK = {
    "UPDATE journal SET body = replace(body, 'two', 'ten') WHERE seq = 2": "row 2 .*hash does not fit",
    "UPDATE journal SET time = time + 1 WHERE seq = 2": "row 2 .*hash does not fit",
    "UPDATE journal SET kind = 'alarm' WHERE seq = 2": "row 2 .*hash does not fit",
    "UPDATE journal SET hash = 'x' WHERE seq = 2": "row 2 .*hash does not fit",
    "DELETE FROM journal WHERE seq = 2": "row 2 is missing",
    "DELETE FROM journal WHERE seq = 3": "3 rows were written, 2 are there",
    "DELETE FROM journal": "3 rows were written, 0 are there",
    "UPDATE journal SET seq = 4 WHERE seq = 3": "row 3 is missing",
}


@pytest.mark.parametrize("sql", _BREAK)
def test_a_changed_journal_is_found(url: str, sql: str) -> None:
    with Historian(url) as historian:
        for number, words in enumerate(("one", "two", "three"), 1):
            historian.append("event", [event(number, words)], cycle="c", time=at(number))
        assert historian.verify() == 3
        with historian.database.writing() as connection:
            connection.execute(sa.text(sql))
        with pytest.raises(HistorianError, match=_BREAK[sql]):
            historian.verify()


def test_a_changed_large_part_is_found(url: str) -> None:
    with Historian(url) as historian:
        historian.append("event", [event(1, "x" * 5000)], cycle="c", time=at(1))
        with historian.database.writing() as connection:
            connection.execute(sa.text("DELETE FROM journal_parts"))
        with pytest.raises(HistorianError, match="broken at row 1"):
            historian.verify()


def test_two_historians_share_one_chain(url: str) -> None:
    with Historian(url) as first, Historian(url) as second:
        for number in range(6):
            (first, second)[number % 2].append("event", [event(number)], cycle="c", time=at(number))
        assert first.verify() == second.verify() == 6


def request(number: int) -> Request:
    return Request(id=f"q-{number}", who="operator", time=at(number), wish="replan")


def test_a_request_is_taken_once(url: str) -> None:
    with Historian(url) as historian:
        for number in (2, 1, 2):
            historian.file_request(request(number))
        assert historian.open_requests() == [request(2), request(1)]
        assert historian.take_request("q-2") == request(2)
        with pytest.raises(NotFoundError, match="no open request 'q-2'"):
            historian.take_request("q-2")
        assert historian.open_requests() == [request(1)]


def test_a_lease_has_one_holder(url: str) -> None:
    with Historian(url) as historian:
        historian.acquire("run", "a", at(0), 60)
        historian.acquire("run", "a", at(0), 60)
        with pytest.raises(RefusedError, match="held by a until 2026-03-01T00:01:00Z"):
            historian.acquire("run", "b", at(0.5), 60)
        historian.renew("run", "a", at(0.5), 60)
        with pytest.raises(RefusedError):
            historian.acquire("run", "b", at(1.2), 60)
        historian.acquire("run", "b", at(2), 60)
        with pytest.raises(RefusedError, match="not held by a any more"):
            historian.renew("run", "a", at(2), 60)
        historian.give_up("run", "a")
        with pytest.raises(RefusedError):
            historian.acquire("run", "a", at(2), 60)
        historian.give_up("run", "b")
        historian.acquire("run", "a", at(2), 60)


def test_a_lease_does_not_outlive_its_process(url: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", "from ems.historian import this_process; print(this_process())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    with Historian(url) as historian:
        historian.acquire("run", said, at(0), 3600)
        historian.acquire("run", this_process(), at(0), 3600)
        assert os.getpid() == int(this_process().rsplit(":", 1)[1])
        with pytest.raises(RefusedError):
            historian.acquire("run", "elsewhere:1", at(0), 60)
