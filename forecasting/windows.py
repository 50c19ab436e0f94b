"""Means over past rows that know about gaps; a result for index i uses rows before i only."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from plant.table import Floats

Rows = npt.NDArray[np.int64]


def share_mean(total: Floats, count: npt.NDArray[Any]) -> Floats:
    """`total / count`, NaN where nothing was counted."""
    return np.asarray(np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0))


def mean(windows: Floats, axis: int = 1) -> Floats:
    """Mean along an axis over what is there."""
    there = np.isfinite(windows)
    return share_mean(np.where(there, windows, 0.0).sum(axis=axis), there.sum(axis=axis))


def median(windows: Floats) -> Floats:
    """Median along axis 1 over what is there; shape (n, width, slots) → (n, slots)."""
    ordered = np.sort(windows, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    row, slot = np.arange(count.shape[0])[:, None], np.arange(count.shape[1])
    low = ordered[row, np.maximum((count - 1) // 2, 0), slot]
    high = ordered[row, np.minimum(count // 2, ordered.shape[1] - 1), slot]
    return np.where(count > 0, (low + high) / 2, np.nan)


def smooth(values: Floats, width: int = 3) -> Floats:
    """Centred mean over `width` slots within each row, shorter at the ends; shape (rows, slots)."""
    half = width // 2
    wide = np.pad(values, ((0, 0), (half, half)), constant_values=np.nan)
    return mean(np.lib.stride_tricks.sliding_window_view(wide, width, axis=1), axis=2)


def beside(values: Floats, step: int) -> Floats:
    """For each cell the value `step` slots later in the same row, the cell's own at the ends; shape (rows, slots)."""
    slots = np.clip(np.arange(values.shape[1]) + step, 0, values.shape[1] - 1)
    return values[:, slots]


def rows_at(values: Floats, index: Rows) -> Floats:
    """Rows of an index of any shape, NaN for a negative one."""
    found = values[np.maximum(index, 0)]
    found[index < 0] = np.nan
    return found


def last(values: Floats, at: Rows, width: int) -> Floats:
    """The `width` rows before each index, newest first; shape (n, width, slots)."""
    return rows_at(values, at[:, None] - 1 - np.arange(width)[None, :])


def spread(values: Floats, at: Rows, width: int) -> Floats:
    """Standard deviation of the `width` rows before each index, shape (n, slots)."""
    window = last(values, at, width)
    middle = mean(window)
    return np.sqrt(mean((window - middle[:, None]) ** 2))


def last_of_class(classes: Rows, at: Rows, wanted: Rows, width: int) -> Rows:
    """The last `width` rows of a class before each index, newest first.

    Parameters
    ----------
    classes
        Class of each row, shape (rows,).
    at, wanted
        Index, and the class asked for there; shape (n,).
    width
        How many rows of that class.

    Returns
    -------
    Rows
        Shape (n, width); −1 where there are fewer, which `rows_at` shows as NaN.
    """
    index = np.full((at.size, width), -1, dtype=np.int64)
    for kind in set(wanted.tolist()):
        mine = np.flatnonzero(classes == kind)
        asked = np.flatnonzero(wanted == kind)
        rank = np.searchsorted(mine, at[asked], side="left")[:, None] - 1 - np.arange(width)[None, :]
        if mine.size:
            index[asked] = np.where(rank >= 0, mine[np.maximum(rank, 0)], -1)
    return index


def tail(values: Floats, at: Rows, cells: int) -> Floats:
    """The last `cells` cells before the beginning of each row, newest first; shape (n, cells)."""
    flat = values.ravel()
    index = (at * values.shape[1])[:, None] - 1 - np.arange(cells)[None, :]
    return rows_at(flat, index) if flat.size else np.full(index.shape, np.nan)
