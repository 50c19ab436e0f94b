"""The bound proven piece by piece: never above the best plan, never below the relaxation, and above it where machines are whole."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plant.errors import SolverError
from policy.instances import Made, works
from policy.proof import proven_apart
from policy.solve import ENDLESS, Purse, Solver, proven
from policy.strategies.optimal import Optimal
from tests.policy.pumps import pump, site_of
from tests.policy.test_row_generation import program_of


@settings(max_examples=12, deadline=None)
@given(assets=st.integers(1, 6), steps=st.integers(4, 12), seed=st.integers(0, 99), piece=st.integers(1, 12))
def test_it_lies_between_the_relaxation_and_the_best_plan(assets: int, steps: int, seed: int, piece: int) -> None:
    program = program_of(works(assets, steps, seed=seed))
    relaxed = Solver(program, Purse(iterations=ENDLESS, time_limit_s=60.0)).relaxed(ENDLESS).bound
    best, found = proven(program, 60.0), proven_apart(program, piece, 60.0)
    room = 1e-6 * max(1.0, abs(best))
    assert relaxed - room <= found <= best + room


def test_it_counts_that_machines_are_whole() -> None:
    """A pump that the relaxation runs at a third all day starts again and again in fact; half a day at a time shows most of it."""
    site, situation = site_of([pump("a", 60.0, 20.0, start_cost=5.0)], [20.0] * 24, 150.0)
    program = program_of(Made(site=site, situation=situation))
    relaxed = Solver(program, Purse(iterations=ENDLESS, time_limit_s=60.0)).relaxed(ENDLESS).bound
    best, found = proven(program, 60.0), proven_apart(program, 12, 60.0)
    assert relaxed < best - 1.0
    assert relaxed + 0.5 * (best - relaxed) < found <= best + 1e-6


def test_limits_that_contradict_have_no_bound() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 4, 150.0)
    strategy = Optimal(site)
    program = strategy.worked(strategy.facts(situation)).program
    program.row_lower[0], program.row_upper[0] = 1e9, 1e9
    with pytest.raises(SolverError, match="contradict"):
        proven_apart(program, 2, 1.0)
