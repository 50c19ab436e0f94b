"""N futures of a site under one SimPy clock: arrays asset × future, of which only the cells that are due are touched.

A machine's power and flows are asked of its kind only when a condition it depends on has changed, and booked only when it
changes; from tick to tick nothing moves but the levels of the stores.
"""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import simpy

from plant.physics import Conditions
from plant.table import Floats
from twin_sim.companions import shared_output
from twin_sim.drivers import Drivers
from twin_sim.layout import Block, Layout
from twin_sim.lived import Recorder
from twin_sim.machine import on_schedule
from twin_sim.script import Script
from twin_sim.state import TwinState, setpoint_of

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
HOUR = 3600.0
LONG_AGO = -(10**9)


class Ensemble:
    """The state of all machines and stores in all futures.

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
        self.layout, self.drivers, self.futures = layout, drivers, futures
        self.start, self.tick_s, self.base = start, float(tick_s), base
        self.scripts, self.recorder = scripts, recorder
        self.tick_number = 0
        self.environment = simpy.Environment()
        self._allocate()
        self._constants()
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
        """Look at the outside world before the first tick, so that a plant that was not yet waited for can be read."""
        if self._driver_step < 0:
            self._drive(self.drivers.step_at(self.start), self.start)

    def run(self, until_s: float) -> None:
        """Live until so many seconds after the start."""
        self.environment.run(until=until_s)

    # building

    def _allocate(self) -> None:
        rows, columns, stores = len(self.layout.assets), self.futures, self.layout.dummy + 1
        self.on: Bools = np.zeros((rows, columns), dtype=bool)
        self.want: Bools = np.zeros((rows, columns), dtype=bool)
        self.producing: Bools = np.zeros((rows, columns), dtype=bool)
        self.released: Bools = np.ones((rows, columns), dtype=bool)
        self.failed: Bools = np.zeros((rows, columns), dtype=bool)
        self.locked: Ints = np.full((rows, columns), LONG_AGO, dtype=np.int64)
        self.since: Ints = np.full((rows, columns), LONG_AGO, dtype=np.int64)
        self.starts: Ints = np.zeros((rows, columns), dtype=np.int64)
        self.setpoint: Floats = np.zeros((rows, columns))
        self.power: Floats = np.zeros((rows, columns))
        self.output: Floats = np.zeros((rows, columns))
        self.intake: Floats = np.zeros((rows, columns))
        self.run_power: Floats = np.zeros((rows, columns))
        self.run_output: Floats = np.zeros((rows, columns))
        self.run_intake: Floats = np.zeros((rows, columns))
        self.idle: Floats = np.zeros((rows, columns))
        self.level: Floats = np.zeros((stores, columns))
        self.gain: Floats = np.zeros((stores, columns))
        self.bias: Floats = np.zeros((stores, columns))
        self.unserved: Floats = np.zeros((stores, columns))
        self.wasted: Floats = np.zeros((stores, columns))
        self.demand: Floats = np.zeros((stores, 1))
        self.demanded: Floats = np.zeros((stores, 1))
        self.bill_kw: Floats = np.zeros((len(self.layout.bills), columns))
        self.base_kw: Floats = np.zeros((1, 1))
        self.impulse_kw: Floats | None = None
        self._calendar: dict[int, list[tuple[str, Ints]]] = {}
        self._driver_step = -1
        self._scheduled: Bools = np.zeros(0, dtype=bool)

    def _constants(self) -> None:
        """Exact solution of ``size dL/dt = inflow − a − b (L − ambient)`` over one tick: ``L' = L E + inflow G + …``."""
        layout, hours = self.layout, self.tick_s / HOUR
        rate = layout.loss_b * hours / layout.size
        self.decay = np.exp(-rate)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(rate > 1e-12, -np.expm1(-rate) / np.where(rate > 0, rate, 1.0), 1.0)
        self.per_rate = share * hours / layout.size
        self.decay[layout.real :] = 0.0
        self.per_rate[layout.real : layout.dummy] = 1.0
        self.unit = layout.size.copy()
        self.unit[layout.real : layout.dummy] = hours
        self.leaky = bool((layout.loss_b > 0).any()) or layout.real < layout.dummy
        self._up = np.ceil(layout.min_up_s / self.tick_s).astype(np.int64)
        self._down = np.ceil(layout.min_down_s / self.tick_s).astype(np.int64)
        self._warm = np.ceil(layout.startup_s / self.tick_s - 1e-9).astype(np.int64)
        spread_h = np.maximum(self._warm, 1) * hours
        self._start_kw = layout.start_energy_kwh / spread_h
        self._into_gain = self.per_rate[layout.into, 0]
        self._from_gain = self.per_rate[layout.out_of, 0]
        self._schedule_rows = np.array([row for row, _ in layout.schedules], dtype=np.int64)
        self._drivers_every = self.drivers.step_s
        self._take = np.zeros((layout.triggers, self.futures))

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
                self.locked[row] = since + (self._up[row] if machine.running else self._down[row])
                if machine.running and -since < self._warm[row]:
                    self.producing[row] = False
                    self._due(since + int(self._warm[row]), "warm", np.flatnonzero(self._cells(row)))

    def _cells(self, row: int) -> Bools:
        marked: Bools = np.zeros(self.on.shape, dtype=bool)
        marked[row] = True
        return marked.ravel()

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
        time_s = self.tick_number * self.tick_s
        time = self.start + timedelta(seconds=time_s)
        step = self.drivers.step_at(time)
        if step != self._driver_step:
            self._drive(step, time)
        for what, cells in self._calendar.pop(self.tick_number, ()):
            self._happen(what, cells)
        for script in self.scripts:
            script.apply(self, time)
        self._local()
        self._switch()
        for block in self.layout.blocks:
            if block.per_tick:
                self._follow(block)
        if self.recorder is not None:
            self.recorder.take_power(self)
        self.impulse_kw = None
        self._integrate()
        if self.recorder is not None:
            self.recorder.take_level(self)
        self.tick_number += 1

    def _drive(self, step: int, time: datetime) -> None:
        """Outside values of a new step: demands, weather, loads, schedules, and the machines that depend on them."""
        first = self._driver_step < 0
        self._driver_step = step
        layout, tags = self.layout, self.drivers.tags
        bias = np.zeros((layout.dummy + 1, self.futures))
        self.demand = np.zeros((layout.dummy + 1, self.futures))
        for row, tag in enumerate(layout.demand_tag):
            if tag is not None and tag in tags:
                self.demand[row] = tags[tag][step] * layout.demand_share[row]
        for row, (store, tag) in enumerate(zip(layout.stores, layout.ambient, strict=True)):
            hidden = self.drivers.losses.get(store.name)
            extra = 0.0 if hidden is None else hidden[step]
            outside = tags[tag][step] if tag is not None and tag in tags else 0.0
            bias[row] = outside * (1.0 - self.decay[row]) - (self.demand[row] + layout.loss_a[row] + extra) * self.per_rate[row]
        bias[layout.real :] = -self.demand[layout.real :] * self.per_rate[layout.real :]
        self.gain += bias - self.bias
        self.bias = bias
        self.base_kw = tags[self.base][step][None, :] if self.base is not None and self.base in tags else np.zeros((1, 1))
        if self._schedule_rows.size:
            self._scheduled = np.array(
                [bool(on_schedule(layout.model.site, control, [time])[0]) for _, control in layout.schedules]
            )
        for block in layout.blocks:
            if first or (block.kind.depends_on & {"outdoor", "level", "availability", "health", "ambient", "input_level"}):
                self._ask(block)
        if first:
            self._first_bookings()

    def conditions(self, rows: slice) -> Conditions:
        """What the machines of some rows find now; arrays (rows, futures)."""
        layout, tags, step = self.layout, self.drivers.tags, self._driver_step
        outdoor_tag = layout.model.site.limits.outdoor
        outdoor: Any = tags[outdoor_tag][step] if outdoor_tag is not None and outdoor_tag in tags else 15.0
        return Conditions(
            level=self.level[layout.into[rows]],
            input_level=self.level[layout.out_of[rows]],
            outdoor=outdoor,
            running_s=np.asarray((self.tick_number - self.since[rows]) * self.tick_s, dtype=np.float64),
            health=self._column(rows, self.drivers.health, step),
            availability=self._availability(rows, step),
        )

    def _column(self, rows: slice, columns: Any, step: int) -> Any:
        names = self.layout.names[rows]
        if not any(name in columns for name in names):
            return 1.0
        return np.array([np.broadcast_to(columns[name][step] if name in columns else 1.0, (self.futures,)) for name in names])

    def _availability(self, rows: slice, step: int) -> Any:
        tags = self.drivers.tags
        found = []
        for asset in self.layout.assets[rows]:
            tag = asset.tags.power
            kind = self.layout.model.kind(asset.name)
            if tag is None or tag not in tags or "availability" not in kind.depends_on:
                found.append(np.ones(self.futures))
                continue
            nominal = float(np.asarray(kind.running(1.0, Conditions()).power_kw))
            found.append(np.broadcast_to(np.clip(tags[tag][step] / nominal, 0.0, None), (self.futures,)))
        return np.array(found)

    def _ask(self, block: Block) -> None:
        """Ask the kind what its machines draw and give now, and book what has changed."""
        rows = block.rows
        conditions = self.conditions(rows)
        working = block.kind.running(self.setpoint[rows], conditions)
        self.run_power[rows] = working.power_kw
        self.run_output[rows] = working.output_per_h
        self.run_intake[rows] = working.input_per_h
        self.idle[rows] = block.kind.idle_kw(conditions)
        self._share(rows)
        producing = self.producing[rows]
        if producing.any():
            cells = np.flatnonzero(producing) + rows.start * self.futures
            self._book(cells, self.run_power.flat[cells], self.run_output.flat[cells], self.run_intake.flat[cells])

    def _share(self, rows: slice | None = None) -> None:
        """Companions: what each draws and gives depends on who else runs."""
        for companions in self.layout.companions:
            if rows is None or ((companions.rows >= rows.start) & (companions.rows < rows.stop)).any():
                shared_output(companions, self)

    def _first_bookings(self) -> None:
        """Machines that do not run draw their standby from the first tick on."""
        everything = np.arange(self.on.size)
        producing = self.producing.ravel()
        power = np.where(producing, self.run_power.ravel(), np.where(self.on.ravel(), self._starting_kw(), self.idle.ravel()))
        self._book(everything, power, self.run_output.ravel() * producing, self.run_intake.ravel() * producing)

    def _starting_kw(self) -> Floats:
        return np.repeat(self._start_kw, self.futures)

    def _book(self, cells: Ints, power: Floats, output: Floats, intake: Floats) -> None:
        """Set powers and flows of some cells; bills and stores are moved by the differences."""
        columns, layout = self.futures, self.layout
        rows, futures = cells // columns, cells % columns
        bill, into = layout.bill_of[rows] * columns + futures, layout.into[rows] * columns + futures
        shape = self.bill_kw.shape
        self.bill_kw += np.bincount(bill, power - self.power.flat[cells], minlength=self.bill_kw.size).reshape(shape)
        moved = (output - self.output.flat[cells]) * self._into_gain[rows]
        self.gain += np.bincount(into, moved, minlength=self.gain.size).reshape(self.gain.shape)
        if layout.has_inputs:
            source = layout.out_of[rows] * columns + futures
            drawn = (intake - self.intake.flat[cells]) * self._from_gain[rows]
            self.gain -= np.bincount(source, drawn, minlength=self.gain.size).reshape(self.gain.shape)
        self.power.flat[cells], self.output.flat[cells], self.intake.flat[cells] = power, output, intake

    def _happen(self, what: str, cells: Ints) -> None:
        """What the calendar holds for this tick: warm machines produce, failures and repairs."""
        if what == "warm":
            warm = self._warm[cells // self.futures]
            ready = cells[self.on.flat[cells] & (self.since.flat[cells] + warm <= self.tick_number)]
            self._produce(ready)
        elif what == "fail":
            self.failed.flat[cells] = True
        else:
            self.failed.flat[cells] = False

    def _local(self) -> None:
        """The plant's own controllers, where nothing else has been ordered."""
        layout, count = self.layout, self.layout.triggers
        if count:
            np.take(self.level, layout.trigger_store, axis=0, out=self._take)
            if layout.signed:
                self._take *= layout.trigger_sign
            released, want = self.released[:count], self.want[:count]
            want |= (self._take < layout.trigger_start) & released
            want &= ~((self._take > layout.trigger_stop) & released)
        for rows, value in ((self._schedule_rows, self._scheduled[:, None]), (layout.always, True)):
            if rows.size:
                self.want[rows] = np.where(self.released[rows], value, self.want[rows])

    def _switch(self) -> None:
        """Start and stop the machines that are to change and may."""
        change = self.want != self.on
        if self.drivers.failures:
            change = (self.want & ~self.failed) != self.on
        change &= (self.locked <= self.tick_number) | self.failed
        cells = np.flatnonzero(change)
        if not cells.size:
            return
        rows, on = cells // self.futures, ~self.on.flat[cells]
        self.on.flat[cells] = on
        self.since.flat[cells] = self.tick_number
        self.locked.flat[cells] = self.tick_number + np.where(on, self._up[rows], self._down[rows])
        self._stop(cells[~on])
        if on.any():
            self._begin_start(cells[on], rows[on])

    def _stop(self, cells: Ints) -> None:
        self.producing.flat[cells] = False
        none = np.zeros(cells.size)
        if self.layout.companions and cells.size:
            self._share()
            self._rebook_companions()
        self._book(cells, self.idle.flat[cells], none, none)

    def _begin_start(self, cells: Ints, rows: Ints) -> None:
        self.starts.flat[cells] += 1
        warm = self._warm[rows]
        at_once = warm == 0
        self._produce(cells[at_once])
        energetic = at_once & (self._start_kw[rows] > 0)
        if energetic.any():
            bill = self.layout.bill_of[rows[energetic]] * self.futures + cells[energetic] % self.futures
            extra = np.bincount(bill, self._start_kw[rows[energetic]], minlength=self.bill_kw.size).reshape(self.bill_kw.shape)
            self.impulse_kw = np.asarray(extra if self.impulse_kw is None else self.impulse_kw + extra, dtype=np.float64)
        slow = ~at_once
        if slow.any():
            none = np.zeros(int(slow.sum()))
            self._book(cells[slow], self._start_kw[rows[slow]], none, none)
            for ticks in np.unique(warm[slow]).tolist():
                self._due(self.tick_number + ticks, "warm", cells[slow & (warm == ticks)])

    def _produce(self, cells: Ints) -> None:
        self.producing.flat[cells] = True
        if self.layout.companions and cells.size:
            self._share()
            self._rebook_companions()
        self._book(cells, self.run_power.flat[cells], self.run_output.flat[cells], self.run_intake.flat[cells])

    def _rebook_companions(self) -> None:
        for companions in self.layout.companions:
            marked = np.zeros(self.on.shape, dtype=bool)
            marked[companions.rows] = self.producing[companions.rows]
            cells = np.flatnonzero(marked)
            self._book(cells, self.run_power.flat[cells], self.run_output.flat[cells], self.run_intake.flat[cells])

    def _follow(self, block: Block) -> None:
        """Batteries: their order, or the site's need where local control has them, as far as the store allows."""
        rows = block.rows
        kind: Any = block.kind
        stores = block.stores
        own = self.power[rows]
        need = self.bill_kw.sum(axis=0) + self.base_kw[0] - own.sum(axis=0)
        share = kind.power_kw / kind.power_kw.sum()
        wanted = np.where(self.released[rows], -need * share, self.setpoint[rows])
        room = (self.layout.top[stores] - self.level[stores]) / self.per_rate[stores] / kind.efficiency
        left = (self.level[stores] - self.layout.bottom[stores]) / self.per_rate[stores] * kind.efficiency
        wanted = np.clip(
            wanted, -np.minimum(np.maximum(left, 0.0), kind.power_kw), np.minimum(np.maximum(room, 0.0), kind.power_kw)
        )
        working = block.kind.running(wanted, Conditions())
        on = self.on[rows]
        np.copyto(self.setpoint[rows], wanted, where=self.released[rows])
        cells = np.arange(rows.start * self.futures, rows.stop * self.futures)
        power = np.where(on, working.power_kw, self.idle[rows]).ravel()
        output = np.where(on, working.output_per_h, 0.0).ravel()
        self._book(cells, power, output, np.zeros(cells.size))

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
            self._ask(next(block for block in self.layout.blocks if block.rows.start <= row < block.rows.stop))

    def reask(self, block: Block) -> None:
        """Ask a kind again after its set-points were changed."""
        self._ask(block)

    def release(self, row: int) -> None:
        """Give one machine back to local control in all futures, which takes it over as it stands."""
        self.released[row] = True
        self.want[row] = self.on[row]
        self.adjust(row, float(self.layout.nominal[row]))
