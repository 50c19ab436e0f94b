"""Health on the simulated works with mismatch: false alarms and trips of healthy weeks, detection by size of fault.

Usage: python benchmarks/health/works.py [--seed 0] [--days 125] [--learn 60] [--month 2] [--driven]

Lives through the works of the demo (physics off by up to 10 %, noisy readings, local control), learns from two months (or
`--learn` days) and judges the next month, again and again. With `--driven` somebody else takes over after the first `--learn`
days: orders and set-points at random, which the history has never seen. Then faults are put into single sensors: they grow in a day
while the machine runs, and the service counts as lost four days later.
Takes a minute or two, half of it for living through the works.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np

from anomaly.backtest import raised
from anomaly.judgement import Judgement
from anomaly.learner import Learner
from anomaly.machines import Machine, machine
from anomaly.monitor import HealthMonitor
from datasets.works import course, write_prices
from ems.config import load
from plant.assets import Asset
from plant.site import Site
from plant.table import Table
from twin_sim.drivers import Drivers, from_table
from twin_sim.model import SiteModel
from twin_sim.twin import Twin

DAY = 96
JUDGE, LOST = 30 * DAY, 5 * DAY
SIZES = {"small": 2.0, "medium": 5.0, "large": 12.0}
"""In standard deviations of the sensor's noise."""
FAULTS_PER_SIZE = 34
BUSY = 0.1
"""A fault is put where the machine runs at least so much of the time: one that stands still loses no service."""


Known = list[tuple[Machine, Learner]]


@dataclass(frozen=True)
class Trial:
    """One fault."""

    detected: bool
    named: bool
    tripped: bool


