"""Why not otherwise: alternatives and the numbers at which a decision flips, checked by deciding there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plant.orders import Plan
from plant.series import Series
from plant.site import Site
from plant.situation import Limit, Situation
from policy.instances import works
from policy.strategies.optimal import Optimal
from policy.strategies.threshold import Threshold
from policy.why import Flip, alternatives, decided, flips
from tests.policy.pumps import STEP_S, pump, site_of


def dear_now(running: bool = True) -> tuple[Site, Situation, Plan]:
    site, situation = site_of([pump("a", 60.0, 20.0, running=running)], [20.0] * 8, 90.0)
    energy = Series(start=situation.time, step_s=STEP_S, values=(0.4, 0.4, *([0.2] * 6)), unit="EUR/kWh")
    situation = replace(situation, prices=replace(situation.prices, energy=energy))
    return site, situation, Optimal(site).propose(situation)


def flip_of(site: Site, situation: Situation, plan: Plan, what: str) -> Flip:
    return next(found for found in flips(site, Optimal(site), situation, plan, "a") if found.what.startswith(what))


def test_the_price_at_which_a_pump_would_run_is_where_it_does() -> None:
    site, situation, plan = dear_now()
    now = decided(plan, "a")
    assert now is not None
    assert not now.on
    flip = flip_of(site, situation, plan, "price until 00:00 UTC")
    assert flip.now == 0.4
    assert flip.above is None
    assert flip.below is not None
    assert 0.15 < flip.below < 0.21, "as soon as it is no dearer than later"

    def runs_at(price: float) -> bool:
        values = (price, price, *([0.2] * 6))
        energy = replace(situation.prices.energy, values=values)
        then = decided(Optimal(site).propose(replace(situation, prices=replace(situation.prices, energy=energy))), "a")
        return then is not None and then.on

    assert runs_at(flip.below)
    assert not runs_at(flip.below + 0.01)
    assert "it runs at 1 from" in flip.words


def test_the_level_from_which_a_low_limit_would_start_the_pump() -> None:
    site, situation, plan = dear_now()
    flip = flip_of(site, situation, plan, "low limit of tank")
    assert flip.above is not None
    assert 20.0 < flip.above < 90.0
    assert "it runs at 1 from" in flip.words


def test_an_import_limit_at_which_the_pump_would_stand() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 25.0, limits=(Limit(name="import_kw", high=40.0),))
    plan = Optimal(site).propose(situation)
    flip = flip_of(site, situation, plan, "import limit")
    assert flip.below is not None
    assert 20.0 < flip.below <= 25.0, "a little over 25 kW (5 of others, 20 of its own) is dearer than unserved water"
    assert flip.above is None


def test_the_best_rejected_alternative_is_the_contrary_and_costs_more() -> None:
    site, situation, plan = dear_now()
    (other,) = alternatives(Optimal(site), situation, plan, "a")
    assert plan.objective is not None
    assert other.words.startswith("a runs now")
    assert other.dearer == pytest.approx(other.objective - plan.objective)
    assert other.dearer > 0.0


def test_going_on_as_it_is_is_an_alternative_to_a_new_set_point() -> None:
    made = works(3, 12, seed=3)
    states = tuple(replace(state, running=True, setpoint=0.83) if state.asset == "m0" else state for state in made.situation.assets)
    situation = replace(made.situation, assets=states)
    strategy = Optimal(made.site)
    plan = strategy.propose(situation)
    found = alternatives(strategy, situation, plan, "m0")
    assert plan.bound is not None
    assert all(other.objective >= plan.bound - 1e-6 for other in found)
    assert list(found) == sorted(found, key=lambda other: other.objective)
    same = [other for other in found if "goes on as it is" in other.words]
    assert len(same) == 1


def test_other_strategies_flip_too() -> None:
    site, situation, _ = dear_now()
    table = Threshold(site)
    plan = table.propose(situation)
    found = list(flips(site, table, situation, plan, "a"))
    assert [flip.what for flip in found] == ["price until 00:00 UTC", "low limit of tank", "high limit of tank"]


def test_of_an_asset_that_a_plan_leaves_alone_there_is_nothing_to_say() -> None:
    site, situation, plan = dear_now()
    assert list(flips(site, Optimal(site), situation, replace(plan, courses=()), "a")) == []
    assert alternatives(Optimal(site), situation, replace(plan, courses=()), "a") == ()
