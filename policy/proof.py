"""What no plan of a long window can cost less than, proven piece by piece.

Branch and bound proves little of many days at once. Here a window falls apart into pieces, each some days of the machines that
stores tie together: where a row reaches into another piece, that column is copied, and the difference between column and copy is
priced with the relaxation's own prices instead of being forbidden. Whatever the prices, the optima of the pieces add up to a bound
on the whole; with these it is never below the relaxation's, and above it by what whole machines cost inside the pieces.

References: Geoffrion, A. M. (1974), Lagrangean relaxation for integer programming; Guignard, M., Kim, S. (1987), Lagrangean
decomposition: a model yielding stronger Lagrangean bounds.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from plant.errors import SolverError
from plant.table import Floats
from policy.compiled import METERED, Places, Program, nameless
from policy.solve import ENDLESS, Purse, Solver, proven

FAR = 1e7
"""No column of a plan goes so far from zero, in whatever unit; a piece's columns must not go further."""


def proven_apart(problem: Program, steps: int, time_limit_s: float, nodes: int | None = None) -> float:
    """A lower bound on the cost of any plan.

    Parameters
    ----------
    steps
        Length of a piece.
    time_limit_s
        For each piece; what branch and bound has proven of it by then counts.
    nodes
        Likewise; the same on every machine. None = as many as it takes.

    Raises
    ------
    SolverError
        If there is no plan at all.
    """
    relaxed = Solver(problem, Purse(iterations=ENDLESS, time_limit_s=np.inf)).relaxed(ENDLESS)
    if relaxed.prices is None:
        raise SolverError("there is no plan: its limits contradict")
    return problem.offset + sum(proven(piece, time_limit_s, nodes) for piece in pieces(problem, steps, relaxed.prices))


def pieces(problem: Program, steps: int, prices: Floats) -> Iterator[Program]:
    """The pieces of a program, their columns and copies priced so that no piece gains by leaving the others.

    Parameters
    ----------
    steps
        Length of a piece; what only the meter ties together is one piece over the whole window.
    prices
        What one unit of each row's right-hand side is worth in the relaxation, shape (rows,).
    """
    home, row_home = _homes(problem, steps)
    met = problem.matrix.tocoo()
    worth, away = prices[met.row] * met.data, row_home[met.row] != home[met.col]
    kept = problem.cost - np.bincount(met.col[away], worth[away], problem.cost.size)
    for piece in np.union1d(home, row_home):
        rows = np.flatnonzero(row_home == piece)
        within = row_home[met.row] == piece
        columns = np.union1d(np.flatnonzero(home == piece), met.col[within])
        copied = np.bincount(met.col[within], worth[within], problem.cost.size)
        matrix = problem.matrix[:, columns].tocsr()[rows].tocsc()
        yield Program(
            compiled=nameless(problem.compiled, sparse.csc_array(matrix), rows, columns),
            cost=np.where(home == piece, kept, copied)[columns],
            lower=np.maximum(problem.lower[columns], -FAR),
            upper=np.minimum(problem.upper[columns], FAR),
            row_lower=problem.row_lower[rows],
            row_upper=problem.row_upper[rows],
            matrix=sparse.csc_array(matrix),
        )


def _homes(problem: Program, steps: int) -> tuple[Places, Places]:
    """The piece of each column and of each row: a row's is the last of its columns', the meter's is 0."""
    model = problem.compiled
    step = np.zeros(problem.cost.size, dtype=np.int64)
    for family in model.column.values():
        for places in family.values():
            step[places] = np.arange(places.size) * model.layout.steps // places.size
    clusters = int(model.cluster.max()) + 1
    first, last = np.full(clusters, model.layout.steps), np.zeros(clusters, dtype=np.int64)
    np.minimum.at(first, model.cluster, step)
    np.maximum.at(last, model.cluster, step)
    lasting = (first < last)[model.cluster]
    home = np.where(lasting, 1 + model.cluster * model.layout.steps + step // steps, 0)
    row_home = np.zeros(problem.row_lower.size, dtype=np.int64)
    met = problem.matrix.tocoo()
    np.maximum.at(row_home, met.row, home[met.col])
    for name in METERED:
        for places in model.row[name].values():
            row_home[places] = 0
    return home, row_home
