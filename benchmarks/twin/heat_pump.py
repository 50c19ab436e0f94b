"""A real domestic heat pump: its twin learned from three days, the fourth foretold.

Usage: EMS_DATA=folder python benchmarks/twin/heat_pump.py

`EMS_DATA` holds `heatpump/heat_pump_2021_03.csv.gz`. The site file beside this script states no sizes and no losses. The
readings go the product's own way: import into a historian, calibration from it, a twin that starts from the last
temperatures learned from and is told the weather, nothing else. Takes a few seconds.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from ems.columns import read_map
from ems.config import load
from ems.historian import Historian
from ems.imports import ImportOptions, import_readings
from plant.ports import instant64
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate import calibrate
from twin_sim.calibrate_machines import even_times, runs
from twin_sim.calibration import Calibration
from twin_sim.drivers import from_table
from twin_sim.model import SiteModel
from twin_sim.state import TwinState
from twin_sim.twin import Twin

LEARN_DAYS = 3.0
STEP_S = 900.0
COLUMNS = {"heat_pump_kw": "heat_pump.power", "supply_water_c": "water.supply", "outdoor_c": "outdoor"}


def readings(site: Site, file: Path) -> Table:
    """The recording by the product's own road: into a historian and out of it, at equal steps."""
    recorded = pd.read_csv(file)
    chosen = recorded.rename(columns=COLUMNS)[["time", *COLUMNS.values()]]
    chosen["rooms"] = (recorded["first_floor_c"] + recorded["ground_floor_c"]) / 2.0
    with tempfile.TemporaryDirectory() as folder, Historian("sqlite:///:memory:") as historian:
        passing = Path(folder) / "house.csv"
        chosen.to_csv(passing, index=False)
        report = import_readings(historian, site, passing, ImportOptions(), read_map(None), lambda *_: None)
        return historian.table([tag.tag for tag in report.tags])


def foretold(site: Site, learned: Calibration, table: Table, start: datetime, end: datetime) -> dict[str, Floats]:
    """Power, water and rooms from one instant to another by the twin, told the weather; by tag."""
    begin = int(np.searchsorted(table.times, instant64(start)))
    levels = tuple((store.name, float(table.columns[store.level][begin])) for store in site.stores)
    weather = from_table(table.since(instant64(start)).only("outdoor"))
    tags = ("heat_pump.power", "water.supply", "rooms")
    shown: dict[str, list[float]] = {tag: [] for tag in tags}
    with Twin(SiteModel(site, learned), weather, start=start, end=end, state=TwinState(levels=levels)) as twin:
        for step in range(round((end - start).total_seconds() / STEP_S)):
            twin.wait_until(start + timedelta(seconds=step * STEP_S))
            snapshot = twin.read()
            for tag in tags:
                shown[tag].append(snapshot.number(tag) or 0.0)
    return {tag: np.array(values) for tag, values in shown.items()}


def tell(learned: Calibration) -> None:
    """What was learned, and what could not be."""
    owners = [(found.asset, found.parameters) for found in learned.assets]
    owners += [(found.store, found.parameters) for found in learned.stores]
    owners += [(f"{found.source} to {found.target}", found.parameters) for found in learned.flows]
    for owner, items in owners:
        for item in items:
            print(f"{owner}: {item.name} {item.value:.4g} ({item.low:.4g} to {item.high:.4g}) {item.unit}")
    print(*learned.words, sep="\n")
    for held in learned.credibility:
        print(f"{held.asset}: CV(RMSE) of its power {held.cv_rmse:.1%} while it ran in the last 15 %, {held.samples} quarter hours")


def rms(apart: Floats) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(apart**2)))


def judge(site: Site, day: Table, before: Table, found: Mapping[str, Floats]) -> None:
    """The fourth day beside what was foretold, and beside the day before it."""
    actual, power = day.columns["heat_pump.power"], found["heat_pump.power"]
    ran, expected = runs(site.asset("heat_pump"), day), power > 0.3 * power.max()
    both, off = ran & expected, power - actual
    print(f"power: RMSE {rms(off):.3f} kW, CV(RMSE) {rms(off) / actual.mean():.1%}")
    print(f"power while both run: CV(RMSE) {rms(off[both]) / actual[both].mean():.1%} over {int(both.sum())} quarter hours")
    print(f"running as foretold: {np.mean(ran == expected):.1%} of quarter hours")
    print(f"energy: {power.sum() / 4:.2f} kWh foretold, {actual.sum() / 4:.2f} kWh measured, {power.sum() / actual.sum() - 1:+.1%}")
    for name in ("water.supply", "rooms"):
        apart = found[name] - day.columns[name]
        print(f"{name}: RMSE {rms(apart):.2f} K, bias {apart.mean():+.2f} K, range measured {np.ptp(day.columns[name]):.1f} K")
    yesterday = before.columns["heat_pump.power"]
    print(f"beside it, the day before taken again: power RMSE {rms(yesterday - actual):.3f} kW,", end=" ")
    print(f"energy {yesterday.sum() / actual.sum() - 1:+.1%},", end=" ")
    print(", ".join(f"{name} RMSE {rms(before.columns[name] - day.columns[name]):.2f} K" for name in ("water.supply", "rooms")))


def main() -> int:
    """Learn, foretell, print."""
    file = Path(os.environ.get("EMS_DATA", "no-such-folder")) / "heatpump" / "heat_pump_2021_03.csv.gz"
    if not file.exists():
        print(f"{file} is not there: set EMS_DATA to the folder of the recordings", file=sys.stderr)
        return 0
    site = load(Path(__file__).with_suffix(".toml")).site
    ragged = readings(site, file)
    table = even_times(ragged)
    start = datetime.fromisoformat(f"{table.times[0]}+00:00") + timedelta(days=LEARN_DAYS)
    end = start + timedelta(days=1)
    learned = calibrate(site, ragged.before(instant64(start)))
    tell(learned)
    print(f"the fourth day, {start:%Y-%m-%d %H:%M} to {end:%m-%d %H:%M} UTC, by quarter hours, told the weather:")
    before = table.since(instant64(start - timedelta(days=1))).before(instant64(start))
    judge(site, table.since(instant64(start)).before(instant64(end)), before, foretold(site, learned, table, start, end))
    return 0


if __name__ == "__main__":
    sys.exit(main())
