"""One suite for every file of `policy/strategies`: whatever it proposes is a lawful plan, and always the same one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from plant.assets import Mode
from plant.identity import canonical
from plant.kinds import find, known
from plant.orders import Action, Plan
from plant.ports import Strategy
from plant.situation import Limit, Lock, Permit
from policy.guard import check
from policy.instances import Made, works
from policy.invariants import check as invariants

KINDS = known("policy.strategies")
STEPS = 8


def made(seed: int) -> Made:
    """A small works in a drawn state: locks, modes, trips, minimum times, withdrawn permits, levels anywhere, odd prices."""
    rng = np.random.default_rng(seed)
    base = works(int(rng.integers(1, 4)), STEPS, seed=seed)
    situation = base.situation
    states = []
    for state in situation.assets:
        modes = (Mode.CONTROL, Mode.CONTROL, Mode.CONTROL, Mode.ADVISE, Mode.SHADOW, Mode.OBSERVE)
        permit = Permit(
            start=rng.uniform() > 0.15, stop=rng.uniform() > 0.15, remote=rng.uniform() > 0.1, tripped=rng.uniform() < 0.1
        )
        states.append(
            replace(
                state,
                mode=modes[int(rng.integers(len(modes)))],
                since=None if rng.uniform() < 0.4 else situation.time - timedelta(minutes=int(rng.integers(0, 90))),
                released=bool(rng.uniform() < 0.3),
                permit=permit,
                good=bool(rng.uniform() > 0.1),
                running=None if rng.uniform() < 0.05 else bool(rng.uniform() < 0.5),
                starts_today=int(rng.integers(0, 4)),
            )
        )
    stores = tuple(replace(store, level=float(rng.uniform(-5.0, 105.0))) for store in situation.stores)
    limits = [*situation.limits, *(Limit(name="starts_per_day", high=3.0, asset=state.asset) for state in states)]
    if rng.uniform() < 0.3:
        limits.append(Limit(name="import_kw", high=5.0, price=0.5, end=situation.time + timedelta(hours=1)))
    prices = situation.prices
    if rng.uniform() < 0.3:
        energy = tuple(float(value) - 0.3 for value in prices.energy.values)
        prices = replace(prices, energy=replace(prices.energy, values=energy))
    locks = ()
    if rng.uniform() < 0.3:
        locks = (Lock(asset=states[0].asset, who="shift leader", why="bearing", since=situation.time - timedelta(hours=1)),)
    return replace(
        base,
        situation=replace(
            situation, id=f"drawn-{seed}", assets=tuple(states), stores=stores, limits=tuple(limits), prices=prices, locks=locks
        ),
    )


def strategy(kind: str, drawn: Made) -> Strategy:
    return find("policy.strategies", kind)(drawn.site)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_a_plan_is_lawful_sound_and_always_the_same(kind: str, seed: int) -> None:
    drawn = made(seed)
    first = strategy(kind, drawn)
    plan = first.propose(drawn.situation)
    assert check(plan, drawn.situation) == ()
    assert invariants(plan, drawn.situation) == ()
    assert canonical(first.propose(drawn.situation)) == canonical(plan), "a used strategy proposes the same"
    assert canonical(strategy(kind, drawn).propose(drawn.situation)) == canonical(plan), "a fresh one too"
    if plan.objective is not None and plan.bound is not None:
        assert plan.objective >= plan.bound - 1e-6 * max(1.0, abs(plan.bound))


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_survives_the_journal(kind: str) -> None:
    drawn = works(3, STEPS, seed=5)
    plan = strategy(kind, drawn).propose(drawn.situation)
    again = TypeAdapter(Plan).validate_python(json.loads(canonical(plan)))
    assert canonical(again) == canonical(plan)
    assert plan.strategy == kind
    assert plan.made_at == drawn.situation.time
    assert plan.until == drawn.situation.time + timedelta(seconds=drawn.situation.step_s * STEPS)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_of_what_may_not_be_commanded(kind: str) -> None:
    drawn = works(3, STEPS, seed=2)
    now = drawn.situation.time
    locked, watched, bad = (state.asset for state in drawn.situation.assets[:3])
    changes = {watched: {"mode": Mode.OBSERVE}, bad: {"good": False, "words": "power is BAD"}}
    states = tuple(replace(state, **changes.get(state.asset, {})) for state in drawn.situation.assets)
    locks = (Lock(asset=locked, who="shift leader", why="belt", since=now),)
    plan = strategy(kind, drawn).propose(replace(drawn.situation, assets=states, locks=locks))
    told = {command.asset for command in plan.commands if command.action is not Action.RELEASE}
    assert not told & {locked, watched, bad}


@pytest.mark.parametrize("kind", KINDS)
def test_commands_say_why_and_when_they_end(kind: str) -> None:
    for seed in range(3):
        drawn = works(4, STEPS, seed=seed)
        plan = strategy(kind, drawn).propose(drawn.situation)
        for command in plan.commands:
            assert command.words
            assert command.at == drawn.situation.time < command.expires
            assert (command.setpoint is not None) is (command.action is Action.OPTIMIZE)
