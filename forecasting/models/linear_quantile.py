"""Linear quantile regression per hour of the day, relative to the class mean.

Koenker and Bassett (1978), solved by iteratively reweighted least squares: quick, and it extrapolates where trees cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecasting.calendar import OFF, SATURDAY
from forecasting.cells import LEVELS, Cells, Learned
from forecasting.features import DISTANCES, NAMES
from forecasting.features import LEVELS as LEVEL_FEATURES
from forecasting.forecaster import Forecaster
from forecasting.windows import Rows
from plant.table import Floats

_LEFT_OUT = ("class_mean_8", "last_hour", "last_4h", "last_day", "last_week", "spread_28d")
_NUMBERS = tuple(name for name in (*LEVEL_FEATURES, *DISTANCES) if name not in _LEFT_OUT)
_FLAGS = ("rest_yesterday", "holiday_today", "holiday_around", "rest_run", "rest_ahead")
_FURTHEST = 6.0
"""Spreads beyond which a feature is cut off, so that an outlier does not carry the line away."""
_ROUNDS = 15
_NEAREST_MISS = 0.02
"""Spreads below which a miss counts as this large: keeps the weights finite."""
RIDGE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyLines(Learned):
    """One line per group of slots and quantile."""

    weights: Floats
    """Shape (hours, columns, 3)."""
    slots: int
    centre: Floats
    """Mean and spread of the columns known for the future, shape (2, columns)."""

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        matrix, hour = _matrix(cells, self.centre), _hour(cells, self.slots, self.weights.shape[0])
        return np.sort(cells.absolute(np.einsum("nc,ncq->nq", matrix, self.weights[hour])), axis=1)


class LinearQuantile(Forecaster):
    """Lines per hour."""

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`."""
        del rng
        slots = int(cells.column("slot").max()) + 1
        hours = min(24, slots, max(1, len(cells) // 200))
        extra = cells.x[:, len(NAMES) :].astype(float)
        centre = np.stack([np.nanmean(extra, axis=0), np.maximum(np.nanstd(extra, axis=0), 1e-9)]) if len(cells) else extra
        matrix, y, hour = _matrix(cells, centre), cells.relative().y, _hour(cells, slots, hours)
        weights = np.zeros((hours, matrix.shape[1], 3))
        for group in range(hours):
            mine = hour == group
            if mine.any():
                weights[group] = _lines(matrix[mine], y[mine])
        return HourlyLines(weights=weights, slots=slots, centre=centre)


def _hour(cells: Cells, slots: int, hours: int) -> Rows:
    return np.asarray(np.minimum(cells.x[:, 0].astype(np.int64), slots - 1) * hours // slots)


def _matrix(cells: Cells, centre: Floats) -> npt.NDArray[np.float64]:
    relative = cells.relative()
    numbers = np.stack([relative.column(name) for name in _NUMBERS], axis=1)
    flags = np.stack([cells.column(name) for name in _FLAGS], axis=1)
    extra = (cells.x[:, len(NAMES) :] - centre[0]) / centre[1]
    kind = cells.column("kind")
    both = np.nan_to_num(np.clip(np.concatenate([numbers, flags, extra], axis=1), -_FURTHEST, _FURTHEST))
    return np.column_stack([np.ones(len(cells)), both, kind == SATURDAY, kind == OFF])


def _lines(matrix: Floats, y: Floats) -> Floats:
    """Weights of the three quantiles, shape (columns, 3)."""
    ridge = RIDGE * np.eye(matrix.shape[1])
    ridge[0, 0] = 1e-6
    start = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ y)
    found = np.empty((matrix.shape[1], 3))
    for number, level in enumerate(LEVELS):
        line = start
        for _ in range(_ROUNDS):
            miss = y - matrix @ line
            weight = np.where(miss > 0, level, 1 - level) / np.maximum(np.abs(miss), _NEAREST_MISS)
            weighted = matrix * weight[:, None]
            line = np.linalg.solve(matrix.T @ weighted + ridge * weight.mean() * 0.5, weighted.T @ y)
        found[:, number] = line
    return found
