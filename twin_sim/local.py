"""The plant's own controllers: what happens when nobody says anything, and after machines are given back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from plant.table import Floats
from twin_sim.cells import Bools, Ints
from twin_sim.outside import Outside

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble


class LocalControllers:
    """Level triggers, schedules and machines that always run, of all rows of an ensemble.

    Triggers see the level that the tick leads to, so that a crossing inside the tick is found in that tick and located.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside, self._layout = outside, outside.layout
        self._take = np.zeros((self._layout.triggers, outside.futures))
        self._scheduled: Bools = np.zeros((0, 1), dtype=bool)
        self._due = True
        shared = [int((self._layout.trigger_store == store).sum()) > 1 for store in self._layout.trigger_store.tolist()]
        self._shared: Bools = np.array(shared, dtype=bool)

    def drive(self, time: datetime) -> None:
        """A new driver step begins."""
        if self._outside.schedule_rows.size:
            self._scheduled = self._outside.scheduled(time)
        self._due = True

    def look_again(self) -> None:
        """Somebody gave machines back: schedules and the like are looked at in the coming tick."""
        self._due = True

    def decide(self, ensemble: Ensemble) -> None:
        """Set what released machines should do in the tick that begins."""
        layout, count = self._layout, self._layout.triggers
        if count:
            take = np.take(ensemble.ahead, layout.trigger_store, axis=0, out=self._take, mode="clip")
            if layout.signed:
                take *= layout.trigger_sign
            released, want = ensemble.released[:count], ensemble.want[:count]
            want |= (take < layout.trigger_start) & released
            want &= ~((take > layout.trigger_stop) & released)
        if not self._due:
            return
        self._due = False
        rows = self._outside.schedule_rows
        if rows.size:
            ensemble.want[rows] = np.where(ensemble.released[rows], self._scheduled, ensemble.want[rows])
        if layout.always.size:
            ensemble.want[layout.always] |= ensemble.released[layout.always]

    def crossing(self, ensemble: Ensemble, cells: Ints, on: Bools, least: Floats) -> Floats:
        """Share of the tick gone by when each of some machines changes.

        Parameters
        ----------
        cells, on
            Flat indices of the machines that change, and to what.
        least
            Share of the tick before which each may not change.

        Returns
        -------
        Floats
            The instant at which the level crosses the machine's trigger (linear inside the tick), not before `least`;
            machines without a trigger, or on orders, change at `least`.
        """
        layout = self._layout
        if not layout.triggers:
            return least
        rows = cells // ensemble.futures
        local = np.flatnonzero((rows < layout.triggers) & ensemble.released.reshape(-1)[cells])
        if not local.size:
            return least
        own = rows[local]
        store = layout.trigger_store[own] * ensemble.futures + cells[local] % ensemble.futures
        begin, end = ensemble.level.reshape(-1)[store], ensemble.ahead.reshape(-1)[store]
        threshold = np.where(on[local], layout.trigger_start[own, 0], layout.trigger_stop[own, 0]) * layout.trigger_sign[own, 0]
        span = end - begin
        share = (threshold - begin) / np.where(np.abs(span) > 1e-12, span, np.inf)
        least[local] = np.maximum(least[local], np.minimum(np.maximum(share, 0.0), 1.0))
        return least

    def first_of_each_store(self, ensemble: Ensemble, cells: Ints, late: Floats) -> Ints | None:
        """Of machines triggered by one store in one future, the first: what it does may spare the others.

        Returns
        -------
        Ints or None
            Positions in `cells` of those that change now; None if all do.
        """
        if not self._shared.any():
            return None
        rows = cells // ensemble.futures
        local = np.flatnonzero((rows < self._shared.size) & ensemble.released.reshape(-1)[cells])
        local = local[self._shared[rows[local]]]
        if local.size < 2:
            return None
        key = self._layout.trigger_store[rows[local]] * ensemble.futures + cells[local] % ensemble.futures
        order = np.lexsort((late[local], key))
        ranked = key[order]
        leads = np.append(True, ranked[1:] != ranked[:-1])
        if leads.all():
            return None
        kept = np.ones(cells.size, dtype=bool)
        kept[local[order[~leads]]] = False
        return np.flatnonzero(kept)
