"""Ridge regression per hour of the day on the relative features; its band comes from the training misses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.cells import LEVELS, Cells, Learned
from forecasting.forecaster import Forecaster
from forecasting.windows import Rows
from plant.table import Floats

_FURTHEST = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HourlyRidge(Learned):
    """One fitted pipeline per group of slots."""

    lines: tuple[Any, ...]
    misses: Floats
    """Quantiles of the training misses in spreads, shape (hours, 3)."""
    slots: int

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        x, hour = _seen(cells), _hour(cells, self.slots, len(self.lines))
        found = np.zeros((len(cells), 3))
        for group, line in enumerate(self.lines):
            mine = hour == group
            if mine.any():
                found[mine] = line.predict(x[mine])[:, None] + self.misses[group]
        return cells.absolute(found)


class Ridge(Forecaster):
    """Ridge per hour."""

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`."""
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        del rng
        slots = int(cells.column("slot").max()) + 1
        hours = min(24, slots, max(1, len(cells) // 200))
        x, y, hour = _seen(cells), cells.relative().y, _hour(cells, slots, hours)
        lines, misses = [], np.zeros((hours, 3))
        for group in range(hours):
            mine = hour == group if (hour == group).any() else np.ones(len(cells), dtype=bool)
            line = make_pipeline(StandardScaler(), RidgeCV(alphas=np.logspace(0, 4, 9))).fit(x[mine], y[mine])
            missed = np.quantile(y[mine] - line.predict(x[mine]), LEVELS)
            misses[group] = [min(missed[0], 0.0), 0.0, max(missed[2], 0.0)]
            lines.append(line)
        return HourlyRidge(lines=tuple(lines), misses=misses, slots=slots)


def _seen(cells: Cells) -> Floats:
    return np.nan_to_num(np.clip(cells.relative().x.astype(np.float64), -_FURTHEST * 4, _FURTHEST * 4))


def _hour(cells: Cells, slots: int, hours: int) -> Rows:
    return np.asarray(np.minimum(cells.x[:, 0].astype(np.int64), slots - 1) * hours // slots)
