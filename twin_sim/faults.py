"""Faults to put into a simulated plant or into its telemetry: seeded, in three sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from plant.errors import NotFoundError
from plant.ports import instant64
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.drivers import Drivers, Failure
from twin_sim.noise import spread


class FaultKind(StrEnum):
    """What can go wrong."""

    FOULING = "fouling"
    """A machine's health falls over three days and stays low."""
    LEAK = "leak"
    """A store loses more."""
    STUCK = "stuck"
    """A machine does not follow: it is out of order."""
    DRIFT = "drift"
    """A sensor wanders off, linearly over two days."""
    FREEZE = "freeze"
    """A sensor repeats its last value."""
    SPIKE = "spike"
    """A sensor jumps for single readings, one in twelve."""
    LOST = "lost"
    """A sensor gives no value."""


class Size(StrEnum):
    """How bad."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"


HEALTH_LOST = {Size.SMALL: 0.1, Size.MEDIUM: 0.3, Size.LARGE: 0.6}
LEAK_SHARE_PER_H = {Size.SMALL: 0.01, Size.MEDIUM: 0.03, Size.LARGE: 0.08}
"""Of the store's content between its limits."""
SIGMAS = {Size.SMALL: 2.0, Size.MEDIUM: 6.0, Size.LARGE: 15.0}
"""Of the sensor's own noise."""
STUCK_H = {Size.SMALL: 1.0, Size.MEDIUM: 4.0, Size.LARGE: 12.0}
FOULS_DAYS, DRIFTS_DAYS = 3.0, 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault."""

    kind: FaultKind
    size: Size
    target: str
    """Asset (fouling, stuck), store (leak) or tag (all others)."""
    at: datetime
    until: datetime


def drawn(
    site: Site, rng: np.random.Generator, *, count: int, start: datetime, days: float, lasting_h: float = 24.0
) -> tuple[Fault, ...]:
    """Faults at random: every kind and size, at machines, stores and sensors of a site."""
    sensors = [tag for asset in site.assets for tag in asset.tags.sensors] or [tag.name for tag in site.tags]
    targets = {
        FaultKind.FOULING: [asset.name for asset in site.assets],
        FaultKind.STUCK: [asset.name for asset in site.assets],
        FaultKind.LEAK: [store.name for store in site.stores],
    }
    kinds = [kind for kind in FaultKind if targets.get(kind, sensors)]
    found = []
    for _ in range(count):
        kind, size = kinds[int(rng.integers(len(kinds)))], list(Size)[int(rng.integers(len(Size)))]
        choices = targets.get(kind, sensors)
        at = start + timedelta(days=float(rng.uniform(0.0, days)))
        target = choices[int(rng.integers(len(choices)))]
        found.append(Fault(kind=kind, size=size, target=target, at=at, until=at + timedelta(hours=lasting_h)))
    return tuple(found)


def in_plant(drivers: Drivers, site: Site, faults: Sequence[Fault]) -> Drivers:
    """The same drivers with the faults of machines and stores in them; faults of sensors are `in_telemetry`.

    Raises
    ------
    NotFoundError
        If a fault names an asset or store that the site does not have.
    """
    health, losses, failures = dict(drivers.health), dict(drivers.losses), list(drivers.failures)
    hours = np.arange(drivers.steps)[:, None] * drivers.step_s / 3600.0
    for fault in faults:
        begin = (fault.at - drivers.start).total_seconds() / 3600.0
        end = (fault.until - drivers.start).total_seconds() / 3600.0
        during = (hours >= begin) & (hours < end)
        if fault.kind is FaultKind.FOULING:
            _known(fault.target, [asset.name for asset in site.assets], "asset")
            ramp = np.clip((hours - begin) / (24.0 * FOULS_DAYS), 0.0, 1.0) * during
            health[fault.target] = health.get(fault.target, np.ones((drivers.steps, 1))) * (1.0 - HEALTH_LOST[fault.size] * ramp)
        elif fault.kind is FaultKind.LEAK:
            _known(fault.target, [store.name for store in site.stores], "store")
            store = site.store(fault.target)
            rate = LEAK_SHARE_PER_H[fault.size] * (store.high - store.low) * (store.size_per_level or 1.0)
            losses[fault.target] = losses.get(fault.target, np.zeros((drivers.steps, 1))) + rate * during
        elif fault.kind is FaultKind.STUCK:
            _known(fault.target, [asset.name for asset in site.assets], "asset")
            until = min(fault.until, fault.at + timedelta(hours=STUCK_H[fault.size]))
            failures += [Failure(asset=fault.target, future=future, at=fault.at, until=until) for future in range(drivers.futures)]
    return replace(drivers, health=health, losses=losses, failures=tuple(failures))


def in_telemetry(table: Table, site: Site, faults: Sequence[Fault], rng: np.random.Generator) -> Table:
    """The same telemetry with the faults of sensors in it.

    Raises
    ------
    NotFoundError
        If a fault names a tag that the table does not have.
    """
    columns = {name: column.copy() for name, column in table.columns.items()}
    for fault in faults:
        if fault.kind in {FaultKind.FOULING, FaultKind.LEAK, FaultKind.STUCK}:
            continue
        _known(fault.target, list(columns), "tag")
        rows = np.flatnonzero((table.times >= instant64(fault.at)) & (table.times < instant64(fault.until)))
        if rows.size:
            columns[fault.target][rows] = _faulty(fault, columns[fault.target], rows, table, site, rng)
    return Table(times=table.times, columns=columns)


def _faulty(
    fault: Fault, column: Floats, rows: npt.NDArray[np.int64], table: Table, site: Site, rng: np.random.Generator
) -> Floats:
    own = column[rows]
    typical = float(np.nanmean(np.abs(column)))
    sigma = float(np.asarray(spread(site, fault.target, typical))) or 0.01 * max(typical, 1e-6)
    shift = SIGMAS[fault.size] * sigma
    if fault.kind is FaultKind.LOST:
        return np.full(rows.size, np.nan)
    if fault.kind is FaultKind.FREEZE:
        return np.full(rows.size, column[max(int(rows[0]) - 1, 0)])
    if fault.kind is FaultKind.DRIFT:
        days = (table.times[rows] - table.times[rows[0]]) / np.timedelta64(86400, "s")
        return np.asarray(own + shift * np.clip(days / DRIFTS_DAYS, 0.0, 1.0))
    hit = rng.random(rows.size) < 1.0 / 12.0
    return np.asarray(own + 3.0 * shift * hit * rng.choice((-1.0, 1.0), rows.size))


def _known(name: str, names: Sequence[str], what: str) -> None:
    if name not in names:
        raise NotFoundError(f"no {what} {name!r}: there are {', '.join(names)}")
