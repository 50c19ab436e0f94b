"""Batteries: their order, or the site's need where local control has them, as far as the store allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from plant.physics import Conditions
from twin_sim.assets.battery import Battery
from twin_sim.layout import Block

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble


class Follower:
    """One block of batteries that is looked at in every tick.

    A battery's own management keeps it inside its operating limits whoever commands it. Under local control each takes its share (by power) of the site's surplus, or gives its share of the site's need.
    """

    def __init__(self, block: Block, ensemble: Ensemble) -> None:
        kind = cast(Battery, block.kind)
        self.block, self.kind = block, kind
        self.share = np.asarray(kind.power_kw / np.sum(kind.power_kw))
        per_rate = ensemble.per_rate[block.stores]
        self.per_rate = per_rate
        self.room_kw = 1.0 / per_rate / kind.efficiency
        self.left_kw = kind.efficiency / per_rate
        self.top, self.bottom = ensemble.layout.high[block.stores], ensemble.layout.low[block.stores]

    def follow(self, ensemble: Ensemble) -> None:
        """Set the batteries' power for the tick that begins."""
        rows, stores = self.block.rows, self.block.stores
        released, level = ensemble.released[rows], ensemble.level[stores]
        wanted = ensemble.setpoint[rows]
        if released.any():
            others = np.add.reduce(ensemble.bill_kw, axis=0) + np.add.reduce(ensemble.late_kw, axis=0)
            others += ensemble.base_kw
            others -= np.add.reduce(ensemble.power[rows], axis=0)
            wanted = np.where(released, -others * self.share, wanted)
        most = np.minimum((self.top - level) * self.room_kw, self.kind.power_kw)
        least = np.maximum((self.bottom - level) * self.left_kw, -np.asarray(self.kind.power_kw))
        power = np.minimum(np.maximum(wanted, np.minimum(least, 0.0)), np.maximum(most, 0.0))
        working = self.kind.running(power, Conditions())
        np.copyto(ensemble.setpoint[rows], power, where=released)
        on = ensemble.on[rows]
        booked = np.where(on, working.power_kw, ensemble.idle[rows])
        output = np.asarray(working.output_per_h) * on
        ensemble.ahead[stores] += (output - ensemble.output[rows]) * self.per_rate
        ensemble.book_rows(rows, booked, output, None)
