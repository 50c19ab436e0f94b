"""A plan as a simulation follows it: per step and machine, local control or an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from plant.orders import Action, Plan
from plant.table import Floats

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble
    from twin_sim.layout import Layout

LOCAL, KEEP, STOP, RUN = -1, -2, 0, 1
MARGIN = 0.1
"""A store counts as back inside its limits once this share of the span away from them."""


@dataclass(slots=True, kw_only=True)
class Script:
    """What some columns of an ensemble do in each step."""

    columns: slice
    start: datetime
    step_s: float
    orders: npt.NDArray[np.int8]
    """(steps, assets): LOCAL, KEEP, STOP or RUN; beyond the end everything is given back."""
    setpoints: Floats
    """(steps, assets); NaN = as it is."""
    guarded: bool = True
    """Whether machines answer to a store that is outside its limits, as a new plan would let them.

    What fills it goes back to local control; what draws from a store that runs low, into one that does not, stops.
    """
    import_kw: float | None = None
    """Contracted power that later plans would keep by charging less; None = none."""
    answers_after_s: float = 0.0
    """When the next plan may answer to what has come."""
    step: int = -1
    _given_back: bool = False
    _left: npt.NDArray[np.bool_] | None = None

    def apply(self, ensemble: Ensemble, time: datetime) -> None:
        """Give the orders of a new step, except to machines whose store has left its limits."""
        step = int((time - self.start).total_seconds() // self.step_s)
        if step != self.step and step >= 0:
            self.step = step
            self._cap(ensemble, step)
            self._give(ensemble, min(step, len(self.orders)), None if self._left is None else self._answers(ensemble, self._left))

    def _cap(self, ensemble: Ensemble, step: int) -> None:
        """From the next plan on batteries do not charge into a full connection."""
        if self.import_kw is None or step * self.step_s < self.answers_after_s:
            return
        if ensemble.cap_kw is None:
            ensemble.cap_kw = np.full(ensemble.futures, np.inf)
        ensemble.cap_kw[self.columns] = self.import_kw if step < len(self.orders) else np.inf

    def look_ahead(self, ensemble: Ensemble) -> None:
        """Let machines answer whose store would leave its limits in the tick that begins, as a new plan would."""
        if self.guarded and self.step < len(self.orders):
            left = self._outside(ensemble)
            if left is not None:
                self._hand_back(ensemble, *self._answers(ensemble, left))

    def _outside(self, ensemble: Ensemble) -> npt.NDArray[np.bool_] | None:
        """Per store and column: it leaves its limits, or left them and is not well back inside; None if none."""
        layout, level = ensemble.layout, ensemble.ahead[: ensemble.layout.real, self.columns]
        low, high = layout.low[: layout.real], layout.high[: layout.real]
        out = ((level < low) | (level > high)) & ~layout.managed[: layout.real, None]
        if self._left is None:
            if not out.any():
                return None
            self._left = np.zeros((layout.dummy + 1, out.shape[1]), dtype=bool)
        room = MARGIN * (high - low)
        left = self._left[: layout.real]
        left &= (level < low + room) | (level > high - room)
        left |= out
        return self._left

    def _answers(self, ensemble: Ensemble, left: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Per asset and column: it is left to local control, and it rests because what it draws from runs low."""
        layout = ensemble.layout
        level = ensemble.ahead[: layout.real, self.columns]
        runs_low = np.zeros_like(left)
        middle = 0.5 * (layout.low[: layout.real] + layout.high[: layout.real])
        runs_low[: layout.real] = left[: layout.real] & (level < middle)
        fills = layout.into != layout.dummy
        rests = runs_low[layout.out_of] & fills[:, None] & ~left[layout.into]
        local = (left[layout.into] | left[layout.out_of]) & ~rests
        return local, rests

    def _hand_back(self, ensemble: Ensemble, local: npt.NDArray[np.bool_], rests: npt.NDArray[np.bool_]) -> None:
        released = ensemble.released[:, self.columns]
        want = ensemble.want[:, self.columns]
        fresh, stopped = local & ~released, rests & (released | want)
        if fresh.any() or stopped.any():
            released |= fresh
            released &= ~stopped
            np.copyto(want, ensemble.on[:, self.columns], where=fresh)
            want &= ~stopped
            ensemble.local_due()

    def _give(self, ensemble: Ensemble, step: int, answers: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]] | None) -> None:
        """The orders of a step, except to machines that answer to a store outside its limits."""
        layout, ended = ensemble.layout, step >= len(self.orders)
        if ended and self._given_back:
            return
        self._given_back = ended
        order = np.full(len(layout.assets), LOCAL, dtype=np.int8) if ended else self.orders[step]
        asked = np.full(order.size, np.nan) if ended else self.setpoints[step]
        rows = np.flatnonzero(order != KEEP)
        released, want = ensemble.released[rows, self.columns], ensemble.want[rows, self.columns]
        given = np.broadcast_to((order[rows] != LOCAL)[:, None], released.shape)
        runs = np.broadcast_to((order[rows] == RUN)[:, None], released.shape)
        if answers is not None and not ended:
            local, rests = answers[0][rows], answers[1][rows]
            given, runs = (given & ~local) | rests, runs & ~rests
        on = ensemble.on[rows, self.columns]
        ensemble.want[rows, self.columns] = np.where(given, runs, np.where(~given & ~released, on, want))
        ensemble.released[rows, self.columns] = ~given
        ensemble.local_due()
        nominal = layout.nominal[rows, None]
        target = np.where(given, np.where(np.isnan(asked[rows]), layout.nominal[rows], asked[rows])[:, None], nominal)
        self._adjust(ensemble, rows, target)

    def _adjust(self, ensemble: Ensemble, rows: npt.NDArray[np.int64], target: Floats) -> None:
        before = ensemble.setpoint[rows, self.columns]
        changed = rows[(target != before).any(axis=1)]
        if not changed.size:
            return
        ensemble.setpoint[rows, self.columns] = target
        for block in ensemble.layout.blocks:
            if not block.per_tick and ((changed >= block.rows.start) & (changed < block.rows.stop)).any():
                ensemble.ask_later(block)


def of_plan(plan: Plan, layout: Layout, columns: slice, *, steps: int, step_s: float, first_only: bool = False) -> Script:
    """A plan as a script over some columns.

    Parameters
    ----------
    steps, step_s
        Steps of the plan that are followed; then everything is given back to local control.
    first_only
        True: only the commands due now are given, and contact is lost after the first step.
    """
    count = len(layout.assets)
    orders: npt.NDArray[np.int8] = np.full((steps, count), KEEP, dtype=np.int8)
    setpoints = np.full((steps, count), np.nan)
    if not first_only:
        for course in plan.courses:
            row = layout.index.get(course.asset)
            if row is None:
                continue
            on = np.array(course.on.resampled(plan.made_at, step_s, steps))
            orders[:, row] = np.where(on >= 0.5, RUN, STOP)
            if course.setpoint is not None:
                setpoints[:, row] = course.setpoint.resampled(plan.made_at, step_s, steps)
    for command in plan.commands:
        row = layout.index.get(command.asset)
        if row is None:
            continue
        orders[0, row] = {Action.SHUTDOWN: STOP, Action.RELEASE: LOCAL}.get(command.action, RUN)
        if command.action is Action.RELEASE:
            orders[:, row] = LOCAL
        if command.setpoint is not None and command.action is Action.OPTIMIZE:
            setpoints[0, row] = command.setpoint
    return Script(columns=columns, start=plan.made_at, step_s=step_s, orders=orders, setpoints=setpoints, guarded=not first_only)
