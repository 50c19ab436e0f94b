"""A sensor that no longer moves although it always did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from anomaly.direct import judged, normal_of
from anomaly.features import LEAST_KNOWN, LEAST_ROWS, matrix
from anomaly.judgement import Judgement
from plant.errors import DataError
from plant.health import Health
from plant.identity import content_id
from plant.table import Floats, Table

_MARGIN = 3.0
_LEAST_STILL = 10
"""Values that stand still for fewer rows than this say nothing."""


class Flatline:
    """Detector of frozen sensors.

    A sensor is beyond its limit when it has not changed at all for three times as long as it ever stood still in the
    healthy rows, and at least ten rows.

    Parameters
    ----------
    sensors
        Columns to watch; empty = all that move in the healthy rows.
    """

    name = "flatline"

    def __init__(self, *, sensors: Sequence[str] = ()) -> None:
        self._candidates = tuple(sensors)
        self._sensors: tuple[str, ...] = ()
        self._limits: Floats = np.empty(0)
        self._usual: Floats = np.empty(0)

    def fit(self, history: Table) -> Self:
        """Learn how long each sensor stands still when all is well.

        Raises
        ------
        DataError
            If there are too few rows, or no sensor moves.
        """
        if len(history) < LEAST_ROWS:
            raise DataError(f"{len(history)} healthy rows are too few to learn from: at least {LEAST_ROWS} are needed")
        names = self._candidates or tuple(history.columns)
        values = matrix(history, names)
        longest = still_rows(values).max(axis=0, initial=0.0)
        moving = (longest < len(history) / 2) & (np.isfinite(values).mean(axis=0) >= LEAST_KNOWN)
        if not moving.any():
            raise DataError(f"none of {', '.join(names)} moves in the healthy rows: standing still means nothing")
        self._sensors = tuple(name for name, moves in zip(names, moving, strict=True) if moves)
        self._limits = np.maximum(_MARGIN * longest[moving], _LEAST_STILL)
        self._usual = np.nanmean(values[:, moving], axis=0)
        return self

    def judge(self, window: Table, asset: str) -> Judgement:
        """Every row of a window, causal."""
        actual = matrix(window, self._sensors)
        each = np.where(np.isfinite(actual), still_rows(actual) / self._limits, np.nan)
        normal = normal_of(window.times, self._sensors, actual, np.broadcast_to(self._usual, actual.shape))
        model = content_id(self.name, list(self._sensors), self._limits.tolist())
        return judged(asset, self.name, model, normal, each)

    def score(self, window: Table, asset: str) -> Sequence[Health]:
        """One Health per row of a window, causal."""
        judgement = self.judge(window, asset)
        return [judgement.health(row) for row in range(len(window))]


def still_rows(values: Floats) -> Floats:
    """For how many rows each column has had exactly the same value, shape (rows, columns).

    A missing value neither moves nor counts.
    """
    still = np.zeros_like(values)
    last = np.full(values.shape[1], np.nan)
    run = np.zeros(values.shape[1])
    for row, now in enumerate(values):
        known = np.isfinite(now)
        run = np.where(known, np.where(now == last, run + 1.0, 0.0), run)
        last = np.where(known, now, last)
        still[row] = run
    return still
