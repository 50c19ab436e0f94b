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

    def follow(self, ensemble: Ensemble) -> None:
        """Set the batteries' power for the tick that begins."""
        rows, stores = self.block.rows, self.block.stores
        released, level = ensemble.released[rows], ensemble.level[stores]
        setpoint = ensemble.setpoint[rows]
        power = self._wanted(ensemble, released, setpoint)
        room = self.top - level
        room *= self.room_kw
        np.minimum(room, self.most_kw, out=room)
        np.maximum(room, 0.0, out=room)
        left = self.bottom - level
        left *= self.left_kw
        np.maximum(left, self.least_kw, out=left)
        np.minimum(left, 0.0, out=left)
        if ensemble.cap_kw is not None:
            np.minimum(power, self.share * (ensemble.cap_kw - self._others(ensemble)), out=power)
        np.minimum(power, room, out=power)
        np.maximum(power, left, out=power)
        np.copyto(setpoint, power, where=released)
        on = ensemble.on[rows]
        if not on.all():
            power *= on
        output = power * np.where(power > 0.0, self.charging, self.discharging)
        power += self.standby_kw
        self._put(ensemble, power, output)

    def _wanted(self, ensemble: Ensemble, released: Bools, setpoint: Floats) -> Floats:
        if not released.any():
            return setpoint.copy()
        wanted = -self.share * self._others(ensemble)
        return wanted if released.all() else np.where(released, wanted, setpoint)

    def _others(self, ensemble: Ensemble) -> Floats:
        """Power of the site without batteries in this tick, shape (futures,)."""
        others: Floats = ensemble.bill_kw.sum(axis=0)
        others += ensemble.late_kw.sum(axis=0)
        others += ensemble.base_kw
        return others

    def _put(self, ensemble: Ensemble, power: Floats, output: Floats) -> None:
        rows = self.block.rows
        if ensemble.audit is not None:
            cells = np.arange(rows.start * ensemble.futures, rows.stop * ensemble.futures)
            arrays = ensemble.power, ensemble.output, ensemble.intake
            ensemble.audit.until(cells, ensemble.tick_number * ensemble.tick_s, *arrays)
        ensemble.power[rows], ensemble.output[rows] = power, output
        if self.one_bill:
            ensemble.followed_kw[self.bills[0]] += power.sum(axis=0)
        else:
            np.add.at(ensemble.followed_kw, self.bills, power)
        moved = output * self.per_rate
        for number, store in enumerate(self.block.stores.tolist()):
            ensemble.ahead[store] += moved[number]
