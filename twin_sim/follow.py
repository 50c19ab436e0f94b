"""Batteries: their order, or the site's need where local control has them, as far as the store allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from plant.table import Floats
from twin_sim.assets.battery import Battery
from twin_sim.cells import Bools
from twin_sim.layout import Block

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble


class Follower:
    """One block of batteries that is looked at in every tick.

    A battery's own management keeps it inside its operating limits whoever commands it. Under local control each takes its
    share (by power) of the site's surplus, or gives its share of the site's need. What a battery draws is not booked like
    other machines' power, because it is another in every tick: it is added to bills and levels tick by tick.
    """

    def __init__(self, block: Block, ensemble: Ensemble) -> None:
        kind = cast(Battery, block.kind)
        self.block = block
        tall = (block.rows.stop - block.rows.start, 1)
        self.most_kw = np.broadcast_to(np.asarray(kind.power_kw, dtype=np.float64), tall)
        self.least_kw = -self.most_kw
        self.share = self.most_kw / self.most_kw.sum()
        self.standby_kw = np.broadcast_to(np.asarray(kind.standby_kw, dtype=np.float64), tall)
        self.stands_by = bool(self.standby_kw.any())
        self.charging = np.broadcast_to(np.asarray(kind.efficiency, dtype=np.float64), tall)
        self.discharging = 1.0 / self.charging
        self.per_rate = ensemble.per_rate[block.stores]
        beside = np.array([[self.most_kw[block.stores == store].sum()] for store in block.stores.tolist()])
        part = self.most_kw / beside
        self.room_kw = part / self.per_rate / self.charging
        self.left_kw = part * self.charging / self.per_rate
        self.top, self.bottom = ensemble.layout.high[block.stores], ensemble.layout.low[block.stores]
        self.bills = ensemble.layout.bill_of[block.rows]
        self.one_bill = bool((self.bills == self.bills[0]).all())
        self.alike = self._one_for_all()

    def _one_for_all(self) -> bool:
        """Whether all have the same size, store and bill: then, on the same orders, one of them tells what all do."""
        numbers = (self.most_kw, self.standby_kw, self.charging, self.block.stores, self.bills)
        return all(bool((np.asarray(column) == column[0]).all()) for column in numbers)

    def follow(self, ensemble: Ensemble) -> None:
        """Set the batteries' power for the tick that begins."""
        rows = self.block.rows
        released, on = ensemble.released[rows], ensemble.on[rows]
        together, running = np.count_nonzero(released) == released.size, np.count_nonzero(on) == on.size
        if self.alike and together and running:
            rows = slice(rows.start, rows.start + 1)
        part = slice(0, rows.stop - rows.start)
        setpoint = ensemble.setpoint[rows]
        power = self._wanted(ensemble, released[part], setpoint, part)
        room, left = self._bounds(ensemble, part)
        if ensemble.cap_kw is not None:
            np.minimum(power, self.share[part] * (ensemble.cap_kw - self._others(ensemble)), out=power)
        np.minimum(power, room, out=power)
        np.maximum(power, left, out=power)
        if together:
            ensemble.setpoint[self.block.rows] = power
        else:
            np.copyto(setpoint, power, where=released)
        if not running:
            power *= on
        output = np.maximum(power, 0.0)
        output *= self.charging[part]
        output += np.minimum(power, 0.0) * self.discharging[part]
        if self.stands_by:
            power += self.standby_kw[part]
        self._put(ensemble, power, output)

    def _bounds(self, ensemble: Ensemble, part: slice) -> tuple[Floats, Floats]:
        """Power with which each would reach the top and the bottom of its limits at the end of the tick."""
        level = ensemble.level[self.block.stores[part]]
        room = self.top[part] - level
        room *= self.room_kw[part]
        np.minimum(room, self.most_kw[part], out=room)
        np.maximum(room, 0.0, out=room)
        left = self.bottom[part] - level
        left *= self.left_kw[part]
        np.maximum(left, self.least_kw[part], out=left)
        np.minimum(left, 0.0, out=left)
        return room, left

    def _wanted(self, ensemble: Ensemble, released: Bools, setpoint: Floats, part: slice) -> Floats:
        count = np.count_nonzero(released)
        if not count:
            return setpoint.copy()
        wanted = self.share[part] * self._others(ensemble)
        np.negative(wanted, out=wanted)
        return wanted if count == released.size else np.where(released, wanted, setpoint)

    def _others(self, ensemble: Ensemble) -> Floats:
        """Power of the site without batteries in this tick, shape (futures,)."""
        if len(ensemble.bill_kw) == 1:
            others: Floats = ensemble.bill_kw[0] + ensemble.late_kw[0]
        else:
            others = ensemble.bill_kw.sum(axis=0)
            others += ensemble.late_kw.sum(axis=0)
        others += ensemble.base_kw
        return others

    def _put(self, ensemble: Ensemble, power: Floats, output: Floats) -> None:
        """Enter what all draw and give, one row for each of them or one for all."""
        rows = self.block.rows
        count, each = rows.stop - rows.start, len(power)
        if ensemble.audit is not None:
            cells = np.arange(rows.start * ensemble.futures, rows.stop * ensemble.futures)
            arrays = ensemble.power, ensemble.output, ensemble.intake
            ensemble.audit.until(cells, ensemble.tick_number * ensemble.tick_s, *arrays)
        ensemble.power[rows], ensemble.output[rows] = power, output
        if each < count:
            ensemble.followed_kw[self.bills[0]] += power[0] * count
            ensemble.ahead[self.block.stores[0]] += output[0] * (self.per_rate[0] * count)
            return
        if self.one_bill:
            ensemble.followed_kw[self.bills[0]] += power.sum(axis=0)
        else:
            np.add.at(ensemble.followed_kw, self.bills, power)
        moved = output * self.per_rate
        for number, store in enumerate(self.block.stores.tolist()):
            ensemble.ahead[store] += moved[number]
