"""Health on the simulated works with mismatch: false alarms and trips of healthy weeks, detection by size of fault.

Usage: python benchmarks/health/works.py [seed] [days]

Lives through the works of the demo (physics off by up to 10 %, noisy readings, local control), learns from two months and
judges the next, twice over. Then faults are put into single sensors: they grow in a day while the machine runs, and the service
counts as lost four days later. Takes some minutes, nearly all of them for living through the works.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np

from anomaly.backtest import raised
from anomaly.learner import Learner
from anomaly.machines import Machine, machine
from anomaly.monitor import HealthMonitor
from datasets.works import course, write_prices
from ems.config import load
from plant.site import Site
from plant.table import Table
from twin_sim.drivers import Drivers, from_table
from twin_sim.model import SiteModel
from twin_sim.twin import Twin

START, DAY = datetime(2026, 2, 1, tzinfo=UTC), 96
LEARN, JUDGE, LOST = 60 * DAY, 30 * DAY, 5 * DAY
SIZES = {"small": 2.0, "medium": 5.0, "large": 12.0}
"""In standard deviations of the sensor's noise."""
FAULTS_PER_SIZE = 34
BUSY = 0.1
"""A fault is put where the machine runs at least so much of the time: one that stands still loses no service."""


@dataclass(frozen=True)
class Trial:
    """One fault."""

    detected: bool
    named: bool
    tripped: bool


def lived(seed: int, days: int) -> tuple[Site, Table]:
    """The works and what its sensors read every quarter of an hour."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "site.toml"
        file.write_text(files("ems.templates").joinpath("works.toml").read_text(encoding="utf-8"), encoding="utf-8")
        made = course(seed, START, days, fouling_from=START + timedelta(days=10 * days))
        write_prices(Path(folder) / "prices.csv", made.tags)
        site = load(file).site
    tags = from_table(made.tags)
    losses = {name: column[:, None] for name, column in made.losses.columns.items()}
    drivers = Drivers(start=tags.start, step_s=tags.step_s, tags=tags.tags, losses=losses)
    twin = Twin(
        SiteModel(site, None), drivers, start=START, seed=seed, mismatch=0.1, noise=True, tick_s=300.0, capacity_s=days * 86400.0
    )
    rows = []
    for step in range(days * DAY):
        twin.wait_until(START + timedelta(minutes=15 * step))
        snapshot = twin.read()
        rows.append([snapshot.number(tag.name) for tag in site.tags])
    values = np.array(rows, dtype=np.float64)
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.arange(len(values)) * np.timedelta64(900, "s")
    return site, Table(times=times, columns={tag.name: values[:, i].copy() for i, tag in enumerate(site.tags)})


def cut(table: Table, first: int, stop: int) -> Table:
    """Some rows."""
    return Table(times=table.times[first:stop], columns={name: column[first:stop] for name, column in table.columns.items()})


def trial(site: Site, table: Table, seen: Machine, learner: Learner, part: str, size: float, begin: int) -> Trial:
    """One fault in one sensor from a row on."""
    tag = seen.tag(part)
    first = max(0, begin - 6 * DAY)
    window, at = cut(table, first, begin + LOST), begin - first
    values = window.columns[tag]
    noise = 0.1 if site.tag(tag).unit == "°C" else 0.006 * np.abs(values)
    grown = np.clip((np.arange(values.size) - at) / DAY, 0.0, 1.0) * (window.columns[f"{seen.asset}.running"] > 0.5)
    ill = Table(times=window.times, columns={**window.columns, tag: values + size * noise * grown})
    judgement = learner.judge(seen.table(ill), seen.asset)
    hits = np.flatnonzero(judgement.alarm[at:])
    drivers = judgement.drivers(at + int(hits[0])) if hits.size else ()
    return Trial(detected=bool(hits.size), named=bool(drivers) and drivers[0].tag == part, tripped=bool(judgement.trip[at:].any()))


def main(seed: int, days: int) -> None:
    """Print the figures."""
    site, table = lived(seed, days)
    rng = np.random.default_rng(seed)
    found: dict[str, list[Trial]] = defaultdict(list)
    alarms = trips = rows = judged = good = 0
    for first in range(0, len(table) - LEARN - JUDGE + 1, JUDGE):
        split, end = first + LEARN, min(first + LEARN + JUDGE, len(table))
        monitor = HealthMonitor.fit(site, cut(table, first, split))
        watched = [(machine(site, asset), monitor.learners.get(asset.name)) for asset in site.assets]
        known = [(seen, learner) for seen, learner in watched if seen is not None and learner is not None]
        for seen, learner in known:
            judgement = learner.judge(seen.table(cut(table, split - 2 * DAY, end)), seen.asset)
            alarm, trip, scores = (each[2 * DAY :] for each in (judgement.alarm, judgement.trip, judgement.scores))
            alarms, trips, rows = alarms + raised(alarm), trips + raised(trip), rows + alarm.size
            judged, good = judged + int(np.isfinite(scores).sum()), good + int((scores >= 0.9).sum())
        pairs = [(seen, learner, part) for seen, learner in known for part, _ in seen.sensors if part in learner.sensors]
        for name, size in SIZES.items():
            for number in range(FAULTS_PER_SIZE):
                seen, learner, part = pairs[(7 * number) % len(pairs)]
                running = table.columns[f"{seen.asset}.running"] > 0.5
                begins = [b for b in rng.integers(split, end - LOST, 50).tolist() if running[b : b + LOST].mean() >= BUSY]
                if begins:
                    found[name].append(trial(site, table, seen, learner, part, float(rng.choice((-1, 1))) * size, begins[0]))
    months = rows / DAY / 30
    print(f"healthy: {alarms / months:.2f} alarms per asset-month, {trips} trips in {months:.0f} asset-months")
    print(f"healthy: score >= 0.9 in {good / max(judged, 1):.2%} of judged hours, {judged / rows:.1%} judged")
    for name, trials in found.items():
        caught = [each for each in trials if each.detected]
        named, tripped = np.mean([each.named for each in caught]), np.mean([each.tripped for each in trials])
        print(
            f"{name} ({SIZES[name]:g} noises, {len(trials)} faults): detected {len(caught) / len(trials):.1%}, "
            f"right sensor named in {named:.1%}, tripped {tripped:.1%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0, int(sys.argv[2]) if len(sys.argv) > 2 else 125)
