"""From distances to health: score, severity zone, alarm with delays, trend. Pure functions of arrays over rows."""

from __future__ import annotations

import math

import numpy as np

from anomaly.features import Bools, trailing_mean
from anomaly.profiles import Profile
from plant.health import Severity
from plant.table import Floats

HALF_DISTANCE = 4.0
"""Distance, in thresholds, at which the score is one half: at the threshold itself it is still 0.94."""
ZONES = ((1.0, Severity.A), (2.0, Severity.B), (4.0, Severity.C), (math.inf, Severity.D))
"""Largest distance of each zone, in thresholds of the advisory profile."""
RECOVERY_ROWS = 60
"""The score forgets the worst it has seen only slowly, within so many rows: a machine does not heal by itself."""
_TREND_BLOCKS = 6
_TREND_BLOCK_ROWS = 10
TREND_ROWS = _TREND_BLOCKS * _TREND_BLOCK_ROWS
"""Rows that a trend is taken from."""
_STUDENT_90 = 1.533
"""90th percentile of Student's t with `_TREND_BLOCKS` − 2 degrees of freedom."""
_LEAST_CONFIDENCE = 0.5


def score_of(distance: Floats) -> Floats:
    """Health 0..1 of a distance in thresholds: 1 / (1 + (distance / HALF_DISTANCE)²), which never saturates."""
    score: Floats = 1.0 / (1.0 + (distance / HALF_DISTANCE) ** 2)
    return score


def distance_of(score: float) -> float:
    """The distance at which health has a score: the inverse of `score_of`."""
    return HALF_DISTANCE * math.sqrt(1.0 / score - 1.0)


def zone(distance: float) -> Severity:
    """The severity zone of a distance in thresholds."""
    return next(severity for most, severity in ZONES if distance <= most)


def settled(distance: Floats) -> Floats:
    """The distance that the score shows: it rises at once and falls back slowly.

    Parameters
    ----------
    distance
        Shape (rows,), in thresholds; NaN where not judged.

    Returns
    -------
    Floats
        Shape (rows,), causal; NaN where `distance` is.
    """
    keep = 1.0 - 1.0 / RECOVERY_ROWS
    worst = 0.0
    held = np.full_like(distance, np.nan)
    for row, value in enumerate(distance.tolist()):
        if not math.isnan(value):
            worst = value if value >= worst else value + (worst - value) * keep
            held[row] = worst
    return held


def delayed(beyond: Bools, profile: Profile) -> Bools:
    """An alarm that is raised and cleared only after so many rows in a row, shape (rows,)."""
    alarm, run, state = np.zeros(beyond.size, dtype=bool), 0, False
    if not beyond.any():
        return alarm
    for row, now in enumerate(beyond.tolist()):
        run = run + 1 if now != state else 0
        if run >= (profile.clear_rows if state else profile.raise_rows):
            state, run = not state, 0
        alarm[row] = state
    return alarm


def rows_to_zone_d(distance: Floats) -> Floats:
    """Rows until zone D if the trend of the last hour of rows went on.

    A straight line through the means of six blocks of ten rows. The interval is that of its slope (Student's t with four
    degrees of freedom).

    Parameters
    ----------
    distance
        Shape (rows,): as `settled` gives it.

    Returns
    -------
    Floats
        Shape (rows, 3): p10, p50, p90; NaN inside zone A, where the slope is not certainly upwards, or where zone D is
        reached already.
    """
    means = trailing_mean(distance[:, None], _TREND_BLOCK_ROWS)[:, 0]
    lags = np.arange(_TREND_BLOCKS)[::-1] * _TREND_BLOCK_ROWS
    blocks = np.stack([_shifted(means, int(lag)) for lag in lags], axis=1)
    at = -lags.astype(float)
    at = at - at.mean()
    slope = blocks @ at / (at**2).sum()
    fit = blocks.mean(axis=1)[:, None] + slope[:, None] * at
    error = np.sqrt(((blocks - fit) ** 2).sum(axis=1) / (_TREND_BLOCKS - 2) / (at**2).sum())
    reach = _STUDENT_90 * error
    left = ZONES[2][0] - distance
    certain = (slope - reach > 1e-9) & (left > 0) & (distance > ZONES[0][0])
    safe = np.where(certain, slope, 1.0)
    rows = np.stack([left / (safe + reach), left / safe, left / np.where(certain, slope - reach, 1.0)], axis=1)
    return np.where(certain[:, None], rows, np.nan)


def judgeable(confidence: Floats) -> Bools:
    """Rows of which enough is known, shape (rows,)."""
    return confidence >= _LEAST_CONFIDENCE


def _shifted(values: Floats, rows: int) -> Floats:
    if rows == 0:
        return values
    return np.concatenate([np.full(min(rows, values.size), np.nan), values[:-rows]])[: values.size]
