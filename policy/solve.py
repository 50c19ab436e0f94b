"""HiGHS at work: one thread, one seed, limits in work; every solver object is made anew and thrown away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from plant.orders import Cut
from plant.table import Floats
from policy.compiled import Program

FEASIBLE = 1e-6


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


@dataclass(slots=True, kw_only=True)
class Purse:
    """Work that is left for one plan."""

    iterations: int
    time_limit_s: float

    def spend(self, iterations: int) -> None:
        """Take simplex iterations out of the purse."""
        self.iterations = max(0, self.iterations - iterations)


class Solver:
    """One program in one HiGHS object: its relaxation, its dispatch with binaries fixed, and branch and bound.

    Parameters
    ----------
    problem
        The program.
    time_limit_s
        Wall-clock guard of every single solve; it only fires where the work limits did not.
    """

    def __init__(self, problem: Program, time_limit_s: float) -> None:
        self._problem = problem
        maker: Any = highspy.Highs
        self._highs = maker()
        for name, value in (
            ("output_flag", False), ("threads", 1), ("random_seed", 0), ("time_limit", time_limit_s), ("solver", "simplex"),
        ):  # fmt: skip
            self._highs.setOptionValue(name, value)
        self._highs.passModel(_lp(problem))
        self._binary = np.flatnonzero(problem.compiled.binary).astype(np.int32)

    def relaxed(self, purse: Purse) -> Solved:
        """The relaxation: its objective is a bound on every plan."""
        self._highs.setOptionValue("simplex_iteration_limit", 2**30)
        return self._run(purse)

    def dispatched(self, purse: Purse, binaries: Floats) -> Solved:
        """The best course with binaries fixed; starts from the basis of the solve before."""
        self._highs.changeColsBounds(self._binary.size, self._binary, binaries, binaries)
        return self._run(purse)

    def freed(self) -> None:
        """Let the binaries go again."""
        lower, upper = self._problem.lower[self._binary], self._problem.upper[self._binary]
        self._highs.changeColsBounds(self._binary.size, self._binary, lower, upper)

    def _run(self, purse: Purse) -> Solved:
        self._highs.run()
        info, status = self._highs.getInfo(), self._highs.getModelStatus()
        purse.spend(max(0, info.simplex_iteration_count))
        if status == highspy.HighsModelStatus.kOptimal:
            value = info.objective_function_value + self._problem.offset
            solution = np.asarray(self._highs.getSolution().col_value)
            return Solved(x=solution, objective=value, bound=value, cut=Cut.NONE, work=info.simplex_iteration_count)
        cut = Cut.TIME if status == highspy.HighsModelStatus.kTimeLimit else Cut.WORK
        return Solved(
            x=None, objective=np.inf, bound=-np.inf, cut=cut,
            infeasible=status in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible),
            work=info.simplex_iteration_count,
        )  # fmt: skip


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
