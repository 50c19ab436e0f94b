"""Machines that start and stop, each at its instant inside the tick, and one after the other where they share a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plant.table import Floats
from twin_sim.cells import Bools, Ints

try:
    from twin_sim import rounds
except ImportError:  # installed without a C compiler
    rounds = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble

ROUNDS = 12
"""How often machines that share a store are looked at again within a tick."""
STILL = 1e-12
"""A level that moves less within a tick crosses nothing."""


class Switches:
    """The changes of all machines of an ensemble from tick to tick.

    Only cells that change are touched: flat indices into (assets, futures), in rising order. A round is compiled where that
    is possible and no machine has companions; the same bits come out of both.
    """

    def __init__(self, ensemble: Ensemble) -> None:
        layout, futures = ensemble.layout, ensemble.futures
        self._rows, self._futures = len(layout.assets), futures
        self._hold_s = np.concatenate([layout.min_down_s, layout.min_up_s])
        self._slow: Bools = layout.startup_s > 0
        self._warming = bool(self._slow.any())
        self._stepwise = self._warming or ensemble.ramped
        """Whether more is to be done in each round than what is compiled."""
        self._energetic = bool(((ensemble.start_kw > 0) & ~self._slow).any())
        self._first_follower = int(np.argmax(ensemble.follows)) if ensemble.follows.any() else self._rows
        self._triggers = layout.triggers
        self._edges = np.zeros(2 * self._rows)
        self._edges[: self._triggers] = layout.trigger_start[:, 0] * layout.trigger_sign[:, 0]
        self._edges[self._rows :][: self._triggers] = layout.trigger_stop[:, 0] * layout.trigger_sign[:, 0]
        self._to_store = (layout.trigger_store - np.arange(self._triggers)) * futures
        self._change: Bools = np.zeros((self._rows, futures), dtype=bool)
        self._flat(ensemble)
        stores = (layout.dummy + 1) * futures
        self._mark: Ints = np.zeros(stores, dtype=np.int64)
        self._crowded: Bools = np.zeros(stores, dtype=bool)
        self._count = np.arange(self._triggers * futures)
        compiled = rounds is not None and not layout.companions and ensemble.audit is None
        self._cells: Ints = np.zeros(self._change.size if compiled else 0, dtype=np.int64)
        self._held = self._for_rounds(ensemble) if compiled else None

    def _flat(self, ensemble: Ensemble) -> None:
        """The arrays of all machines as seen by flat indices."""
        self._changing = self._change.reshape(-1)
        self._on, self._want = ensemble.on.reshape(-1), ensemble.want.reshape(-1)
        self._producing, self._released = ensemble.producing.reshape(-1), ensemble.released.reshape(-1)
        self._failed, self._starts = ensemble.failed.reshape(-1), ensemble.starts.reshape(-1)
        self._since_s, self._idle = ensemble.since_s.reshape(-1), ensemble.idle.reshape(-1)
        self._power, self._output = ensemble.run_power.reshape(-1), ensemble.run_output.reshape(-1)
        self._intake = ensemble.run_intake.reshape(-1)

    def switch(self, ensemble: Ensemble) -> None:
        """Start and stop the machines that are to change and may, at the instant within the tick at which they do.

        A machine whose trigger is first crossed because another one changed in this tick changes in the next.
        """
        if self._held is not None:
            self._switch_compiled(ensemble)
            return
        cells = self._due(ensemble)
        for _ in range(ROUNDS):
            if not cells.size:
                return
            cells = self._round(ensemble, cells)
        self._want[cells] = self._on[cells]

    def _due(self, ensemble: Ensemble) -> Ints:
        """Cells that are to change, whether or not they may yet."""
        if ensemble.broken:
            np.greater(ensemble.want, ensemble.failed, out=self._change)
            np.not_equal(self._change, ensemble.on, out=self._change)
        else:
            np.not_equal(ensemble.want, ensemble.on, out=self._change)
        ensemble.hold_for_ramps(self._change)
        return self._changing.nonzero()[0]

    def _for_rounds(self, ensemble: Ensemble) -> object:
        """The arrays of compiled rounds, held for them."""
        layout, size = ensemble.layout, self._change.size
        arrays = (
            ensemble.on, ensemble.want, ensemble.producing, ensemble.released, ensemble.failed, ensemble.starts, ensemble.since_s,
            ensemble.idle, ensemble.run_power, ensemble.run_output, ensemble.run_intake, ensemble.power, ensemble.output,
            ensemble.intake, ensemble.bill_kw, ensemble.late_kw, ensemble.gain, ensemble.level, ensemble.ahead,
            self._hold_s, self._edges, layout.trigger_sign, ensemble.start_kw, ensemble.into_gain, ensemble.from_gain,
            layout.trigger_store, layout.bill_of, layout.into, layout.out_of, self._slow, ensemble.follows,
            self._cells, np.zeros(size, dtype=np.int64), np.full(ensemble.gain.size, -1, dtype=np.int64), np.zeros(size),
        )  # fmt: skip
        counts = self._futures, self._rows, self._triggers, layout.dummy + 1, len(layout.bills)
        return rounds.hold(arrays, *counts, ensemble.tick_s, STILL, layout.has_inputs)

    def _switch_compiled(self, ensemble: Ensemble) -> None:
        """What `switch` does."""
        number = ensemble.tick_number
        if not self._stepwise:
            now_s = number * ensemble.tick_s
            ensemble.any_late |= rounds.run(self._held, number % 2, ROUNDS, now_s, ensemble.broken)
            return
        first, many = 0, self._compiled_due(ensemble)
        for _ in range(ROUNDS):
            if not many:
                return
            changed, many = rounds.change(self._held, number % 2, first, many, number * ensemble.tick_s, ensemble.broken)
            ensemble.any_late = True
            if self._warming:
                cells = self._cells[first : first + changed]
                rows = cells // self._futures
                slow = self._starting_slowly(rows, self._on[cells] & ~ensemble.follows[rows])
                if slow is not None:
                    ensemble.warm_up(cells, rows, slow, self._since_s[cells])
            first += changed
        cells = self._cells[first : first + many]
        self._want[cells] = self._on[cells]

    def _compiled_due(self, ensemble: Ensemble) -> int:
        """Put the cells that are to change where compiled rounds look for them; how many."""
        if not ensemble.ramped:
            return rounds.due(self._held, ensemble.broken)
        cells = self._due(ensemble)
        self._cells[: cells.size] = cells
        return cells.size

    def _round(self, ensemble: Ensemble, cells: Ints) -> Ints:
        """Change those that may and that no other on their store precedes.

        Returns
        -------
        Ints
            Those that wait for others on their store and are still to change after them.
        """
        now_s, tick_s = ensemble.tick_number * ensemble.tick_s, ensemble.tick_s
        rows = cells // self._futures
        held = self._on[cells]
        sides = held * self._rows
        sides += rows
        late = self._since_s[cells]
        late += self._hold_s[sides]
        late -= now_s
        late /= tick_s
        may = late < 1.0
        if ensemble.broken:
            may |= self._failed[cells]
            np.minimum(late, 1.0, out=late)
        if np.count_nonzero(may) < may.size:
            cells, rows, held, sides, late = cells[may], rows[may], held[may], sides[may], late[may]
            if not cells.size:
                return cells
        np.maximum(late, 0.0, out=late)
        waits = self._locate(ensemble, cells, rows, sides, late)
        if waits is None:
            self._apply(ensemble, cells, rows, ~held, late)
            return cells[:0]
        goes = ~waits
        self._apply(ensemble, cells[goes], rows[goes], ~held[goes], late[goes])
        return self._still(ensemble, cells[waits], rows[waits], held[waits])

    def _locate(self, ensemble: Ensemble, cells: Ints, rows: Ints, sides: Ints, late: Floats) -> Bools | None:
        """Put into `late` the instants at which levels cross the triggers of machines under local control.

        A crossing is linear inside the tick and counts no earlier than the machine may change; machines without a trigger,
        or on orders, change as soon as they may.

        Returns
        -------
        Bools or None
            Which cells wait because another that is triggered by the same store changes first: what it does may spare them.
        """
        last = int(cells.searchsorted(self._triggers * self._futures))
        released = self._released[cells[:last]]
        own = slice(0, last) if np.count_nonzero(released) == last else released.nonzero()[0]
        rows = rows[own]
        if not rows.size:
            return None
        store = cells[own] + self._to_store[rows]
        begin = ensemble.level.reshape(-1)[store]
        span = ensemble.ahead.reshape(-1)[store]
        span -= begin
        still = np.abs(span) <= STILL
        if np.count_nonzero(still):
            span[still] = np.inf
        share = self._edges[sides[own]]
        share -= begin
        share /= span
        np.minimum(share, 1.0, out=share)
        np.maximum(share, late[own], out=share)
        late[own] = share
        second = self._second(store, share)
        if second is None:
            return None
        waits: Bools = np.zeros(cells.size, dtype=bool)
        waits[own] = second
        return waits

    def _second(self, store: Ints, late: Floats) -> Bools | None:
        """Which of some cells are not the first to change on their store; None if all are."""
        count = self._count[: store.size]
        self._mark[store] = count
        twice = self._mark[store] != count
        if not np.count_nonzero(twice):
            return None
        shared = store[twice]
        self._crowded[shared] = True
        inside = self._crowded[store].nonzero()[0]
        self._crowded[shared] = False
        among = store[inside]
        order = np.lexsort((late[inside], among))
        ranked = among[order]
        second: Bools = np.zeros(store.size, dtype=bool)
        second[inside[order[1:][ranked[1:] == ranked[:-1]]]] = True
        return second

    def _still(self, ensemble: Ensemble, cells: Ints, rows: Ints, held: Bools) -> Ints:
        """Of machines that waited for others, those that are still to change now that these have; the rest stay as they are."""
        level = ensemble.ahead.reshape(-1)[cells + self._to_store[rows]]
        edge = self._edges[rows + self._rows * held]
        if ensemble.layout.signed:
            level *= ensemble.layout.trigger_sign[rows, 0]
            edge *= ensemble.layout.trigger_sign[rows, 0]
        still = np.where(held, level > edge, level < edge)
        if ensemble.broken:
            still |= self._failed[cells]
        self._want[cells[~still]] = held[~still]
        return cells[still]

    def _apply(self, ensemble: Ensemble, cells: Ints, rows: Ints, on: Bools, late: Floats) -> None:
        """Let machines change."""
        at_s = late * ensemble.tick_s
        at_s += ensemble.tick_number * ensemble.tick_s
        self._on[cells] = on
        self._since_s[cells] = at_s
        self._starts[cells] += on
        slow = self._starting_slowly(rows, on)
        at_once = on if slow is None else on & ~slow
        self._producing[cells] = at_once
        if rows[-1] >= self._first_follower and np.count_nonzero(ensemble.follows[rows]):
            booked = ~ensemble.follows[rows]
            cells, rows, late, at_s = cells[booked], rows[booked], late[booked], at_s[booked]
            at_once, slow = at_once[booked], None if slow is None else slow[booked]
        ensemble.companions_changed(cells)
        power = np.where(at_once, self._power[cells], self._idle[cells])
        if slow is not None:
            power = np.where(slow, ensemble.start_kw[rows], power)
        output = self._output[cells]
        output *= at_once
        intake = self._intake[cells] * at_once if ensemble.layout.has_inputs else None
        ensemble.book(cells, rows, power, output, intake, late)
        if self._energetic:
            ensemble.start_energy(cells, rows, at_once)
        if slow is not None:
            ensemble.warm_up(cells, rows, slow, at_s)

    def _starting_slowly(self, rows: Ints, on: Bools) -> Bools | None:
        """Which changes are starts that take their time; None if none is."""
        if not self._warming:
            return None
        slow = self._slow[rows]
        slow &= on
        return slow if np.count_nonzero(slow) else None
