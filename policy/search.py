"""The search for a plan: a bound from the relaxation, a usable plan at once, then better ones while work is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.errors import SolverError
from plant.orders import Cut
from plant.table import Floats
from policy.compiled import Places, Program
from policy.fixed import Fixed
from policy.layout import Layout
from policy.rounding import THRESHOLDS, Choices, Past, repaired, rounded
from policy.solve import Purse, Solved, Solver

GOOD_GAP = 0.005
"""A plan this near to its bound is not improved further."""
ENOUGH = 1e-7
"""A plan this near to its bound is the optimum."""
FEW = 200
"""Models with no more binaries are solved to the optimum."""
MANY = 1200
"""Branch and bound is not begun over more binaries."""
NEAR_H = 3.0
"""Binaries later than this are relaxed in branch and bound of larger models."""
NODE = 200
"""Simplex iterations that a node is taken to cost."""
RELAXED = 10
"""The relaxation may take so many times the work limit: without it there is neither bound nor rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One plan of the search."""

    words: str
    solved: Solved
    choices: Choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a search gave: the best plan, the others, and what no plan can beat."""

    best: Candidate
    others: tuple[Candidate, ...]
    bound: float
    cut: Cut

    @property
    def gap(self) -> float:
        """(objective − bound) / |objective|, never negative."""
        value = self.best.solved.objective
        return max(0.0, (value - self.bound) / max(abs(value), 1e-9))


def search(problem: Program, fixed: Fixed, before: Past, purse: Purse, shifted: Choices | None) -> Searched:
    """The best plan that the purse allows.

    Parameters
    ----------
    shifted
        What the previous plan would do now, None if there is none.

    Raises
    ------
    SolverError
        If not even the relaxation has a solution, or no candidate can be dispatched.
    """
    return _Search(problem, fixed, before, purse).run(shifted)


