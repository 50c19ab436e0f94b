"""The plant's own controllers: what happens when nobody says anything, and after machines are given back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from plant.table import Floats
from twin_sim.cells import Bools
from twin_sim.layout import Reach
from twin_sim.outside import Outside

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble

FEW_CELLS = 20000
"""So many triggers × futures are faster looked at together than group by group."""


class LocalControllers:
    """Level triggers, schedules and machines that always run, of all rows of an ensemble.

    Triggers see the level that the tick leads to, so that a crossing inside the tick is found in that tick and located.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside, self._layout = outside, outside.layout
        self._scheduled: Bools = np.zeros((0, 1), dtype=bool)
        self._due = True
        rows = outside.schedule_rows
        self._schedules = slice(rows[0], rows[-1] + 1) if rows.size else None
        self._crossed: Bools = np.zeros((2, 0, 0), dtype=bool)
        self._groups: list[tuple[Reach, Floats, Floats, Floats, Bools, Bools]] = []

    def _group(self) -> None:
        """Triggers by the stores that they look at, and room for who has crossed his."""
        layout, outside = self._layout, self._outside
        self._crossed = np.zeros((2, layout.triggers, outside.futures), dtype=bool)
        below, above = self._crossed
        few = layout.triggers * outside.futures <= FEW_CELLS
        groups = [(slice(0, layout.triggers), layout.trigger_store)] if few else layout.trigger_groups
        start, stop = (np.repeat(edge, outside.futures, axis=1) for edge in (layout.trigger_start, layout.trigger_stop))
        self._groups = [
            (stores, layout.trigger_sign[rows], start[rows], stop[rows], below[rows], above[rows]) for rows, stores in groups
        ]

    def drive(self, time: datetime) -> None:
        """A new driver step begins."""
        scheduled = self._outside.scheduled(time)
        if scheduled is not self._scheduled:
            self._scheduled = scheduled
            self._due = True

    def look_again(self, last_row: int) -> None:
        """Rows up to this one may have been given back: schedules and the like are looked at in the coming tick."""
        self._due |= last_row >= self._layout.triggers

    def decide(self, ensemble: Ensemble) -> None:
        """Set what released machines should do in the tick that begins."""
        layout, count = self._layout, self._layout.triggers
        if count and not ensemble.trigger():
            if not self._groups:
                self._group()
            for stores, sign, start, stop, is_below, is_above in self._groups:
                level = ensemble.ahead[stores]
                if layout.signed:
                    level = level * sign
                np.less(level, start, out=is_below)
                np.greater(level, stop, out=is_above)
            released, want = ensemble.released[:count], ensemble.want[:count]
            self._crossed &= released
            want |= self._crossed[0]
            np.greater(want, self._crossed[1], out=want)
        if not self._due:
            return
        self._due = False
        if self._schedules is not None:
            want, released = ensemble.want[self._schedules], ensemble.released[self._schedules]
            np.greater(want, released, out=want)
            want |= released & self._scheduled
        if layout.always.size:
            ensemble.want[layout.always] |= ensemble.released[layout.always]
