"""Operating modes of a machine: what is healthy at full load is not what is healthy when it stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from anomaly.features import Bools
from plant.table import Floats, Table

NAMES = ("off", "warm-up", "part load", "full load")
"""Codes 0 to 3; −1 is unknown (the power is missing, or far beyond all that was seen)."""
OFF, WARM_UP, PART_LOAD, FULL_LOAD = range(4)
_OFF_SHARE = 0.05
_FULL_SHARE = 0.75
_BEYOND = 2.0
"""So many times the power that two separate parts of the history reached is unknown: a machine that stood all the time, or all but
once, draws a hundred times as much when it runs."""
_PARTS = 5
_WARM_UP_S = 900.0
_LEAST_KW = 1e-6
"""A machine that drew nothing in its whole history was never seen running."""

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """How the operating mode is told from the power of a machine.

    Attributes
    ----------
    power
        Column of the power; None = the machine has one mode.
    running
        Column of the running state, the mean of a row: it tells standing from running where it is known, and a row in between
        is neither, as its means say how long the machine ran and not how well. None = told from the power alone.
    rated
        95th percentile of the healthy power in either direction (a battery charges and discharges), or half of the highest that two
        parts of the history reached, its unit.
    most
        Above this power the mode is unknown, its unit.
    warm_up_rows
        Rows after a start that count as warm-up: a quarter of an hour, at least one row.
    """

    power: str | None = None
    running: str | None = None
    rated: float = 1.0
    most: float = np.inf
    warm_up_rows: int = 1

    @classmethod
    def learned(cls, history: Table, power: str | None, running: str | None = None) -> Self:
        """Modes as healthy rows show them; one mode only if the power is missing."""
        values = np.abs(history.columns.get(power or "", np.empty(0)))
        known = values[np.isfinite(values)]
        if not known.size:
            return cls()
        ran = values[np.isfinite(values) & (history.columns.get(running or "", np.ones(len(history))) >= 1.0 - _OFF_SHARE)]
        often = sorted(float(part.max()) for part in np.array_split(known, min(_PARTS, known.size)))[-2:][0]
        # A machine that idles nearly always, as a battery may, is not at full load when it idles.
        rated = max(float(np.quantile(ran if ran.size else known, 0.95)), often / 2.0, _LEAST_KW)
        rows = max(1, round(_WARM_UP_S / history.step_s)) if history.step_s else 1
        return cls(power=power, running=running, rated=rated, most=_BEYOND * max(often, rated), warm_up_rows=rows)

    def codes(self, table: Table) -> Codes:
        """The mode of each row, shape (rows,)."""
        if self.power is None:
            return np.full(len(table), FULL_LOAD, dtype=np.int8)
        load: Floats = np.abs(table.columns.get(self.power, np.full(len(table), np.nan))) / self.rated
        share = table.columns.get(self.running or "", np.full(len(table), np.nan))
        off = np.where(np.isfinite(share), share < _OFF_SHARE, load < _OFF_SHARE)
        codes = np.where(off, OFF, np.where(load >= _FULL_SHARE, FULL_LOAD, PART_LOAD)).astype(np.int8)
        known = np.isfinite(load)
        running = known & (codes != OFF)
        starts = np.flatnonzero(running[1:] & known[:-1] & ~running[:-1]) + 1
        for start in starts:
            codes[start : start + self.warm_up_rows][running[start : start + self.warm_up_rows]] = WARM_UP
        codes[~known | (load * self.rated > self.most) | switched(share)] = -1
        return codes


def switched(running: Floats) -> Bools:
    """Rows over whose length a machine neither ran nor stood all the time, by the mean of its running state."""
    between: Bools = (running > _OFF_SHARE) & (running < 1.0 - _OFF_SHARE)
    return between
