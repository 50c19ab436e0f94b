"""Bands that hold 80 % of what comes: conformal correction of p10 and p90 from the forecasts of the last weeks.

Each end of the band is moved by the quantile of its own recent misses (conformalised quantile regression, Romano,
Patterson and Candès 2019, one-sided), over a rolling window because a correction made once goes stale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting import windows
from forecasting.windows import Rows
from plant.table import Floats

SHIFT_DAYS = 7
"""Days whose misses tell that the level has moved."""
SHIFT_THRESHOLD = 1.0
"""Misses must lie to one side by so many of their own spreads before a forecast is moved."""
WHOLE_DAY_VALUES = 1000
"""A group of hours is corrected by its own misses and by those of the whole day, which count like so many values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """How a band is corrected."""

    window_days: int = 56
    parts: int = 4
    """Groups of hours of a day that are corrected apart."""
    scaled: bool = False
    """True: misses count in widths of the raw band; False: in the target's unit."""
    aim: float = 0.8
    """Share that the corrected band should hold."""


def followed(raw: Floats, actual: Floats, delay: int) -> Floats:
    """Raw forecasts moved after a series whose level has moved for good.

    The median miss of the last week moves all three quantiles by what it exceeds the misses' own spread (a soft threshold):
    ordinary weeks change nothing, a lasting shift is made up within days.

    Parameters
    ----------
    raw, actual, delay
        As in `corrected`.
    """
    found = raw.copy()
    at = np.arange(delay + 1, raw.shape[0])
    week = windows.last(actual - raw[..., 1], at - delay, SHIFT_DAYS)
    recent = week.reshape(at.size, SHIFT_DAYS * raw.shape[1], 1)
    middle = windows.median(recent)
    spread = windows.median(np.abs(recent - middle[:, None]))
    move = np.sign(middle) * np.maximum(0.0, np.abs(middle) - SHIFT_THRESHOLD * spread)
    found[at] += np.nan_to_num(move)[..., None]
    return found


def corrected(raw: Floats, actual: Floats, at: Rows, delay: int, how: Correction) -> Floats:
    """Raw forecasts of the rows `at`, moved after a shift (`followed`), their band by what was known before each issue.

    Parameters
    ----------
    raw
        p10, p50, p90 of all rows, NaN where there was no forecast; shape (rows, slots, 3).
    actual
        What came; shape (rows, slots). Only rows before `row - delay` are looked at.
    at
        Target rows to correct; shape (n,).
    delay
        Whole days between issue and target row: so many of the last rows were not known.
    how
        Window, groups and unit of the correction.

    Returns
    -------
    Floats
        Shape (n, slots, 3), not crossing.
    """
    raw = followed(raw, actual, delay)
    width = _widths(raw, how.scaled)
    miss_low, miss_high = (raw[..., 0] - actual) / width[..., 0], (actual - raw[..., 2]) / width[..., 1]
    level = (1 + how.aim) / 2
    slots = raw.shape[1]
    part = (np.arange(slots) * how.parts) // slots
    found = raw[at].copy()
    for number, row in enumerate(at):
        window = slice(max(0, row - delay - how.window_days), max(0, row - delay))
        for end, misses, sign in ((0, miss_low, -1.0), (2, miss_high, 1.0)):
            recent = misses[window]
            whole = _quantile(recent, level)
            for group in range(how.parts):
                mine = part == group
                inside = recent[:, mine]
                move = _steadied(_quantile(inside, level), int(np.isfinite(inside).sum()), whole)
                found[number, mine, end] += sign * move * width[row, mine, end // 2]
    middle = found[..., 1]
    found[..., 0] = np.minimum(found[..., 0], middle)
    found[..., 2] = np.maximum(found[..., 2], middle)
    return found


def _steadied(move: float, values: int, whole: float) -> float:
    """A group's move drawn to that of the whole day: few values make a noisy quantile."""
    return (values * move + WHOLE_DAY_VALUES * whole) / (values + WHOLE_DAY_VALUES)


def _widths(raw: Floats, scaled: bool) -> Floats:
    if not scaled:
        return np.ones((*raw.shape[:2], 2))
    width = np.stack([raw[..., 1] - raw[..., 0], raw[..., 2] - raw[..., 1]], axis=-1)
    return np.asarray(np.maximum(width, np.maximum(width.mean(axis=1, keepdims=True) * 0.05, 1e-9)))


def _quantile(misses: Floats, level: float) -> float:
    """The conformal quantile (rank rounded up among n + 1); 0 without any value."""
    known = misses[np.isfinite(misses)]
    if not known.size:
        return 0.0
    place = int(np.ceil((known.size - 1) * min(1.0, level * (known.size + 1) / known.size)))
    return float(np.partition(known, place)[place])


def best(raw: Floats, actual: Floats) -> Correction:
    """The correction that would have done best on forecasts nobody had learned from.

    Parameters
    ----------
    raw
        Shape (rows, slots, 3).
    actual
        Shape (rows, slots).
    """
    rows = raw.shape[0]
    if rows < 14:
        return Correction()
    at = np.arange(rows // 3, rows)
    tried = [
        Correction(window_days=window, parts=parts, scaled=scaled)
        for window in (28, 56, 84)
        for parts in (1, 4, 8)
        for scaled in (False, True)
        if parts <= raw.shape[1]
    ]
    return min(tried, key=lambda how: _cost(corrected(raw, actual, at, 0, how), actual[at]))


def _cost(band: Floats, actual: Floats) -> float:
    """Pinball loss of the two ends, dearer by what the band holds too much or too little."""
    known = np.isfinite(actual)
    if not known.any():
        return 0.0
    low, high, came = band[known][:, 0], band[known][:, 2], actual[known]
    loss = np.maximum(0.1 * (came - low), -0.9 * (came - low)) + np.maximum(0.9 * (came - high), -0.1 * (came - high))
    holds = float(((came >= low) & (came <= high)).mean())
    return float(loss.mean()) * (1 + max(0.0, abs(holds - 0.8) - 0.01))
