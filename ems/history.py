"""The last weeks of readings at the control step, kept beside the historian so that a cycle need not ask for them again."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from plant.ports import instant64
from plant.table import Floats, Table
from plant.tags import Snapshot
from plant.times import floor


class History:
    """A window of readings on a fixed grid: mean of each step, NaN where nothing was read.

    Parameters
    ----------
    table
        Readings at any times, for example from the historian.
    step_s
        Grid of the controller.
    span
        How far back is kept, and up to a day more: the window moves by whole days, so that what forecasters remember of its
        days stays true through the day.
    """

    def __init__(self, table: Table, step_s: float, span: timedelta) -> None:
        self._step = np.timedelta64(round(step_s * 1e6), "us")
        self._step_s, self._span = step_s, span
        self._names = tuple(table.columns)
        self._times, self._sums, self._counts = self._gridded(table)
        self._means: Floats | None = None
        """Means of what is held now, shape (columns, rows); None = a snapshot has come since they were taken."""

    def _gridded(self, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        empty = np.zeros((0, len(self._names)))
        if not len(table):
            return np.zeros(0, dtype="datetime64[us]"), empty, empty.copy()
        slots = table.times.astype(np.int64) // self._step.astype(np.int64)
        first, count = int(slots[0]), int(slots[-1] - slots[0]) + 1
        values = np.stack([table.columns[name] for name in self._names], axis=1) if self._names else np.zeros((len(table), 0))
        held = np.isfinite(values)
        sums, counts = np.zeros((count, len(self._names))), np.zeros((count, len(self._names)))
        np.add.at(sums, slots - first, np.where(held, values, 0.0))
        np.add.at(counts, slots - first, held.astype(np.float64))
        times = (np.arange(first, first + count) * self._step.astype(np.int64)).astype("datetime64[us]")
        return times, sums, counts

    def add(self, snapshot: Snapshot) -> None:
        """Take a snapshot into its step; values that are BAD are left out."""
        self._means = None
        slot = instant64(floor(snapshot.time, self._step_s))
        rows = 1 if not len(self._times) else int((slot - self._times[-1]) / self._step)
        if rows > 0:
            self._extend(slot, rows)
        where = len(self._times) - 1 + min(rows, 0)
        if where < 0:
            return
        for column, name in enumerate(self._names):
            value = snapshot.number(name)
            if value is not None:
                self._sums[where, column] += value
                self._counts[where, column] += 1.0

    def _extend(self, slot: np.datetime64, rows: int) -> None:
        fresh = slot - self._step * np.arange(rows - 1, -1, -1)
        nothing = np.zeros((rows, len(self._names)))
        begin = (slot - np.timedelta64(round(self._span.total_seconds() * 1e6), "us")).astype("datetime64[D]")
        keep = int(np.searchsorted(self._times, begin))
        self._times = np.concatenate([self._times[keep:], fresh.astype("datetime64[us]")])
        self._sums = np.concatenate([self._sums[keep:], nothing])
        self._counts = np.concatenate([self._counts[keep:], nothing])

    def table(self, until: datetime | None = None) -> Table:
        """Means per step, of steps that ended at or before `until`."""
        if self._means is None:
            self._means = np.ascontiguousarray(np.where(self._counts > 0, self._sums / np.maximum(self._counts, 1.0), np.nan).T)
        stop = len(self._times) if until is None else int(np.searchsorted(self._times + self._step, instant64(until), side="right"))
        columns = {name: column[:stop].copy() for name, column in zip(self._names, self._means, strict=True)}
        return Table(times=self._times[:stop], columns=columns)
