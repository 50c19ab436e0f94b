"""Batteries: their order, or the site's need where local control has them, as far as the store allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from plant.physics import Numbers
from plant.table import Floats
from twin_sim.assets.battery import Battery
from twin_sim.cells import Bools, Ints
from twin_sim.layout import Block

try:
    from twin_sim import batteries
except ImportError:  # installed without a C compiler
    batteries = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sizes:
    """Constants of batteries: columns with a row for each of them, or numbers that hold for all."""

    stores: Ints | int
    share: Numbers
    """Of the site's surplus or need, by power."""
    most_kw: Numbers
    standby_kw: Numbers
    charging: Numbers
    discharging: Numbers
    room_kw: Numbers
    """Power that moves the store by one unit of level within a tick, this battery's share of it: charging."""
    left_kw: Numbers
    """The same, discharging."""
    top: Numbers
    bottom: Numbers


class Follower:
    """One block of batteries that is looked at in every tick.

    A battery's own management keeps it inside its operating limits whoever commands it. Under local control each takes its
    share (by power) of the site's surplus, or gives its share of the site's need. What a battery draws is not booked like
    other machines' power, because it is another in every tick: it is added to bills and levels tick by tick.
    """

    def __init__(self, block: Block, ensemble: Ensemble) -> None:
        self.block = block
        self.per_rate = ensemble.per_rate[block.stores]
        self.bills = ensemble.layout.bill_of[block.rows]
        self.one_bill = bool((self.bills == self.bills[0]).all())
        self._each = self._sizes(ensemble)
        self._one = self._one_for_all()
        self._stands_by = bool(np.any(self._each.standby_kw))
        rows = block.rows
        self._released, self._on, self._setpoint = ensemble.released[rows], ensemble.on[rows], ensemble.setpoint[rows]
        self._power, self._output = ensemble.power[rows], ensemble.output[rows]
        self._bill = ensemble.followed_kw[self.bills[0]]
        self._store, self._gain = int(block.stores[0]), float(self.per_rate[0, 0]) * len(self._on)
        compiled = batteries is not None and ensemble.audit is None and ensemble.futures > 1
        self._held = self._for_follow(ensemble) if compiled else None

    def _for_follow(self, ensemble: Ensemble) -> object:
        """The arrays that the compiled part works on; NumPy adds up the batteries of a single future in another order."""
        each, layout, futures = self._each, ensemble.layout, ensemble.futures
        sizes = (
            each.share, each.most_kw, each.standby_kw, each.charging, each.discharging, each.room_kw, each.left_kw, each.top,
            each.bottom, self.per_rate,
        )  # fmt: skip
        arrays = (
            self._released, self._on, self._setpoint, self._power, self._output, ensemble.bill_kw, ensemble.late_kw,
            ensemble.followed_kw, ensemble.level, ensemble.ahead, self.block.stores, self.bills,
            *(np.array(size, dtype=np.float64) for size in sizes), *np.zeros((2, futures)),
        )  # fmt: skip
        counts = futures, len(self._on), layout.dummy + 1, len(layout.bills)
        return batteries.hold(arrays, *counts, self._one is not None, self.one_bill, self._stands_by)

    def _sizes(self, ensemble: Ensemble) -> _Sizes:
        block, layout = self.block, ensemble.layout
        kind = cast(Battery, block.kind)
        tall = (block.rows.stop - block.rows.start, 1)

        def column(value: Numbers) -> Floats:
            return np.broadcast_to(np.asarray(value, dtype=np.float64), tall)

        most, charging = column(kind.power_kw), column(kind.efficiency)
        beside = np.array([[most[block.stores == store].sum()] for store in block.stores.tolist()])
        part = most / beside
        return _Sizes(
            stores=block.stores, share=most / most.sum(), most_kw=most, standby_kw=column(kind.standby_kw), charging=charging,
            discharging=1.0 / charging, room_kw=part / self.per_rate / charging, left_kw=part * charging / self.per_rate,
            top=layout.high[block.stores], bottom=layout.low[block.stores],
        )  # fmt: skip

    def _one_for_all(self) -> _Sizes | None:
        """Numbers that hold for all, if they are alike and share store and bill: on the same orders one tells what all do."""
        each = self._each
        columns = {name: np.asarray(getattr(each, name)) for name in _Sizes.__slots__}
        if not self.one_bill or any((column != column[0]).any() for column in columns.values()):
            return None
        return _Sizes(**{name: column.reshape(-1)[0].item() for name, column in columns.items()})

    def follow(self, ensemble: Ensemble) -> None:
        """Set the batteries' power for the tick that begins."""
        if self._held is not None:
            batteries.follow(self._held, ensemble.tick_number % 2, ensemble.base_kw, ensemble.cap_kw)
            return
        released, on, setpoint = self._released, self._on, self._setpoint
        local, running = np.count_nonzero(released), np.count_nonzero(on)
        same = local == released.size and running == on.size
        sizes = self._each
        if self._one is not None and (same or len(released) == 1):
            sizes, released, on = self._one, released[0], on[0]
        own = setpoint if sizes is self._each else setpoint[0]
        others = self._others(ensemble) if local or ensemble.cap_kw is not None else None
        power = own.copy() if others is None or not local else self._wanted(others, sizes, released, own)
        self._bound(ensemble, sizes, power, others)
        if same:
            setpoint[:] = power
        elif local:
            np.copyto(own, power, where=released)
        if running < on.size:
            power *= on
        output = np.maximum(power, 0.0)
        output *= sizes.charging
        output += np.minimum(power, 0.0) * sizes.discharging
        if self._stands_by:
            power += sizes.standby_kw
        self._put(ensemble, power, output)

    def _wanted(self, others: Floats, sizes: _Sizes, released: Bools, setpoint: Floats) -> Floats:
        """The site's need under local control, the order elsewhere."""
        wanted = others * -sizes.share
        if np.count_nonzero(released) < released.size:
            wanted -= setpoint
            wanted *= released
            wanted += setpoint
        return wanted

    def _bound(self, ensemble: Ensemble, sizes: _Sizes, power: Floats, others: Floats | None) -> None:
        """Keep within contracted power, own power, and what would reach the top or the bottom of the store in the tick."""
        if ensemble.cap_kw is not None and others is not None:
            np.minimum(power, sizes.share * (ensemble.cap_kw - others) - sizes.standby_kw, out=power)
        level = ensemble.level[sizes.stores]
        room = sizes.top - level
        room *= sizes.room_kw
        np.minimum(room, sizes.most_kw, out=room)
        np.maximum(room, 0.0, out=room)
        np.minimum(power, room, out=power)
        left = sizes.bottom - level
        left *= sizes.left_kw
        np.maximum(left, -sizes.most_kw, out=left)
        np.minimum(left, 0.0, out=left)
        np.maximum(power, left, out=power)

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
        """Enter what all draw and give: a row for each of them, or one that holds for all."""
        if ensemble.audit is not None:
            rows = self.block.rows
            cells = np.arange(rows.start * ensemble.futures, rows.stop * ensemble.futures)
            arrays = ensemble.power, ensemble.output, ensemble.intake
            ensemble.audit.until(cells, ensemble.tick_number * ensemble.tick_s, *arrays)
        self._power[:], self._output[:] = power, output
        if power.ndim == 1:
            self._bill += power * len(self._power)
            output *= self._gain
            ahead = ensemble.ahead[self._store]
            ahead += output
            return
        if self.one_bill:
            self._bill += power.sum(axis=0)
        else:
            np.add.at(ensemble.followed_kw, self.bills, power)
        moved = output * self.per_rate
        for number, store in enumerate(self.block.stores.tolist()):
            ensemble.ahead[store] += moved[number]
