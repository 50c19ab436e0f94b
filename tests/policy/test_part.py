"""A part of a program: what holds in it holds in the whole, and machines that serve together are planned together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.orders import Plan
from plant.table import Floats
from policy.compiled import Program
from policy.instances import works
from policy.invariants import check as invariants
from policy.part import part
from policy.solve import Purse, Solver
from policy.strategies.optimal import Optimal
from tests.policy.pumps import pump, site_of
from tests.policy.test_row_generation import program_of


def purse() -> Purse:
    return Purse(iterations=10**6, time_limit_s=60.0)


def kept(program: Program, x: Floats) -> bool:
    made = program.matrix @ x
    scale = 1e-5 * np.maximum(1.0, np.abs(made))
    rows = np.all(made >= program.row_lower - scale) and np.all(made <= program.row_upper + scale)
    return bool(rows and np.all(x >= program.lower - 1e-6) and np.all(x <= program.upper + 1e-6))


@settings(max_examples=10, deadline=None)
@given(assets=st.integers(1, 12), steps=st.integers(4, 16), seed=st.integers(0, 99))
def test_a_solution_of_a_part_is_one_of_the_whole_at_the_same_cost(assets: int, steps: int, seed: int) -> None:
    program = program_of(works(assets, steps, seed=seed))
    solver = Solver(program, purse())
    first = solver.dispatched(np.zeros(int(program.compiled.binary.sum())))
    assert first.x is not None
    model = program.compiled
    for cluster in np.unique(model.cluster[model.binary]):
        binaries = np.flatnonzero(model.binary & (model.cluster == cluster))
        apart = part(program, first.x, binaries)
        inner = first.x[apart.columns]
        assert kept(apart.program, inner)
        assert float(apart.program.cost @ inner) + apart.program.offset == pytest.approx(first.objective, rel=1e-9, abs=1e-6)
        inside = Solver(apart.program, purse())
        inside.begin(solver.basis(), apart.columns, apart.rows)
        found = inside.relaxed(10**6)
        assert found.x is not None
        assert found.objective <= first.objective + 1e-6
        whole = apart.whole(first.x, found.x)
        assert kept(program, whole)
        assert float(program.cost @ whole) + program.offset == pytest.approx(found.objective, rel=1e-7, abs=1e-5)
        assert np.array_equal(np.delete(whole, apart.columns), np.delete(first.x, apart.columns))


def test_machines_of_different_stores_are_tied_together_by_the_meter_alone() -> None:
    model = program_of(works(10, 8, seed=1)).compiled
    clusters = {int(model.cluster[places[0]]) for places in model.column["u"].values()}
    assert len(clusters) == 3, "two stores with five producers each, and a battery"
    for name in ("bought", "peak"):
        alone = model.cluster[model.column[name][()]]
        assert np.all(np.bincount(model.cluster)[alone] == 1)


def test_two_machines_change_places_although_neither_can_stop_before_the_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy.search.PROMISED", np.inf)
    monkeypatch.setattr("policy.search.TREE_GAP", np.inf)
    site, was = site_of([pump("a", 60.0, 20.0), pump("b", 60.0, 22.0)], [55.0] * 144, 100.0)
    _, now = site_of([pump("a", 60.0, 22.0), pump("b", 60.0, 20.0)], [55.0] * 144, 100.0)
    before = Optimal(site).propose(was)
    carried = replace(now, previous=before)
    plan = Optimal(site).propose(carried)
    assert hours(before, "a") > 120 > 20 > hours(before, "b")
    assert hours(plan, "b") > 120 > 20 > hours(plan, "a")
    assert plan.words.startswith("bettered service by service")
    assert invariants(plan, carried) == ()


def hours(plan: Plan, asset: str) -> float:
    return sum(next(course for course in plan.courses if course.asset == asset).on.values)
