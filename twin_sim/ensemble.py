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
from twin_sim.cells import Bools, Cells, Ints
from twin_sim.companions import shared_output
from twin_sim.drivers import Drivers
from twin_sim.follow import Follower
from twin_sim.layout import Block, Layout
from twin_sim.lived import Recorder
from twin_sim.outside import Outside
from twin_sim.script import Script
from twin_sim.state import TwinState, setpoint_of


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
    ) -> None:
        super().__init__(layout, futures, tick_s)
        self.drivers, self.start = drivers, start
        self.scripts, self.recorder = scripts, recorder
        self.outside = Outside(layout, drivers, futures, base)
        self.environment = simpy.Environment()
        self._calendar: dict[int, list[tuple[str, Ints]]] = {}
        self._driver_step = -1
        self._local_due = True
        self._varying = tuple(block for block in layout.blocks if self.outside.varies(block))
        self._followers = tuple(Follower(block, self) for block in layout.blocks if block.per_tick)
        self._ticks_per_step = max(1, round(drivers.step_s / self.tick_s))
        self._take = np.zeros((layout.triggers, futures))
        self._scheduled: Bools = np.zeros((0, 1), dtype=bool)
        self._begin(state)
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
                since = -round(machine.since_s / self.tick_s)
                self.since[row] = since
                self.locked[row] = since + (self.up_ticks[row] if machine.running else self.down_ticks[row])
                if machine.running and -since < self.warm_ticks[row]:
                    self.producing[row] = False
                    self._due(since + int(self.warm_ticks[row]), "warm", row * self.futures + np.arange(self.futures))

    def _plan_failures(self) -> None:
        for failure in self.drivers.failures:
            row = self.layout.index.get(failure.asset)
            if row is None or failure.future >= self.futures:
                continue
            cell = np.array([row * self.futures + failure.future], dtype=np.int64)
            fails = max(0, round((failure.at - self.start).total_seconds() / self.tick_s))
            self._due(fails, "fail", cell)
            self._due(max(fails + 1, round((failure.until - self.start).total_seconds() / self.tick_s)), "repair", cell)

    def _due(self, tick: int, what: str, cells: Ints) -> None:
        self._calendar.setdefault(max(tick, self.tick_number), []).append((what, cells))

    # one tick

    def _tick(self) -> None:
        number = self.tick_number
        time = self.start + timedelta(seconds=number * self.tick_s)
        step = self.drivers.step_at(time)
        if step != self._driver_step:
            self._drive(step, time)
        if number in self._calendar:
            for what, cells in self._calendar.pop(number):
                self._happen(what, cells)
        for script in self.scripts:
            script.apply(self, time)
        self._local()
        self._switch()
        for follower in self._followers:
            follower.follow(self)
        if self.recorder is not None:
            self.recorder.take_power(self)
        self.impulse_kw = None
        self._integrate()
        if self.recorder is not None:
            self.recorder.take_level(self)
        self.tick_number = number + 1

    def _drive(self, step: int, time: datetime) -> None:
        """Outside values of a new step: demands, weather, loads, schedules, and the machines that depend on them."""
        first = self._driver_step < 0
        self._count_demand()
        self._driver_step = step
        self.demand = self.outside.demand(step)
        bias = self.outside.bias(step, self.demand, self.decay, self.per_rate)
        self.gain += bias
        self.gain -= self.bias
        self.bias = bias
        self.base_kw = self.outside.base_kw(step)
        if self.outside.schedule_rows.size:
            self._scheduled = self.outside.scheduled(time)
        self._local_due = True
        for block in self.layout.blocks if first else self._varying:
            self.ask(block)
        if first:
            self._first_bookings()

    def ask(self, block: Block) -> None:
        """Ask the kind what its machines draw and give now, and book what has changed."""
        rows = block.rows
        ticks = np.asarray(self.tick_number - self.since[rows], dtype=np.float64)
        running_s = np.asarray(ticks * self.tick_s) if "running_s" in block.kind.depends_on else None
        conditions = self.outside.conditions(block, self._driver_step, self.level, running_s)
        working = block.kind.running(self.setpoint[rows], conditions)
        self.run_power[rows] = working.power_kw
        self.run_output[rows] = working.output_per_h
        self.run_intake[rows] = working.input_per_h
        self.idle[rows] = block.kind.idle_kw(conditions)
        for companions in self.layout.companions:
            if ((companions.rows >= rows.start) & (companions.rows < rows.stop)).any():
                shared_output(companions, self)
        producing = self.producing[rows]
        self.book_rows(
            rows,
            np.where(producing, self.run_power[rows], self.power[rows]),
            self.run_output[rows] * producing,
            self.run_intake[rows] * producing if self.layout.has_inputs else None,
        )

    def _first_bookings(self) -> None:
        """Machines that do not run draw their standby from the first tick on."""
        everything = slice(0, len(self.layout.assets))
        power = np.where(self.producing, self.run_power, np.where(self.on, self.start_kw[:, None], self.idle))
        self.book_rows(everything, power, self.run_output * self.producing, self.run_intake * self.producing)

    def _happen(self, what: str, cells: Ints) -> None:
        """What the calendar holds for this tick: warm machines produce, failures and repairs."""
        if what == "warm":
            warm = self.warm_ticks[cells // self.futures]
            ready = cells[self.on.ravel()[cells] & (self.since.ravel()[cells] + warm <= self.tick_number)]
            self.producing.ravel()[ready] = True
            self._companions_changed(ready)
            self.book(ready, self.run_power.ravel()[ready], self.run_output.ravel()[ready], self.run_intake.ravel()[ready])
        else:
            self.failed.ravel()[cells] = what == "fail"

    def _local(self) -> None:
        """The plant's own controllers, where nothing else has been ordered."""
        layout, count = self.layout, self.layout.triggers
        if count:
            take = np.take(self.level, layout.trigger_store, axis=0, out=self._take)
            if layout.signed:
                take *= layout.trigger_sign
            released, want = self.released[:count], self.want[:count]
            want |= (take < layout.trigger_start) & released
            want &= ~((take > layout.trigger_stop) & released)
        if not self._local_due:
            return
        self._local_due = False
        rows = self.outside.schedule_rows
        if rows.size:
            self.want[rows] = np.where(self.released[rows], self._scheduled, self.want[rows])
        if layout.always.size:
            self.want[layout.always] |= self.released[layout.always]

    def local_due(self) -> None:
        """Somebody gave machines back: schedules and the like are looked at again."""
        self._local_due = True

    def _switch(self) -> None:
        """Start and stop the machines that are to change and may."""
        change = (self.want & ~self.failed) != self.on if self.drivers.failures else self.want != self.on
        if not change.any():
            return
        change &= (self.locked <= self.tick_number) | self.failed
        cells = np.flatnonzero(change)
        if not cells.size:
            return
        rows = cells // self.futures
        on = ~self.on.ravel()[cells]
        self.on.ravel()[cells] = on
        self.since.ravel()[cells] = self.tick_number
        self.locked.ravel()[cells] = self.tick_number + np.where(on, self.up_ticks[rows], self.down_ticks[rows])
        self.starts.ravel()[cells] += on
        at_once = on & (self.warm_ticks[rows] == 0)
        self.producing.ravel()[cells] = at_once
        self._companions_changed(cells)
        power = np.where(at_once, self.run_power.ravel()[cells], np.where(on, self.start_kw[rows], self.idle.ravel()[cells]))
        intake = self.run_intake.ravel()[cells] * at_once if self.layout.has_inputs else None
        self.book(cells, power, self.run_output.ravel()[cells] * at_once, intake)
        self._starting(cells, rows, on, at_once)

    def _starting(self, cells: Ints, rows: Ints, on: Bools, at_once: Bools) -> None:
        """Start-up energy at once, or warm-up on the calendar."""
        energetic = at_once & (self.start_kw[rows] > 0)
        if energetic.any():
            bill = self.layout.bill_of[rows[energetic]] * self.futures + cells[energetic] % self.futures
            extra = np.bincount(bill, self.start_kw[rows[energetic]], minlength=self.bill_kw.size).reshape(self.bill_kw.shape)
            self.impulse_kw = np.asarray(extra, dtype=np.float64)
        slow = on & ~at_once
        if slow.any():
            warm = self.warm_ticks[rows]
            for ticks in np.unique(warm[slow]).tolist():
                self._due(self.tick_number + ticks, "warm", cells[slow & (warm == ticks)])

    def _companions_changed(self, cells: Ints) -> None:
        """Who runs with whom has changed: the others' powers and flows too."""
        if not cells.size:
            return
        rows = np.unique(cells // self.futures)
        for companions in self.layout.companions:
            if not np.isin(rows, companions.rows).any():
                continue
            shared_output(companions, self)
            marked: Bools = np.zeros(self.on.shape, dtype=bool)
            marked[companions.rows] = self.producing[companions.rows]
            others = np.flatnonzero(marked)
            self.book(others, self.run_power.ravel()[others], self.run_output.ravel()[others], self.run_intake.ravel()[others])

    def _integrate(self) -> None:
        layout, level = self.layout, self.level
        before = level.copy() if layout.flows else level
        level *= self.decay
        level += self.gain
        for source, target, constant, slope in layout.flows:
            rate = np.maximum(constant + slope * (before[source] - before[target]), 0.0)
            level[source] -= rate * self.per_rate[source]
            level[target] += rate * self.per_rate[target]
        short = level < layout.bottom
        if short.any():
            self.unserved += np.where(short, (layout.bottom - level) * self.unit, 0.0)
            np.copyto(level, layout.bottom, where=short)
        over = level > layout.top
        if over.any():
            self.wasted += np.where(over, (level - layout.top) * self.unit, 0.0)
            np.copyto(level, layout.top, where=over)

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
        if self._driver_step >= 0:
            self.ask(next(block for block in self.layout.blocks if block.rows.start <= row < block.rows.stop))

    def release(self, row: int) -> None:
        """Give one machine back to local control in all futures, which takes it over as it stands."""
        self.released[row] = True
        self.want[row] = self.on[row]
        self._local_due = True
        self.adjust(row, float(self.layout.nominal[row]))

    def conditions_of(self, block: Block) -> Any:
        """What the machines of a block find now, levels included."""
        return self.outside.conditions(block, max(self._driver_step, 0), self.level)

    def demanded_until_now(self) -> Floats:
        """Demand on every store row since the start, service units, shape (rows, futures)."""
        self._count_demand()
        return self.demanded
