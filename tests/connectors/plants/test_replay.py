"""A record as a plant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from connectors.plants.replay import Replay
from plant.errors import ConfigError, DataError
from plant.site import Site
from plant.tags import Quality
from tests.connectors.tank_plant import START, tank_site

ROWS = """time,tank.level,pump.power,pump.running,pump.command,other
2026-03-02T00:00:00Z,3.0,0.0,0,AUTO,1
2026-03-02T00:15:00Z,2.9,,False,AUTO,1
2026-03-02T00:30:00+00:00,9.0,5.0,1,STARTUP,1
2026-03-02T02:00:00+01:00,2.5,5.0,True,STARTUP,1
"""


def site_of(file: Path) -> Site:
    return tank_site(file.name, kind="replay")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    file = tmp_path / "record.csv"
    file.write_text(ROWS)
    return file


def test_rows_are_read_in_the_tags_unit(record: Path) -> None:
    with Replay(site_of(record), record.parent) as plant:
        snapshot = plant.read()
    assert snapshot.time == START
    assert snapshot.number("tank.level") == 3.0
    assert snapshot.number("pump.power") == 0.0, "a record holds kW, whatever the wire's scale"
    assert snapshot.truth("pump.running") is False
    assert snapshot.find("pump.command").value == "AUTO"  # type: ignore[union-attr]
    missing = snapshot.find("pump.speed")
    assert missing is not None
    assert (missing.quality, missing.words) == (Quality.BAD, "not recorded")


def test_missing_and_impossible_values_are_bad(record: Path) -> None:
    with Replay(site_of(record), record.parent) as plant:
        plant.wait_until(START + timedelta(minutes=15))
        assert plant.read().find("pump.power").quality is Quality.BAD  # type: ignore[union-attr]
        assert plant.read().truth("pump.running") is False
        plant.wait_until(START + timedelta(minutes=30))
        level = plant.read().find("tank.level")
    assert level is not None
    assert level.quality is Quality.BAD
    assert "above the plausible 5" in level.words


def test_time_goes_on_to_the_next_row_and_ends(record: Path) -> None:
    with Replay(site_of(record), record.parent) as plant:
        assert plant.wait_until(START + timedelta(minutes=20))
        assert plant.now() == START + timedelta(minutes=30)
        assert plant.wait_until(START + timedelta(minutes=60))
        assert plant.now() == datetime(2026, 3, 2, 1, tzinfo=UTC)
        assert not plant.wait_until(START + timedelta(minutes=61))


def test_parquet(record: Path) -> None:
    file = record.with_suffix(".parquet")
    frame = pd.read_csv(record)
    frame["time"] = pd.to_datetime(frame["time"], utc=True, format="ISO8601")
    frame[["time", "tank.level"]].to_parquet(file)
    with Replay(site_of(file), file.parent) as plant:
        assert plant.read().number("tank.level") == 3.0
        assert plant.now() == START


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"record\.csv"):
        Replay(site_of(tmp_path / "record.csv"), tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("when,tank.level\n2026-03-02T00:00:00Z,1\n", "no column 'time'"),
        ("time,tank.level\n2026-03-02T00:00:00,1\n", "no time zone"),
        ("time,tank.level\nyesterday,1\n", "write for example"),
        ("time,tank.level\n", "empty"),
        ("time,tank.level\n2026-03-02T00:15:00Z,1\n2026-03-02T00:00:00Z,1\n", "do not increase"),
    ],
)
def test_a_file_that_is_wrong_says_what(record: Path, text: str, words: str) -> None:
    record.write_text(text)
    with pytest.raises(DataError, match=words):
        Replay(site_of(record), record.parent)
