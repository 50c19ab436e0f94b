"""What cannot be met is said as the smallest set of limits in conflict."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plant.site import Site
from plant.situation import Limit, Lock, Situation
from policy.conflicts import conflicts
from policy.guard import check
from policy.instances import START, works
from policy.invariants import check as invariants
from policy.strategies.optimal import Optimal
from tests.policy.pumps import pump, site_of

LOCK = Lock(asset="a", who="shift leader", why="bearing", since=START)


def said(site: Site, situation: Situation) -> dict[str, tuple[str, ...]]:
    return {found.limit: found.against for found in conflicts(Optimal(site), situation)}


def test_where_everything_is_kept_there_is_no_conflict() -> None:
    assert said(*site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 100.0)) == {}


def test_the_only_compressor_locked_stands_against_the_demand() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 30.0)
    found = said(site, replace(situation, locks=(LOCK,)))
    locked = "that a is left alone (locked by shift leader: bearing)"
    assert found["the demand of water"] == (locked,)
    assert set(found["the low limit 20 m3 of tank"]) == {locked, "the demand of water"}


def test_an_import_limit_below_the_base_load_stands_alone() -> None:
    limits = (Limit(name="import_kw", high=3.0),)
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 150.0, limits=limits)
    (found,) = (item for item in conflicts(Optimal(site), situation) if item.limit.startswith("the import"))
    assert found.against == ()
    assert found.words == (
        "the import limit of 3 kW: cannot be kept, whatever is done: what nobody commands draws up to 5.0 kW, at 22:00 UTC"
    )


def test_an_import_limit_that_leaves_no_room_for_the_pump_stands_against_what_it_must_do() -> None:
    limits = (Limit(name="import_kw", high=10.0),)
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 12, 60.0, limits=limits)
    found = said(site, situation)
    assert found
    limit, against = next(iter(found.items()))
    three = {"the import limit of 10 kW", "the low limit 20 m3 of tank", "the demand of water"}
    assert {limit, *against} == three, "the smallest set: without any of the three there is room"


def test_a_store_that_starts_empty_says_when_it_is_back() -> None:
    site, situation = site_of([pump("a", 30.0, 20.0)], [20.0] * 8, 0.0)
    (found,) = conflicts(Optimal(site), situation)
    assert found.limit == "the low limit 20 m3 of tank"
    assert found.against == ("the demand of water",)
    assert found.words.endswith("tank stands at 0 m3 now, this plan is back at 00:00 UTC")


def test_a_negative_price_at_noon_breaks_no_limit() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 60.0)
    energy = replace(situation.prices.energy, values=(0.2, 0.2, 0.2, -0.1, -0.1, 0.2, 0.2, 0.2))
    export = replace(energy, values=tuple(min(value, 0.0) for value in energy.values))
    assert said(site, replace(situation, prices=replace(situation.prices, energy=energy, export=export))) == {}


def test_what_was_given_up_for_its_price_says_what_keeping_it_costs() -> None:
    limits = (Limit(name="import_kw", high=24.0, price=0.01),)
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 60.0, limits=limits)
    energy = replace(situation.prices.energy, values=(0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5))
    pair = [pump("a", 60.0, 20.0), pump("b", 60.0, 15.0, start_cost=3.0)]
    site, situation = site_of(pair, [20.0] * 8, 60.0, limits=limits)
    situation = replace(situation, prices=replace(situation.prices, energy=energy))
    (found,) = conflicts(Optimal(site), situation)
    assert found.limit == "the priced import limit of 24 kW"
    assert found.dearer is not None
    assert found.dearer > 0.0
    assert found.words.endswith(f"could be kept, and the plan would cost {found.dearer:.2f} more")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 50),
    empty=st.booleans(),
    most=st.sampled_from([None, 0.05, 0.4]),
    locked=st.sets(st.sampled_from(["m0", "m1", "m2", "battery"])),
    noon=st.booleans(),
)
def test_on_any_bad_day_the_plan_can_be_and_every_broken_limit_is_explained(
    seed: int, empty: bool, most: float | None, locked: set[str], noon: bool
) -> None:
    made = works(3, 8, seed=seed)
    situation = made.situation
    if empty:
        situation = replace(situation, stores=tuple(replace(item, level=0.0) for item in situation.stores))
    if most is not None:
        situation = replace(situation, limits=(replace(situation.limits[0], high=most * situation.limits[0].high),))
    if noon:
        energy = replace(situation.prices.energy, values=tuple(-value for value in situation.prices.energy.values))
        situation = replace(situation, prices=replace(situation.prices, energy=energy, export=energy))
    situation = replace(situation, locks=tuple(replace(LOCK, asset=name, since=situation.time) for name in sorted(locked)))
    strategy = Optimal(made.site)
    plan = strategy.propose(situation)
    assert invariants(plan, situation) == ()
    assert check(plan, situation) == ()
    found = conflicts(strategy, situation)
    cannot = [words for words in plan.binding if "cannot" in words or "is below its low" in words or "is above its high" in words]
    assert bool(found) or not cannot
    for item in found:
        assert len(set(item.against)) == len(item.against)
        assert item.words.startswith(item.limit)


def test_each_member_of_a_conflict_is_needed() -> None:
    site, situation = site_of([pump("a", 30.0, 20.0), pump("b", 30.0, 20.0)], [25.0] * 8, 30.0)
    locks = (LOCK, replace(LOCK, asset="b"))
    found = said(site, replace(situation, locks=locks))
    one = found["the demand of water"]
    assert len(one) == 2
    assert said(site, replace(situation, locks=locks[:1])).get("the demand of water") is None


def test_a_level_above_the_tank_is_said_and_no_fault() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 205.0)
    (found,) = conflicts(Optimal(site), situation)
    assert found.words.startswith("the high limit 180 m3 of tank: cannot be kept, whatever is done: tank stands at 205 m3 now")
