"""Readings against fixed limits, stated or taken from what was seen when healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from anomaly.direct import judged, normal_of
from anomaly.features import LEAST_KNOWN, LEAST_ROWS, matrix
from anomaly.judgement import Judgement
from plant.errors import ConfigError, DataError
from plant.health import Health
from plant.identity import content_id
from plant.table import Floats, Table

_MARGIN = 0.25
"""Learned limits lie outside the healthy range by this share of it."""


class Limits:
    """Detector of readings outside fixed limits.

    The distance is how far a reading is from the middle, in half widths: 1 at the limit.

    Parameters
    ----------
    limits
        Sensor → (low, high) in its unit; sensors without a pair get the healthy range and a quarter of it to either side.
    """

    name = "limits"

    def __init__(self, *, limits: Mapping[str, tuple[float, float]] | None = None) -> None:
        self._stated = dict(limits or {})
        for sensor, (low, high) in self._stated.items():
            if not low < high:
                raise ConfigError(f"limits of {sensor}: low {low} must lie below high {high}")
        self._sensors: tuple[str, ...] = tuple(self._stated)
        self._low: Floats = np.array([low for low, _ in self._stated.values()])
        self._high: Floats = np.array([high for _, high in self._stated.values()])

    def fit(self, history: Table) -> Self:
        """Take limits from healthy rows where none are stated.

        Raises
        ------
        DataError
            If limits have to be learned and there are too few rows, or no sensor moves.
        """
        free = [name for name in history.columns if name not in self._stated]
        lows, highs, names = [], [], []
        for name in free if len(history) >= LEAST_ROWS else []:
            column = history.columns[name][np.isfinite(history.columns[name])]
            if column.size < LEAST_KNOWN * len(history) or np.ptp(column) == 0.0:
                continue
            margin = _MARGIN * float(np.ptp(column))
            names.append(name)
            lows.append(float(column.min()) - margin)
            highs.append(float(column.max()) + margin)
        if not names and not self._stated:
            raise DataError(
                f"no limits: none stated, and none to learn from {len(history)} rows of {', '.join(free) or 'no column'}"
            )
        self._sensors = (*self._stated, *names)
        self._low = np.array([*(low for low, _ in self._stated.values()), *lows])
        self._high = np.array([*(high for _, high in self._stated.values()), *highs])
        return self

    def judge(self, window: Table, asset: str) -> Judgement:
        """Every row of a window, causal."""
        actual = matrix(window, self._sensors)
        middle, half = (self._high + self._low) / 2.0, (self._high - self._low) / 2.0
        each = np.abs(actual - middle) / half
        normal = normal_of(window.times, self._sensors, actual, np.broadcast_to(middle, actual.shape))
        model = content_id(self.name, list(self._sensors), self._low.tolist(), self._high.tolist())
        return judged(asset, self.name, model, normal, each)

    def score(self, window: Table, asset: str) -> Sequence[Health]:
        """One Health per row of a window, causal."""
        judgement = self.judge(window, asset)
        return [judgement.health(row) for row in range(len(window))]
