"""The search for a plan: a bound from the relaxation, a usable plan at once, then better ones while work is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.errors import SolverError
from plant.orders import Cut
from plant.table import Floats
from policy.compiled import Program
from policy.fixed import Fixed
from policy.layout import Layout
from policy.rounding import THRESHOLDS, Choices, Past, repaired, rounded
from policy.solve import Purse, Solved, Solver

GOOD_GAP = 0.005
"""A plan this near to its bound is not improved further."""


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
    plan = problem.compiled.layout
    solver = Solver(problem, purse.time_limit_s)
    relaxed = solver.relaxed(purse)
    if relaxed.x is None:
        raise SolverError("the relaxed model has no solution" + (": its limits contradict" if relaxed.infeasible else " in time"))
    shares = shares_of(problem, relaxed.x)
    found: list[Candidate] = []
    for words, wanted in wishes(plan, shares, shifted):
        choices = repaired(plan, wanted, shares, fixed, before)
        if any(np.array_equal(choices, other.choices) for other in found):
            continue
        solved = solver.dispatched(purse, binaries_of(problem, choices, relaxed.x))
        if solved.x is not None:
            found.append(Candidate(words=words, solved=solved, choices=choices))
    if not found:
        raise SolverError("no rounding of the relaxed plan can be dispatched")
    found.sort(key=lambda candidate: candidate.solved.objective)
    return Searched(best=found[0], others=tuple(found[1:]), bound=min(relaxed.bound, found[0].solved.objective), cut=Cut.NONE)


def shares_of(problem: Program, x: Floats) -> Floats:
    """Regime binaries of a solution, shape (regimes, steps)."""
    plan = problem.compiled.layout
    found = np.zeros((len(plan.regimes), plan.steps))
    for k in range(len(plan.regimes)):
        if (places := problem.compiled.column["u"].get(k)) is not None:
            found[k] = np.clip(x[places], 0.0, 1.0)
    return found


def wishes(plan: Layout, shares: Floats, shifted: Choices | None) -> list[tuple[str, Choices]]:
    """What to try, in words."""
    found = []
    for threshold in THRESHOLDS:
        words = "running sum of the relaxed plan" if threshold is None else f"relaxed plan cut at {threshold:g}"
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
