"""The arrays of an ensemble, and the books that tie machines to bills and stores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plant.physics import Numbers, Working
from plant.table import Floats
from twin_sim.layout import Block, Layout, Reach
from twin_sim.lived import Recorder

try:
    from twin_sim import ticks
except ImportError:  # installed without a C compiler
    ticks = None  # type: ignore[assignment]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
HOUR = 3600.0
LONG_AGO_S = -1e12


class Audit:
    """Energy and flows of every machine, added up at each booking: the account that bills and stores must agree with.

    Attributes
    ----------
    energy_kwh, made, drawn
        Since the start, without the energy of starts that take no time; shape (assets, futures).
    """

    def __init__(self, assets: int, futures: int) -> None:
        self.energy_kwh, self.made, self.drawn = np.zeros((3, assets, futures))
        self._seen_s = np.zeros((assets, futures))

    def until(self, cells: Ints, at_s: Floats | float, power: Floats, output: Floats, intake: Floats) -> None:
        """Add what some cells have drawn and given until an instant."""
        seen = self._seen_s.reshape(-1)
        hours = (at_s - seen[cells]) / HOUR
        seen[cells] = at_s
        for total, rate in ((self.energy_kwh, power), (self.made, output), (self.drawn, intake)):
            total.reshape(-1)[cells] += rate.reshape(-1)[cells] * hours


class Cells:
    """State of every machine and store in every future; arrays have shape (rows, futures).

    Attributes
    ----------
    on, want, producing, released, failed
        Runs; should run; past its start-up; under local control; out of order.
    broken
        Whether any is out of order.
    since_s
        Second of its last change.
    setpoint, reached
        What it is told; where it is on its way there. The same array unless a machine states a ramp.
    alike
        Whether a machine is told the same in all futures, shape (assets,); False where that is not known.
    power, output, intake
        As booked now, kW and service units per hour. `run_…` is what it would be while producing.
    level, ahead, gain, bias
        Of every store now; at the end of the tick; what it gains in one tick from machines; from outside.
    bill_kw, late_kw
        Power of every bill at the end of the tick, batteries apart, shape (bills, futures); what the tick's mean differs.
    any_late
        Whether anything may have been put into `late_kw` in this tick.
    into_gain, from_gain
        What a unit per hour of each machine moves the levels of its two stores by in a tick, shape (assets,).
    cap_kw
        Site power above which a new plan would have batteries charge less, per future; None = no plan is followed.
    followed_kw
        Power of the batteries in this tick, shape (bills, futures).
    """

    def __init__(self, layout: Layout, futures: int, tick_s: float, *, audited: bool = False) -> None:
        self.layout, self.futures, self.tick_s = layout, futures, float(tick_s)
        self.tick_number = 0
        self.audit = Audit(len(layout.assets), futures) if audited else None
        self._allocate()
        self._constants()
        self._held = None if ticks is None else self._for_ticks()
        self._puts = {block.rows.start: _where(block) for block in layout.blocks if self._held and futures > 1 and not audited}
        """Blocks whose answers what is compiled books; NumPy adds up the machines of a single future in another order."""

    def _for_ticks(self) -> object:
        """The arrays that the compiled loops work on; without them NumPy does the same, to the last bit."""
        layout = self.layout
        arrays = (
            self.want, self.released, self.producing, self.power, self.output, self.intake, self.run_power, self.run_output,
            self.run_intake, self.bill_kw, self.late_kw, self.followed_kw, self.level, self.ahead, self.gain, self.bias,
            self.unserved, self.wasted, self.decay, layout.bottom, layout.top, self.unit, self.per_rate, self.into_gain,
            self.from_gain, layout.into, layout.out_of, layout.bill_of, layout.trigger_store, layout.trigger_sign,
            layout.trigger_start, layout.trigger_stop, *layout.flow_ends, *layout.flow_rates, np.zeros(self.futures),
        )  # fmt: skip
        counts = len(layout.assets), layout.dummy + 1, len(layout.bills), layout.triggers, len(layout.flows)
        return ticks.hold(arrays, self.futures, *counts)

    def _allocate(self) -> None:
        shape = (len(self.layout.assets), self.futures)
        stores = (self.layout.dummy + 1, self.futures)
        self.on: Bools = np.zeros(shape, dtype=bool)
        self.want: Bools = np.zeros(shape, dtype=bool)
        self.producing: Bools = np.zeros(shape, dtype=bool)
        self.released: Bools = np.ones(shape, dtype=bool)
        self.failed: Bools = np.zeros(shape, dtype=bool)
        self.broken = False
        self.starts: Ints = np.zeros(shape, dtype=np.int64)
        self.since_s = np.full(shape, LONG_AGO_S)
        self.setpoint: Floats = np.zeros(shape)
        self.reached: Floats = self.setpoint
        self.alike: Bools = np.ones(shape[0], dtype=bool)
        self.power, self.run_power = np.zeros(shape), np.zeros(shape)
        self.output, self.run_output = np.zeros(shape), np.zeros(shape)
        self.intake, self.run_intake = np.zeros(shape), np.zeros(shape)
        self.idle: Floats = np.zeros(shape)
        self.level, self.ahead = np.zeros(stores), np.zeros(stores)
        self.gain, self.bias = np.zeros(stores), np.zeros(stores)
        self.unserved, self.wasted = np.zeros(stores), np.zeros(stores)
        self.bill_kw: Floats = np.zeros((len(self.layout.bills), self.futures))
        self.late_kw: Floats = np.zeros((len(self.layout.bills), self.futures))
        self.followed_kw: Floats = np.zeros((len(self.layout.bills), self.futures))
        self.any_late = False
        self.base_kw: Floats = np.zeros(1)
        self.cap_kw: Floats | None = None

    def _constants(self) -> None:
        """Exact solution of ``size dL/dt = inflow − a − b (L − ambient)`` over one tick: ``L' = L E + inflow G + …``."""
        layout, hours = self.layout, self.tick_s / HOUR
        rate = layout.loss_b * hours / layout.size
        self.decay = np.exp(-rate)
        share = np.where(rate > 1e-12, -np.expm1(-rate) / np.where(rate > 0, rate, 1.0), 1.0)
        self.per_rate = share * hours / layout.size
        self.decay[layout.real :] = 0.0
        self._kept = np.repeat(self.decay, self.futures, axis=1) if ticks is None else self.decay
        self._bottom, self._top = layout.bottom[:, 0], layout.top[:, 0]
        self.per_rate[layout.real : layout.dummy] = 1.0
        self.unit = layout.size.copy()
        self.unit[layout.real : layout.dummy] = hours
        self.warm_s = layout.startup_s
        self.start_kw = layout.start_energy_kwh / np.where(layout.startup_s > 0, layout.startup_s / HOUR, hours)
        self._drawn_at_start: Bools = self.start_kw > 0
        self.into_gain = self.per_rate[layout.into, 0]
        self.from_gain = self.per_rate[layout.out_of, 0]
        rows = np.arange(len(layout.assets))
        self._to_into, self._to_from = (layout.into - rows) * self.futures, (layout.out_of - rows) * self.futures
        self._to_bill = (layout.bill_of - rows) * self.futures

    def book(self, cells: Ints, rows: Ints, power: Floats, output: Floats, intake: Floats | None, late: Floats) -> None:
        """Set powers and flows of some cells; bills and stores are moved by the differences.

        Parameters
        ----------
        cells, rows
            Flat indices into (assets, futures), and the row of each.
        late
            Share of the present tick that had already gone by at the change, 0..1 per cell.
        """
        if self.audit is not None:
            at_s = (self.tick_number + late) * self.tick_s
            self.audit.until(cells, at_s, self.power, self.output, self.intake)
        booked = self.power.reshape(-1)
        moved = power - booked[cells]
        booked[cells] = power
        bills = cells + self._to_bill[rows]
        np.add.at(self.bill_kw.reshape(-1), bills, moved)
        moved *= late
        np.subtract.at(self.late_kw.reshape(-1), bills, moved)
        self.any_late = True
        left = 1.0 - late
        booked = self.output.reshape(-1)
        moved = output - booked[cells]
        booked[cells] = output
        moved *= self.into_gain[rows]
        self._to_stores(cells + self._to_into[rows], moved, left)
        if intake is not None and self.layout.has_inputs:
            booked = self.intake.reshape(-1)
            moved = booked[cells] - intake
            booked[cells] = intake
            moved *= self.from_gain[rows]
            self._to_stores(cells + self._to_from[rows], moved, left)

    def _to_stores(self, where: Ints, moved: Floats, left: Floats) -> None:
        np.add.at(self.gain.reshape(-1), where, moved)
        moved *= left
        np.add.at(self.ahead.reshape(-1), where, moved)

    def put(self, block: Block, working: Working) -> None:
        """Keep what the machines of a block would draw and give now; where that is news, book it for those that produce."""
        rows = block.rows
        if self._puts:
            power, output, intake = working.power_kw, working.output_per_h, working.input_per_h if self.layout.has_inputs else None
            try:
                ticks.put(self._held, *self._puts[rows.start], power, output, intake)
            except (TypeError, ValueError):  # what the compiled loop cannot read as it is
                intake = None if intake is None else _doubles(intake)
                ticks.put(self._held, *self._puts[rows.start], _doubles(power), _doubles(output), intake)
            return
        news = (
            _renewed(self.run_power[rows], working.power_kw),
            _renewed(self.run_output[rows], working.output_per_h),
            self.layout.has_inputs and _renewed(self.run_intake[rows], working.input_per_h),
        )
        if not block.per_tick:
            self.book_block(block, *news)

    def book_block(self, block: Block, power: bool = True, output: bool = True, intake: bool = True) -> None:
        """Book what the producing machines of a block would draw and give now, in every future, before the tick begins."""
        rows = block.rows
        producing = self.producing[rows]
        if self.audit is not None:
            cells = np.arange(rows.start * self.futures, rows.stop * self.futures)
            self.audit.until(cells, self.tick_number * self.tick_s, self.power, self.output, self.intake)
        if power:
            self._rows_to_bills(rows, _moved(self.power[rows], self.run_power[rows], producing))
        if output:
            moved = _moved(self.output[rows], self.run_output[rows], producing)
            self._rows_to_stores(block.feeds, moved, self.into_gain[rows, None])
        if intake and self.layout.has_inputs:
            moved = _moved(self.intake[rows], self.run_intake[rows], producing)
            self._rows_to_stores(block.draws, moved, -self.from_gain[rows, None])

    def _rows_to_bills(self, rows: slice, moved: Floats) -> None:
        if self.bill_kw.shape[0] == 1:
            self.bill_kw[0] += moved[0] if len(moved) == 1 else np.add.reduce(moved, axis=0)
            return
        bills = self.layout.bill_of[rows]
        for bill in np.unique(bills).tolist():
            self.bill_kw[bill] += moved[bills == bill].sum(axis=0)

    def _rows_to_stores(self, stores: Reach | None, moved: Floats, gain: Floats) -> None:
        if stores is None:
            return
        moved *= gain
        if isinstance(stores, np.ndarray):
            for number, store in enumerate(stores.tolist()):
                self.gain[store] += moved[number]
        elif stores.stop - stores.start == moved.shape[0]:
            self.gain[stores] += moved
        else:
            for own in moved:
                self.gain[stores.start] += own

    def look_ahead(self) -> None:
        """Levels at the end of the tick if no machine changes; no battery follows yet."""
        if self._held is not None:
            ticks.look_ahead(self._held, self.tick_number % 2)
            return
        np.multiply(self.level, self._kept, out=self.ahead)
        self.ahead += self.gain
        self.ahead += self.bias
        self.followed_kw[:] = 0.0

    def trigger(self) -> bool:
        """Let released machines want what their level triggers say, if that is compiled."""
        if self._held is None:
            return False
        ticks.trigger(self._held, self.tick_number % 2)
        return True

    def end(self, recorder: Recorder | None) -> None:
        """End the tick: its power and the levels it leads to are kept, nothing is late any more."""
        if self._held is not None:
            places = (None, None, None, None) if recorder is None else recorder.places()
            ticks.end(self._held, self.tick_number % 2, self.base_kw, *places)
        else:
            if recorder is not None:
                recorder.take_power(self)
            if self.any_late:
                self.late_kw[:] = 0.0
                self.any_late = False
            self._flow()
            self._bound()
            if recorder is not None:
                recorder.take_level(self)
        self.level, self.ahead = self.ahead, self.level
        self.tick_number += 1

    def _flow(self) -> None:
        """What runs between stores by itself."""
        for source, target, constant, slope in self.layout.flows:
            rate = np.maximum(constant + slope * (self.level[source] - self.level[target]), 0.0)
            self.ahead[source] -= rate * self.per_rate[source]
            self.ahead[target] += rate * self.per_rate[target]

    def _bound(self) -> None:
        """No store below its bottom (what is missing is not served) or above its top (what is too much is lost)."""
        low = np.minimum.reduce(self.ahead, axis=1) < self._bottom
        if np.count_nonzero(low):
            for row in low.nonzero()[0].tolist():
                ahead, bottom = self.ahead[row], self._bottom[row]
                self.unserved[row] += np.maximum(bottom - ahead, 0.0) * self.unit[row]
                np.maximum(ahead, bottom, out=ahead)
        high = np.maximum.reduce(self.ahead, axis=1) > self._top
        if np.count_nonzero(high):
            for row in high.nonzero()[0].tolist():
                ahead, top = self.ahead[row], self._top[row]
                self.wasted[row] += np.maximum(ahead - top, 0.0) * self.unit[row]
                np.minimum(ahead, top, out=ahead)


def _moved(booked: Floats, run: Floats, producing: Bools) -> Floats:
    """Book what producing machines do now; what has changed by it."""
    moved = run - booked
    moved *= producing
    booked += moved
    return moved


def _where(block: Block) -> tuple[int, int, bool, bool, bool]:
    """A block for what is compiled: its rows, whether it is booked, fills and draws from stores."""
    return block.rows.start, block.rows.stop, not block.per_tick, block.feeds is not None, block.draws is not None


def _doubles(numbers: Numbers) -> Floats:
    """What a kind says as a compiled loop can read it."""
    return np.ascontiguousarray(numbers, dtype=np.float64)


def _renewed(run: Floats, now: Numbers) -> bool:
    """Put in what machines would do now; whether it differs from what they would have done before."""
    if not np.count_nonzero(run != now):
        return False
    run[:] = now
    return True
