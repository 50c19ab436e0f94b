"""What a real plant brings: pumps on one main, tanks that feed tanks, bills per pump, jobs, companions, heat."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from plant.assets import Asset, Flow, Inventory, Life, Service, Store
from plant.envelopes import Envelope, Job, Point, Regime
from plant.orders import Plan
from plant.series import Series
from plant.site import Site
from plant.situation import Situation
from policy.guard import check
from policy.instances import START, Machine, made_prices, made_site, made_situation, state_of, tags_of
from policy.invariants import check as invariants
from policy.strategies.optimal import Optimal

STEP_S, STEPS = 1800.0, 16
LIFE = Life(min_up_s=1800, min_down_s=1800, start_cost=0.05, setpoint_low=0.6, setpoint_high=1.0, setpoint_nominal=1.0)


def on_one_main() -> tuple[Machine, Machine]:
    """Lift `a` with booster `b`: together at low speed they lift a cubic metre for less than `a` alone."""
    alone = tuple(Point(setpoints=(s,), output_per_h=90.0 * s, power_kw=(60.0 * s**2,)) for s in (0.9, 1.0))
    both = tuple(
        Point(setpoints=(s, s), output_per_h=130.0 * s, power_kw=(50.0 * s**2, 12.0 * s**2), input_per_h=0.0)
        for s in (0.6, 0.8, 1.0)
    )
    envelope = Envelope(
        assets=("a", "b"), lives=(LIFE, LIFE), service="water_high", store="high", needs=(("b", "a"),),
        regimes=(Regime(name="a", running=("a",), points=alone), Regime(name="a+b", running=("a", "b"), points=both)),
    )  # fmt: skip
    assets = [
        Asset(name=name, kind="pump", produces="water_high", into="high", life=LIFE, tags=tags_of(name)) for name in ("a", "b")
    ]
    first, second = (Machine(asset=asset, envelope=envelope, state=state_of(asset.name, running=False)) for asset in assets)
    return first, second


def waterworks() -> tuple[Site, Situation]:
    """River → high tank (a, b) → middle tank (c) and, by gravity, low tank; every pump has its own bill."""
    first, second = on_one_main()
    points = tuple(Point(setpoints=(s,), output_per_h=40.0 * s, power_kw=(10.0 * s,), input_per_h=40.0 * s) for s in (0.6, 1.0))
    third = Machine(
        asset=Asset(name="c", kind="pump", produces="water_mid", into="mid", consumes="water_high", life=LIFE, tags=tags_of("c")),
        envelope=Envelope(
            assets=("c",), lives=(LIFE,), regimes=(Regime(name="c", running=("c",), points=points),), service="water_mid",
            store="mid", input_store="high",
        ),
        state=state_of("c", running=False),
    )  # fmt: skip
    names = ("high", "mid", "low")
    services = tuple(Service(name=f"water_{name}", unit="m3", demand=f"{name}_demand", unserved_price=20.0) for name in names)
    size = {"high": 60.0, "mid": 40.0, "low": 40.0}
    stores = tuple(
        Store(
            name=name, service=f"water_{name}", level=f"{name}_level", unit="m", size_per_level=size[name], bottom=0.0, top=4.0,
            low=1.0, high=3.8, low_price=20.0,
        )
        for name in names
    )  # fmt: skip
    site = replace(
        made_site((first, second, third), services, stores), flows=(Flow(source="high", target="low", a_per_h=12.0, b_per_h=2.0),)
    )  # fmt: skip
    demand = {f"{name}_demand": np.full(STEPS, rate) for name, rate in zip(names, (20.0, 18.0, 12.0), strict=True)}
    prices = made_prices(STEPS, STEP_S)
    values = prices.energy.values
    bills = tuple(
        (name, replace(prices.energy, values=tuple(value * share for value in values)))
        for name, share in (("a", 1.0), ("b", 1.1), ("c", 0.9))
    )
    situation = made_situation(
        site, [first, third], [2.0, 2.0, 2.0], demand, prices=replace(prices, assets=bills), load=np.zeros(STEPS),
        step_s=STEP_S, start=START,
    )  # fmt: skip
    return site, replace(situation, assets=(first.state, second.state, third.state), flows=site.flows)


def test_coupled_tanks_and_joint_pumps_make_a_sound_plan() -> None:
    site, situation = waterworks()
    plan = Optimal(site).propose(situation)
    assert invariants(plan, situation) == ()
    assert check(plan, situation) == ()
    assert plan.gap is not None
    assert plan.gap < 0.1
    on = {course.asset: np.asarray(course.on.values) for course in plan.courses}
    assert np.all(on["b"] <= on["a"]), "the booster never runs alone"
    assert on["b"].sum() > 0, "together they lift for less"
    setpoints = next(course.setpoint for course in plan.courses if course.asset == "a")
    assert setpoints is not None
    running = np.asarray(setpoints.values)[on["a"] > 0.5]
    assert running.min() < 0.95, "set-points are what OPTIMIZE is for"


def content_at_the_end(plan: Plan, site: Site) -> dict[str, float]:
    sizes = {store.name: store.size_per_level or 0.0 for store in site.stores}
    return {course.store: course.level.values[-1] * sizes[course.store] for course in plan.stores}


def test_what_tanks_hold_together_at_midnight_is_kept_where_it_is_cheapest() -> None:
    site, situation = waterworks()
    at_dawn = replace(site, site=replace(site.site, timezone="Etc/GMT+6"))  # there the horizon ends at midnight
    free = content_at_the_end(Optimal(at_dawn).propose(situation), site)
    wanted = sum(free.values()) + 60.0
    together = replace(at_dawn, inventories=(Inventory(name="water", stores=("high", "mid", "low"), end_content=wanted),))
    plan = Optimal(together).propose(situation)
    held = content_at_the_end(plan, site)
    assert invariants(plan, situation) == ()
    assert sum(held.values()) == pytest.approx(wanted, abs=1.0)
    assert any(words.startswith("water kept for tomorrow: one m3 less at midnight would save 0.") for words in plan.binding)
    assert held["mid"] < free["mid"] + 5.0, "lifted twice it costs more"
    assert held["high"] + held["low"] > free["high"] + free["low"] + 50.0


def test_every_pump_pays_its_own_bill() -> None:
    site, situation = waterworks()
    plan = Optimal(site).propose(situation)
    assert plan.expected is not None
    bills = dict(situation.prices.assets)
    cost = sum(
        np.asarray(course.power_kw.values) @ np.asarray(bills[course.asset].values) * STEP_S / 3600.0 for course in plan.courses
    )
    starts = 0.05 * plan.expected.starts
    assert plan.expected.cost == pytest.approx(cost + starts, rel=1e-6)


def test_a_tank_below_its_limit_whose_pump_is_bad_is_still_planned_around() -> None:
    site, situation = waterworks()
    states = tuple(replace(state, good=state.asset != "c", words="flow is BAD") for state in situation.assets)
    plan = Optimal(site).propose(replace(situation, assets=states))
    assert "c is left alone: flow is BAD" in plan.words
    assert {command.asset for command in plan.commands} <= {"a", "b"}
    assert {course.asset for course in plan.courses} == {"a", "b"}


def batch(due_h: float, value: float) -> tuple[Site, Situation]:
    """A mill without an envelope: 100 kW for an hour, some time before it is due."""
    asset = Asset(name="mill", kind="load", tags=tags_of("mill"))
    machine = Machine(
        asset=asset,
        envelope=Envelope(assets=(), lives=(), regimes=(), service=None, store=None),
        state=state_of("mill", running=False),
    )
    site = made_site((machine,), (), ())
    situation = made_situation(
        site, [machine], [], {}, prices=made_prices(STEPS, STEP_S), load=np.full(STEPS, 5.0), step_s=STEP_S, start=START
    )
    profile = Series(start=START, step_s=STEP_S, values=(100.0, 100.0), unit="kW")
    job = Job(name="grind", asset="mill", power_kw=profile, earliest=START, due=START + timedelta(hours=due_h), value=value)
    return site, replace(situation, envelopes=(), jobs=(job,))


def test_a_job_waits_for_the_cheap_hours_that_its_due_time_leaves() -> None:
    day, night = 0.22, 0.12
    late = Optimal(batch(6.0, 500.0)[0]).propose(batch(6.0, 500.0)[1])
    soon = Optimal(batch(1.5, 500.0)[0]).propose(batch(1.5, 500.0)[1])
    assert late.objective is not None
    assert soon.objective is not None
    assert soon.objective - late.objective == pytest.approx(100.0 * (day - night), abs=1e-3)


def test_a_job_that_is_not_worth_its_energy_is_left_out() -> None:
    site, situation = batch(6.0, 1.0)
    plan = Optimal(site).propose(situation)
    nothing = Optimal(site).propose(replace(situation, jobs=()))
    assert plan.objective is not None
    assert nothing.objective is not None
    assert plan.objective == pytest.approx(nothing.objective + 1.0, abs=1e-3)


def test_heat_is_made_when_it_is_cheap_to_make() -> None:
    steps = 24
    life = Life(setpoint_low=0.3, setpoint_high=1.0, setpoint_nominal=1.0)
    points = tuple(Point(setpoints=(s,), output_per_h=60.0 * s, power_kw=(20.0 * s,)) for s in (0.3, 1.0))
    cop = Series(start=START, step_s=3600.0, values=tuple(1.0 + 0.4 * np.sin(np.pi * np.arange(steps) / 12.0)), unit="1")
    asset = Asset(name="hp", kind="heat_pump", produces="heat", into="room", life=life, tags=tags_of("hp"))
    envelope = Envelope(
        assets=("hp",), lives=(life,), regimes=(Regime(name="hp", running=("hp",), points=points),), service="heat", store="room",
        output_factor=cop,
    )  # fmt: skip
    room = Store(
        name="room", service="heat", level="room_c", unit="°C", size_per_level=150.0, bottom=5.0, top=35.0, low=19.0, high=24.0,
        loss_b=2.0, low_price=5.0,
    )  # fmt: skip
    machine = Machine(asset=asset, envelope=envelope, state=state_of("hp", running=False))
    site = made_site((machine,), (Service(name="heat", unit="kWh"),), (room,))
    flat = Series(start=START, step_s=3600.0, values=(0.2,) * steps, unit="EUR/kWh")
    prices = replace(made_prices(steps, 3600.0), energy=flat)
    situation = made_situation(site, [machine], [21.0], {}, prices=prices, load=np.zeros(steps), step_s=3600.0, start=START)
    plan = Optimal(site).propose(situation)
    assert invariants(plan, situation) == ()
    power = np.asarray(plan.courses[0].power_kw.values)
    assert power[:12].sum() > 1.2 * power[12:].sum(), "the hours of a high COP carry the load"
