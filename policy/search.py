"""The search for a plan: a bound from the relaxation, a usable plan at once, then better ones while work is left."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from plant.errors import SolverError
from plant.orders import Cut
from plant.table import Floats
from policy.choices import binaries_of, local_choices, off_curve, promised_of, room_of, shares_of
from policy.compiled import Places, Program
from policy.dive import dived, hour_by_hour
from policy.fixed import Fixed
from policy.layout import Layout
from policy.part import Part, part
from policy.rounding import Choices, Pace, Past, Repair, repaired, rounded
from policy.solve import Basis, Purse, Solved, Solver

GOOD_GAP = 0.005
"""A plan this near to its bound is not improved further."""
ENOUGH = 1e-7
"""A plan this near to its bound is the optimum."""
DIVED = 4000
"""Models with no more open binaries are made whole a few binaries at a time, larger ones piece by piece."""
DIVE_SHARE, DIVE_BINARIES = 0.05, 1000
"""Share of the fractional binaries that each step of such a dive settles; more in models with more binaries than that."""
FAR_GAP = 0.2
"""A previous plan that is nearer to the bound is bettered service by service instead of making a new one."""
AGAIN_SHARE = 0.4
"""Share of the fractional binaries that each step settles when machines are planned again."""
PROMISED = 0.2
"""Machines that are tied together are planned hour by hour where their relaxation promises to save so much of the cost.

