"""A synthetic works behind a real OPC UA server, trained models, closed loop: what `ems demo` shows.

The plant is not the controller's model: its physics are off by a seeded share, its readings are noisy, demands surprise, wind blows
through its buildings, and a compressor fouls. The controller sees tags and history only.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from datasets import works
from ems.config import LoadedSite, historian_url, load
from ems.historian import Historian
from ems.served import read_drivers, read_state, served_prices, served_twin, write_drivers, write_state
from ems.site import unit_of
from ems.virtual import VirtualTags
from ems.web import free_port
from plant.errors import EmsError, NotConnectedError
from plant.ports import instant64
from plant.table import Floats, Table
from plant.times import UTC
from twin_sim.drivers import Drivers
from twin_sim.history import past_life
from twin_sim.model import SiteModel
from twin_sim.report import PlantReport

FILES = ("site.toml", "prices.csv", "drivers.parquet", "state.json", "plant.json", "plant.log")
BEGINS = datetime(2026, 1, 5, tzinfo=UTC)
"""The run begins four weeks later, on the first Monday of a billing period."""
HISTORY_DAYS = 28
MISMATCH = 0.1
STOPS_WITHIN_S = 20.0
SPARE_DAYS = 0.25
"""The plant lives a little longer than the run, which ends with giving everything back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A demo's folder, ready to run."""

    loaded: LoadedSite
    seed: int
    start: datetime
    drivers: Path
    state: Path
    report: Path


def lay_out(folder: Path, seed: int, days: float, say: Callable[[str], None], *, calibrated: bool = False) -> Laid:
    """Write site file, prices and drivers of a works, live its past under local control, and keep that as history.

    Parameters
    ----------
    folder
        Made if missing; files of an earlier demo in it are replaced, others are left alone.
    seed
        Changes weather, prices, demands, surprises, fouling and what the plant differs in.
    days
        How long the plant will live.
    calibrated
        Learn from that history what the plant's machines are; else the controller's twin is the site file's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    for old in folder.glob("works.sqlite*"):
        old.unlink()
    shutil.rmtree(folder / "models", ignore_errors=True)
    template = resources.files("ems") / "templates" / "works.toml"
    (folder / "site.toml").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    start = BEGINS + timedelta(days=HISTORY_DAYS)
    course = works.course(seed, BEGINS, HISTORY_DAYS + days + 2.0, fouling_from=start)
    works.write_prices(folder / "prices.csv", course.tags)
    loaded = load(folder / "site.toml")
    say(f"living the last {HISTORY_DAYS} days of the works under its own control")
    past = past_life(
        SiteModel(loaded.site), drivers_of(course), start=BEGINS, days=HISTORY_DAYS, step_s=900.0, seed=seed, mismatch=MISMATCH
    )
    table = VirtualTags(loaded.site).extend_table(past.telemetry)
    with Historian(historian_url(loaded)) as historian:
        historian.write_table(table, {name: unit for name, unit in unit_of(loaded.site).items() if name in table.columns})
        if calibrated:
            from twin_sim.calibrate import calibrate

            say("calibrating the twin on them")
            learned = calibrate(loaded.site, past.telemetry)
            historian.append("calibration", [learned], cycle="", time=learned.end)
    ends = start + timedelta(days=days + SPARE_DAYS)
    ahead = [_between(part, start, ends) for part in (course.tags, course.losses, course.health)]
    write_drivers(folder / "drivers.parquet", *ahead)
    write_state(folder / "state.json", past.state)
    return Laid(
        loaded=loaded,
        seed=seed,
        start=start,
        drivers=folder / "drivers.parquet",
        state=folder / "state.json",
        report=folder / "plant.json",
    )


def drivers_of(course: works.WorksCourse) -> Drivers:
    """A course as what drives a twin."""

    def wide(table: Table) -> dict[str, Floats]:
        return {name: np.asarray(column[:, None]) for name, column in table.columns.items()}

    start = datetime.fromisoformat(f"{course.tags.times[0]}+00:00")
    return Drivers(
        start=start, step_s=course.tags.step_s, tags=wide(course.tags), losses=wide(course.losses), health=wide(course.health)
    )


def _between(table: Table, start: datetime, end: datetime) -> Table:
    return table.since(instant64(start)).before(instant64(end))


@contextmanager
def starting(laid: Laid, *extra: str) -> Iterator[Callable[[], LoadedSite]]:
    """The works as a plant of its own process on a free port of this machine.

    Gives what waits until it is up and returns the site that points at it; that raises NotConnectedError if the plant does not
    come up, with what it said.
    """
    endpoint = f"opc.tcp://127.0.0.1:{free_port()}/works"
    options = {
        "--site": laid.loaded.file,
        "--endpoint": endpoint,
        "--mismatch": MISMATCH,
        "--seed": laid.seed,
        "--drivers": laid.drivers,
        "--state": laid.state,
        "--report": laid.report,
    }
    words = [str(word) for pair in options.items() for word in pair]
    log = laid.loaded.folder / "plant.log"
    with log.open("w", encoding="utf-8") as errors:
        command = [sys.executable, "-m", "ems.cli", "plant", "serve", "--lock-step", "--as-stated", *words, *extra]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)

        def ready() -> LoadedSite:
            assert process.stdout is not None
            if not any(line.startswith("ready") for line in process.stdout):
                raise NotConnectedError(f"the plant did not come up: {log.read_text(encoding='utf-8').strip()[-500:]}")
            connection = replace(laid.loaded.site.connection, endpoint=endpoint, endpoint_env=None)
            return replace(laid.loaded, site=replace(laid.loaded.site, connection=connection))

        try:
            yield ready
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def native(laid: Laid, account: dict[str, Any]) -> PlantReport:
    """The same plant over the same time, had nobody connected: its own local control on the same seed."""
    until = datetime.fromisoformat(account["end"])
    drivers = read_drivers(laid.drivers)
    state = read_state(laid.state)
    twin = served_twin(
        laid.loaded, drivers, start=laid.start, end=None, seed=laid.seed, mismatch=MISMATCH, state=state, as_stated=True
    )
    twin.wait_until(until)
    return twin.report(*served_prices(laid.loaded, drivers, laid.start, until))


def account(laid: Laid) -> dict[str, Any]:
    """The plant's own account of a run.

    Raises
    ------
    EmsError
        If the plant left none.
    """
    try:
        found: dict[str, Any] = json.loads(laid.report.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise EmsError(f"{laid.report}: the plant left no account ({error})") from error
    return found
