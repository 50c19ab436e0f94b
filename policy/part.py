"""A part of a program that can be planned alone: machines, what they are tied to by stores and services, and the site's meter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from plant.table import Floats
from policy.compiled import Places, Program, nameless


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A program in which everything outside stays as it is in a solution of the whole."""

    program: Program
    columns: Places
    rows: Places
    """Its columns and rows in the whole, ascending."""

    def inside(self, columns: Places) -> Places:
        """Places in the part of columns of the whole that are in it."""
        return np.searchsorted(self.columns, columns)

    def whole(self, x: Floats, found: Floats) -> Floats:
        """A solution of the whole with a solution of the part in it."""
        made = x.copy()
        made[self.columns] = found
        return made


def part(problem: Program, x: Floats, binaries: Places) -> Part:
    """The part in which some binaries are free, with all that is continuous around them; other binaries stay as in `x`.

    Parameters
    ----------
    x
        A solution of the whole.
    binaries
        Ascending.
    """
    model, cluster = problem.compiled, problem.compiled.cluster
    free = np.isin(cluster, np.unique(cluster[binaries])) | (np.bincount(cluster)[cluster] == 1)
    free &= ~model.binary & (problem.upper > problem.lower)
    free[binaries] = True
    columns = np.flatnonzero(free)
    counts = np.diff(problem.matrix.indptr)[columns]
    ends = np.cumsum(counts)
    places = np.arange(ends[-1]) + np.repeat(problem.matrix.indptr[columns] - ends + counts, counts)
    rows, kept = np.unique(problem.matrix.indices[places], return_inverse=True)
    begins = np.concatenate([[0], ends])
    matrix = sparse.csc_array((problem.matrix.data[places], kept, begins), shape=(rows.size, columns.size))
    outside = np.where(free, 0.0, x)
    given = (problem.matrix @ outside)[rows]
    made = Program(
        compiled=nameless(model, matrix, rows, columns),
        cost=problem.cost[columns],
        lower=problem.lower[columns],
        upper=problem.upper[columns],
        row_lower=problem.row_lower[rows] - given,
        row_upper=problem.row_upper[rows] - given,
        matrix=matrix,
        offset=problem.offset + float(problem.cost @ outside),
    )
    return Part(program=made, columns=columns, rows=rows)
