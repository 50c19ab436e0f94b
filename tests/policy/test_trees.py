"""Branch and bound in parts: what dives leave undone is found where few binaries decide it, within the work that is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.site import Site
from plant.situation import Situation
from policy.invariants import check as invariants
from policy.strategies.optimal import Optimal
from tests.policy.pumps import pump, site_of


def objective(site: Site, situation: Situation) -> float:
    plan = Optimal(site).propose(situation)
    assert invariants(plan, situation) == ()
    assert plan.objective is not None
    return plan.objective


def test_a_plan_becomes_cheaper_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    site, situation = site_of([pump("a", 60.0, 20.0), pump("b", 60.0, 22.0)], [55.0] * 144, 100.0)
    found = objective(site, situation)
    monkeypatch.setattr("policy.search.TREE_GAP", np.inf)
    assert found < 0.99 * objective(site, situation)


def test_no_tree_is_begun_when_the_work_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    site, situation = site_of([pump("a", 60.0, 20.0), pump("b", 60.0, 22.0)], [55.0] * 144, 100.0)
    meagre = replace(site, control=replace(site.control, work_limit=1))
    begun: list[int] = []
    monkeypatch.setattr("policy.solve.Solver.branched", lambda *_: begun.append(1))
    assert np.isfinite(objective(meagre, situation))
    assert begun == []
