"""From readings to deviations: own baseline, operating mode, causal averages, and which sensors can be judged at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from plant.errors import DataError
from plant.table import Floats, Table

LEAST_ROWS = 20
"""Fewer healthy rows teach nothing about the spread of a sensor."""
LEAST_KNOWN = 0.5
"""A sensor that is missing in more than half of the healthy rows is not judged."""
MOST_WANDER = 0.5
"""A sensor of whose healthy variance more than this lies between blocks has no level yet that it could leave."""
_BLOCKS = 10

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A sensor that is not judged, and why."""

    sensor: str
    words: str


def matrix(table: Table, sensors: Sequence[str]) -> Floats:
    """Columns of a table side by side, shape (rows, sensors); a sensor that the table lacks is all NaN."""
    missing = np.full(len(table), np.nan)
    columns = [table.columns.get(sensor, missing) for sensor in sensors]
    values = np.stack(columns, axis=1) if columns else np.empty((len(table), 0))
    return np.where(np.isfinite(values), values, np.nan)


def trailing_mean(values: Floats, rows: int) -> Floats:
    """Mean over the last `rows` rows up to and including each row, NaN left out; NaN where all are missing.

    Parameters
    ----------
    values
        Shape (rows, columns).
    rows
        Length of the window, at least 1; at the beginning it is as long as there are rows.
    """
    known = np.isfinite(values)
    total, count = (trailing_sum(part, rows) for part in (np.where(known, values, 0.0), known))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def trailing_sum(values: Floats | Bools, rows: int) -> Floats:
    """Sum over the last `rows` rows up to and including each row, fewer at the beginning; shape (rows, columns), without NaN."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    found: Floats = sums[1:].copy()
    if rows < len(values):
        found[rows:] -= sums[1 : len(sums) - rows]
    return found


def wander(values: Floats) -> Floats:
    """Share of each column's variance that lies between ten consecutive blocks, corrected for what noise would show.

    0 is a level with noise on it, 1 a curve without noise (warming up, draining). The intraclass correlation of a one-way
    analysis of variance with the blocks as classes.
    """
    size = len(values) // _BLOCKS
    if size < 2:
        return np.zeros(values.shape[1])
    blocks = values[: size * _BLOCKS].reshape(_BLOCKS, size, values.shape[1])
    known = np.isfinite(blocks)
    count = known.sum(axis=1)
    filled = np.where(known, blocks, 0.0)
    means = filled.sum(axis=1) / np.maximum(count, 1)
    within = (np.where(known, blocks - means[:, None, :], 0.0) ** 2).sum(axis=(0, 1)) / np.maximum(count.sum(axis=0) - _BLOCKS, 1)
    used = count > 0
    centre = (means * used).sum(axis=0) / np.maximum(used.sum(axis=0), 1)
    between = (np.where(used, means - centre, 0.0) ** 2).sum(axis=0) / np.maximum(used.sum(axis=0) - 1, 1)
    between = np.maximum(between - within / np.maximum(count.mean(axis=0), 1), 0.0)
    share: Floats = between / np.maximum(between + within, np.finfo(float).tiny)
    return share


def judged_sensors(
    sensors: Sequence[str], values: Sequence[Floats], residuals: Sequence[Floats]
) -> tuple[tuple[str, ...], tuple[Dropped, ...]]:
    """The sensors whose healthy level is known well enough to judge them, and why the others are left out.

    Parameters
    ----------
    sensors
        All candidates.
    values, residuals
        Healthy rows of each asset, shape (rows, sensors): as read, and less what mode and context explain.

    Raises
    ------
    DataError
        If none is left.
    """
    known = np.mean([np.isfinite(v).mean(axis=0) if len(v) else np.zeros(len(sensors)) for v in values], axis=0)
    still = np.all([_range(v) <= 1e-12 for v in values], axis=0)
    wandering = np.mean([wander(v) for v in residuals], axis=0)
    words: dict[str, str] = {}
    for index, sensor in enumerate(sensors):
        if known[index] < LEAST_KNOWN:
            words[sensor] = f"known in only {known[index]:.0%} of the healthy rows"
        elif still[index]:
            words[sensor] = "constant in the healthy rows: its spread cannot be learned"
        elif wandering[index] > MOST_WANDER:
            words[sensor] = f"drifts in the healthy rows ({wandering[index]:.0%} of its variance): it has no level yet"
    kept = tuple(sensor for sensor in sensors if sensor not in words)
    if not kept:
        # Nothing but drifting sensors: their curve is all there is, so their wide spread is taken as the baseline.
        kept = tuple(sensor for sensor in sensors if words[sensor].startswith("drifts"))
        words = {sensor: text for sensor, text in words.items() if sensor not in kept}
    if not kept:
        raise DataError("no sensor can be judged: " + "; ".join(f"{sensor} is {text}" for sensor, text in words.items()))
    return kept, tuple(Dropped(sensor=sensor, words=text) for sensor, text in words.items())


def _range(values: Floats) -> Floats:
    known = np.isfinite(values)
    high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    return np.where(high >= low, high - low, 0.0) / np.maximum(np.abs(np.where(np.isfinite(high), high, 1.0)), 1.0)


def utc_of(time: np.datetime64) -> datetime:
    """The instant of a row as a record holds it."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(time.astype("datetime64[us]").astype(np.int64)))


def renamed(table: Table, names: Mapping[str, str]) -> Table:
    """Columns under new names: `names` maps each new name to the old one; a column the table lacks is all NaN."""
    missing = np.full(len(table), np.nan)
    return Table(times=table.times, columns={new: table.columns.get(old, missing) for new, old in names.items()})
