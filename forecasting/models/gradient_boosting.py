"""Gradient boosting of three quantiles with scikit-learn's histogram trees.

LightGBM would learn the same trees in half the time, but its wheel needs a system library (libgomp) that a fresh machine
does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.cells import LEVELS, Cells, Learned
from forecasting.forecaster import Forecaster
from forecasting.threads import one_thread
from plant.table import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Boosted(Learned):
    """One booster per quantile."""

    boosters: tuple[Any, ...]
    relative: bool

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        x = cells.relative().x if self.relative else cells.x
        with one_thread():
            found = np.sort(np.stack([booster.predict(x) for booster in self.boosters], axis=1), axis=1)
        return cells.absolute(found) if self.relative else found


class GradientBoosting(Forecaster):
    """Boosted quantiles.

    Parameters
    ----------
    rounds
        Trees per quantile.
    leaves
        Leaves per tree.
    relative
        True: learns (value − class mean) / spread instead of the value.
    """

    def __init__(self, *, rounds: int = 150, leaves: int = 15, relative: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.rounds, self.leaves, self.relative = rounds, leaves, relative

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        seen = cells.relative() if self.relative else cells
        x = np.where(np.isfinite(seen.x).any(axis=0), seen.x, 0.0)  # scikit-learn cannot bin a column without a number
        with one_thread():
            boosters = tuple(
                HistGradientBoostingRegressor(
                    loss="quantile",
                    quantile=level,
                    max_iter=self.rounds,
                    max_leaf_nodes=self.leaves,
                    learning_rate=0.06,
                    max_features=0.4,
                    min_samples_leaf=max(1, min(40, len(cells) // 20)),
                    early_stopping=False,
                    random_state=int(rng.integers(2**31)),
                ).fit(x, seen.y)
                for level in LEVELS
            )
        return Boosted(boosters=boosters, relative=self.relative)
