"""The mean of the last weeks' days of the same kind: hard to beat where a plant repeats itself in noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.cells import LEVELS, Cells, Learned
from forecasting.forecaster import Forecaster
from plant.table import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMean(Learned):
    """Quantiles of the training misses, in spreads."""

    misses: Floats
    """Shape (3,)."""

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        return cells.absolute(np.broadcast_to(self.misses, (len(cells), 3)))


class WeekMean(Forecaster):
    """Mean of the last eight days of the same kind, smoothed over neighbouring slots."""

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`."""
        del rng
        missed = np.quantile(cells.relative().y, LEVELS)
        return ClassMean(misses=np.array([min(missed[0], 0.0), 0.0, max(missed[2], 0.0)]))