In models of few binaries already where it promises what is worth improving at all."""
WORTH = 1e-3
"""Machines are planned again where their relaxation promises to save so much of what the plan costs, and as long as it may."""
FEW = 200
"""Models, and parts of models, with no more binaries go through branch and bound as well, as far as the work reaches."""
TREE_GAP = 0.01
"""Branch and bound in a part ends where no more than this share of the whole plan's cost could still be saved."""
NEAR_H = 3.0
"""The next hours are settled in short pieces, later ones in long ones."""
PIECE_H, LATER_H = 1.0, 2.0
"""Length of those pieces."""
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
    def gap(self) -> float | None:
        """(objective − bound) / |objective|, never negative; None where nothing is proven."""
        value = self.best.solved.objective
        return max(0.0, (value - self.bound) / max(abs(value), 1e-9)) if np.isfinite(self.bound) else None


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
        """Dispatch a plan that is known, free its binaries, and go on from there.

        The relaxation begins at the basis of that dispatch: measured ten times faster than from nothing.
        """
        nothing = np.zeros((len(self.plan.regimes), self.plan.steps))
        blank = np.zeros(self.problem.compiled.matrix.shape[1])
        if shifted is not None:
            self._try("previous plan carried on", shifted, nothing, blank)
        else:
            self._try("hours of local control", local_choices(self.plan, self.fixed), nothing, blank)
        self.solver.freed()
        relaxed = self.solver.relaxed(RELAXED * self.purse.iterations, near=bool(self.found) and shifted is not None)
        if relaxed.x is None:
            if self.found:
                return self._searched()
            why = ": its limits contradict" if relaxed.infeasible else " in time"
            raise SolverError(f"the relaxed model has no solution{why}")
        self.bound = relaxed.bound
        shares = shares_of(self.problem, relaxed.x)
        if all(len(regime.output) > 1 for regime in self.plan.regimes):
            self._try("relaxed plan cut at 0.2", rounded(self.plan, shares, 0.2), shares, relaxed.x)
        near = FAR_GAP if shifted is not None and self._open().size <= DIVED else GOOD_GAP
        if relaxed.cut is Cut.NONE and self._gap() > near and not self._dive(relaxed):
            self._pieces(relaxed.x)
        if not self.found:
            self._try("relaxed plan cut at 0.5", rounded(self.plan, shares, 0.5), shares, relaxed.x)
        if not self.found:
            raise SolverError("no rounding of the relaxed plan can be dispatched")
        self._hour_by_hour()
        self._branch()
        if self._again() and shifted is None:
            self._again()
        self._trees()
        return self._searched()

    def _searched(self) -> Searched:
        first = self._best()
        best = self._priced(self._on_curves(first))
        others = tuple(other for other in self.found if other is not first)
        return Searched(best=best, others=others, bound=min(self.bound, best.solved.objective), cut=self.purse.cut)

    def _priced(self, best: Candidate) -> Candidate:
        """The same plan with what its limits are worth, which branch and bound does not tell."""
        if best.solved.prices is not None or best.solved.x is None:
            return best
        priced = self.solver.dispatched(binaries_of(self.problem, best.choices, best.solved.x))
        return replace(best, solved=replace(best.solved, prices=priced.prices))

    def _try(self, words: str, wanted: Choices, shares: Floats, x: Floats) -> None:
        """Repair and dispatch choices; what cannot be dispatched is no candidate."""
        choices = repaired(self.plan, wanted, shares, self.fixed, self.before)
        if any(np.array_equal(choices, other.choices) for other in self.found):
            return
        solved = self.solver.dispatched(binaries_of(self.problem, choices, x))
        if solved.x is not None:
            self.found.append(Candidate(words=words, solved=solved, choices=choices))

    def _best(self) -> Candidate:
        return min(self.found, key=lambda candidate: candidate.solved.objective)

    def _gap(self) -> float:
        if not self.found:
            return np.inf
        value = self._best().solved.objective
        return max(0.0, (value - self.bound) / max(abs(value), 1e-9))

    def _dive(self, relaxed: Solved) -> bool:
        """Make the relaxed plan whole a few binaries at a time, those first that are nearly so (fractional diving).

        Ends early where what is settled already costs more than a plan that is known. False if nothing was tried or found.
        """
        columns = self._open()
        if not 0 < columns.size <= DIVED or self.purse.iterations <= 0:
            return False
        share = DIVE_SHARE * max(1.0, columns.size / DIVE_BINARIES)
        most = self._best().solved.objective if self.found else np.inf
        self.solver.freed()
        found = dived(self.solver, relaxed, columns, share, most)
        if found.x is None:
            return found.objective < np.inf
        shares = shares_of(self.problem, found.x)
        self._try("dive", rounded(self.plan, shares, 0.5), shares, found.x)
        return True

    def _hour_by_hour(self) -> None:
        """Plan machines that are tied together hour by hour, all else as it is, where that promises much."""
        binaries = self._open().size
        promised = PROMISED if binaries > FEW else GOOD_GAP
        if self._gap() <= promised or self.purse.iterations <= 0 or binaries > DIVED:
            return
        best = self._best()
        assert best.solved.x is not None  # a candidate without a solution is none
        x, value, basis = best.solved.x, best.solved.objective, self.solver.basis()
        for steps in self._timed():
            columns = np.sort(np.concatenate(steps))
            apart, solver = self._apart(x, columns, basis)
            relaxed = solver.settled(columns[:0], x[:0])
            if relaxed.x is None or relaxed.objective > value - promised * abs(value):
                continue
            found = hour_by_hour(solver, relaxed, [apart.inside(step) for step in steps], value)
            if found.x is not None:
                x, value = apart.whole(x, found.x), found.objective
        if value < best.solved.objective:
            shares = shares_of(self.problem, x)
            self._try("planned hour by hour", rounded(self.plan, shares, 0.5), shares, x)

    def _timed(self) -> list[list[Places]]:
        """Open binaries of machines step by step, for each cluster of the program."""
        model, free = self.problem.compiled, self._open()
        regimes = np.asarray(list(model.column["u"].values()), dtype=np.int64).reshape(-1, self.plan.steps)
        found: dict[int, list[Places]] = {}
        for t in range(self.plan.steps):
            columns = np.intersect1d(regimes[:, t], free)
            for cluster in np.unique(model.cluster[columns]):
                found.setdefault(int(cluster), []).append(columns[model.cluster[columns] == cluster])
        return list(found.values())

    def _again(self) -> bool:
        """Plan the machines of one service after those of another again, together and one by one, all else as it is.

        True if the plan became better.
        """
        if self._gap() <= GOOD_GAP or self.purse.iterations <= 0 or self._open().size > DIVED:
            return False
        best = self._best()
        assert best.solved.x is not None  # a candidate without a solution is none
        x, value = best.solved.x, best.solved.objective
        basis = self.solver.basis()
        for groups in self._clusters():
            x, value = self._bettered(x, value, groups, basis)
        if value < best.solved.objective:
            shares = shares_of(self.problem, x)
            self._try("bettered service by service", rounded(self.plan, shares, 0.5), shares, x)
        return value < best.solved.objective

    def _trees(self) -> None:
        """Branch and bound in each part of the program that is small enough, one after the other, as far as the work reaches."""
        if self._gap() <= GOOD_GAP or self._open().size <= FEW:
            return
        best = self._best()
        assert best.solved.x is not None  # a candidate without a solution is none
        x, value, cut = best.solved.x, best.solved.objective, self.purse.cut
        for columns in (each for groups in self._clusters() for each in _few(groups)):
            if self.purse.iterations <= 0:
                break
            apart = part(self.problem, x, columns)
            found = Solver(apart.program, self.purse).branched(x[apart.columns], 1, TREE_GAP * abs(value))
            self.purse.rooted(NODE, cut)
            if found.x is not None and found.objective < value:
                x, value = apart.whole(x, found.x), found.objective
        if value < best.solved.objective:
            shares = shares_of(self.problem, x)
            self._try("branch and bound part by part", rounded(self.plan, shares, 0.5), shares, x)

    def _clusters(self) -> list[list[Places]]:
        """What to free together: per service its machines' open binaries, then each machine's alone; by cluster of the program."""
        model, free, found = self.problem.compiled, self._open(), dict[int, dict[object, list[Places]]]()
        for i, machine in enumerate(self.plan.machines):
            own = [model.column["u"][k] for k in machine.regimes if k in model.column["u"]]
            columns = np.intersect1d(np.concatenate(own), free) if own else free[:0]
            if columns.size:
                groups = found.setdefault(int(model.cluster[columns[0]]), {})
                groups.setdefault(("machine", i) if machine.service is None else machine.service, []).append(columns)
        return [
            [each for group in groups.values() for each in ([np.sort(np.concatenate(group)), *group] if len(group) > 1 else group)]
            for groups in found.values()
        ]

    def _bettered(self, x: Floats, value: float, groups: list[Places], basis: Basis) -> tuple[Floats, float]:
        """Free the binaries of one group after another, and dive where that promises something."""
        columns = np.unique(np.concatenate(groups))
        apart, solver = self._apart(x, columns, basis)
        solver.held(apart.inside(columns), np.round(x[columns]))
        for group in groups:
            inside, most = apart.inside(group), value - WORTH * abs(value)
            solver.freed(inside)
            relaxed = solver.settled(inside[:0], x[:0])
            if relaxed.x is not None and relaxed.objective < most:
                found = dived(solver, relaxed, inside, AGAIN_SHARE, most)
                if found.x is not None:
                    x, value = apart.whole(x, found.x), found.objective
            solver.held(inside, np.round(x[group]))
        return x, value

    def _apart(self, x: Floats, columns: Places, basis: Basis) -> tuple[Part, Solver]:
        """The part of the program in which these binaries are free, and what solves it, beginning at the basis of the whole."""
        apart = part(self.problem, x, columns)
        solver = Solver(apart.program, self.purse)
        solver.begin(basis, apart.columns, apart.rows)
        return apart, solver

    def _open(self) -> Places:
        """Binaries that are not settled from the start."""
        return np.flatnonzero(self.problem.compiled.binary & (self.problem.upper - self.problem.lower > 0.5))

    def _pieces(self, x: Floats) -> None:
        """Settle the horizon piece by piece; what rounding a piece cost is made good by the relaxed rest."""
        model, repair = self.problem.compiled, Repair(self.plan, self.fixed, self.before)
        pace = Pace(self.plan, repair)
        self.solver.freed()
        settled = np.full((len(self.plan.machines), self.plan.steps), -1, dtype=np.int64)
        for until in pieces(self.plan):
            shares, begin = shares_of(self.problem, x), repair.done
            settled[:, begin:until] = pace.forward(promised_of(self.problem, x, shares), room_of(self.problem, x, shares), until)
            values = binaries_of(self.problem, settled, x)
            now = np.zeros(model.matrix.shape[1], dtype=np.bool_)
            for places in model.column["u"].values():
                now[places[begin:until]] = True
            if until == self.plan.steps:
                now |= model.binary
            solved = self.solver.settled(np.flatnonzero(now), values[now[model.binary]], priced=until == self.plan.steps)
            if solved.x is None:
                return
            x = solved.x
        self.found.append(Candidate(words="piece by piece", solved=solved, choices=settled))

    def _branch(self) -> None:
        """Branch and bound, as far as the work reaches, where the model is small."""
        best = self._best().solved
        if self._gap() <= ENOUGH or self.purse.iterations <= 0 or self._open().size > FEW or best.x is None:
            return
        solved = self.solver.branched(best.x, max(10, self.purse.iterations // NODE), ENOUGH * abs(best.objective))
        self.bound = max(self.bound, solved.bound)
        if solved.x is not None:
            choices = rounded(self.plan, shares_of(self.problem, solved.x), 0.5)
            self.found.append(Candidate(words="branch and bound", solved=solved, choices=choices))

    def _on_curves(self, best: Candidate) -> Candidate:
        """The same plan with every machine on its curve: only weights of two neighbouring points may stay."""
        assert best.solved.x is not None  # a candidate without a solution is none
        away = off_curve(self.problem, best.solved.x)
        if not away.size:
            return best
        self.solver.dispatched(binaries_of(self.problem, best.choices, best.solved.x))
        solved = self.solver.closed(away)
        return best if solved.x is None else Candidate(words=best.words, solved=solved, choices=best.choices)


def _few(groups: list[Places]) -> list[Places]:
    """Of the groups of a cluster those of few binaries, the largest of them: all together, else services, else machines."""
    kept: list[Places] = []
    for group in [np.unique(np.concatenate(groups)), *groups]:
        if group.size <= FEW and not any(np.isin(group, larger).all() for larger in kept):
            kept.append(group)
    return kept


def pieces(plan: Layout) -> list[int]:
    """Ends of the pieces in which a horizon is settled: short ones first, longer ones later."""
    found: list[int] = []
    at = 0.0
    while not found or found[-1] < plan.steps:
        at += PIECE_H if at < NEAR_H else LATER_H
        end = min(plan.steps, max(round(at / plan.step_h), (found[-1] if found else 0) + 1))
        found.append(end)
    return found