def lived(seed: int, days: int, month: int, driven_from: int | None) -> tuple[Site, Table]:
    """The works and what its sensors read every quarter of an hour; from a day on driven by orders at random."""
    start, rng = datetime(2026, month, 1, tzinfo=UTC), np.random.default_rng(1000 + seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "site.toml"
        file.write_text(files("ems.templates").joinpath("works.toml").read_text(encoding="utf-8"), encoding="utf-8")
        made = course(seed, start, days, fouling_from=start + timedelta(days=10 * days))
        write_prices(Path(folder) / "prices.csv", made.tags)
        site = load(file).site
    tags = from_table(made.tags)
    losses = {name: column[:, None] for name, column in made.losses.columns.items()}
    drivers = Drivers(start=tags.start, step_s=tags.step_s, tags=tags.tags, losses=losses)
    twin = Twin(
        SiteModel(site, None), drivers, start=start, seed=seed, mismatch=0.1, noise=True, tick_s=300.0, capacity_s=days * 86400.0
    )
    rows = []
    for step in range(days * DAY):
        twin.wait_until(start + timedelta(minutes=15 * step))
        if driven_from is not None and step >= driven_from * DAY:
            drive(twin, site.assets[int(rng.integers(len(site.assets)))], rng)
        snapshot = twin.read()
        rows.append([snapshot.number(tag.name) for tag in site.tags])
    values = np.array(rows, dtype=np.float64)
    times = np.datetime64(start.replace(tzinfo=None), "us") + np.arange(len(values)) * np.timedelta64(900, "s")
    return site, Table(times=times, columns={tag.name: values[:, i].copy() for i, tag in enumerate(site.tags)})


def drive(twin: Twin, asset: Asset, rng: np.random.Generator) -> None:
    """Once in a while give a machine an order and a set-point that its own control would not, or give it back."""
    tags, life = asset.tags, asset.life
    if tags.command is None or rng.random() > 0.5:
        return
    order = (asset.orders.startup, asset.orders.shutdown, asset.orders.optimize, asset.orders.optimize)[int(rng.integers(4))]
    if tags.setpoint_write is not None and life.setpoint_low is not None and life.setpoint_high is not None:
        twin.write(tags.setpoint_write, float(rng.uniform(life.setpoint_low, life.setpoint_high)))
    twin.write(tags.command, order)
    if rng.random() < 0.3:
        for write in asset.release:
            twin.write(write.tag, write.value)


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


@dataclass
class Counts:
    """What healthy machines were told."""

    alarms: int = 0
    trips: list[str] = field(default_factory=list)
    rows: int = 0
    judged: int = 0
    good: int = 0

    def add(self, asset: str, judgement: Judgement, first: int) -> None:
        """Count the rows from `first` on."""
        alarm, trip, scores = (each[first:] for each in (judgement.alarm, judgement.trip, judgement.scores))
        self.alarms, self.trips = self.alarms + raised(alarm), self.trips + [asset] * raised(trip)
        self.rows, self.judged = self.rows + alarm.size, self.judged + int(np.isfinite(scores).sum())
        self.good += int((scores >= 0.9).sum())

    def words(self) -> str:
        """The figures."""
        months = self.rows / DAY / 30
        return (
            f"healthy: {self.alarms / months:.2f} alarms per asset-month, {len(self.trips)} trips {sorted(set(self.trips))} in "
            f"{months:.0f} asset-months\nhealthy: score >= 0.9 in {self.good / max(self.judged, 1):.2%} of judged hours, "
            f"{self.judged / self.rows:.1%} judged"
        )


def faults(site: Site, table: Table, known: Known, span: tuple[int, int], rng: np.random.Generator) -> dict[str, list[Trial]]:
    """Faults of all sizes within a span of rows."""
    found: dict[str, list[Trial]] = defaultdict(list)
    pairs = [(seen, learner, part) for seen, learner in known for part, _ in seen.sensors if part in learner.sensors]
    for name, size in SIZES.items():
        for number in range(FAULTS_PER_SIZE):
            seen, learner, part = pairs[(7 * number) % len(pairs)]
            running = table.columns[f"{seen.asset}.running"] > 0.5
            begins = [b for b in rng.integers(span[0], span[1] - LOST, 50).tolist() if running[b : b + LOST].mean() >= BUSY]
            if begins:
                found[name].append(trial(site, table, seen, learner, part, float(rng.choice((-1, 1))) * size, begins[0]))
    return found


def main(asked: argparse.Namespace) -> None:
    """Print the figures."""
    site, table = lived(asked.seed, asked.days, asked.month, asked.learn if asked.driven else None)
    learn, rng = asked.learn * DAY, np.random.default_rng(asked.seed)
    counts, found = Counts(), defaultdict[str, list[Trial]](list)
    for first in [0] if asked.driven else range(0, len(table) - learn - JUDGE + 1, JUDGE):
        split = first + learn
        end = len(table) if asked.driven else split + JUDGE
        monitor = HealthMonitor.fit(site, cut(table, first, split))
        watched = [(machine(site, asset), monitor.learners.get(asset.name)) for asset in site.assets]
        known = [(seen, learner) for seen, learner in watched if seen is not None and learner is not None]
        for seen, learner in known:
            counts.add(seen.asset, learner.judge(seen.table(cut(table, split - 2 * DAY, end)), seen.asset), 2 * DAY)
        for name, trials in ({} if asked.driven else faults(site, table, known, (split, end), rng)).items():
            found[name] += trials
    print(counts.words(), flush=True)
    for name, trials in found.items():
        caught = [each for each in trials if each.detected]
        named, tripped = np.mean([each.named for each in caught]), np.mean([each.tripped for each in trials])
        print(
            f"{name} ({SIZES[name]:g} noises, {len(trials)} faults): detected {len(caught) / len(trials):.1%}, "
            f"right sensor named in {named:.1%}, tripped {tripped:.1%}"
        )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Health on the simulated works.")
    for option, default in (("--seed", 0), ("--days", 125), ("--learn", 60), ("--month", 2)):
        options.add_argument(option, type=int, default=default)
    options.add_argument("--driven", action="store_true")
    main(options.parse_args())
