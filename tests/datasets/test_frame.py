from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datasets.frame import local_times, read_csv, to_frame, to_table, utc_times
from plant.errors import ConfigError, DataError, NotFoundError


def _file(folder: Path, text: str) -> Path:
    file = folder / "load.csv"
    file.write_text(text)
    return file


def test_offsets_of_the_file_name_its_clock(tmp_path: Path) -> None:
    loaded = read_csv(_file(tmp_path, "time,kw\n2018-01-01T00:00:00+0900,1\n2018-01-01T00:15:00+0900,2\n"), time="time")
    assert loaded.timezone == "+09:00"
    assert loaded.table.times[0] == np.datetime64("2017-12-31T15:00")


def test_changing_offsets_name_a_zone(tmp_path: Path) -> None:
    rows = "2024-03-31T01:00:00+01:00,1\n2024-03-31T03:00:00+02:00,2\n2024-10-27T02:00:00+02:00,3\n2024-10-27T02:00:00+01:00,4\n"
    loaded = read_csv(_file(tmp_path, "time,kw\n" + rows), time="time")
    assert loaded.timezone == "Europe/Copenhagen"
    assert len(loaded.table) == 4


def test_times_without_a_zone_are_taken_as_written_and_said_so(tmp_path: Path) -> None:
    loaded = read_csv(_file(tmp_path, "time,kw\n2018-01-01 00:00:00,1\n2018-01-01 01:00:00,\n"), time="time")
    assert loaded.timezone == "UTC"
    assert "as written" in loaded.words[0]
    assert np.isnan(loaded.table.columns["kw"][1])


def test_the_hour_that_is_shown_twice_is_two_hours(tmp_path: Path) -> None:
    rows = "2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 02:00,3\n2024-10-27 03:00,4\n"
    loaded = read_csv(_file(tmp_path, "time,kw\n" + rows), time="time", timezone_name="Europe/Berlin")
    assert list(np.diff(loaded.table.times).astype("timedelta64[h]").astype(int)) == [1, 1, 1]


def test_wall_clock_and_back() -> None:
    times = np.arange("2024-03-30", "2024-04-02", dtype="datetime64[h]").astype("datetime64[us]")
    assert np.array_equal(utc_times(local_times(times, "Europe/Berlin"), "Europe/Berlin"), times)
    assert np.array_equal(utc_times(local_times(times, "-03:30"), "-03:30"), times)


def test_frame_and_table_are_the_same_thing(tmp_path: Path) -> None:
    table = read_csv(_file(tmp_path, "time,a,b\n2018-01-01T01:00Z,1,2\n2018-01-01T00:00Z,3,\n"), time="time").table
    again = to_table(to_frame(table))
    assert np.array_equal(again.times, table.times)
    assert np.array_equal(again.columns["b"], table.columns["b"], equal_nan=True)


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    file = _file(tmp_path, "time,kw,name\n2018-01-01,1,x\n2018-13-01,2,y\n")
    with pytest.raises(NotFoundError, match="it has time, kw, name"):
        read_csv(file, time="date")
    with pytest.raises(DataError, match="write times as"):
        read_csv(file, time="time")
    with pytest.raises(DataError, match="no number"):
        read_csv(_file(tmp_path, "time,name\n2018-01-01,x\n"), time="time", columns=("name",))
    with pytest.raises(ConfigError, match="IANA"):
        read_csv(_file(tmp_path, "time,kw\n2018-01-01,1\n"), time="time", timezone_name="Middle/Earth")
    with pytest.raises(NotFoundError, match="no file"):
        read_csv(tmp_path / "none.csv", time="time")
