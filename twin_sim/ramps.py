"""Machines that state a ramp: their output goes to a new set-point no faster than they may, and down before they stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plant.assets import Asset
from plant.physics import Conditions
from plant.table import Floats
from twin_sim.cells import Bools
from twin_sim.companions import at_setpoints
from twin_sim.envelopes import setpoint_range

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble
    from twin_sim.layout import Layout
    from twin_sim.model import SiteModel

GRID = 1025
"""Set-points between which the output of a machine is taken as linear."""


class Ramps:
    """The machines of a layout that state `ramp_per_h`, and where on their way each of them is.

    The ramp means what it means to a plan: change of output per hour under the conditions of the envelope, from the lowest
    operating point on; a start reaches that point at once, a stop leaves from it at once. Machines with one operating
    point, batteries (which follow the site's power), and machines whose curves were learned together have none.
    """

    def __init__(self, layout: Layout) -> None:
        found = [(row, grid) for row in range(len(layout.assets)) if (grid := _grid(layout, row)) is not None]
        self.rows = np.array([row for row, _ in found], dtype=np.int64)
        self._grids = [grid for _, grid in found]
        self._most = layout.ramp_per_h[self.rows]
        self._low = np.array([grid[0][0] for _, grid in found])[:, None]
        self._at: Floats = np.zeros((0, 0))
        self._before = self._at
        self._asked = tuple(block for block in layout.blocks if not block.per_tick)

    def begin(self, ensemble: Ensemble) -> None:
        """Machines that run at the start have long reached their set-points."""
        ensemble.reached = ensemble.setpoint.copy()
        self._at = np.where(ensemble.producing[self.rows], np.maximum(ensemble.setpoint[self.rows], self._low), self._low)
        self._before = self._at
        ensemble.reached[self.rows] = self._at

    def told(self, ensemble: Ensemble, row: int) -> None:
        """A machine was told another set-point between two ticks: without a ramp it is there at once."""
        if row not in self.rows:
            ensemble.reached[row] = ensemble.setpoint[row]

    def move(self, ensemble: Ensemble) -> None:
        """Go on for the tick that begins; what is booked for it is the output half-way between its two ends."""
        rows = self.rows
        before = np.where(ensemble.producing[rows], self._at, self._low)
        wanted = ensemble.want[rows] & ~ensemble.failed[rows]
        target = np.where(wanted, np.maximum(ensemble.setpoint[rows], self._low), self._low)
        target = np.where(ensemble.producing[rows], target, self._low)
        after, middle = target.copy(), target.copy()
        hours = ensemble.tick_s / 3600.0
        for number, (setpoints, outputs) in enumerate(self._grids):
            if (before[number] == target[number]).all():
                continue
            now, then = (np.interp(each[number], setpoints, outputs) for each in (before, target))
            step = self._most[number] * hours
            moved = np.clip(then - now, -step, step)
            after[number] = np.where(np.abs(then - now) > step, np.interp(now + moved, outputs, setpoints), target[number])
            middle[number] = np.interp(now + moved / 2.0, outputs, setpoints)
        self._before, self._at = before, after
        now_at = ensemble.setpoint.copy()
        now_at[rows] = middle
        changed = np.flatnonzero((now_at != ensemble.reached).any(axis=1))
        ensemble.reached = now_at
        for block in self._asked:
            if ((changed >= block.rows.start) & (changed < block.rows.stop)).any():
                ensemble.ask_later(block)

    def holds(self, ensemble: Ensemble) -> Bools:
        """Machines that are told to stop and still go down to their lowest point; shape (ramped machines, futures)."""
        rows = self.rows
        leaving = ensemble.producing[rows] & ~ensemble.want[rows] & ~ensemble.failed[rows]
        return np.asarray(leaving & (self._before > self._low + 1e-9))


def ramps_of(layout: Layout) -> Ramps | None:
    """The ramps of a layout; None if no machine states one that binds it."""
    if not np.isfinite(layout.ramp_per_h).any():
        return None
    made = Ramps(layout)
    return made if made.rows.size else None


def _grid(layout: Layout, row: int) -> tuple[Floats, Floats] | None:
    """Set-points and rising outputs of a machine with a ramp; None where it has none to follow."""
    asset = layout.assets[row]
    low, high = setpoint_range(asset)
    if not np.isfinite(layout.ramp_per_h[row]) or high <= low or asset.kind == "battery":
        return None
    setpoints = np.linspace(low, high, GRID)
    outputs = _outputs(layout.model, asset, setpoints)
    if outputs is None:
        return None
    rising = np.abs(outputs)
    return (setpoints, rising) if bool((np.diff(rising) >= 0.0).all()) and rising[-1] > rising[0] else None


def _outputs(model: SiteModel, asset: Asset, setpoints: Floats) -> Floats | None:
    """Output at the conditions of the envelope; None for machines whose curves were learned together."""
    group = next((group for group in model.groups if asset.name in group.assets), None)
    if group is not None:
        alone = [regime for regime in group.regimes if regime.running == (asset.name,)]
        return at_setpoints(alone, setpoints[None, :])[0] if len(group.assets) == 1 and alone else None
    into = model.into(asset)
    level = 0.0 if into is None else (model.store(into).low + model.store(into).high) / 2.0
    given = model.kind(asset.name).running(setpoints, Conditions(level=level)).output_per_h
    return np.array(np.broadcast_to(np.asarray(given, dtype=np.float64), setpoints.shape))
