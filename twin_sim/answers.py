"""What machines answer to set-points, where their answers depend on nothing else: their kind is asked once for each."""

from __future__ import annotations

import numpy as np

from plant.physics import Conditions, Working
from plant.table import Floats
from twin_sim.layout import Block

try:
    from twin_sim import recall
except ImportError:  # installed without a C compiler
    recall = None  # type: ignore[assignment]

MOST = 16
"""So many set-points are kept; with more, looking for one costs what asking does."""


class Answers:
    """The answers of one block, each machine told something else in each future.

    A kind works on one number as on an array of it, so what it has said to a set-point holds wherever the same is told. In a
    plan's futures few set-points occur, and which machine is told which changes often.
    """

    def __init__(self, block: Block, conditions: Conditions, futures: int) -> None:
        self._kind, self._conditions = block.kind, conditions
        self._rows = block.rows.stop - block.rows.start
        self._setpoints, self._many = np.zeros(MOST), 0
        self._known = np.zeros((3, self._rows, MOST))
        self._into = np.zeros((3, self._rows, futures))

    def to(self, told: Floats) -> Working:
        """What the machines draw and give when told this, shape (machines, futures); it holds until they are asked again."""
        if recall is None:
            return self._kind.running(told, self._conditions)
        while (missing := recall.answers(told, self._setpoints, self._many, self._known, self._into)) is not None:
            if self._many == MOST:
                return self._kind.running(told, self._conditions)
            self._learn(missing)
        power, output, intake = self._into
        return Working(power_kw=power, output_per_h=output, input_per_h=intake)

    def _learn(self, setpoint: float) -> None:
        """Ask the kind for one more set-point."""
        working = self._kind.running(np.full((self._rows, 1), setpoint), self._conditions)
        for known, said in zip(self._known, (working.power_kw, working.output_per_h, working.input_per_h), strict=True):
            known[:, self._many : self._many + 1] = said
        self._setpoints[self._many] = setpoint
        self._many += 1
