"""N futures of a site under one SimPy clock: arrays asset × future, of which only the cells that are due are touched.

A machine's power and flows are asked of its kind only when a condition it depends on has changed, and booked only when it
changes; from tick to tick nothing moves but the levels of the stores.
"""

from __future__ import annotations

import weakref
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import simpy

from plant.table import Floats
from twin_sim.asking import Asking
from twin_sim.cells import Audit, Bools, Cells, Ints
from twin_sim.companions import shared_output
from twin_sim.drivers import Drivers
from twin_sim.follow import Follower
from twin_sim.layout import Block, Companions, Layout
from twin_sim.lived import Recorder
from twin_sim.local import LocalControllers
from twin_sim.memory import keep_freed
from twin_sim.outside import Outside
from twin_sim.ramps import ramps_of
from twin_sim.script import Script
from twin_sim.state import TwinState, setpoint_of
from twin_sim.switching import Switches


class Ensemble(Cells):
    """The state of all machines and stores in all futures, and their life from tick to tick.

    Parameters
    ----------
    layout
        The site as arrays.
    drivers
        What comes from outside; one future for all, or one per column.
    futures
        Number of columns.
    start
        First instant.
    tick_s
        Seconds between two looks of local control.
    state
        Where machines and stores stand.
    base
        Tag of the drivers with the site's power that is not simulated, kW; None = none.
    scripts
        Plans to follow: which columns, and what.
    recorder
        Keeps powers and levels; None = nothing is kept.
    refresh_s
        How often machines that depend on temperatures, levels or wear are asked anew; those that depend on the sun or a
        profile are asked at every driver step.
    audited
        Whether energy and flows are added up machine by machine.
    """

    def __init__(
        self,
        layout: Layout,
        drivers: Drivers,
        *,
        futures: int,
        start: datetime,
        tick_s: float,
        state: TwinState,
        base: str | None = None,
        scripts: tuple[Script, ...] = (),
        recorder: Recorder | None = None,
        refresh_s: float = 900.0,
        audited: bool = False,
    ) -> None:
        keep_freed()
        super().__init__(layout, futures, tick_s, audited=audited)
        self.drivers, self.start = drivers, start
        self.scripts, self._followed, self.recorder = scripts, scripts, recorder
        self.outside = Outside(layout, drivers, futures, base)
        self.outside.begin(self.decay, self.per_rate, self.bias)
        self.environment = simpy.Environment()
        self._calendar: dict[int, list[tuple[str, Ints, Floats]]] = {}
        self._driver_step = -1
        self._begun = False
        self._local = LocalControllers(self.outside)
        self._prepare_asking(max(1, round(refresh_s / drivers.step_s)))
        self._followers = tuple(Follower(block, self) for block in layout.blocks if block.per_tick)
        self.follows: Bools = np.zeros(len(layout.assets), dtype=bool)
        for follower in self._followers:
            self.follows[follower.block.rows] = True
        self._begin(state)
        self._ramps = ramps_of(layout)
        if self._ramps is not None:
            self._ramps.begin(self)
            self.alike[self._ramps.rows] = False
        self._plan_failures()
        self._switches = Switches(self)
        clock = weakref.WeakMethod(self._clock)
        self._waker = lambda _: None if (tick := clock()) is None else tick()
        self._wake(0.0)

    def _prepare_asking(self, slow_steps: int) -> None:
        """Which kinds are to be asked when, and how."""
        layout, self._slow_steps = self.layout, slow_steps
        self._varying = tuple(
            (block.rows.start, block, not block.kind.depends_on & {"availability", "running_s"}, self.outside.changes(block))
            for block in layout.blocks
            if self.outside.varies(block)
        )
        self._stale: dict[int, Block] = {}
        self._groups = {block.rows.start: _companions_of(block, layout) for block in layout.blocks}
        slow = {start for start, _, slow, _ in self._varying if slow}
        self._asking = {
            block.rows.start: Asking(block, self, slow_steps if block.rows.start in slow else 1) for block in layout.blocks
        }

    # time

    def _wake(self, after_s: float) -> None:
        """Put the clock's next tick into the calendar, which keeps no ensemble alive that nobody needs any more.

        Arrays that go at once can be used again by the next ensemble; those that wait for the collection of cycles cannot.
        """
        self.environment.timeout(after_s).callbacks.append(self._waker)

    def _clock(self) -> None:
        self._tick()
        self._wake(self.tick_s)

    def now(self) -> datetime:
        """The simulated instant."""
        return self.start + timedelta(seconds=float(self.environment.now))

    def settle(self) -> None:
        """See the outside world as it is now, so that a plant read between two ticks shows the step that begins."""
        step = self.drivers.step_at(self.now())
        if step != self._driver_step:
            self._drive(step, self.now())
            self._ask_stale()

    def run(self, until_s: float) -> None:
        """Live until so many seconds after the start."""
        self.environment.run(until=until_s)

    # the beginning

    def _begin(self, state: TwinState) -> None:
        layout = self.layout
        machines, levels = dict(state.machines), dict(state.levels)
        for row, store in enumerate(layout.stores):
            self.level[row] = levels.get(store.name, (store.low + store.high) / 2.0)
        for row, name in enumerate(layout.names):
            machine = machines.get(name)
            self.setpoint[row] = setpoint_of(layout, row, machine)
            if machine is None:
                continue
            self.on[row] = self.want[row] = self.producing[row] = machine.running
            self.released[row] = machine.released
            if machine.since_s is not None:
                self.since_s[row] = -machine.since_s
                if machine.running and machine.since_s < self.warm_s[row]:
                    self.producing[row] = False
                    cells = row * self.futures + np.arange(self.futures)
                    self._due(np.full(cells.size, float(self.warm_s[row]) - machine.since_s), "warm", cells)

    def _plan_failures(self) -> None:
        for failure in self.drivers.failures:
            row = self.layout.index.get(failure.asset)
            if row is None or failure.future >= self.futures:
                continue
            cell = np.array([row * self.futures + failure.future], dtype=np.int64)
            fails_s = max(0.0, (failure.at - self.start).total_seconds())
            self._due(np.array([fails_s]), "fail", cell)
            repaired_s = max(fails_s + self.tick_s, (failure.until - self.start).total_seconds())
            self._due(np.array([repaired_s]), "repair", cell)

    def _due(self, at_s: Floats, what: str, cells: Ints) -> None:
        ticks = np.maximum((at_s // self.tick_s + 1e-9).astype(np.int64), self.tick_number)
        for tick in np.unique(ticks).tolist():
            now = ticks == tick
            self._calendar.setdefault(tick, []).append((what, cells[now], at_s[now]))

    # one tick

    def _tick(self) -> None:
        number = self.tick_number
        time = self.start + timedelta(seconds=number * self.tick_s)
        step = self.drivers.step_at(time)
        if step != self._driver_step:
            self._drive(step, time)
        for script in self._followed:
            script.apply(self, time)
        if self._ramps is not None:
            self._ramps.move(self)
        if self._stale:
            self._ask_stale()
        self.look_ahead()
        for script in self._followed:
            script.look_ahead(self)
        self._local.decide(self)
        self._switches.switch(self)
        while number in self._calendar:
            for what, cells, at_s in self._calendar.pop(number):
                self._happen(what, cells, at_s)
        for follower in self._followers:
            follower.follow(self)
        self.end(self.recorder)

    def _drive(self, step: int, time: datetime) -> None:
        """Outside values of a new step: demands, weather, loads, schedules, and the machines that depend on them."""
        last, self._driver_step = self._driver_step, step
        self.outside.bias(step)
        self.base_kw = self.outside.base_kw(step)
        self._local.drive(time)
        if last < 0:
            self._stale = {block.rows.start: block for block in self.layout.blocks}
            return
        refreshed = step % self._slow_steps == 0
        for start, block, slow, changes in self._varying:
            if (refreshed or not slow) and (changes is None or changes[step] != changes[last]):
                self._stale[start] = block

    def ask_later(self, block: Block) -> None:
        """What a block's machines find or are told has changed: they are asked before the tick goes on."""
        self._stale[block.rows.start] = block

    def _ask_stale(self) -> None:
        stale, self._stale = self._stale, {}
        for block in stale.values():
            self.ask(block)
        if not self._begun:
            self._begun = True
            self._first_bookings()

    def ask(self, block: Block) -> None:
        """Ask the kind what its machines draw and give now, and book what has changed."""
        rows = block.rows
        working, idle = self._asking[rows.start].now(self, self._driver_step)
        if idle is not None:
            self.idle[rows] = idle
        grouped = self._groups[rows.start]
        if not grouped:
            self.put(block, working)
            return
        self.run_power[rows], self.run_output[rows] = working.power_kw, working.output_per_h
        self.run_intake[rows] = working.input_per_h
        for own in grouped:
            shared_output(own, self)
        if not block.per_tick:
            self.book_block(block)

    def _first_bookings(self) -> None:
        """Machines that do not run draw their standby from the first tick on."""
        resting = np.where(self.on, self.start_kw[:, None], self.idle)
        resting *= ~self.producing
        for block in self.layout.blocks:
            if not block.per_tick:
                self.power[block.rows] += resting[block.rows]
                self._rows_to_bills(block.rows, resting[block.rows])

    def _happen(self, what: str, cells: Ints, at_s: Floats) -> None:
        """What the calendar holds for this tick: warm machines produce, failures and repairs."""
        if what != "warm":
            self.failed.reshape(-1)[cells] = what == "fail"
            self.broken = bool(self.failed.any())
            return
        since = self.since_s.reshape(-1)[cells]
        stays = self.on.reshape(-1)[cells] & (np.abs(since + self.warm_s[cells // self.futures] - at_s) < 1e-3)
        ready = cells[stays]
        if not ready.size:
            return
        late = np.minimum(np.maximum(at_s[stays] / self.tick_s - self.tick_number, 0.0), 1.0)
        self.producing.reshape(-1)[ready] = True
        self.companions_changed(ready)
        self._book_running(ready, late)

    def _book_running(self, cells: Ints, late: Floats) -> None:
        run = self.run_power.reshape(-1)[cells], self.run_output.reshape(-1)[cells], self.run_intake.reshape(-1)[cells]
        self.book(cells, cells // self.futures, *run, late)

    def done_with(self, script: Script) -> None:
        """A script has given everything back: it is at its end."""
        self._followed = tuple(other for other in self._followed if other is not script)

    def local_due(self, last_row: int) -> None:
        """Machines up to a row were given back: schedules and the like are looked at again."""
        self._local.look_again(last_row)

    @property
    def ramped(self) -> bool:
        """Whether any machine keeps to a ramp."""
        return self._ramps is not None

    def hold_for_ramps(self, change: Bools) -> None:
        """Machines that still go down to their lowest point do not stop yet."""
        if self._ramps is not None:
            change[self._ramps.rows] &= ~self._ramps.holds(self)

    def start_energy(self, cells: Ints, rows: Ints, at_once: Bools) -> None:
        """Energy of starts that take no time, drawn in the tick that begins."""
        starting = self._drawn_at_start[rows]
        starting &= at_once
        energetic = starting.nonzero()[0]
        if energetic.size:
            cells, rows = cells[energetic], rows[energetic]
            np.add.at(self.late_kw.reshape(-1), cells + self._to_bill[rows], self.start_kw[rows])

    def warm_up(self, cells: Ints, rows: Ints, slow: Bools, at_s: Floats) -> None:
        """Put on the calendar when machines that start slowly will produce."""
        found = slow.nonzero()[0]
        if found.size:
            self._due(at_s[found] + self.warm_s[rows[found]], "warm", cells[found])

    def companions_changed(self, cells: Ints) -> None:
        """Who runs with whom has changed: the others' powers and flows too."""
        if not self.layout.companions:
            return
        rows = np.unique(cells // self.futures)
        for companions in self.layout.companions:
            if not np.isin(rows, companions.rows).any():
                continue
            shared_output(companions, self)
            marked: Bools = np.zeros(self.on.shape, dtype=bool)
            marked[companions.rows] = self.producing[companions.rows]
            marked.reshape(-1)[cells] = False
            others = np.flatnonzero(marked)
            self._book_running(others, np.zeros(others.size))

    # orders

    def order(self, row: int, on: bool, setpoint: float | None) -> None:
        """An order to one machine in all futures: run (at a set-point) or stop."""
        self.released[row] = False
        self.want[row] = on
        if setpoint is not None:
            self.adjust(row, setpoint)

    def adjust(self, row: int, setpoint: float) -> None:
        """Another set-point of one machine in all futures."""
        self.alike[row] = self._ramps is None
        self.setpoint[row] = float(np.clip(setpoint, self.layout.setpoint_low[row], self.layout.setpoint_high[row]))
        if self._ramps is not None:
            self._ramps.told(self, row)
        if self._driver_step >= 0:
            self.ask(next(block for block in self.layout.blocks if block.rows.start <= row < block.rows.stop))

    def release(self, row: int) -> None:
        """Give one machine back to local control in all futures, which takes it over as it stands."""
        self.released[row] = True
        self.want[row] = self.on[row]
        self._local.look_again(row)
        self.adjust(row, float(self.layout.nominal[row]))

    def conditions_of(self, block: Block) -> Any:
        """What the machines of a block find now, levels included."""
        return self.outside.conditions(block, max(self._driver_step, 0), self.level, everything=True)

    def audited_until_now(self) -> Audit:
        """Energy and flows of every machine since the start.

        Raises
        ------
        ValueError
            If the ensemble is not audited.
        """
        if self.audit is None:
            raise ValueError("this ensemble is not audited")
        everything = np.arange(self.on.size)
        self.audit.until(everything, self.tick_number * self.tick_s, self.power, self.output, self.intake)
        return self.audit

    def demanded_until_now(self) -> Floats:
        """Demand on every store row since the start, service units, shape (rows, futures)."""
        return self.outside.demanded(self.tick_number * self.tick_s, self.start)


def _companions_of(block: Block, layout: Layout) -> list[Companions]:
    return [own for own in layout.companions if ((own.rows >= block.rows.start) & (own.rows < block.rows.stop)).any()]
