"""Which conditions a machine has shown often enough that leaving the usual under them may stop it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from anomaly.features import LEAST_ROWS, Bools
from anomaly.modes import NAMES, Codes
from plant.table import Floats

Cells = npt.NDArray[np.int64]
_PARTS = 5
_LEAST_PARTS = 2
"""Once is no proof: what only one part of the history knows cannot be held out of it and judged by the others."""
_QUARTERS = 4
_SAME = 1e-3
"""Readings of a context that differ by this share are one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Familiar:
    """What two separate fifths of the healthy history knew, by operating mode.

    A season, a product, a set-point or a way of running that the history does not show at least twice may be all well:
    a regression cannot tell a machine that is ill from one that does what nobody has seen. A history of four winter weeks is
    familiar with four winter weeks, and becomes familiar with spring once spring is in it.

    Attributes
    ----------
    low, high
        Shape (modes, context): the range of each context that two parts reached.
    modes
        Shape (modes,): whether two parts knew the mode at all.
    cells
        Per mode: the combinations of quarters of these ranges that two parts knew well enough to learn a spread. A full battery,
        and one that discharges, may both be familiar, and a full one that discharges may not.
    """

    low: Floats
    high: Floats
    modes: Bools
    cells: tuple[Cells, ...]

    @classmethod
    def learned(cls, outside: Floats, codes: Codes, used: Bools) -> Self:
        """From the context of healthy rows, shape (rows, context), their modes, and which of them count."""
        part = np.arange(len(outside)) * _PARTS // max(len(outside), 1)
        low, high = np.full((2, len(NAMES), outside.shape[1]), np.nan)
        known, cells = np.zeros(len(NAMES), dtype=bool), list[Cells]()
        for code in range(len(NAMES)):
            stretches = [outside[at] for number in range(_PARTS) if (at := used & (codes == code) & (part == number)).any()]
            known[code] = len(stretches) >= _LEAST_PARTS
            if known[code]:
                low[code] = np.sort([rows.min(axis=0) for rows in stretches], axis=0)[_LEAST_PARTS - 1]
                high[code] = np.sort([rows.max(axis=0) for rows in stretches], axis=0)[-_LEAST_PARTS]
            found = [_often(_cells(rows, low[code], high[code])) for rows in stretches]
            names, counts = np.unique(np.concatenate(found or [np.empty(0, dtype=np.int64)]), return_counts=True)
            cells.append(names[counts >= _LEAST_PARTS])
        return cls(low=low, high=high, modes=known, cells=tuple(cells))

    def rows(self, outside: Floats, codes: Codes) -> Bools:
        """Which rows are familiar, shape (rows,)."""
        low, high = self.low[codes], self.high[codes]
        slack = _SAME * np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
        inside: Bools = np.logical_and.reduce((outside >= low - slack) & (outside <= high + slack), axis=1)
        inside &= self.modes[codes] & (codes >= 0)
        for code in range(len(NAMES)):
            at = inside & (codes == code)
            inside[at] = np.isin(_cells(outside[at], self.low[code], self.high[code]), self.cells[code])
        return inside


def _often(cells: Cells) -> Cells:
    names, counts = np.unique(cells, return_counts=True)
    often: Cells = names[counts >= LEAST_ROWS]
    return often


def _cells(outside: Floats, low: Floats, high: Floats) -> Cells:
    """The combination of quarters that each row lies in, shape (rows,)."""
    span = high - low
    share = np.where(span > _SAME * np.maximum(np.abs(high), 1.0), (outside - low) / np.where(span > 0.0, span, 1.0), 0.0)
    quarter = np.clip(np.nan_to_num(share) * _QUARTERS, 0, _QUARTERS - 1).astype(np.int64)
    cells: Cells = (quarter * _QUARTERS ** np.arange(outside.shape[1])).sum(axis=1)
    return cells
