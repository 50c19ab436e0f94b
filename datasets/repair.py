"""Readings made even: equal steps, gaps as gaps, dead sensors and spikes taken out; and a report of what was done.

Nothing is invented: what is missing stays NaN, because a forward fill costs a forecast half its accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.errors import DataError
from plant.table import Floats, Table, Times

_DEAD_SHARE = 0.002
"""A value that lives in long runs only: the share of single rows that may show it outside of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReport:
    """What was found in one column."""

    column: str
    rows: int
    missing: int
    """Rows without a value before anything was taken out."""
    gaps: int
    """Runs of rows without a value."""
    longest_gap: int
    """Rows of the longest run."""
    flat: int
    """Rows taken out because a sensor stood still."""
    spikes: int
    """Rows taken out because a value jumped beyond all reason and back."""

    @property
    def missing_share(self) -> float:
        """Share of rows without a value after repair."""
        return (self.missing + self.flat + self.spikes) / max(1, self.rows)


def resample(table: Table, step_s: float) -> Table:
    """Means over equal steps, counted from midnight UTC of the first day's phase; an empty step is NaN.

    Parameters
    ----------
    table
        Readings at any times.
    step_s
        Length of a step, 60 to 86,400 s.

    Raises
    ------
    DataError
        If the step is outside 1 to 1,440 minutes or the table is empty.
    """
    if not 60 <= step_s <= 86400:
        raise DataError(f"a step of {step_s:g} s is not between 1 and 1,440 minutes")
    if not len(table):
        raise DataError("a table without rows cannot be resampled")
    step_us = round(step_s * 1e6)
    stamps = table.times.astype(np.int64)
    phase = int(stamps[0]) % step_us if table.step_s >= step_s else 0
    number = (stamps - phase) // step_us
    first, rows = int(number[0]), int(number[-1] - number[0]) + 1
    times: Times = ((first + np.arange(rows)) * step_us + phase).astype("datetime64[us]")
    columns = {name: _means(column, number - first, rows) for name, column in table.columns.items()}
    return Table(times=times, columns=columns)


def _means(column: Floats, number: npt.NDArray[np.int64], rows: int) -> Floats:
    there = np.isfinite(column)
    total = np.bincount(number[there], weights=column[there], minlength=rows)
    count = np.bincount(number[there], minlength=rows)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def even(table: Table) -> Table:
    """The table with a row for every step of its own most frequent step."""
    step_us = round(table.step_s * 1e6)
    if len(table) < 2 or bool(np.all(np.diff(table.times).astype(np.int64) == step_us)):
        return table
    return resample(table, table.step_s)


def repaired(table: Table, *, flat_s: float = 6 * 3600) -> tuple[Table, tuple[ColumnReport, ...]]:
    """Take dead sensors and spikes out of every column.

    Parameters
    ----------
    table
        Rows at equal steps (`even`).
    flat_s
        How long one and the same value may stand before it is suspected.
    """
    columns, reports = {}, []
    for name, column in table.columns.items():
        flat = dead(column, max(3, round(flat_s / max(table.step_s, 1.0))))
        spike = spikes(np.where(flat, np.nan, column))
        gone = ~np.isfinite(column)
        length = run_lengths(gone)
        columns[name] = np.where(flat | spike, np.nan, column)
        starts = int((gone & ~np.append(False, gone[:-1])).sum()) if gone.size else 0
        reports.append(
            ColumnReport(
                column=name, rows=column.size, missing=int(gone.sum()), gaps=starts, longest_gap=int(length.max(initial=0)),
                flat=int(flat.sum()), spikes=int(spike.sum()),
            )
        )  # fmt: skip
    return Table(times=table.times, columns=columns), tuple(reports)


def run_lengths(flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each row the length of the run of True that it belongs to, 0 where False."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    length = np.zeros(flags.size, dtype=np.int64)
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        length[first:stop] = stop - first
    return length


def dead(column: Floats, rows: int) -> npt.NDArray[np.bool_]:
    """Rows of a sensor that stands still: one value for `rows` rows or more that hardly ever occurs otherwise.

    A value that a healthy series also takes for a while (0 of a photovoltaic plant at night, standby of a machine) is no
    fault: it is suspected only where nearly all its rows lie in long runs, and where those runs are not part of the daily
    course (they cover less than a tenth of the rows).
    """
    found = np.zeros(column.size, dtype=bool)
    if column.size < 2 * rows:
        return found
    same = np.append(False, column[1:] == column[:-1])
    length = run_lengths(same)
    length = np.maximum(length, np.append(length[1:], 0)) + 1
    long = (length >= rows) & (same | np.append(same[1:], False))
    for value in np.unique(column[long]):
        shown = column == value
        inside, outside = int((shown & long).sum()), int((shown & ~long).sum())
        if outside <= _DEAD_SHARE * column.size and inside <= 0.1 * column.size and outside <= 0.1 * inside:
            found |= shown & long
    return found


def spikes(column: Floats, reach: float = 12.0) -> npt.NDArray[np.bool_]:
    """Single rows further than `reach` times the range of the middle 98 % from both neighbours and from that range."""
    found = np.zeros(column.size, dtype=bool)
    known = column[np.isfinite(column)]
    if known.size < 100:
        return found
    low, high = np.quantile(known, [0.01, 0.99])
    span = high - low
    if span <= 0:
        return found
    beyond = np.maximum(column[1:-1] - high, low - column[1:-1])
    jump = np.minimum(np.abs(column[1:-1] - column[:-2]), np.abs(column[1:-1] - column[2:]))
    found[1:-1] = (beyond > reach * span) & (jump > reach * span)
    return found
