"""HiGHS at work: one thread, one seed, limits in work; every solver object is made anew and thrown away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import highspy
import numpy as np

from plant.errors import SolverError
from plant.orders import Cut
from plant.table import Floats
from policy.compiled import Places, Program

ENDLESS = 2**26
"""Simplex iterations that no program comes near."""
LARGE = 20_000
"""Programs with more rows are relaxed by row generation."""
LAZY = ("ramp_up", "ramp_down", "min_up", "min_down", "import_hard", "import_soft", "export_most", "peak_window")
"""Lazy constraints: families of which a relaxed plan breaks few rows (251 of 38,584 at 100 assets); the last four alone tie the
stores of a site together."""
ROUNDS = 20
"""Rounds of row generation; what is still broken after them comes in at once."""
BROKEN = 1e-7
"""A row that is missed by more is broken: what HiGHS calls feasible."""
DISPATCH = 20
"""Simplex iterations per binary that a dispatch may take: far more than it needs."""


Basis = tuple[list[Any], list[Any]]
"""How the columns and rows of a program stand in a basis."""


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

    def rooted(self, least: int, cut: Cut) -> None:
        """A tree was left at its root: that costs something even without iterations, and is no cut unless the clock was."""
        self.iterations = max(0, self.iterations - least)
        if self.cut is not Cut.TIME:
            self.cut = cut if self.iterations else Cut.WORK


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
        self._problem, self._purse, self._highs = problem, purse, _highs()
        self._large = problem.row_lower.size > LARGE
        _pass(self._highs, problem)
        self._binary = np.flatnonzero(problem.compiled.binary).astype(np.int32)

    def relaxed(self, most: int, *, near: bool = True) -> Solved:
        """The relaxation, in at most so many simplex iterations: its objective is a bound on every plan.

        Parameters
        ----------
        near
            The solve before was of a good plan, so that a large program begins at its basis; others always do.
        """
        if self._large:
            return self._generated(most, near)
        return self._run(most=most)

    def _generated(self, most: int, near: bool) -> Solved:
        """The relaxation by row generation: first without lazy constraints, then with those that its solution breaks.

        What no solution breaks need not stand in the program, so the optimum is that of the whole. Where the work is used up in
        a round, the round before gives the solution and the bound.
        """
        rows = _Rows(self._problem, self._highs.getBasis() if near else None, self._purse.time_limit_s)
        best: Solved | None = None
        for _ in range(ROUNDS):
            solved = self._run(rows.highs, most=most)
            most = max(0, most - solved.work)
            if solved.x is None:
                break
            best = solved
            if not rows.added(solved.x):
                break
        if best is None or solved.infeasible:
            return solved
        self._highs.setBasis(rows.basis())
        if solved.x is not None:
            solved = self._run(most=most)
        return solved if solved.x is not None or solved.infeasible else replace(best, cut=solved.cut, prices=None)

    def settled(self, columns: Places, values: Floats, *, priced: bool = False) -> Solved:
        """The relaxation with some more binaries fixed; starts from the basis of the solve before."""
        self._highs.setOptionValue("simplex_iteration_limit", DISPATCH * self._binary.size + 10_000)
        self.held(columns, values)
        return self._run(priced=priced)

    def basis(self) -> Basis:
        """The basis of the solve before."""
        found = self._highs.getBasis()
        return found.col_status, found.row_status

    def begin(self, basis: Basis, columns: Places, rows: Places) -> None:
        """Begin at the basis of a program of which this is a part, given the part's columns and rows in it.

        What is left of a basis need be none: HiGHS mends it.
        """
        begun = highspy.HighsBasis()
        begun.valid = begun.alien = True
        begun.col_status = [basis[0][place] for place in columns]
        begun.row_status = [basis[1][place] for place in rows]
        self._highs.setBasis(begun)

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
        nodes
            Limit of the search.
        gap
            The search ends where no more than this could still be saved, in the currency of the objective.
        """
        self.freed()
        self._highs.clearSolver()
        self._highs.changeColsIntegrality(self._binary.size, self._binary, np.ones(self._binary.size, dtype=np.uint8))
        limits = (
            ("mip_heuristic_run_root_reduced_cost", False),
            ("mip_max_nodes", nodes),
            ("mip_max_stall_nodes", nodes),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", max(gap, 1e-6)),
        )
        for name, value in limits:
            self._highs.setOptionValue(name, value)
        solution = highspy.HighsSolution()
        solution.col_value = start
        self._highs.setSolution(solution)
        solved = self._run(branching=True)
        self._highs.clearSolver()
        self._highs.changeColsIntegrality(self._binary.size, self._binary, np.zeros(self._binary.size, dtype=np.uint8))
        return solved

    def _run(self, other: Any = None, *, most: int | None = None, branching: bool = False, priced: bool = True) -> Solved:
        """Run HiGHS, or another object of it that keeps its own time, in at most so many iterations (None = as before)."""
        highs = self._highs if other is None else other
        if most is not None:
            highs.setOptionValue("simplex_iteration_limit", most)
        if other is None:
            highs.setOptionValue("time_limit", highs.getRunTime() + self._purse.time_limit_s)
        highs.run()
        solved = self._read(highs, branching, priced and not branching)
        self._purse.spend(solved)
        return solved

    def _read(self, highs: Any, branching: bool, priced: bool) -> Solved:
        info, status, statuses = highs.getInfo(), highs.getModelStatus(), highspy.HighsModelStatus
        optimal, work = status == statuses.kOptimal, max(0, info.simplex_iteration_count)
        infeasible = status in (statuses.kInfeasible, statuses.kUnboundedOrInfeasible)
        cut = Cut.NONE if optimal or infeasible else Cut.TIME if status == statuses.kTimeLimit else Cut.WORK
        feasible = optimal or (branching and info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible)
        if not feasible:
            return Solved(x=None, objective=np.inf, bound=-np.inf, cut=cut, infeasible=infeasible, work=work)
        value = info.objective_function_value + self._problem.offset
        bound = info.mip_dual_bound + self._problem.offset if branching else value
        solution = highs.getSolution()
        prices = np.asarray(solution.row_dual) if priced else None
        return Solved(x=np.asarray(solution.col_value), objective=value, bound=bound, cut=cut, work=work, prices=prices)


