"""The arrays of an ensemble, and the books that tie machines to bills and stores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from plant.table import Floats
from twin_sim.layout import Layout

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
HOUR = 3600.0
LONG_AGO = -(10**9)


class Cells:
    """State of every machine and store in every future; arrays have shape (rows, futures).

    Attributes
    ----------
    on, want, producing, released, failed
        Ordered to run; should run; past its start-up; under local control; out of order.
    locked, since
        Tick before which it may not change; tick of its last change.
    power, output, intake
        As booked now, kW and service units per hour. `run_…` is what it would be while producing.
    level, gain
        Of every store; what it gains in one tick from machines and from outside.
    bill_kw
        Power of every bill, shape (bills, futures).
    """

    def __init__(self, layout: Layout, futures: int, tick_s: float) -> None:
        self.layout, self.futures, self.tick_s = layout, futures, float(tick_s)
        self.tick_number = 0
        self._allocate()
        self._constants()

    def _allocate(self) -> None:
        shape = (len(self.layout.assets), self.futures)
        stores = (self.layout.dummy + 1, self.futures)
        self.on: Bools = np.zeros(shape, dtype=bool)
        self.want: Bools = np.zeros(shape, dtype=bool)
        self.producing: Bools = np.zeros(shape, dtype=bool)
        self.released: Bools = np.ones(shape, dtype=bool)
        self.failed: Bools = np.zeros(shape, dtype=bool)
        self.locked: Ints = np.full(shape, LONG_AGO, dtype=np.int64)
        self.since: Ints = np.full(shape, LONG_AGO, dtype=np.int64)
        self.starts: Ints = np.zeros(shape, dtype=np.int64)
        self.setpoint: Floats = np.zeros(shape)
        self.power, self.run_power = np.zeros(shape), np.zeros(shape)
        self.output, self.run_output = np.zeros(shape), np.zeros(shape)
        self.intake, self.run_intake = np.zeros(shape), np.zeros(shape)
        self.idle: Floats = np.zeros(shape)
        self.level, self.gain, self.bias = np.zeros(stores), np.zeros(stores), np.zeros(stores)
        self.unserved, self.wasted = np.zeros(stores), np.zeros(stores)
        self.demand, self.demanded = np.zeros(stores), np.zeros(stores)
        self._counted = 0
        self.bill_kw: Floats = np.zeros((len(self.layout.bills), self.futures))
        self.base_kw: Floats = np.zeros(1)
        self.impulse_kw: Floats | None = None

    def _constants(self) -> None:
        """Exact solution of ``size dL/dt = inflow − a − b (L − ambient)`` over one tick: ``L' = L E + inflow G + …``."""
        layout, hours = self.layout, self.tick_s / HOUR
        rate = layout.loss_b * hours / layout.size
        self.decay = np.exp(-rate)
        share = np.where(rate > 1e-12, -np.expm1(-rate) / np.where(rate > 0, rate, 1.0), 1.0)
        self.per_rate = share * hours / layout.size
        self.decay[layout.real :] = 0.0
        self.per_rate[layout.real : layout.dummy] = 1.0
        self.unit = layout.size.copy()
        self.unit[layout.real : layout.dummy] = hours
        self.up_ticks = np.ceil(layout.min_up_s / self.tick_s - 1e-9).astype(np.int64)
        self.down_ticks = np.ceil(layout.min_down_s / self.tick_s - 1e-9).astype(np.int64)
        self.warm_ticks = np.ceil(layout.startup_s / self.tick_s - 1e-9).astype(np.int64)
        self.start_kw = layout.start_energy_kwh / (np.maximum(self.warm_ticks, 1) * hours)
        self._into_gain = self.per_rate[layout.into, 0]
        self._from_gain = self.per_rate[layout.out_of, 0]

    def book(self, cells: Ints, power: Floats, output: Floats, intake: Floats | None) -> None:
        """Set powers and flows of some cells; bills and stores are moved by the differences."""
        columns, layout = self.futures, self.layout
        rows, futures = np.divmod(cells, columns)
        moved = power - self.power.ravel()[cells]
        self._to_bills(rows, futures, moved)
        self.power.ravel()[cells] = power
        given = (output - self.output.ravel()[cells]) * self._into_gain[rows]
        into = layout.into[rows] * columns + futures
        self.gain += np.bincount(into, given, minlength=self.gain.size).reshape(self.gain.shape)
        self.output.ravel()[cells] = output
        if intake is not None and layout.has_inputs:
            drawn = (intake - self.intake.ravel()[cells]) * self._from_gain[rows]
            source = layout.out_of[rows] * columns + futures
            self.gain -= np.bincount(source, drawn, minlength=self.gain.size).reshape(self.gain.shape)
            self.intake.ravel()[cells] = intake

    def _to_bills(self, rows: Ints, futures: Ints, moved: Floats) -> None:
        if self.bill_kw.shape[0] == 1:
            self.bill_kw[0] += np.bincount(futures, moved, minlength=self.futures)
            return
        bill = self.layout.bill_of[rows] * self.futures + futures
        self.bill_kw += np.bincount(bill, moved, minlength=self.bill_kw.size).reshape(self.bill_kw.shape)

    def book_rows(self, rows: slice, power: Floats, output: Floats, intake: Floats | None) -> None:
        """Set powers and flows of neighbouring rows in every future."""
        moved = power - self.power[rows]
        if self.bill_kw.shape[0] == 1:
            self.bill_kw[0] += np.add.reduce(moved, axis=0)
        else:
            for bill in np.unique(self.layout.bill_of[rows]).tolist():
                self.bill_kw[bill] += moved[self.layout.bill_of[rows] == bill].sum(axis=0)
        self.power[rows] = power
        given = (output - self.output[rows]) * self._into_gain[rows, None]
        for number, store in enumerate(self.layout.into[rows].tolist()):
            if store != self.layout.dummy:
                self.gain[store] += given[number]
        self.output[rows] = output
        if intake is not None and self.layout.has_inputs:
            drawn = (intake - self.intake[rows]) * self._from_gain[rows, None]
            for number, store in enumerate(self.layout.out_of[rows].tolist()):
                if store != self.layout.dummy:
                    self.gain[store] -= drawn[number]
            self.intake[rows] = intake

    def _count_demand(self) -> None:
        """Add up the demand of the ticks that the present driver step has lasted."""
        lasted = self.tick_number - self._counted
        if lasted:
            self.demanded += self.demand * (lasted * self.tick_s / HOUR)
            self._counted = self.tick_number
