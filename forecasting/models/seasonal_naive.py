"""The same slot of the last week, or of yesterday while there is no week: what every other model has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.cells import LEVELS, Cells, Learned
from forecasting.forecaster import Forecaster
from plant.table import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWeek(Learned):
    """Misses of the training cells by quantile; they make the band."""

    misses: Floats
    """Shape (3,)."""

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        return np.asarray(last_week(cells)[:, None] + self.misses[None, :])


def last_week(cells: Cells) -> Floats:
    """The value a week ago, else yesterday's, else the class mean."""
    week, yesterday = cells.column("week_ago"), cells.column("yesterday")
    return np.where(np.isfinite(week), week, np.where(np.isfinite(yesterday), yesterday, cells.base))


class SeasonalNaive(Forecaster):
    """Last week again."""

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`."""
        del rng
        missed = np.quantile(cells.y - last_week(cells), LEVELS)
        missed[1] = 0.0
        return LastWeek(misses=np.array([min(missed[0], 0.0), 0.0, max(missed[2], 0.0)]))
