"""What an ensemble lived through: powers, levels and counts of every future, and the figures made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plant.table import Floats

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble


class Recorder:
    """Keeps the power of every bill and the level of every store at each tick, and what was out of bounds.

    Attributes
    ----------
    kw
        Mean power of the site per tick, shape (ticks, bills, futures).
    level
        Level of every store at the end of each tick, shape (ticks, stores, futures).
    """

    def __init__(self, ticks: int, bills: int, stores: int, futures: int, *, levels: bool = True) -> None:
        self.kw: Floats = np.zeros((ticks, bills, futures))
        self.level: Floats = np.zeros((ticks if levels else 0, stores, futures))
        self._at = 0
        self._seen: tuple[int, Floats, Floats] | None = None

    def extremes(self) -> tuple[Floats, Floats]:
        """Lowest and highest level of every store in any future and tick so far, shape (stores,)."""
        if self._seen is None or self._seen[0] != self._at:
            kept = self.level[: self._at]
            self._seen = self._at, kept.min(axis=0).min(axis=1), kept.max(axis=0).max(axis=1)
        return self._seen[1], self._seen[2]

    @property
    def ticks(self) -> int:
        """Ticks kept so far."""
        return self._at

    def take_power(self, ensemble: Ensemble) -> None:
        """Keep the power of the tick that begins."""
        if self._at >= self.kw.shape[0]:
            return
        kw = self.kw[self._at]
        np.add(ensemble.bill_kw, ensemble.late_kw, out=kw)
        kw += ensemble.followed_kw
        kw[0] += ensemble.base_kw

    def take_level(self, ensemble: Ensemble) -> None:
        """Keep the levels at the end of the tick."""
        if self._at < self.level.shape[0]:
            self.level[self._at] = ensemble.level[: self.level.shape[1]]
        self._at += 1
