"""Diving: a relaxed plan is made whole a few binaries at a time, those first that are nearly so, or step after step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np

from plant.table import Floats
from policy.compiled import Places
from policy.solve import Solved, Solver

WHOLE = 1e-6
"""A binary that is so near to 0 or 1 is whole."""
STAND_BACK = 0.1
"""What is nearly on is settled before what is as nearly off: a machine that is settled to run gives the others room to stand."""


def dived(solver: Solver, relaxed: Solved, columns: Places, share: float, most: float) -> Solved:
    """Settle a share of the fractional columns in each step until none is left.

    Without a solution where that is impossible (objective infinite) or where it would cost `most` or more.
    """
    solved = relaxed
    for _ in columns:  # each step settles one at least
        if solved.x is None or not (left := columns[np.abs(solved.x[columns] - 0.5) < 0.5 - WHOLE]).size:
            break
        nearest = np.floor(solved.x[left] + 0.5)
        away = np.abs(solved.x[left] - nearest) + STAND_BACK * (nearest < 0.5)
        order = np.argsort(away, kind="stable")[: ceil(share * left.size)]
        solved = _settled(solver, left[order], nearest[order])
        if solved.objective >= most:
            return replace(solved, x=None)
    return solved


def _settled(solver: Solver, columns: Places, values: Floats) -> Solved:
    """Settle some binaries; where they contradict one another only the first, where even that cannot be its contrary."""
    solved = solver.settled(columns, values)
    if solved.x is None and columns.size > 1:
        solver.freed(columns[1:])
        solved = solver.settled(columns[:1], values[:1])
    return solved if solved.x is not None else solver.settled(columns[:1], 1.0 - values[:1])


def hour_by_hour(solver: Solver, relaxed: Solved, steps: Sequence[Places], most: float) -> Solved:
    """Settle one step after another, each binary to what the relaxed rest makes cheaper.

    What comes later can still bend to what was settled, so what a decision costs shows at once: a store that would run dry, a start
    that is wasted. Two linear programs a binary; without a solution where it would cost `most` or more.

    Parameters
    ----------
    steps
        The columns of each step, in the order of time.
    """
    solved = relaxed
    for columns in steps:
        assert solved.x is not None  # each step leaves a solution
        nearest = np.floor(solved.x[columns] + 0.5)
        for n in np.argsort(np.abs(solved.x[columns] - nearest), kind="stable"):
            solved = _cheaper(solver, solved, columns[n : n + 1])
            if solved.x is None or solved.objective >= most:
                return replace(solved, x=None)
    return solved


def _cheaper(solver: Solver, solved: Solved, column: Places) -> Solved:
    """Settle one binary to the cheaper of its values."""
    assert solved.x is not None  # else there is nothing to settle
    nearest = np.floor(solved.x[column] + 0.5)
    if abs(float(solved.x[column[0]] - nearest[0])) < WHOLE:
        solver.held(column, nearest)
        return solved
    other, found = solver.settled(column, 1.0 - nearest), solver.settled(column, nearest)
    return found if found.objective <= other.objective else solver.settled(column, 1.0 - nearest)
