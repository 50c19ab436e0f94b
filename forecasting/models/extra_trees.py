"""A quantile forest of extremely randomised trees: as good as the bagged one on most series, and learned twice as fast."""

from __future__ import annotations

from typing import Any

from forecasting.models.random_forest import RandomForest


class ExtraTrees(RandomForest):
    """A quantile forest that splits at random thresholds (Geurts, Ernst and Wehenkel 2006).

    Single trees of random splits are rougher than bagged ones: it takes more of them, with smaller leaves.
    """

    def __init__(self, *, trees: int = 100, leaf: int = 10, share: float = 0.5, **settings: Any) -> None:
        super().__init__(trees=trees, leaf=leaf, share=share, extra=True, **settings)
