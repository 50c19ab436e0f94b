"""Which conditions a machine has shown often enough that leaving the usual under them may stop it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from anomaly.features import Bools
from anomaly.modes import NAMES, Codes
from plant.table import Floats

_PARTS = 5
_LEAST_PARTS = 2
"""Once is no proof: what only one part of the history knows cannot be held out of it and judged by the others."""
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
    """

    low: Floats
    high: Floats
    modes: Bools

    @classmethod
    def learned(cls, outside: Floats, codes: Codes, used: Bools) -> Self:
        """From the context of healthy rows, shape (rows, context), their modes, and which of them count."""
        part = np.arange(len(outside)) * _PARTS // max(len(outside), 1)
        low, high = np.full((2, len(NAMES), outside.shape[1]), np.nan)
        known = np.zeros(len(NAMES), dtype=bool)
        for code in range(len(NAMES)):
            stretches = [outside[at] for number in range(_PARTS) if (at := used & (codes == code) & (part == number)).any()]
            known[code] = len(stretches) >= _LEAST_PARTS
            if known[code]:
                low[code] = np.sort([rows.min(axis=0) for rows in stretches], axis=0)[_LEAST_PARTS - 1]
                high[code] = np.sort([rows.max(axis=0) for rows in stretches], axis=0)[-_LEAST_PARTS]
        return cls(low=low, high=high, modes=known)

    def rows(self, outside: Floats, codes: Codes) -> Bools:
        """Which rows are familiar, shape (rows,)."""
        low, high = self.low[codes], self.high[codes]
        slack = _SAME * np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
        inside: Bools = np.logical_and.reduce((outside >= low - slack) & (outside <= high + slack), axis=1)
        return inside & self.modes[codes] & (codes >= 0)
