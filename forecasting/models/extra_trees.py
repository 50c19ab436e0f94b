"""A quantile forest of extremely randomised trees: as good as the bagged one on most series, and learned twice as fast."""

from __future__ import annotations

from typing import Any

from forecasting.models.random_forest import RandomForest


class ExtraTrees(RandomForest):
    """A quantile forest that splits at random thresholds (Geurts, Ernst and Wehenkel 2006)."""

    def __init__(self, *, share: float = 0.5, **settings: Any) -> None:
        super().__init__(share=share, extra=True, **settings)
