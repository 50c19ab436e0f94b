"""The life of models by command: what a person or a script sees, on stdout, on stderr, as exit code."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from ems.commands import forecast, health, learning, models, worker
from ems.config import historian_url, load
from ems.historian import Historian
from plant.errors import EmsError
from plant.table import Table
from tests.ems.waterworks import TEXT

LEARNING = """
[learning]
forecaster = "week_mean"
history_days = 42
schedule.forecast_every_s = 86400  # no second job falls due while a test runs
schedule.accuracy_every_s = 86400
"""
DAYS = 45


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A waterworks with 45 days of two pumps that take turns, and no model yet."""
    (tmp_path / "site.toml").write_text(TEXT + LEARNING)
    rows, noise = DAYS * 96, np.random.default_rng(5)
    times = np.datetime64("2026-01-05", "us") + np.arange(rows) * np.timedelta64(900, "s")
    hour = np.arange(rows) % 96 / 4
    demand = (40 + 25 * np.sin((hour - 6) / 24 * 2 * np.pi)) * (1 + 0.05 * noise.normal(size=rows))
    level = 3 + np.sin(hour / 24 * 2 * np.pi)
    columns = {"water_demand": demand, "base_load": 8 + 0.3 * noise.normal(size=rows), "tower_level": level}
    columns["pump_1_speed"] = 0.7 + 0.3 * noise.random(rows)
    for number, busy in ((1, hour < 12), (2, hour >= 12)):
        flow = np.where(busy, 60 + noise.normal(size=rows), 0.0)
        columns |= {f"pump_{number}_flow": flow, f"pump_{number}_running": busy.astype(float)}
        columns[f"pump_{number}_power"] = np.where(busy, 0.25 * flow + 2 * level + 0.2 * noise.normal(size=rows), 0.1)
    with Historian(historian_url(load(tmp_path / "site.toml"))) as historian:
        historian.write_table(Table(times=times, columns=columns))
    return tmp_path


