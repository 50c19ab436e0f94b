"""Diving: a relaxed plan is made whole a few binaries at a time, those first that are nearly so (fractional diving)."""

from __future__ import annotations

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
