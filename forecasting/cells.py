"""Cells to learn from or to forecast, as flat rows of a matrix."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from forecasting.days import Days
from forecasting.features import DISTANCES, Design
from forecasting.features import LEVELS as LEVEL_FEATURES
from forecasting.windows import Rows
from plant.table import Floats

LEVELS = (0.1, 0.5, 0.9)
"""The three quantiles of every forecast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What a model sees of n cells.

    Attributes
    ----------
    x
        Features, float32, shape (n, features); NaN = not known.
    y
        What came, NaN where it is not known; shape (n,).
    base, spread
        What the cell is measured against; shape (n,).
    row
        Target row of each cell; shape (n,).
    names
        Of the features.
    """

    x: npt.NDArray[np.float32]
    y: Floats
    base: Floats
    spread: Floats
    row: Rows
    names: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.y.size)

    def only(self, chosen: npt.NDArray[np.bool_] | Rows) -> Cells:
        """The chosen cells."""
        return replace(
            self, x=self.x[chosen], y=self.y[chosen], base=self.base[chosen], spread=self.spread[chosen], row=self.row[chosen]
        )

    def relative(self) -> Cells:
        """The same cells with levels as (level − base) / spread and differences as difference / spread."""
        x = self.x.copy()
        base, spread = self.base.astype(np.float32)[:, None], self.spread.astype(np.float32)[:, None]
        levels, distances = ([self.names.index(name) for name in names] for names in (LEVEL_FEATURES, DISTANCES))
        x[:, levels] = (x[:, levels] - base) / spread
        x[:, distances] = x[:, distances] / spread
        return replace(self, x=x, y=(self.y - self.base) / self.spread)

    def absolute(self, quantiles: Floats) -> Floats:
        """Quantiles of relative cells in the target's unit, shape (n, 3)."""
        return self.base[:, None] + self.spread[:, None] * quantiles

    def column(self, name: str) -> Floats:
        """One feature."""
        return self.x[:, self.names.index(name)].astype(np.float64)


class Learned(ABC):
    """What a model has learned: cells in, quantiles out."""

    def importances(self) -> Floats | None:
        """What each feature is worth to it, shares that sum to 1; None if it cannot say. Shape (features,)."""
        return None

    @abstractmethod
    def quantiles(self, cells: Cells) -> Floats:
        """p10, p50 and p90 of each cell, never crossing; shape (n, 3)."""


def cells_of(days: Days, at: Rows, lead: int, made: Design, base: int) -> Cells:
    """The cells of a design, row by row, measured against one of its bases; `y` is NaN behind the last row."""
    target = at + lead
    y = np.full((at.size, days.slots), np.nan)
    inside = target < days.values.shape[0]
    y[inside] = days.values[target[inside]]
    return Cells(
        x=made.x.reshape(y.size, -1).astype(np.float32),
        y=y.ravel(),
        base=made.bases[..., base].ravel(),
        spread=made.spread.ravel(),
        row=np.repeat(target, days.slots),
        names=made.names,
    )
