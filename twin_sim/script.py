"""A plan as a simulation follows it: per step and machine, local control or an order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from plant.orders import Action, Plan
from plant.table import Floats
from twin_sim.drivers import at_steps

try:
    from twin_sim import orders as compiled
except ImportError:  # installed without a C compiler
    compiled = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble
    from twin_sim.layout import Layout

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Rows = slice | Ints
EVERY = slice(None)
LOCAL, KEEP, STOP, RUN = -1, -2, 0, 1
MARGIN = 0.1
"""A store counts as back inside its limits once this share of the span away from them."""


class _Shared:
    """The arrays that the compiled part of a script works on; without it NumPy does the same, to the last bit.

    Attributes
    ----------
    held
        What the compiled part holds of them.
    answering
        Per asset: some column of it does not follow its order.
    adjusted
        Per asset: the orders given last changed its set-point in some column.
    """

    def __init__(self, columns: slice, orders: npt.NDArray[np.int8], targets: Floats, ensemble: Ensemble) -> None:
        layout = ensemble.layout
        count, width = len(layout.assets), columns.stop - columns.start
        self.answering: Bools = np.zeros(count, dtype=bool)
        self.adjusted: Bools = np.zeros(count, dtype=bool)
        middle = 0.5 * (layout.low[: layout.real] + layout.high[: layout.real])
        left: Bools = np.zeros((layout.dummy + 1, width), dtype=bool)
        levels = (ensemble.level, ensemble.ahead)[:: 1 if ensemble.tick_number % 2 == 0 else -1]
        arrays = (
            left, ensemble.on, ensemble.want, ensemble.released, ensemble.setpoint, *levels, *_limits_of(layout), middle,
            layout.into, layout.out_of, layout.nominal, self.answering, self.adjusted, ensemble.alike,
            np.zeros(layout.dummy + 1, dtype=bool), orders, targets,
        )  # fmt: skip
        self.held = compiled.hold(arrays, count, layout.real, layout.dummy, ensemble.futures, columns.start, width, len(orders))


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
    _until: datetime | None = None
    """When the step ends."""
    _capped_kw: float | None = None
    """Power above which batteries charge less at present; None = not stated yet."""
    _given: int = -1
    """The step whose orders stand."""
    _targets: Floats | None = None
    """The set-points, nominal where none is stated."""
    _limits: tuple[Floats, Floats, Floats, Floats] | None = None
    """Low and high of every store, and where it is well back inside."""
    _left: Bools | None = None
    """Per store and column: it left its limits and is not well back inside; None where none did."""
    _answering: Bools | None = None
    """Per asset: some column of it does not follow its order."""
    _shared: _Shared | None = None
    """What the compiled part works on."""

    def apply(self, ensemble: Ensemble, time: datetime) -> None:
        """Give the orders of a new step, except to machines whose store has left its limits."""
        if self.step >= len(self.orders) or (self._until is not None and time < self._until):
            return
        step = int((time - self.start).total_seconds() // self.step_s)
        self._until = self.start + timedelta(seconds=(step + 1) * self.step_s)
        if step == self.step or step < 0:
            return
        self.step = step
        if self.import_kw is not None:
            self._cap(ensemble, self.import_kw if step < len(self.orders) else np.inf)
        if step < len(self.orders):
            self._give(ensemble, step)
        else:
            self._give_back(ensemble)

    def _cap(self, ensemble: Ensemble, most_kw: float) -> None:
        """From the next plan on batteries do not charge into a full connection."""
        if most_kw == self._capped_kw or self.step * self.step_s < self.answers_after_s:
            return
        if ensemble.cap_kw is None:
            ensemble.cap_kw = np.full(ensemble.futures, np.inf)
        self._capped_kw = ensemble.cap_kw[self.columns] = most_kw

    def look_ahead(self, ensemble: Ensemble) -> None:
        """Let machines answer whose store would leave its limits in the tick that begins, as a new plan would."""
        if not self.guarded or self.step >= len(self.orders):
            return
        if compiled is not None:
            shared = self._shared_with(ensemble)
            last = compiled.look_ahead(shared.held, ensemble.tick_number % 2)
            if last >= 0:
                ensemble.local_due(last)
        else:
            self._left = self._outside(ensemble)
            if self._left is not None:
                self._hand_back(ensemble, *self._answers(ensemble, self._left))

    def _shared_with(self, ensemble: Ensemble) -> _Shared:
        if self._shared is None:
            self._shared = _Shared(self.columns, self.orders, self._asked(ensemble.layout), ensemble)
            self._answering = self._shared.answering
        return self._shared

    def _outside(self, ensemble: Ensemble) -> Bools | None:
        """Per store and column: it leaves its limits, or left them and is not well back inside; None if none."""
        low, high, low_again, high_again = self._bounds(ensemble)
        level = ensemble.ahead[: len(low), self.columns]
        out = level < low
        out |= level > high
        if self._left is None:
            if not np.count_nonzero(out):
                return None
            left = np.zeros((ensemble.layout.dummy + 1, out.shape[1]), dtype=bool)
        else:
            left = self._left
            near = level < low_again
            near |= level > high_again
            left[: len(low)] &= near
        left[: len(low)] |= out
        return left if np.count_nonzero(left) else None

    def _bounds(self, ensemble: Ensemble) -> tuple[Floats, Floats, Floats, Floats]:
        if self._limits is None:
            columns = self.columns.stop - self.columns.start
            low, high, low_again, high_again = (np.repeat(bound, columns, axis=1) for bound in _limits_of(ensemble.layout))
            self._limits = low, high, low_again, high_again
        return self._limits

    def _answers(self, ensemble: Ensemble, left: Bools, rows: Rows = EVERY) -> tuple[Bools, Bools | None]:
        """Per asset and column: it is left to local control, and it rests because what it draws from runs low (None: none)."""
        layout = ensemble.layout
        into = layout.into[rows]
        local = left[into]
        if not layout.has_inputs:
            return local, None
        out_of = layout.out_of[rows]
        level = ensemble.ahead[: layout.real, self.columns]
        runs_low = np.zeros_like(left)
        middle = 0.5 * (layout.low[: layout.real] + layout.high[: layout.real])
        runs_low[: layout.real] = left[: layout.real] & (level < middle)
        rests = runs_low[out_of] & (into != layout.dummy)[:, None] & ~local
        local |= left[out_of]
        local &= ~rests
        return local, rests

    def _hand_back(self, ensemble: Ensemble, local: Bools, rests: Bools | None) -> None:
        """To local control what is left to it and was not yet, and to rest what shall and does not."""
        released, want = ensemble.released[:, self.columns], ensemble.want[:, self.columns]
        moved = np.greater(local, released)
        stopped = None if rests is None else rests & (released | want)
        hands, stops = np.count_nonzero(moved), stopped is not None and np.count_nonzero(stopped)
        if hands:
            released |= moved
            differs = want ^ ensemble.on[:, self.columns]
            differs &= moved
            want ^= differs
        if stopped is not None and stops:
            released &= ~stopped
            want &= ~stopped
            moved |= stopped
        if hands or stops:
            answers = np.logical_or.reduce(moved, axis=1)
            ensemble.local_due(int(answers.nonzero()[0][-1]))
            self._note(EVERY, answers)

    def _note(self, rows: Rows, answers: Bools) -> None:
        """Remember which machines do not follow their orders in some column: they are given them again at the next step."""
        if self._answering is None:
            self._answering = np.zeros(self.orders.shape[1], dtype=bool)
        self._answering[rows] |= answers

    def _give_back(self, ensemble: Ensemble) -> None:
        """Everything to local control, which takes it over as it stands."""
        ensemble.done_with(self)
        released, want = ensemble.released[:, self.columns], ensemble.want[:, self.columns]
        np.copyto(want, ensemble.on[:, self.columns], where=~released)
        released[:] = True
        ensemble.local_due(len(released) - 1)
        rows = np.arange(len(released))
        self._adjust(ensemble, rows, np.broadcast_to(ensemble.layout.nominal[:, None], released.shape))

    def _give(self, ensemble: Ensemble, step: int) -> None:
        """The orders of a step, except to machines that answer to a store outside its limits.

        Orders that stand are not given again, unless some column did not follow them.
        """
        layout = ensemble.layout
        given, self._given = self._given, step
        if compiled is not None:
            shared = self._shared_with(ensemble)
            last, adjusted = compiled.order(shared.held, ensemble.tick_number % 2, step, given)
            if last >= 0:
                ensemble.local_due(last)
            if adjusted:
                self._ask(ensemble, shared.adjusted)
            return
        targets = self._asked(layout)
        order, asked, fresh = self.orders[step], targets[step], self.orders[step] != KEEP
        if given >= 0:
            news = (order != self.orders[given]) | (asked != targets[given])
            fresh &= news if self._answering is None else news | self._answering
        rows = fresh.nonzero()[0]
        if not rows.size:
            return
        follows = (order[rows] != LOCAL)[:, None]
        runs = (order[rows] == RUN)[:, None]
        if self._answering is not None:
            self._answering[rows] = False
        if self._left is not None:
            local, rests = self._answers(ensemble, self._left, rows)
            follows = np.greater(follows, local)
            if rests is not None:
                follows, runs = follows | rests, runs & ~rests
                local |= rests
            self._note(rows, np.logical_or.reduce(local, axis=1))
        self._order(ensemble, rows, follows, runs)
        self._adjust(ensemble, rows, np.where(follows, asked[rows, None], layout.nominal[rows, None]))

    def _asked(self, layout: Layout) -> Floats:
        """The set-points of all steps, nominal where none is stated."""
        if self._targets is None:
            self._targets = np.where(np.isnan(self.setpoints), layout.nominal, self.setpoints)
        return self._targets

    def _order(self, ensemble: Ensemble, rows: Ints, given: Bools, runs: Bools) -> None:
        """Put some machines on orders or under local control; `given` and `runs` have a column, or one for all."""
        where = rows, self.columns
        follows = np.logical_and.reduce(given, axis=1)
        if np.count_nonzero(follows) == follows.size:
            ensemble.want[where] = runs
            ensemble.released[where] = False
        else:
            want, released = ensemble.want[where], ensemble.released[where]
            stays = (released & want) | (ensemble.on[where] & ~released)
            ensemble.want[where] = (given & runs) | (stays & ~given)
            ensemble.released[where] = ~given
            ensemble.local_due(int(rows[-1]))

    def _adjust(self, ensemble: Ensemble, rows: Ints, target: Floats) -> None:
        changes = np.logical_or.reduce(target != ensemble.setpoint[rows, self.columns], axis=1)
        if not np.count_nonzero(changes):
            return
        rows = rows[changes]
        ensemble.setpoint[rows, self.columns] = target[changes]
        adjusted: Bools = np.zeros(len(ensemble.alike), dtype=bool)
        adjusted[rows] = True
        ensemble.alike[rows] = False
        self._ask(ensemble, adjusted)

    def _ask(self, ensemble: Ensemble, adjusted: Bools) -> None:
        """Machines that were told another set-point are to be asked."""
        told = adjusted.tobytes()
        for block, rows in ensemble.layout.asked:
            if 1 in told[rows]:
                ensemble.ask_later(block)


def _limits_of(layout: Layout) -> tuple[Floats, Floats, Floats, Floats]:
    """Low and high of every store that no machine manages, and where it is well back inside; columns."""
    managed = layout.managed[: layout.real, None]
    low, high = layout.low[: layout.real], layout.high[: layout.real]
    room = MARGIN * (high - low)
    return np.where(managed, -np.inf, low), np.where(managed, np.inf, high), low + room, high - room


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
            orders[:, row] = np.where(at_steps(course.on, plan.made_at, step_s, steps) >= 0.5, RUN, STOP)
            if course.setpoint is not None:
                setpoints[:, row] = at_steps(course.setpoint, plan.made_at, step_s, steps)
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
