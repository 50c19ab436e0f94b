"""Plans made hour by hour: stores of a few hours filled by machines that are on or off."""

from __future__ import annotations

import numpy as np
import pytest

from plant.orders import Plan
from plant.site import Site
from plant.situation import Situation
from policy.invariants import check as invariants
from policy.strategies.optimal import Optimal
from tests.policy.pumps import pump, site_of, tank


def small_tank(steps: int) -> tuple[Site, Situation]:
    """Two pumps whose tank holds three hours; with the larger one on and off it leaves its limits within two."""
    demand = 50.0 * (1.0 + 0.4 * np.sin(2.0 * np.pi * (np.arange(steps) - 9.0) / 24.0))
    store = tank(top=150.0, low=20.0, high=135.0)
    return site_of([pump("a", 90.0, 30.0, start_cost=2.0), pump("b", 45.0, 17.0, start_cost=2.0)], demand.tolist(), 60.0, store)


def levels(plan: Plan) -> list[float]:
    return list(plan.stores[0].level.values)


def test_a_small_tank_stays_inside_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    site, situation = small_tank(144)
    plan = Optimal(site).propose(situation)
    assert min(levels(plan)) >= 20.0 - 1e-6
    assert max(levels(plan)) <= 135.0 + 1e-6
    assert invariants(plan, situation) == ()
    monkeypatch.setattr("policy.search.PROMISED", np.inf)
    without = Optimal(site).propose(situation)
    assert plan.objective is not None
    assert without.objective is not None
    assert plan.objective < without.objective
