"""Large programs are relaxed by row generation: the same optimum, the same again, and plans that machines can run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import policy.solve
from plant.orders import Cut
from policy.compiled import Program
from policy.guard import check
from policy.instances import Made, works
from policy.invariants import check as invariants
from policy.layout import layout
from policy.numbers import numbers
from policy.search import search
from policy.solve import LAZY, Purse, Solved, Solver
from policy.strategies.optimal import Optimal


@pytest.fixture
def large() -> Iterator[None]:
    """Every program counts as large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy.solve, "LARGE", 0)
        yield


def program_of(made: Made) -> Program:
    strategy = Optimal(made.site)
    facts = strategy.facts(made.situation)
    return numbers(strategy.model(layout(made.site, made.situation, facts.ahead)), facts)


def purse() -> Purse:
    return Purse(iterations=10**6, time_limit_s=60.0)


def relaxed(program: Program, most: int = 10**6, *, rows: int, near: bool = False) -> Solved:
    """The relaxation, from the basis of a dispatch of everything at rest or from nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(policy.solve, "LARGE", rows)
        solver = Solver(program, purse())
        if near:
            assert solver.dispatched(np.zeros(int(program.compiled.binary.sum()))).x is not None
            solver.freed()
        return solver.relaxed(most, near=near)


@settings(max_examples=15, deadline=None)
@given(assets=st.integers(1, 7), steps=st.integers(4, 24), seed=st.integers(0, 99), near=st.booleans())
def test_the_relaxation_without_the_rows_that_it_keeps_anyway_is_the_relaxation(
    assets: int, steps: int, seed: int, near: bool
) -> None:
    made = works(assets, steps, seed=seed)
    idle = replace(made.situation, assets=tuple(replace(state, running=False, setpoint=None) for state in made.situation.assets))
    program = program_of(replace(made, situation=idle))
    whole, generated = relaxed(program, rows=10**9), relaxed(program, rows=0, near=near)
    assert whole.x is not None
    assert generated.x is not None
    assert generated.cut is Cut.NONE
    assert generated.objective == pytest.approx(whole.objective, rel=1e-8, abs=1e-8)
    made_of = program.matrix @ generated.x
    assert np.all(made_of >= program.row_lower - 1e-6)
    assert np.all(made_of <= program.row_upper + 1e-6)
    assert generated.prices is not None
    assert generated.prices.size == program.row_lower.size
    again = relaxed(program, rows=0, near=near)
    assert again.x is not None
    assert np.array_equal(again.x, generated.x)


def test_most_lazy_constraints_never_come_in() -> None:
    program = program_of(works(10, 48))
    lazy = sum(places.size for family in LAZY for places in program.compiled.row[family].values())
    rows = policy.solve._Rows(program, None, 60.0)
    rounds = [rows.highs.getNumRow()]
    rows.highs.run()
    while rows.added(np.asarray(rows.highs.getSolution().col_value)):
        rounds.append(rows.highs.getNumRow())
        rows.highs.run()
    assert rounds[0] == program.row_lower.size - lazy
    assert all(before < after for before, after in pairwise(rounds))
    assert 0 < rounds[-1] - rounds[0] < lazy / 4


def test_work_that_ends_between_two_rounds_leaves_a_bound() -> None:
    program = program_of(works(6, 24))
    whole = relaxed(program, rows=10**9)
    cut = [found for most in range(0, 480, 40) if (found := relaxed(program, most, rows=0)).cut is Cut.WORK]
    bounds = [found.bound for found in cut if found.x is not None]
    assert bounds, "a round was cut after another had ended"
    assert max(bounds) <= whole.objective + 1e-6
    assert all(found.bound == -np.inf for found in cut if found.x is None)


@pytest.mark.parametrize("seed", range(2))
def test_a_plan_by_row_generation_is_sound_and_the_same_again(large: None, seed: int) -> None:
    made = works(6, 48, seed=seed)
    plan = Optimal(made.site).propose(made.situation)
    assert invariants(plan, made.situation) == ()
    assert check(plan, made.situation) == ()
    assert plan.gap is not None
    assert plan.gap < 0.02
    assert Optimal(made.site).propose(made.situation) == plan
    later = works(6, 48, seed=seed, shift=1)
    carried = replace(later.situation, previous=plan)
    again = Optimal(made.site).propose(carried)
    assert invariants(again, carried) == ()
    assert check(again, carried) == ()


def test_limits_that_contradict_are_found_by_row_generation_too(large: None) -> None:
    program = program_of(works(3, 12))
    lazy = program.compiled.row["import_hard"][()]
    program.row_upper[lazy] = -1e6
    program.upper[program.compiled.column["over_hard"][()]] = 0.0
    assert Solver(program, purse()).relaxed(10**6, near=False).infeasible


def test_a_search_that_is_cut_in_its_relaxation_has_a_plan_and_a_bound(large: None) -> None:
    made = works(6, 24)
    strategy = Optimal(made.site)
    facts = strategy.facts(made.situation)
    program = program_of(made)
    past = strategy._past(program.compiled.layout, made.situation, facts.ahead)
    found = [search(program, facts.fixed, past, Purse(iterations=work, time_limit_s=60.0), None) for work in range(100, 140, 5)]
    whole = search(program, facts.fixed, past, purse(), None)
    cut = [searched for searched in found if searched.gap is not None and searched.bound < whole.bound - 1e-3]
    assert cut, "a round was cut after another had ended"
    assert all(searched.cut is Cut.WORK for searched in cut)
    assert all(np.isfinite(searched.best.solved.objective) for searched in found)
