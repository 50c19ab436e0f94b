"""Operating modes of a machine: what is healthy at full load is not what is healthy when it stands still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from plant.table import Floats, Table

NAMES = ("off", "warm-up", "part load", "full load")
"""Codes 0 to 3; −1 is unknown (the power is missing)."""
OFF, WARM_UP, PART_LOAD, FULL_LOAD = range(4)
_OFF_SHARE = 0.05
_FULL_SHARE = 0.75
_WARM_UP_S = 900.0

Codes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """How the operating mode is told from the power of a machine.

    Attributes
    ----------
    power
        Column of the power; None = the machine has one mode.
    rated
        95th percentile of the healthy power in either direction (a battery charges and discharges), its unit.
    warm_up_rows
        Rows after a start that count as warm-up: a quarter of an hour, at least one row.
    """

    power: str | None = None
    rated: float = 1.0
    warm_up_rows: int = 1

    @classmethod
    def learned(cls, history: Table, power: str | None) -> Self:
        """Modes as healthy rows show them; one mode only if the power is missing or always zero."""
        values = history.columns.get(power, np.empty(0)) if power is not None else np.empty(0)
        known = values[np.isfinite(values)]
        rated = float(np.quantile(np.abs(known), 0.95)) if known.size else 0.0
        if rated <= 0.0:
            return cls()
        rows = max(1, round(_WARM_UP_S / history.step_s)) if history.step_s else 1
        return cls(power=power, rated=rated, warm_up_rows=rows)

    def codes(self, table: Table) -> Codes:
        """The mode of each row, shape (rows,)."""
        if self.power is None:
            return np.full(len(table), FULL_LOAD, dtype=np.int8)
        load: Floats = np.abs(table.columns.get(self.power, np.full(len(table), np.nan))) / self.rated
        codes = np.where(load >= _FULL_SHARE, FULL_LOAD, np.where(load >= _OFF_SHARE, PART_LOAD, OFF)).astype(np.int8)
        known = np.isfinite(load)
        running = known & (codes != OFF)
        starts = np.flatnonzero(running[1:] & known[:-1] & ~running[:-1]) + 1
        for start in starts:
            codes[start : start + self.warm_up_rows][running[start : start + self.warm_up_rows]] = WARM_UP
        codes[~known] = -1
        return codes
