"""Risk, local control, the rule table, reserve and worth: small sums done again by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from plant.health import Health, Severity
from plant.orders import Action, Reason
from plant.series import Series
from policy.curves import at_output, at_setpoints
from policy.instances import works
from policy.local import local_course
from policy.outlook import accumulated, outlook
from policy.risk import hazard_per_h
from policy.strategies.threshold import Threshold
from policy.worth import worths


def test_hazard_is_the_reciprocal_of_the_mean_time_and_grows_as_health_falls() -> None:
    assert hazard_per_h(None, 0.1) == 0.0
    assert hazard_per_h(1000.0, 1.0) == pytest.approx(0.001)
    assert hazard_per_h(1000.0, 0.5) == pytest.approx(math.exp(2.0) / 1000.0)
    assert hazard_per_h(2.0, 0.0) == 1.0


def test_errors_that_last_add_up_like_a_first_order_process() -> None:
    rng = np.random.default_rng(0)
    decay, count = math.exp(-0.25 / 3.0), 40_000
    error, total = rng.standard_normal(count), np.zeros(count)
    spreads = []
    for _ in range(16):
        total += 2.0 * error * 0.25
        spreads.append(total.std())
        error = decay * error + math.sqrt(1.0 - decay**2) * rng.standard_normal(count)
    assert accumulated(np.full(16, 2.0), 0.25) == pytest.approx(np.asarray(spreads), rel=0.03)


def test_between_two_points_all_is_linear() -> None:
    envelope = works(1, 4, seed=0).situation.envelopes[0]
    low, high = envelope.regimes[0].points[0], envelope.regimes[0].points[-1]
    done = at_setpoints(envelope, frozenset(envelope.assets), {envelope.assets[0]: 0.75})
    assert done.output_per_h == pytest.approx((low.output_per_h + high.output_per_h) / 2.0)
    assert done.power_kw[0] == pytest.approx((low.power_kw[0] + high.power_kw[0]) / 2.0)
    assert at_output(envelope.regimes[0], done.output_per_h).setpoints[0] == pytest.approx(0.75)


def test_level_triggers_start_and_stop_where_they_say() -> None:
    made = works(2, 96, seed=3)
    walked = local_course(made.site, made.situation)
    for name in ("m0", "m1"):
        on, levels = walked.on[name], walked.levels["s0"]
        begins = np.flatnonzero(np.diff(on) > 0) + 1
        ends = np.flatnonzero(np.diff(on) < 0) + 1
        assert begins.size
        assert np.all(levels[begins] <= 30.0)
        assert np.all(levels[ends] >= 80.0)


def test_a_machine_near_its_end_is_shut_down_by_the_table_and_says_why() -> None:
    made = works(2, 8, seed=2)
    states = tuple(replace(state, running=True) for state in made.situation.assets)
    health = Health(
        asset="m0", time=made.situation.time, score=0.1, severity=Severity.D, alarm=True, trip=True, model_id="drawn"
    )  # fmt: skip
    plan = Threshold(made.site).propose(replace(made.situation, assets=states, health=(health,)))
    command = next(command for command in plan.commands if command.asset == "m0")
    assert (command.action, command.reason) == (Action.SHUTDOWN, Reason.HEALTH)
    assert "0.10" in command.words


def test_the_table_fills_an_empty_store_and_rests_below_a_full_one() -> None:
    made = works(2, 8, seed=2)
    for level, running, action, reason in (
        (21.0, False, Action.OPTIMIZE, Reason.STORE_LOW),
        (89.0, True, Action.SHUTDOWN, Reason.STORE_HIGH),
    ):
        stores = tuple(replace(store, level=level) if store.store == "s0" else store for store in made.situation.stores)
        states = tuple(replace(state, running=running, setpoint=0.7) for state in made.situation.assets)
        plan = Threshold(made.site).propose(replace(made.situation, stores=stores, assets=states))
        found = {command.asset: command for command in plan.commands}["m0"]
        assert found.reason is reason
        assert found.action in {action, Action.STARTUP if action is Action.OPTIMIZE else action}


def test_worth_follows_the_cheapest_way_to_make_it() -> None:
    made = works(2, 24, seed=6)
    flat = Series(start=made.situation.time, step_s=900.0, values=(0.2,) * 24, unit="EUR/kWh")
    situation = replace(made.situation, prices=replace(made.situation.prices, energy=flat))
    points = [point for envelope in situation.envelopes[:2] for regime in envelope.regimes for point in regime.points]
    cheapest = min(point.power_kw[0] / point.output_per_h for point in points) * 0.2
    assert worths(situation, outlook(situation))[0].price == pytest.approx(cheapest)