def ems(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ems.cli", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_no_model_is_registered_by_a_run_alone_and_the_list_says_so(folder: Path) -> None:
    said = ems(folder, "models").stdout
    assert "no model is registered. What `ems run` and `ems demo` learn by themselves" in said
    assert "which end with it and are not registered" in " ".join(
        ems(folder, "doctor", "--no-plant").stdout.replace("│", " ").split()
    )
    trained = ems(folder, "forecast", "train")
    assert "nothing is used before a person says so: ems models approve m-" in trained.stdout
    assert "validate" not in trained.stdout
    assert "forecast/water_demand: validate: " in trained.stderr
    assert not [line for line in trained.stdout.splitlines() if line != line.rstrip()]


def test_training_says_what_it_does_on_stderr_and_one_document_on_stdout(folder: Path) -> None:
    done = ems(folder, "forecast", "train", "--json")
    reports = json.loads(done.stdout)["models"]
    assert [report["name"] for report in reports] == ["forecast/water_demand", "forecast/base_load"]
    said = done.stderr.splitlines()
    assert said[0] == "forecast/water_demand: validate: 4032 rows of 900 s, 0.0% missing (" + said[0].rpartition("(")[2]
    assert "water_demand: week_mean learns from all 4032 rows" in said
    assert [line for line in said if line.startswith("forecast/base_load: accept: pending")]
    assert "\x1b" not in done.stderr
    assert len(json.loads(ems(folder, "models", "list", "--json").stdout)["models"]) == 2


def test_a_terminal_sees_a_bar(folder: Path) -> None:
    """The same command on a terminal: lines above a bar that says how many of how many, and for how long."""
    terminal, there = pty.openpty()
    command = [sys.executable, "-m", "ems.cli", "forecast", "train", "--json"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=there, env=environment)
    os.close(there)
    seen = b""
    try:
        while part := os.read(terminal, 4096):
            seen += part
    except OSError:  # Linux's way to say that nobody has the other end open any more
        pass
    os.close(terminal)
    assert running.stdout is not None
    document = running.stdout.read()
    running.stdout.close()
    assert running.wait() == 0
    assert len(json.loads(document)["models"]) == 2
    shown = seen.decode()
    assert "training water_demand" in shown
    assert "training base_load" in shown
    assert "1/2" in shown
    assert "0:00:0" in shown


def test_health_train(folder: Path) -> None:
    done = ems(folder, "health", "train", "--who", "anna", "--json")
    (report,) = json.loads(done.stdout)["models"]
    assert [step["name"] for step in report["steps"]] == ["validate", "evaluate", "learn", "register", "accept"]
    model = report["model"]
    assert (model["name"], model["kind"], model["state"]) == ("health/waterworks", "health", "pending")
    metrics = dict(model["metrics"])
    assert metrics["assets"] == 2
    assert 0 <= metrics["false_alarms_per_month"] < 60
    assert "health/waterworks: isolation_forest learns from all 4032 rows" in done.stderr
    ems(folder, "health", "score", code=3)
    ems(folder, "models", "approve", model["id"], "--who", "anna")
    scored = json.loads(ems(folder, "health", "score", "--json").stdout)["health"]
    assert {health["asset"] for health in scored} == {"pump_1", "pump_2"}


def test_health_that_alarms_too_often_is_refused(folder: Path) -> None:
    file = folder / "site.toml"
    file.write_text(file.read_text() + 'thresholds = [{ metric = "false_alarms_per_month", most = -1 }]\n')
    done = ems(folder, "health", "train", "--json", code=4)
    (report,) = json.loads(done.stdout)["models"]
    assert report["model"]["state"] == "rejected"
    assert "is above -1" in report["words"]


def test_below_its_thresholds_a_model_is_refused_with_its_reason(folder: Path) -> None:
    file = folder / "site.toml"
    file.write_text(file.read_text() + 'thresholds = [{ metric = "mape", most = 1e-6 }]\n')
    done = ems(folder, "forecast", "train", "--target", "water_demand", "--json", code=4)
    (report,) = json.loads(done.stdout)["models"]
    assert report["model"]["state"] == "rejected"
    assert "mape" in done.stderr
    refused = ems(folder, "models", "approve", report["model"]["id"], code=4)
    assert "is rejected: only a model that is pending can be approved" in " ".join(refused.stderr.split())


def test_a_changed_file_comes_to_serve_by_no_road(folder: Path) -> None:
    (report,) = json.loads(ems(folder, "forecast", "train", "--target", "water_demand", "--json").stdout)["models"]
    model = report["model"]
    stored = folder / "models" / model["file"]
    whole = stored.read_bytes()
    stored.write_bytes(whole[:-1] + b"x")
    assert "was changed: SHA-256" in ems(folder, "models", "approve", model["id"], code=4).stderr
    stored.write_bytes(whole)
    ems(folder, "models", "approve", model["id"])
    assert "1 of 3 serve" in " ".join(ems(folder, "doctor", "--no-plant").stdout.split())
    stored.write_bytes(whole[:-1] + b"x")
    assert "may be loaded" in ems(folder, "models", "show", model["id"]).stdout
    assert "train it anew" in ems(folder, "forecast", "predict", "--target", "water_demand", code=4).stderr
    doctor = {finding["what"]: finding for finding in json.loads(ems(folder, "doctor", "--no-plant", "--json", code=1).stdout)}
    assert doctor["models"]["well"] is False
    assert "was changed" in doctor["models"]["words"]


def test_the_worker_says_what_it_does_and_shows_it_later(folder: Path) -> None:
    done = ems(folder, "worker", "--once", "--json")
    jobs = {job["name"]: job for job in json.loads(done.stdout)["jobs"]}
    assert jobs["train"]["state"] == "done"
    assert (jobs["train"]["done"], jobs["train"]["total"]) == (3, 3)
    assert "train 0/3 forecast/water_demand: evaluate: " in done.stderr
    assert "train 3/3 health/waterworks: pending" in done.stderr
    assert "apscheduler" not in done.stderr
    listed = ems(folder, "jobs", "list", "--log").stdout
    assert "forecast/base_load: learn: week_mean" in listed
    assert jobs["train"]["id"] in listed
    assert " CET" in listed
    assert "days old, and nothing was done for the time since" in jobs["forecast"]["words"]
    assert "no model serves water_demand, base_load" in jobs["forecast"]["words"]
    assert "none serves yet" in jobs["accuracy"]["words"]
    idle = ems(folder, "worker", "--once").stdout
    assert "nothing was due" in idle
    assert "not done: weather: the site file has no [weather]" in idle
    assert "not done: train: done already for " in idle


def test_a_worker_killed_in_training_leaves_nothing_half_registered(folder: Path) -> None:
    file = folder / "site.toml"
    file.write_text(file.read_text().replace("week_mean", "random_forest"))
    command = [sys.executable, "-m", "ems.cli", "worker", "--once"]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "water_demand: random_forest learns from all" in line:
            break
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    running.stderr.close()
    assert json.loads(ems(folder, "models", "list", "--json").stdout)["models"] == []
    (left,) = json.loads(ems(folder, "jobs", "list", "--json").stdout)["jobs"]
    assert (left["name"], left["state"]) == ("train", "running")
    file.write_text(file.read_text().replace("random_forest", "week_mean"))
    jobs = {job["name"]: job for job in json.loads(ems(folder, "worker", "--once", "--json").stdout)["jobs"]}
    assert (jobs["train"]["state"], jobs["train"]["tries"]) == ("done", 2)
    models = json.loads(ems(folder, "models", "list", "--json").stdout)["models"]
    assert sorted(file.name for file in (folder / "models").iterdir()) == sorted(model["file"] for model in models)


def test_a_worker_that_stays_does_what_is_asked_for_until_a_signal(folder: Path) -> None:
    file = folder / "site.toml"
    file.write_text(file.read_text() + 'schedule.train_at = "00:00"\n')
    asked = json.loads(ems(folder, "jobs", "run", "accuracy", "--who", "anna", "--json").stdout)["job"]
    command = [sys.executable, "-m", "ems.cli", "worker"]
    running = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    said = list[str]()
    answered = re.compile(r"(accuracy due at [^\n]*) begins \(asked for by anna\).*\1 is done", re.DOTALL)
    for line in running.stderr:
        said.append(line)
        if answered.search("".join(said)) and any("3 of 3 models trained" in each for each in said):
            break
    running.send_signal(signal.SIGTERM)
    out, rest = running.communicate(timeout=60)
    assert (running.returncode, out) == (0, "")
    assert said[0].rstrip().endswith("working for waterworks until a signal comes")
    assert "skipped" not in "".join(said) + rest
    jobs = {job["id"]: job for job in json.loads(ems(folder, "jobs", "list", "--json").stdout)["jobs"]}
    assert jobs[asked["id"]]["state"] == "done"


def test_two_workers_do_no_job_twice(folder: Path) -> None:
    command = [sys.executable, "-m", "ems.cli", "worker", "--once", "--json"]
    both = [subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    done = [json.loads(worker.communicate(timeout=120)[0])["jobs"] for worker in both]
    assert [worker.returncode for worker in both] == [0, 0]
    assert sorted(job["name"] for jobs in done for job in jobs) == ["accuracy", "forecast", "train"]
    trained = json.loads(ems(folder, "models", "list", "--json").stdout)["models"]
    assert sorted(model["name"] for model in trained) == ["forecast/base_load", "forecast/water_demand", "health/waterworks"]


def test_an_asset_without_readings_is_named(folder: Path) -> None:
    with Historian(historian_url(load(folder / "site.toml"))) as historian, historian.database.writing() as connection:
        connection.execute(sa.text("DELETE FROM readings WHERE tag = (SELECT id FROM tags WHERE name = 'pump_1_speed')"))
    (report,) = json.loads(ems(folder, "health", "train", "--json").stdout)["models"]
    learn = next(step["words"] for step in report["steps"] if step["name"] == "learn")
    assert learn.startswith("isolation_forest for pump_2; none for pump_1: ")


ASKED = {
    "forecast train --target tea": (3, "'tea' is no tag of this site"),
    "forecast predict": (3, "no model runs for 'water_demand'"),
    "forecast predict --every soon": (2, "--every: 'soon' is not a duration"),
    "forecast predict --every 0h": (2, "--every 0h: must be longer than nothing"),
    "forecast predict --since 2027-01-01": (2, "is not before"),
    "models compare forecast/water_demand": (3, "no model runs for 'forecast/water_demand'"),
    "models rollback forecast/water_demand": (4, "none to go back to"),
    "models show m-0": (3, "there is no model 'm-0'"),
    "jobs run coffee": (3, "there is no job 'coffee'"),
    "jobs cancel j-0": (3, "there is no job 'j-0'"),
}


def test_what_cannot_be_asked_for(folder: Path) -> None:
    app = typer.Typer()
    for module in (forecast, health, learning, models, worker):
        module.mount(app)
    for asked, (code, words) in ASKED.items():
        found = CliRunner().invoke(app, [*asked.split(), "--site", str(folder / "site.toml")]).exception
        assert isinstance(found, EmsError), asked
        assert found.exit_code == code, asked
        assert words in str(found)
