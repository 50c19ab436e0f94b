"""How the kinds of an ensemble's machines are asked what these draw and give: as seldom as their answers allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from plant.physics import Conditions, Numbers, Working
from plant.table import Floats
from twin_sim.layout import Block

try:
    from twin_sim import recall
except ImportError:  # installed without a C compiler
    recall = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble
    from twin_sim.outside import Outside

MOST_SETPOINTS = 16
"""So many set-points are kept; with more, looking for one costs what asking does."""
MOST_STEPS, MOST_CELLS = 16, 16000
"""Driver steps, and machines × futures × steps, for which a kind is asked at once: beyond, arrays outgrow the processor's cache."""
Said = tuple[Working, Numbers | None]
"""What machines draw and give while they run, and draw while they rest."""


class Asking:
    """One block of machines, and what is known beforehand of its kind's answers.

    A kind works on one number as on an array of it. So what it has said to a set-point holds wherever the same is told, if
    nothing else enters; and it can be asked for several driver steps at once if only the world outside enters.
    """

    def __init__(self, block: Block, ensemble: Ensemble, stride: int) -> None:
        self._kind, self._block, self._rows = block.kind, block, block.rows
        self._alike = ensemble.alike[block.rows]
        self._timed = "running_s" in block.kind.depends_on
        outside, self._futures = ensemble.outside, ensemble.futures
        lasting = outside.lasting.get(block.rows.start)
        self._recalls = recall is not None and lasting is not None
        self._answers: Answers | None = None
        self._ahead = Ahead(block, outside, stride) if outside.foreseen(block) else None
        self._sees_levels = outside.sees_levels(block)
        self._seen: list[Conditions | None] = [lasting, lasting]
        self._rests = True

    def now(self, ensemble: Ensemble, step: int) -> Said:
        """The answer to what the machines find and are told now; it holds until they are asked again.

        What they draw at rest is None where it is one number, which was told at first.
        """
        working, idle = self._say(ensemble, step)
        if not self._rests:
            return working, None
        self._rests = isinstance(idle, np.ndarray)
        return working, idle

    def _say(self, ensemble: Ensemble, step: int) -> Said:
        alike = np.count_nonzero(self._alike) == self._alike.size
        if alike and self._ahead is not None:
            return self._ahead.at(ensemble.reached[self._rows, :1], step, ensemble.level)
        told = ensemble.reached[self._rows, :1] if alike else ensemble.reached[self._rows]
        conditions = self._seen[ensemble.tick_number % 2] or self._see(ensemble, step)
        working = None if alike or not self._recalls else self._recall(told, conditions)
        if working is None:
            working = self._kind.running(told, conditions)
        return working, self._kind.idle_kw(conditions) if self._rests else None

    def _recall(self, told: Floats, conditions: Conditions) -> Working | None:
        if self._answers is None:
            self._answers = Answers(self._block, conditions, self._futures)
        return self._answers.to(told)

    def _see(self, ensemble: Ensemble, step: int) -> Conditions:
        """What the machines find; where they see the levels of stores alone it lasts as long as these do, in turns."""
        rows = self._rows
        running_s = np.asarray(ensemble.tick_number * ensemble.tick_s - ensemble.since_s[rows]) if self._timed else None
        conditions = ensemble.outside.conditions(self._block, step, ensemble.level, running_s)
        if self._sees_levels:
            self._seen[ensemble.tick_number % 2] = conditions
        return conditions


class Answers:
    """What the machines of a block answer to set-points, where their answers depend on nothing else.

    In a plan's futures few set-points occur, while which machine is told which changes often.
    """

    def __init__(self, block: Block, conditions: Conditions, futures: int) -> None:
        self._kind, self._conditions = block.kind, conditions
        self._rows = block.rows.stop - block.rows.start
        self._setpoints, self._many = np.zeros(MOST_SETPOINTS), 0
        self._known = np.zeros((3, self._rows, MOST_SETPOINTS))
        self._into = np.zeros((3, self._rows, futures))
        power, output, intake = self._into
        self._working = Working(power_kw=power, output_per_h=output, input_per_h=intake)

    def to(self, told: Floats) -> Working | None:
        """What they draw and give when told this, shape (machines, futures), until asked again; None: too many set-points."""
        while (missing := recall.answers(told, self._setpoints, self._many, self._known, self._into)) is not None:
            if self._many == MOST_SETPOINTS:
                return None
            self._learn(missing)
        return self._working

    def _learn(self, setpoint: float) -> None:
        """Ask the kind for one more set-point."""
        working = self._kind.running(np.full((self._rows, 1), setpoint), self._conditions)
        for known, said in zip(self._known, (working.power_kw, working.output_per_h, working.input_per_h), strict=True):
            known[:, self._many : self._many + 1] = said
        self._setpoints[self._many] = setpoint
        self._many += 1


class Ahead:
    """A block that sees only the world outside, each of its machines told the same in all futures: asked ahead.

    Several driver steps are asked at once, those at which it is to be asked again, once it has been told the same twice.
    """

    def __init__(self, block: Block, outside: Outside, stride: int) -> None:
        self._kind, self._block, self._outside, self._stride = block.kind, block, outside, stride
        self._most = min(MOST_STEPS, MOST_CELLS // ((block.rows.stop - block.rows.start) * outside.futures))
        self._told, self._first = b"", 0
        self._said: list[Said] = []

    def at(self, told: Floats, step: int, level: Floats) -> Said:
        """The answer at a driver step."""
        before, self._told = self._told, told.tobytes()
        number, between = divmod(step - self._first, self._stride)
        if self._told != before:
            self._said = []
        elif not between and 0 <= number < len(self._said):
            return self._said[number]
        elif self._most > 1:
            self._first, self._said = step, self._ask(told, step)
            return self._said[0]
        conditions = self._outside.conditions(self._block, step, level)
        return self._kind.running(told, conditions), self._kind.idle_kw(conditions)

    def _ask(self, told: Floats, step: int) -> list[Said]:
        """The answers at a step and those after it."""
        conditions, many = self._outside.ahead(self._block, step, self._stride, self._most)
        working, idle = self._kind.running(told, conditions), self._kind.idle_kw(conditions)
        power, output, intake, resting = (
            _parts(said, many) for said in (working.power_kw, working.output_per_h, working.input_per_h, idle)
        )
        return [
            (Working(power_kw=power[part], output_per_h=output[part], input_per_h=intake[part]), resting[part])
            for part in range(many)
        ]


def _parts(said: Numbers, many: int) -> list[Numbers]:
    """An answer for so many steps, one after the other in its columns, step by step."""
    if not isinstance(said, np.ndarray) or said.ndim == 0 or said.shape[-1] == 1:
        return [said] * many
    each = np.ascontiguousarray(said.reshape(*said.shape[:-1], many, -1).swapaxes(0, -2))
    return list(each)