class _Search:
    def __init__(self, problem: Program, fixed: Fixed, before: Past, purse: Purse) -> None:
        self.problem, self.fixed, self.before, self.purse = problem, fixed, before, purse
        self.plan = problem.compiled.layout
        self.solver = Solver(problem, purse)
        self.found: list[Candidate] = []
        self.bound = -np.inf

    def run(self, shifted: Choices | None) -> Searched:
        relaxed = self.solver.relaxed(RELAXED * self.purse.iterations)
        if relaxed.x is None:
            raise SolverError(
                "the relaxed model has no solution" + (": its limits contradict" if relaxed.infeasible else " in time")
            )
        self.bound = relaxed.bound
        self._round(relaxed.x, "relaxed plan", shifted)
        if not self.found:
            raise SolverError("no rounding of the relaxed plan can be dispatched")
        self._branch()
        best = self._on_curves(self._best())
        others = tuple(other for other in self.found if other is not self._best())
        return Searched(best=best, others=others, bound=min(self.bound, best.solved.objective), cut=self.purse.cut)

    def _best(self) -> Candidate:
        return min(self.found, key=lambda candidate: candidate.solved.objective)

    def _gap(self) -> float:
        value = self._best().solved.objective
        return max(0.0, (value - self.bound) / max(abs(value), 1e-9))

    def _round(self, x: Floats, source: str, shifted: Choices | None = None) -> None:
        shares = shares_of(self.problem, x)
        for words, wanted in wishes(self.plan, shares, source, shifted):
            choices = repaired(self.plan, wanted, shares, self.fixed, self.before)
            if any(np.array_equal(choices, other.choices) for other in self.found):
                continue
            solved = self.solver.dispatched(binaries_of(self.problem, choices, x))
            if solved.x is not None:
                self.found.append(Candidate(words=words, solved=solved, choices=choices))
            if self.found and self._gap() <= ENOUGH:
                return

    def _branch(self) -> None:
        """Branch and bound over the steps that matter: all of a small model, the next hours of a large one."""
        whole = self._whole()
        small = whole.size == np.count_nonzero(self._open())
        goal = 1e-7 if small else GOOD_GAP
        start = self._best().solved.x
        if self._gap() <= goal or self.purse.iterations <= 0 or whole.size > MANY or start is None:
            return
        nodes = max(10, self.purse.iterations // NODE)
        solved = self.solver.branched(start, whole, nodes, goal)
        self.bound = max(self.bound, solved.bound)
        if solved.x is None:
            return
        if small:
            choices = chosen(self.problem, solved.x)
            self.found.append(Candidate(words="branch and bound", solved=solved, choices=choices))
        else:
            self._round(solved.x, "branch and bound over the next hours")

    def _open(self) -> npt.NDArray[np.bool_]:
        """Binaries that are not settled."""
        return np.asarray(self.problem.compiled.binary & (self.problem.upper - self.problem.lower > 0.5))

    def _whole(self) -> Places:
        every = np.flatnonzero(self._open())
        if every.size <= FEW:
            return every
        near = max(1, round(NEAR_H / self.plan.step_h))
        columns = [places[:near] for places in self.problem.compiled.column["u"].values()]
        columns += list(self.problem.compiled.column["job"].values())
        return np.intersect1d(np.concatenate(columns), every)

    def _on_curves(self, best: Candidate) -> Candidate:
        """The same plan with every machine on its curve: only weights of two neighbouring points may stay."""
        assert best.solved.x is not None  # a candidate without a solution is none
        away = off_curve(self.problem, best.solved.x)
        if not away.size:
            return best
        self.solver.dispatched(binaries_of(self.problem, best.choices, best.solved.x))
        solved = self.solver.closed(away)
        return best if solved.x is None else Candidate(words=best.words, solved=solved, choices=best.choices)


def off_curve(problem: Program, x: Floats) -> Places:
    """Columns of weights that keep a machine between points that are no neighbours."""
    found = []
    for regime in problem.compiled.layout.regimes:
        if len(regime.output) < 3:
            continue
        columns = np.asarray([problem.compiled.column["w"][regime.first_point + p] for p in range(len(regime.output))])
        weights = x[columns]
        used = weights > 1e-6
        first = np.argmax(used, axis=0)
        last = len(regime.output) - 1 - np.argmax(used[::-1], axis=0)
        for t in np.flatnonzero(used.any(axis=0) & (last - first > 1)):
            share = weights[:, t] / max(float(weights[:, t].sum()), 1e-9)
            low = int(np.clip(np.floor(share @ np.arange(len(share)) + 1e-9), 0, len(share) - 2))
            found += [int(columns[p, t]) for p in range(len(share)) if p not in (low, low + 1)]
    return np.asarray(found, dtype=np.int64)


def chosen(problem: Program, x: Floats) -> Choices:
    """The regimes that a whole solution runs."""
    shares = shares_of(problem, x)
    return rounded(problem.compiled.layout, shares, 0.5)


def shares_of(problem: Program, x: Floats) -> Floats:
    """Regime binaries of a solution, shape (regimes, steps)."""
    plan = problem.compiled.layout
    found = np.zeros((len(plan.regimes), plan.steps))
    for k in range(len(plan.regimes)):
        if (places := problem.compiled.column["u"].get(k)) is not None:
            found[k] = np.clip(x[places], 0.0, 1.0)
    return found


def wishes(plan: Layout, shares: Floats, source: str, shifted: Choices | None) -> list[tuple[str, Choices]]:
    """What to try, in words."""
    found = []
    for threshold in THRESHOLDS:
        words = f"running sum of the {source}" if threshold is None else f"{source} cut at {threshold:g}"
        found.append((words, rounded(plan, shares, threshold)))
    return found if shifted is None else [*found, ("previous plan carried on", shifted)]


def binaries_of(problem: Program, choices: Choices, relaxed: Floats) -> Floats:
    """Values of all binaries for choices; jobs and the meter's direction are rounded from the relaxed plan."""
    model, plan = problem.compiled, problem.compiled.layout
    values = np.zeros(model.matrix.shape[1])
    for i, machine in enumerate(plan.machines):
        for place, k in enumerate(machine.regimes):
            values[model.column["u"][k]] = choices[i] == place
    for j in range(len(plan.jobs)):
        places = model.column["job"][j]
        open_steps = problem.upper[places] > 0.5
        if open_steps.any() and relaxed[model.column["missed"][()][j]] < 0.5:
            values[places[int(np.argmax(np.where(open_steps, relaxed[places], -1.0)))]] = 1.0
    for places in model.column["buys"].values():
        values[places] = relaxed[model.column["bought"][()]] >= relaxed[model.column["sold"][()]]
    return values[model.binary]
