"""`ems plant serve`, by running it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from connectors.plants.websocket import Websocket
from datasets.works import course, write_prices
from ems.commands.plant import serve
from ems.config import load
from ems.served import write_drivers
from plant.errors import ConfigError, NotFoundError
from plant.site import Site

pytestmark = pytest.mark.xdist_group("plant-serve")  # its servers take seconds to start: one worker for all of them

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("works")
    made = course(7, START, 0.125)
    write_prices(folder / "prices.csv", made.tags)
    write_drivers(folder / "drivers.parquet", made.tags, made.losses, made.health)
    (folder / "site.toml").write_text(files("ems.templates").joinpath("works.toml").read_text())
    return folder


@contextmanager
def serving(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "ems.cli", "plant", "serve", "--site", str(folder / "site.toml")]
    command += ["--endpoint", "ws://127.0.0.1:0", "--lock-step", "--drivers", str(folder / "drivers.parquet"), "--seed", "7", *more]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("ready ws://127.0.0.1:"), process.communicate(timeout=5)[1]
        yield process, first.split()[1]
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def site_at(folder: Path, endpoint: str) -> Site:
    site = load(folder / "site.toml").site
    return replace(site, connection=replace(site.connection, kind="websocket", endpoint=endpoint, endpoint_env=None))


def test_it_lives_to_its_end_and_accounts_for_it(folder: Path) -> None:
    with serving(folder, "--report", str(folder / "plant.json")) as (process, endpoint):
        with Websocket(site_at(folder, endpoint), folder) as plant:
            time = plant.now()
            assert time == START
            plant.write("pump.command", "STARTUP")
            plant.write("compressor_1.command", "SHUTDOWN")
            while plant.wait_until(time := time + STEP):
                assert plant.read().time == time
        process.wait(timeout=60)
    assert process.returncode == 0
    account = json.loads((folder / "plant.json").read_text())
    assert account["finished"] is True
    assert account["orders_received"]["STARTUP"] == 1
    assert account["orders_received"]["SHUTDOWN"] == 1
    assert account["received"]["refused"] == 0
    assert account["account"]["end"] == "2026-03-02T03:00:00Z"
    assert account["account"]["energy_kwh"] > 0
    assert [order["value"] for order in account["account"]["orders"]][:2] == ["STARTUP", "SHUTDOWN"]


def test_stopped_early_it_still_accounts(folder: Path) -> None:
    report = folder / "stopped.json"
    with serving(folder, "--report", str(report)) as (process, endpoint), Websocket(site_at(folder, endpoint), folder) as plant:
        plant.wait_until(START + 2 * STEP)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
    assert process.returncode == 0
    account = json.loads(report.read_text())
    assert account["finished"] is False
    assert account["account"]["end"] == "2026-03-02T00:30:00Z"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"endpoint": ["http://127.0.0.1:1"]}, "write opc.tcp://"), ({"drivers": Path("gone.parquet")}, "gone.parquet")],
)
def test_what_is_wrong_is_said_in_a_sentence(folder: Path, wrong: dict[str, Any], words: str) -> None:
    right: dict[str, Any] = {"endpoint": ["ws://127.0.0.1:0"], "drivers": folder / "drivers.parquet"}
    with pytest.raises((ConfigError, NotFoundError), match=words):
        serve(site=folder / "site.toml", lock_step=True, **{**right, **wrong})
