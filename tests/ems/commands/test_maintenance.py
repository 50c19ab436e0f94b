"""An overhaul as a person notes it: no health until there is enough, then a baseline of what came after."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ems.config import historian_url, load
from ems.historian import Historian
from ems.maintenance import entry
from plant.table import Table
from tests.ems.waterworks import TEXT

LEARNING = '\n[learning]\nforecaster = "week_mean"\ndetector = "t2q"\nhistory_days = 60\napproval = "rule"\n'
DAY, DAYS, OVERHAUL = 96, 40, 30


def readings(first: int, stop: int) -> Table:
    """Two pumps in turns; pump_1 draws a fifth less for the same water after its overhaul on day 30."""
    rows = np.arange(DAYS * DAY)
    noise, hour = np.random.default_rng(5), rows % DAY / 4
    columns = {"tower_level": 3 + np.sin(hour / 24 * 2 * np.pi), "pump_1_speed": 0.7 + 0.3 * noise.random(rows.size)}
    for number, busy in ((1, hour < 12), (2, hour >= 12)):
        flow = np.where(busy, 60 + noise.normal(size=rows.size), 0.0)
        better = np.where((number == 1) & (rows >= OVERHAUL * DAY), 0.8, 1.0)
        power = np.where(busy, better * (15 + 2 * columns["tower_level"]), 0.1) + 0.1 * noise.normal(size=rows.size)
        columns |= {f"pump_{number}_flow": flow, f"pump_{number}_running": busy.astype(float), f"pump_{number}_power": power}
    times = np.datetime64("2026-01-05", "us") + rows * np.timedelta64(900, "s")
    return Table(times=times[first:stop], columns={name: column[first:stop] for name, column in columns.items()})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(TEXT + LEARNING)
    bring(tmp_path, 0, 34 * DAY)
    return tmp_path


def bring(folder: Path, first: int, stop: int) -> None:
    with Historian(historian_url(load(folder / "site.toml"))) as historian:
        historian.write_table(readings(first, stop))


def ems(folder: Path, *arguments: str, code: int = 0) -> Any:
    command = [sys.executable, "-m", "ems.cli", *arguments, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


def health(folder: Path, asset: str) -> Any:
    return next(item for item in ems(folder, "health", "score")["health"] if item["asset"] == asset)


def test_health_begins_anew_after_an_overhaul(folder: Path) -> None:
    ems(folder, "health", "train")
    before = health(folder, "pump_1")
    assert before["score"] is not None
    noted = ems(
        folder, "maintenance", "add", "pump_1", "overhaul", "--at", "2026-02-04T00:00:00Z", "--who", "anna", "--why", "impeller"
    )
    assert (noted["asset"], noted["kind"], noted["time"]) == ("pump_1", "OVERHAUL", "2026-02-04T00:00:00Z")
    too_young = health(folder, "pump_1")
    assert too_young["score"] is None
    assert "not enough data: only 4.0 days of readings since the work of 04 Feb 2026" in too_young["words"]
    assert health(folder, "pump_2")["score"] is not None
    bring(folder, 34 * DAY, DAYS * DAY)
    adopted = health(folder, "pump_1")
    assert adopted["score"] > 0.9
    assert not adopted["trip"]


def test_training_learns_only_from_what_came_after(folder: Path) -> None:
    ems(folder, "maintenance", "add", "pump_1", "overhaul", "--at", "2026-02-04T00:00:00Z", "--who", "anna")
    told = "\n".join(step["words"] for step in ems(folder, "health", "train")["models"][0]["steps"])
    assert "t2q for pump_2" in told
    assert "none for pump_1: not enough data: only 4.0 days of readings since the work of 04 Feb 2026" in told


def test_what_was_not_or_lies_ahead_is_refused(folder: Path) -> None:
    assert "there are pump_1" in ems(folder, "maintenance", "add", "boiler", "overhaul", code=3)
    assert "lies ahead" in ems(folder, "maintenance", "add", "pump_1", "overhaul", "--at", "2027-01-01T00:00:00Z", code=4)
    assert "--at" in ems(folder, "maintenance", "add", "pump_1", "overhaul", "--at", "yesterday", code=2)
    assert ems(folder, "maintenance", "list") == []


def test_a_mistake_is_taken_back_also_after_the_controller_has_journalled_it(folder: Path) -> None:
    ems(folder, "health", "train")
    noted = ems(folder, "maintenance", "add", "pump_1", "overhaul", "--at", "2026-02-04T00:00:00Z")
    assert [item["id"] for item in ems(folder, "maintenance", "list")] == [noted["id"]]
    with Historian(historian_url(load(folder / "site.toml"))) as historian:
        (request,) = historian.open_requests()
        historian.append("maintenance", [entry(request, request.time)], cycle="", time=request.time)
        historian.take_request(request.id)
    assert health(folder, "pump_1")["score"] is None
    assert ems(folder, "maintenance", "remove", noted["id"], "--who", "anna")["kind"] == "WITHDRAWN"
    assert ems(folder, "maintenance", "list") == []
    assert health(folder, "pump_1")["score"] is not None
    assert "no entry" in ems(folder, "maintenance", "remove", noted["id"], code=3)
    again = ems(folder, "maintenance", "add", "pump_1", "overhaul", "--at", "2026-02-04T00:00:00Z")
    assert [item["id"] for item in ems(folder, "maintenance", "list")] == [again["id"]] == [noted["id"]]


def test_without_a_time_it_says_which_was_taken(folder: Path) -> None:
    command = [sys.executable, "-m", "ems.cli", "maintenance", "add", "pump_1", "overhaul", "--who", "anna"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "overhaul of pump_1, done 2026-02-08 00:45 CET (no --at: the plant's time as it was last seen" in done.stdout
    assert "health of pump_1 begins anew there" in done.stdout
    assert "ems maintenance remove w-" in done.stdout
    alone = subprocess.run([sys.executable, "-m", "ems.cli", "maintenance"], cwd=folder, capture_output=True, text=True, check=True)
    assert "2026-02-08 00:45 CET" in alone.stdout
