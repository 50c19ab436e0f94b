"""What an ensemble lived through: powers, levels and counts of every future, and the figures made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plant.table import Floats

if TYPE_CHECKING:
    from twin_sim.cells import Cells


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
        self._lowest, self._highest = np.zeros((2, stores))
        self.begin()

    def begin(self) -> None:
        """From the first tick on, whatever was kept before."""
        self._at = 0
        self._lowest[:], self._highest[:] = np.inf, -np.inf

    def extremes(self) -> tuple[Floats, Floats]:
        """Lowest and highest level of every store in any future and tick so far, shape (stores,)."""
        return self._lowest, self._highest

    @property
    def ticks(self) -> int:
        """Ticks kept so far."""
        return self._at

    def site_kw(self) -> Floats:
        """Power of the site in every tick so far, all bills together, shape (ticks, futures)."""
        kw = self.kw[: self._at]
        return kw[:, 0] if kw.shape[1] == 1 else kw.sum(axis=1)

    def take_power(self, ensemble: Cells) -> None:
        """Keep the power of the tick that begins."""
        if self._at >= self.kw.shape[0]:
            return
        kw = self.kw[self._at]
        np.add(ensemble.bill_kw, ensemble.late_kw, out=kw)
        kw += ensemble.followed_kw
        kw[0] += ensemble.base_kw

    def take_level(self, ensemble: Cells) -> None:
        """Keep the levels at the end of the tick."""
        if self._at < self.level.shape[0]:
            level = ensemble.ahead[: self.level.shape[1]]
            self.level[self._at] = level
            np.minimum(self._lowest, np.minimum.reduce(level, axis=1), out=self._lowest)
            np.maximum(self._highest, np.maximum.reduce(level, axis=1), out=self._highest)
        self._at += 1

    def places(self) -> tuple[Floats | None, Floats | None, Floats | None, Floats | None]:
        """Where the power and the levels of this tick are to be put, with lowest and highest so far; None: not kept."""
        at, kw, level = self._at, self.kw, self.level
        self._at = at + 1
        if at >= len(level):
            return (kw[at] if at < len(kw) else None), None, None, None
        return kw[at], level[at], self._lowest, self._highest
