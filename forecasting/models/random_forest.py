"""A quantile forest: trees keep some training values per leaf, their pool gives p10, p50 and p90.

Meinshausen (2006), Quantile regression forests; the median of the pool, not the mean, is the forecast, because accuracy is
measured by absolute misses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forecasting.cells import Cells, Learned
from forecasting.forecaster import Forecaster
from forecasting.packed import PackedForest, pack
from plant.table import Floats

KEPT_VALUES = 1000
"""Training values that a forest pools for one cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest(Learned):
    """A packed forest and in which unit its values are."""

    packed: PackedForest
    relative: bool
    worth: Floats
    """Share of each feature in what the splits explain, shape (features,)."""

    def importances(self) -> Floats:
        """See `Learned`."""
        return self.worth

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        if self.relative:
            return cells.absolute(self.packed.quantiles(cells.relative().x))
        return self.packed.quantiles(cells.x)


class RandomForest(Forecaster):
    """A quantile forest.

    Parameters
    ----------
    trees
        How many.
    leaf
        Fewest training cells of a leaf.
    share
        Share of the features that a split may choose from.
    extra
        True: splits at random thresholds over all rows (extremely randomised trees, Geurts et al. 2006); False: best
        thresholds over a bootstrap sample.
    relative
        True: learns (value − class mean) / spread instead of the value.
    jobs
        Threads while learning.
    """

    def __init__(
        self,
        *,
        trees: int = 60,
        leaf: int = 20,
        share: float = 0.3,
        extra: bool = False,
        relative: bool = False,
        jobs: int = 1,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.trees, self.leaf, self.share, self.extra, self.relative, self.jobs = trees, leaf, share, extra, relative, jobs

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`."""
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

        seen = cells.relative() if self.relative else cells
        settings = {"max_features": self.share, "random_state": int(rng.integers(2**31)), "n_jobs": self.jobs}
        leaf = max(1, min(self.leaf, len(cells) // 20))
        if self.extra:
            forest = ExtraTreesRegressor(self.trees, min_samples_leaf=leaf, **settings)
        else:
            # Half of the rows a tree costs nothing in accuracy and half the time; leaves shrink with them.
            forest = RandomForestRegressor(self.trees, min_samples_leaf=max(1, leaf // 2), max_samples=0.5, **settings)
        forest.fit(seen.x, seen.y)
        kept = max(2, KEPT_VALUES // self.trees)
        packed = pack(forest.estimators_, seen.x, seen.y, kept, rng)
        return Forest(packed=packed, relative=self.relative, worth=forest.feature_importances_)
