"""HiGHS at work: one thread, one seed, limits in work; every solver object is made anew and thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from plant.orders import Cut
from plant.table import Floats
from policy.compiled import Places, Program

DISPATCH = 20
"""Simplex iterations per binary that a dispatch may take: far more than it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What one solve gave."""

    x: Floats | None
    """None = no solution."""
    objective: float
    """Of `x`; infinite without one."""
    bound: float
    """No solution is cheaper; minus infinity if nothing is proven."""
    cut: Cut
    infeasible: bool = False
    work: int = 0
    """Simplex iterations."""
    prices: Floats | None = None
    """What one unit of each row's right-hand side is worth; None after branch and bound and on the way of a dive."""


@dataclass(slots=True, kw_only=True)
class Purse:
    """Work that is left for one plan."""

    iterations: int
    """Simplex iterations."""
    time_limit_s: float
    """Wall-clock guard of every single solve; it only fires where the work limits did not."""
    cut: Cut = Cut.NONE

    def spend(self, solved: Solved) -> None:
        """Take the work of a solve out of the purse, and remember what cuts the search short."""
        self.iterations = max(0, self.iterations - solved.work)
        cut = Cut.WORK if solved.cut is Cut.NONE and not self.iterations else solved.cut
        if self.cut is not Cut.TIME and cut is not Cut.NONE:
            self.cut = cut


class Solver:
    """One program in one HiGHS object: its relaxation, its dispatch with binaries fixed, and branch and bound.

    Parameters
    ----------
    problem
        The program.
    purse
        What may be spent; every solve takes its work out of it.
    """

    def __init__(self, problem: Program, purse: Purse) -> None:
        maker: Any = highspy.Highs
        self._problem, self._purse, self._highs = problem, purse, maker()
        for name, value in (
            ("output_flag", False), ("threads", 1), ("random_seed", 0), ("solver", "simplex"),
        ):  # fmt: skip
            self._highs.setOptionValue(name, value)
        self._highs.passModel(_lp(problem))
        self._binary = np.flatnonzero(problem.compiled.binary).astype(np.int32)

    def relaxed(self, most: int) -> Solved:
        """The relaxation, in at most so many simplex iterations: its objective is a bound on every plan."""
        self._highs.setOptionValue("simplex_iteration_limit", most)
        return self._run()

    def settled(self, columns: Places, values: Floats, *, priced: bool = False) -> Solved:
        """The relaxation with some more binaries fixed; starts from the basis of the solve before."""
        self._highs.setOptionValue("simplex_iteration_limit", DISPATCH * self._binary.size + 10_000)
        self.held(columns, values)
        return self._run(priced=priced)

    def held(self, columns: Places, values: Floats) -> None:
        """Fix columns without solving."""
        self._highs.changeColsBounds(columns.size, columns.astype(np.int32), values, values)

    def dispatched(self, binaries: Floats) -> Solved:
        """The best course with binaries fixed; starts from the basis of the solve before."""
        self._highs.setOptionValue("simplex_iteration_limit", DISPATCH * self._binary.size + 10_000)
        self._highs.changeColsBounds(self._binary.size, self._binary, binaries, binaries)
        return self._run()

    def freed(self, columns: Places | None = None) -> None:
        """Let binaries go again; None = all."""
        free = self._binary if columns is None else columns.astype(np.int32)
        self._highs.changeColsBounds(free.size, free, self._problem.lower[free], self._problem.upper[free])

    def closed(self, columns: Places) -> Solved:
        """The same dispatch with some columns held at zero."""
        self.held(columns, np.zeros(columns.size))
        return self._run()

    def branched(self, start: Floats, nodes: int, gap: float) -> Solved:
        """Branch and bound over all binaries, from a complete solution.

        Parameters
        ----------
        nodes, gap
            Limits of the search.
        """
        self.freed()
        self._highs.clearSolver()
        self._highs.changeColsIntegrality(self._binary.size, self._binary, np.ones(self._binary.size, dtype=np.uint8))
        for name, value in (("mip_max_nodes", nodes), ("mip_rel_gap", gap), ("mip_abs_gap", 1e-6), ("mip_max_stall_nodes", nodes)):
            self._highs.setOptionValue(name, value)
        solution = highspy.HighsSolution()
        solution.col_value = start
        self._highs.setSolution(solution)
        solved = self._run(branching=True)
        self._highs.clearSolver()
        self._highs.changeColsIntegrality(self._binary.size, self._binary, np.zeros(self._binary.size, dtype=np.uint8))
        return solved

    def _run(self, *, branching: bool = False, priced: bool = True) -> Solved:
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + self._purse.time_limit_s)
        self._highs.run()
        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        solved = self._read(info, status, branching, priced and not branching)
        self._purse.spend(solved)
        return solved

    def _read(self, info: Any, status: highspy.HighsModelStatus, branching: bool, priced: bool) -> Solved:
        statuses = highspy.HighsModelStatus
        optimal, work = status == statuses.kOptimal, max(0, info.simplex_iteration_count)
        infeasible = status in (statuses.kInfeasible, statuses.kUnboundedOrInfeasible)
        cut = Cut.NONE if optimal or infeasible else Cut.TIME if status == statuses.kTimeLimit else Cut.WORK
        feasible = optimal or (branching and info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)
        if not feasible:
            return Solved(x=None, objective=np.inf, bound=-np.inf, cut=cut, infeasible=infeasible, work=work)
        value = info.objective_function_value + self._problem.offset
        bound = info.mip_dual_bound + self._problem.offset if branching else value
        solution = self._highs.getSolution()
        prices = np.asarray(solution.row_dual) if priced else None
        return Solved(x=np.asarray(solution.col_value), objective=value, bound=bound, cut=cut, work=work, prices=prices)


def _lp(problem: Program) -> highspy.HighsLp:
    matrix = problem.matrix.copy()
    matrix.eliminate_zeros()
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = problem.cost.size, problem.row_lower.size
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = problem.cost, problem.lower, problem.upper
    lp.row_lower_, lp.row_upper_ = problem.row_lower, problem.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    return lp