def proven(problem: Program, time_limit_s: float, nodes: int | None = None) -> float:
    """What branch and bound proves within a time, and so many nodes, that no plan can cost less than; for measuring.

    Raises
    ------
    SolverError
        If there is no plan at all.
    """
    highs = _highs()
    _pass(highs, problem)
    binary = np.flatnonzero(problem.compiled.binary).astype(np.int32)
    highs.changeColsIntegrality(binary.size, binary, np.ones(binary.size, dtype=np.uint8))
    highs.setOptionValue("time_limit", time_limit_s)
    highs.setOptionValue("mip_rel_gap", 0.0)
    if nodes is not None:
        highs.setOptionValue("mip_max_nodes", nodes)
    highs.run()
    if highs.getModelStatus() in (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible):
        raise SolverError("there is no plan: its limits contradict")
    info = highs.getInfo()
    return float(info.mip_dual_bound if binary.size else info.objective_function_value) + problem.offset


class _Rows:
    """A large program with some of its rows, in a HiGHS object of its own: at first without lazy constraints.

    Parameters
    ----------
    problem
        The program.
    basis
        Where to begin; lazy constraints that are tight there stand in the program from the start. None = from nothing.
    time_limit_s
        For all rounds together.
    """

    def __init__(self, problem: Program, basis: Any, time_limit_s: float) -> None:
        self.highs = _highs()
        self.highs.setOptionValue("time_limit", time_limit_s)
        self._problem, self._matrix = problem, problem.matrix.tocsr()
        out = np.zeros(problem.row_lower.size, dtype=np.bool_)
        for family in LAZY:
            for places in problem.compiled.row[family].values():
                out[places] = True
        warm = basis is not None and basis.valid
        if warm:
            status = basis.row_status
            for row in np.flatnonzero(out):
                out[row] = status[row] == highspy.HighsBasisStatus.kBasic
        self._in, self._out = np.flatnonzero(~out), np.flatnonzero(out)
        _pass(self.highs, problem, self._in)
        if warm:
            basis.row_status = [status[row] for row in self._in]
            self.highs.setBasis(basis)

    def added(self, x: Floats) -> bool:
        """Put in the rows that a solution breaks; False if there are none."""
        lower, upper, made = self._problem.row_lower[self._out], self._problem.row_upper[self._out], self._matrix[self._out] @ x
        broken = (made < lower - BROKEN) | (made > upper + BROKEN)
        rows, new = self._out[broken], self._matrix[self._out[broken]]
        if rows.size:
            begins, columns = new.indptr[:-1].astype(np.int32), new.indices.astype(np.int32)
            self.highs.addRows(rows.size, lower[broken], upper[broken], new.nnz, begins, columns, new.data)
        self._in, self._out = np.concatenate([self._in, rows]), self._out[~broken]
        return bool(rows.size)

    def basis(self) -> Any:
        """The basis of the last run for the whole program: rows that are not in are slack."""
        basis = self.highs.getBasis()
        status = [highspy.HighsBasisStatus.kBasic] * self._problem.row_lower.size
        for row, found in zip(self._in, basis.row_status, strict=True):
            status[row] = found
        basis.row_status = status
        return basis


class Silent(highspy.Highs):
    """HiGHS that writes nothing: stdout is for one JSON document.

    Since 1.16 the solver names itself on stdout when its callbacks are set up, and that is inside the constructor.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setOptionValue("output_flag", False)

    def enableCallbacks(self) -> None:  # noqa: N802
        """Silence comes first."""
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()


def _highs() -> Any:
    made = Silent()
    for name, value in (("threads", 1), ("random_seed", 0), ("solver", "simplex")):
        made.setOptionValue(name, value)
    return made


def _pass(highs: Any, problem: Program, rows: Places | None = None) -> None:
    """Give HiGHS the program, or some rows of it; arrays as they are, which a HighsLp would take number by number."""
    matrix, lower, upper = problem.matrix.copy(), problem.row_lower, problem.row_upper
    if rows is not None:
        matrix, lower, upper = matrix.tocsr()[rows].tocsc(), lower[rows], upper[rows]
    matrix.eliminate_zeros()
    sizes = (problem.cost.size, lower.size, matrix.nnz)
    form, sense = int(highspy.MatrixFormat.kColwise), int(highspy.ObjSense.kMinimize)
    starts, places, continuous = (
        matrix.indptr.astype(np.int32),
        matrix.indices.astype(np.int32),
        np.zeros(sizes[0], dtype=np.int32),
    )
    bounds = (problem.lower, _upper(problem), lower, upper)
    highs.passModel(*sizes, form, sense, 0.0, problem.cost, *bounds, starts, places, matrix.data, continuous)


def _upper(problem: Program) -> Floats:
    """Upper bounds of columns; of a large program also of weights, whose rows imply them: the dual simplex flips boxed columns."""
    upper = problem.upper
    if problem.row_lower.size > LARGE:
        upper = upper.copy()
        for places in problem.compiled.column["w"].values():
            upper[places] = np.minimum(upper[places], 1.0)
    return upper
