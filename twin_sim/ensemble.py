"""N futures of a site under one SimPy clock: arrays asset × future, of which only the cells that are due are touched.

A machine's power and flows are asked of its kind only when a condition it depends on has changed, and booked only when it
changes; from tick to tick nothing moves but the levels of the stores.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import simpy

from plant.table import Floats
from twin_sim.cells import Audit, Bools, Cells, Ints
from twin_sim.companions import shared_output
from twin_sim.drivers import Drivers
from twin_sim.follow import Follower
from twin_sim.layout import Block, Layout
from twin_sim.lived import Recorder
from twin_sim.local import LocalControllers
from twin_sim.outside import Outside
from twin_sim.ramps import ramps_of
from twin_sim.script import Script
from twin_sim.state import TwinState, setpoint_of

ROUNDS = 12
"""How often machines that share a store are looked at again within a tick."""


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
        super().__init__(layout, futures, tick_s, audited=audited)
        self.drivers, self.start = drivers, start
        self.scripts, self.recorder = scripts, recorder
        self.outside = Outside(layout, drivers, futures, base)
        self.environment = simpy.Environment()
        self._calendar: dict[int, list[tuple[str, Ints, float]]] = {}
        self._driver_step = -1
        self._local = LocalControllers(self.outside)
        self._varying = tuple(
            (block, not block.kind.depends_on & {"availability", "running_s"})
            for block in layout.blocks
            if self.outside.varies(block)
        )
        self._slow_steps = max(1, round(refresh_s / drivers.step_s))
        self._followers = tuple(Follower(block, self) for block in layout.blocks if block.per_tick)
        self._follows = np.zeros(len(layout.assets), dtype=bool)
        for follower in self._followers:
            self._follows[follower.block.rows] = True
        self._begin(state)
        self._ramps = ramps_of(layout)
        if self._ramps is not None:
            self._ramps.begin(self)
        self._plan_failures()
        self.environment.process(self._clock())

    # time

    def _clock(self) -> Generator[simpy.events.Timeout, Any, None]:
        while True:
            self._tick()
            yield self.environment.timeout(self.tick_s)

    def now(self) -> datetime:
        """The simulated instant."""
        return self.start + timedelta(seconds=float(self.environment.now))

    def settle(self) -> None:
        """See the outside world as it is now, so that a plant read between two ticks shows the step that begins."""
        step = self.drivers.step_at(self.now())
        if step != self._driver_step:
            self._drive(step, self.now())

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
                self.free_s[row] = -machine.since_s + (layout.min_up_s[row] if machine.running else layout.min_down_s[row])
                if machine.running and machine.since_s < self.warm_s[row]:
                    self.producing[row] = False
                    self._due(float(self.warm_s[row]) - machine.since_s, "warm", row * self.futures + np.arange(self.futures))

    def _plan_failures(self) -> None:
        for failure in self.drivers.failures:
            row = self.layout.index.get(failure.asset)
            if row is None or failure.future >= self.futures:
                continue
            cell = np.array([row * self.futures + failure.future], dtype=np.int64)
            fails_s = max(0.0, (failure.at - self.start).total_seconds())
            self._due(fails_s, "fail", cell)
            self._due(max(fails_s + self.tick_s, (failure.until - self.start).total_seconds()), "repair", cell)

    def _due(self, at_s: float, what: str, cells: Ints) -> None:
        tick = max(int(at_s // self.tick_s + 1e-9), self.tick_number)
        self._calendar.setdefault(tick, []).append((what, cells, at_s))

    # one tick

    def _tick(self) -> None:
        number = self.tick_number
        time = self.start + timedelta(seconds=number * self.tick_s)
        step = self.drivers.step_at(time)
        if step != self._driver_step:
            self._drive(step, time)
        for script in self.scripts:
            script.apply(self, time)
        if self._ramps is not None:
            self._ramps.move(self)
        np.multiply(self.level, self.decay, out=self.ahead)
        self.ahead += self.gain
        for script in self.scripts:
            script.look_ahead(self)
        self._local.decide(self)
        rounds = ROUNDS
        while self._switch() and rounds:
            self._local.decide(self)
            rounds -= 1
        while number in self._calendar:
            for what, cells, at_s in self._calendar.pop(number):
                self._happen(what, cells, at_s)
        if self._followers:
            self.followed_kw[:] = 0.0
            for follower in self._followers:
                follower.follow(self)
        if self.recorder is not None:
            self.recorder.take_power(self)
        if self._late:
            self.late_kw[:] = 0.0
            self._late = False
        self.flow()
        self.bound()
        self.level, self.ahead = self.ahead, self.level
        if self.recorder is not None:
            self.recorder.take_level(self)
        self.tick_number = number + 1

    def _drive(self, step: int, time: datetime) -> None:
        """Outside values of a new step: demands, weather, loads, schedules, and the machines that depend on them."""
        first = self._driver_step < 0
        self._driver_step = step
        bias = self.outside.bias(step, self.decay, self.per_rate)
        self.gain += bias
        self.gain -= self.bias
        self.bias = bias
        self.base_kw = self.outside.base_kw(step)
        self._local.drive(time)
        hourly = first or step % self._slow_steps == 0
        for block, slow in ((block, False) for block in self.layout.blocks) if first else self._varying:
            if hourly or not slow:
                self.ask(block)
        if first:
            self._first_bookings()

    def ask(self, block: Block) -> None:
        """Ask the kind what its machines draw and give now, and book what has changed."""
        rows = block.rows
        now_s = self.tick_number * self.tick_s
        running_s = np.asarray(now_s - self.since_s[rows]) if "running_s" in block.kind.depends_on else None
        conditions = self.outside.conditions(block, self._driver_step, self.level, running_s)
        working = block.kind.running(self.reached[rows], conditions)
        self.run_power[rows] = working.power_kw
        self.run_output[rows] = working.output_per_h
        self.run_intake[rows] = working.input_per_h
        self.idle[rows] = block.kind.idle_kw(conditions)
        for companions in self.layout.companions:
            if ((companions.rows >= rows.start) & (companions.rows < rows.stop)).any():
                shared_output(companions, self)
        if block.per_tick:
            return
        producing = self.producing[rows]
        self.book_rows(
            rows,
            np.where(producing, self.run_power[rows], self.power[rows]),
            self.run_output[rows] * producing,
            self.run_intake[rows] * producing if self.layout.has_inputs else None,
        )

    def _first_bookings(self) -> None:
        """Machines that do not run draw their standby from the first tick on."""
        power = np.where(self.producing, self.run_power, np.where(self.on, self.start_kw[:, None], self.idle))
        output, intake = self.run_output * self.producing, self.run_intake * self.producing
        for block in self.layout.blocks:
            if not block.per_tick:
                self.book_rows(block.rows, power[block.rows], output[block.rows], intake[block.rows])

    def _happen(self, what: str, cells: Ints, at_s: float) -> None:
        """What the calendar holds for this tick: warm machines produce, failures and repairs."""
        if what != "warm":
            self.failed.reshape(-1)[cells] = what == "fail"
            return
        since = self.since_s.reshape(-1)[cells]
        ready = cells[self.on.reshape(-1)[cells] & (np.abs(since + self.warm_s[cells // self.futures] - at_s) < 1e-3)]
        if not ready.size:
            return
        late = np.full(ready.size, min(max(at_s / self.tick_s - self.tick_number, 0.0), 1.0))
        self.producing.reshape(-1)[ready] = True
        self._companions_changed(ready)
        run = self.run_power.reshape(-1)[ready], self.run_output.reshape(-1)[ready], self.run_intake.reshape(-1)[ready]
        self.book(ready, *run, late)

    def local_due(self) -> None:
        """Somebody gave machines back: schedules and the like are looked at again."""
        self._local.look_again()

    def _switch(self) -> bool:
        """Start and stop the machines that are to change and may, at the instant within the tick at which they do.

        Returns
        -------
        bool
            Whether machines that share a store with one that changed before them are to be looked at again.
        """
        change = (self.want & ~self.failed) != self.on if self.drivers.failures else self.want != self.on
        if self._ramps is not None:
            change[self._ramps.rows] &= ~self._ramps.holds(self)
        cells = np.flatnonzero(change)
        if not cells.size:
            return False
        now_s = self.tick_number * self.tick_s
        free_s = self.free_s.reshape(-1)[cells]
        may = (free_s < now_s + self.tick_s) | self.failed.reshape(-1)[cells]
        if not may.all():
            cells, free_s = cells[may], free_s[may]
            if not cells.size:
                return False
        rows = cells // self.futures
        on = ~self.on.reshape(-1)[cells]
        late = self._local.crossing(self, cells, on, np.minimum(np.maximum((free_s - now_s) / self.tick_s, 0.0), 1.0))
        first = self._local.first_of_each_store(self, cells, late)
        if first is not None:
            deferred = np.delete(cells, first)
            self.want.reshape(-1)[deferred] = self.on.reshape(-1)[deferred]
            cells, rows, on, late = cells[first], rows[first], on[first], late[first]
        at_s = now_s + late * self.tick_s
        self.on.reshape(-1)[cells] = on
        self.since_s.reshape(-1)[cells] = at_s
        self.free_s.reshape(-1)[cells] = at_s + np.where(on, self.layout.min_up_s[rows], self.layout.min_down_s[rows])
        self.starts.reshape(-1)[cells] += on
        at_once = on & (self.warm_s[rows] == 0)
        if self._followers:
            booked = ~self._follows[rows]
            self.producing.reshape(-1)[cells] = at_once
            cells, rows, on, at_once = cells[booked], rows[booked], on[booked], at_once[booked]
            late, at_s = late[booked], at_s[booked]
        self.producing.reshape(-1)[cells] = at_once
        self._companions_changed(cells)
        power = np.where(
            at_once, self.run_power.reshape(-1)[cells], np.where(on, self.start_kw[rows], self.idle.reshape(-1)[cells])
        )
        intake = self.run_intake.reshape(-1)[cells] * at_once if self.layout.has_inputs else None
        self.book(cells, power, self.run_output.reshape(-1)[cells] * at_once, intake, late)
        self._starting(cells, rows, on, at_once, at_s)
        return first is not None

    def _starting(self, cells: Ints, rows: Ints, on: Bools, at_once: Bools, at_s: Floats) -> None:
        """Start-up energy at once, or warm-up on the calendar."""
        energetic = np.flatnonzero(at_once & (self.start_kw[rows] > 0))
        if energetic.size:
            bill = self.layout.bill_of[rows[energetic]] * self.futures + cells[energetic] % self.futures
            self.late_kw += np.bincount(bill, self.start_kw[rows[energetic]], minlength=self.late_kw.size).reshape(
                self.late_kw.shape
            )
            self._late = True
        slow = np.flatnonzero(on & ~at_once)
        if slow.size:
            ready_s = at_s[slow] + self.warm_s[rows[slow]]
            for instant in np.unique(ready_s).tolist():
                self._due(instant, "warm", cells[slow[ready_s == instant]])

    def _companions_changed(self, cells: Ints) -> None:
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
            run = self.run_power.reshape(-1)[others], self.run_output.reshape(-1)[others], self.run_intake.reshape(-1)[others]
            self.book(others, *run, np.zeros(others.size))

    # orders

    def order(self, row: int, on: bool, setpoint: float | None) -> None:
        """An order to one machine in all futures: run (at a set-point) or stop."""
        self.released[row] = False
        self.want[row] = on
        if setpoint is not None:
            self.adjust(row, setpoint)

    def adjust(self, row: int, setpoint: float) -> None:
        """Another set-point of one machine in all futures."""
        self.setpoint[row] = float(np.clip(setpoint, self.layout.setpoint_low[row], self.layout.setpoint_high[row]))
        if self._ramps is not None:
            self._ramps.told(self, row)
        if self._driver_step >= 0:
            self.ask(next(block for block in self.layout.blocks if block.rows.start <= row < block.rows.stop))

    def release(self, row: int) -> None:
        """Give one machine back to local control in all futures, which takes it over as it stands."""
        self.released[row] = True
        self.want[row] = self.on[row]
        self._local.look_again()
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
