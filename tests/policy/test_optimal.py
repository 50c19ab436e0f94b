"""The optimum against enumeration, and the days on which limits contradict: each sensible, each explained."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from plant.assets import Service, Store
from plant.envelopes import Envelope
from plant.orders import Action, Cut, Reason
from plant.series import Series
from plant.site import Site
from plant.situation import Limit, Lock, Permit, Situation
from policy.guard import check
from policy.instances import START, Machine, battery, made_prices, made_site, made_situation, works
from policy.invariants import check as invariants
from policy.layout import layout
from policy.numbers import numbers
from policy.solve import Solver, proven
from policy.strategies.optimal import Optimal
from tests.policy.pumps import STEP_S, pump, site_of, tank


def cost_of(pattern: np.ndarray, machines: list[Machine], situation: Situation, store: Store) -> float:
    """What a pattern of running costs, written out anew: energy, starts, levels outside limits, reserve, unserved water."""
    hours, price = STEP_S / 3600.0, np.asarray(situation.prices.energy.values)
    band = store.high - store.low
    forecast = next(item for item in situation.forecasts if item.target == "water_demand")
    load = np.asarray(next(item for item in situation.forecasts if item.target == "load").p50.values)
    sigma = (np.asarray(forecast.p90.values) - np.asarray(forecast.p10.values)) / 2.563
    decay, total, cross = np.exp(-hours / 3.0), 0.0, 0.0
    level, cost = situation.stores[0].level or 0.0, 0.0
    points = [machine.envelope.regimes[0].points[0] for machine in machines]
    before = np.asarray([float(bool(machine.state.running)) for machine in machines])
    for step in range(pattern.shape[1]):
        on = pattern[:, step]
        total += 2.0 * decay * cross * sigma[step] * hours + (sigma[step] * hours) ** 2
        cross = decay * cross + sigma[step] * hours
        kept = float(np.clip(1.3 * np.sqrt(total), 0.06 * band, 0.25 * band))
        power = load[step] + sum(flag * point.power_kw[0] for flag, point in zip(on, points, strict=True))
        cost += power * price[step] * hours
        cost += sum(m.envelope.lives[0].start_cost for m, now, was in zip(machines, on, before, strict=True) if now > was)
        level += hours * (
            sum(flag * point.output_per_h for flag, point in zip(on, points, strict=True)) - forecast.p50.values[step]
        )
        cost += store.low_price * hours * max(0.0, store.low - level) + store.low_price * hours * max(0.0, level - store.high)
        cost += 0.1 * store.low_price * hours * float(np.clip(store.low + kept - level, 0.0, kept))
        cost += 0.1 * store.low_price * hours * float(np.clip(level - store.high + kept, 0.0, kept))
        if not store.bottom <= level <= store.top:
            return np.inf
        before = on
    return cost


@pytest.mark.parametrize("seed", range(4))
def test_the_optimum_of_a_small_plant_is_the_best_of_all_patterns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    machines = [
        pump("a", float(rng.uniform(20, 40)), float(rng.uniform(10, 20)), start_cost=1.0, running=bool(rng.integers(2))),
        pump("b", float(rng.uniform(15, 30)), float(rng.uniform(10, 20)), start_cost=0.5, running=bool(rng.integers(2))),
    ]
    demand, store = [float(value) for value in rng.uniform(15, 30, 6)], tank()
    site, situation = site_of(machines, demand, 100.0, store)
    plan = Optimal(site).propose(situation)
    patterns = (np.asarray(bits, dtype=float).reshape(2, 6) for bits in itertools.product((0, 1), repeat=12))
    best = min(cost_of(pattern, machines, situation, store) for pattern in patterns)
    assert plan.objective == pytest.approx(best, abs=2e-3)
    assert plan.gap == pytest.approx(0.0, abs=1e-5)
    strategy = Optimal(site)
    facts = strategy.facts(situation)
    program = numbers(strategy.model(layout(site, situation, facts.ahead)), facts)
    assert proven(program, 30.0) == pytest.approx(best, abs=2e-3), "what branch and bound proves is the optimum as well"


def test_a_room_does_not_refuse_the_heat_that_it_is_given() -> None:
    """Heat is not accepted or refused: a cooler must run, however little unserved heat is said to cost."""
    site, situation = site_of([pump("a", -60.0, 20.0)], [-20.0] * 8, 175.0)
    services = tuple(replace(service, unserved_price=0.01) for service in situation.services)
    plan = Optimal(site).propose(replace(situation, services=services))
    assert invariants(plan, situation) == ()
    assert plan.courses[0].on.values[0] == 1.0
    assert not any("cannot be carried off" in words for words in plan.binding)


def test_a_tank_that_starts_empty_is_filled_at_any_price() -> None:
    site, situation = site_of([pump("a", 30.0, 20.0)], [20.0] * 8, 0.0)
    plan = Optimal(site).propose(situation)
    assert [(command.asset, command.action, command.reason) for command in plan.commands] == [
        ("a", Action.STARTUP, Reason.STORE_LOW)
    ]
    assert any("tank is below its low limit" in words for words in plan.binding)
    assert invariants(plan, situation) == ()


def test_a_level_outside_the_tank_is_no_reason_to_have_no_plan() -> None:
    for level in (-3.0, 205.0):
        site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, level)
        plan = Optimal(site).propose(situation)
        assert plan.objective is not None
        assert plan.stores[0].level.values[0] == pytest.approx(level)


def test_an_import_limit_below_the_base_load_is_named_and_the_rest_goes_on() -> None:
    limits = (Limit(name="import_kw", high=3.0),)
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 100.0, limits=limits)
    plan = Optimal(site).propose(situation)
    assert plan.objective is not None
    assert any("import limit cannot be kept: 2.0 kW over it" in words for words in plan.binding)
    assert invariants(plan, situation) == ()
    assert plan.courses[0].on.values[0] == 0.0, "the tank lasts: nothing is added to what is over the limit already"


def test_a_negative_price_at_noon_fills_what_can_be_filled() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 60.0)
    energy = (0.2, 0.2, 0.2, -0.1, -0.1, 0.2, 0.2, 0.2)
    series = Series(start=START, step_s=STEP_S, values=energy, unit="EUR/kWh")
    earns = replace(series, values=tuple(min(value, 0.0) for value in energy))
    plan = Optimal(site).propose(replace(situation, prices=replace(situation.prices, energy=series, export=earns)))
    assert plan.courses[0].on.values[3:5] == (1.0, 1.0)
    assert plan.objective is not None
    assert plan.objective > -100.0, "buying and selling the same kWh earns nothing"


def test_selling_dearer_than_buying_is_no_money_machine() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 4, 100.0)
    low, high = (Series(start=START, step_s=STEP_S, values=(price,) * 4, unit="EUR/kWh") for price in (-0.1, 0.05))
    plan = Optimal(site).propose(replace(situation, prices=replace(situation.prices, energy=low, export=high)))
    assert plan.expected is not None
    most = 4 * 25.0 * 0.1
    assert plan.expected.cost >= -most - 1e-6


def test_the_only_compressor_locked_is_said_and_left_alone() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 30.0)
    lock = Lock(asset="a", who="shift leader", why="bearing", since=START)
    plan = Optimal(site).propose(replace(situation, locks=(lock,)))
    assert plan.commands == ()
    assert "a is left alone: locked by shift leader: bearing" in plan.words
    assert any("water cannot be served" in words for words in plan.binding)


def test_minimum_times_of_now_are_kept() -> None:
    machine = pump("a", 60.0, 20.0, running=True, min_up_s=3 * STEP_S)
    machine = replace(machine, state=replace(machine.state, since=START - timedelta(hours=1)))
    site, situation = site_of([machine], [1.0] * 6, 150.0)
    plan = Optimal(site).propose(situation)
    assert plan.courses[0].on.values[:2] == (1.0, 1.0)
    assert check(plan, situation) == ()


def test_a_start_that_the_plant_forbids_is_planned_for_later() -> None:
    machine = pump("a", 60.0, 20.0)
    machine = replace(machine, state=replace(machine.state, permit=Permit(start=False)))
    site, situation = site_of([machine], [20.0] * 6, 22.0)
    plan = Optimal(site).propose(situation)
    assert plan.commands == ()
    assert plan.courses[0].on.values[0] == 0.0
    assert plan.courses[0].on.values[1] == 1.0


def test_starts_of_the_day_are_not_exceeded() -> None:
    machine = pump("a", 60.0, 20.0, max_starts_per_day=1.0)
    site, situation = site_of([machine], [30.0] * 2 + [0.0] * 6 + [30.0] * 8, 40.0)
    plan = Optimal(site).propose(situation)
    on = np.asarray((0.0, *plan.courses[0].on.values))
    tomorrow = 3  # the instance begins at 22:00 UTC, its midnight is two steps away
    assert np.count_nonzero(np.diff(on[:tomorrow]) > 0.5) <= 1
    assert np.count_nonzero(np.diff(on[tomorrow - 1 :]) > 0.5) <= 1


def test_a_peak_already_paid_for_costs_nothing_again() -> None:
    prices = made_prices(4, STEP_S, demand_charge_per_kw=10.0, peak_so_far_kw=30.0)
    site, situation = site_of([pump("a", 60.0, 20.0)], [60.0] * 4, 25.0, prices=prices)
    free = Optimal(site).propose(situation)
    charged = Optimal(site).propose(replace(situation, prices=replace(prices, peak_so_far_kw=0.0)))
    assert free.objective is not None
    assert charged.objective is not None
    assert charged.objective - free.objective == pytest.approx(10.0 * 25.0, abs=1e-3)


def test_the_open_metering_window_counts_what_it_has_seen() -> None:
    prices = replace(
        made_prices(4, STEP_S, demand_charge_per_kw=10.0, peak_so_far_kw=40.0),
        demand_window_s=2 * STEP_S, open_window_kwh=90.0, open_window_start=START - timedelta(hours=1),
    )  # fmt: skip
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 4, 100.0, prices=prices)
    plan = Optimal(site).propose(situation)
    assert plan.objective is not None
    base = Optimal(site).propose(replace(situation, prices=replace(prices, open_window_kwh=0.0))).objective
    assert base is not None
    assert plan.objective - base == pytest.approx(10.0 * ((90.0 + 5.0) / 2.0 - 40.0), abs=0.5)


def test_a_battery_never_charges_and_discharges_at_once_and_ends_with_what_it_had() -> None:
    cells = Store(
        name="cells", service="held", level="l", unit="kWh", size_per_level=1.0, bottom=0.0, top=100.0, low=5.0, high=95.0
    )
    site = made_site((battery(50.0),), (Service(name="held", unit="kWh", unserved_price=5.0),), (cells,))
    situation = made_situation(
        site, [battery(50.0)], [40.0], {}, prices=made_prices(24, STEP_S), load=np.full(24, 60.0), step_s=STEP_S, start=START
    )
    plan = Optimal(site).propose(situation)
    levels = np.asarray(plan.stores[0].level.values)
    assert invariants(plan, situation) == ()
    assert levels.max() > 80.0, "it is charged at night"
    assert levels[-1] == pytest.approx(40.0, abs=1.0)


def test_why_not_is_answered_by_solving_again() -> None:
    drawn = works(3, 12, seed=3)
    strategy = Optimal(drawn.site)
    plan = strategy.propose(drawn.situation)
    course = next(course for course in plan.courses if course.asset == "m0")
    other = strategy.alternative(drawn.situation, "m0", on=course.on.values[0] < 0.5)
    assert plan.objective is not None
    assert plan.bound is not None
    assert other.objective >= plan.bound - 1e-6
    assert "m0" in other.words


def switching() -> tuple[Site, Situation]:
    """A works whose producers run fully or not at all: the relaxation says little, so its plans are dived for."""
    made = works(6, 48, seed=2)

    def full(envelope: Envelope) -> Envelope:
        return replace(envelope, regimes=tuple(replace(regime, points=regime.points[-1:]) for regime in envelope.regimes))

    envelopes = tuple(full(item) if item.assets[0].startswith("m") else item for item in made.situation.envelopes)
    return made.site, replace(made.situation, envelopes=envelopes)


def test_a_dive_gives_the_same_plan_again_and_one_that_machines_can_run() -> None:
    site, situation = switching()
    plan = Optimal(site).propose(situation)
    assert plan.words.startswith("dive")
    assert plan.cut is Cut.NONE
    assert invariants(plan, situation) == ()
    assert Optimal(site).propose(situation) == plan
    carried = replace(situation, previous=plan)
    again = Optimal(site).propose(carried)
    assert invariants(again, carried) == ()
    assert again.objective is not None
    assert plan.objective is not None
    assert again.objective <= plan.objective + 1e-6


def test_what_cuts_a_search_short_is_said_and_contradictions_are_not_it() -> None:
    site, situation = switching()
    hurried = replace(site, control=replace(site.control, work_limit=200))
    assert Optimal(hurried).propose(situation).cut is Cut.WORK
    strategy = Optimal(site)
    facts = strategy.facts(situation)
    program = numbers(strategy.model(layout(site, situation, facts.ahead)), facts)
    purse = strategy.purse()
    every = np.ones(int(program.compiled.binary.sum()))
    assert Solver(program, purse).dispatched(every).infeasible, "no machine runs two regimes at once"
    assert purse.cut is Cut.NONE
