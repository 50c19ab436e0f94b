"""Rules that no plan may break, an operator's included."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plant.assets import Mode
from plant.orders import Action, Command, Plan, Reason
from plant.situation import AssetState, Limit, Lock, Permit, Situation
from policy.guard import check
from policy.instances import works


def situation(**changes: object) -> Situation:
    """Three machines and a battery; m0 stands, changed as asked."""
    found = works(3, 8, seed=1).situation
    states = tuple(replace(state, running=False, **changes) if state.asset == "m0" else state for state in found.assets)  # type: ignore[arg-type]
    return replace(found, assets=states)


def plan(seen: Situation, action: Action, setpoint: float | None = None, **changes: object) -> Plan:
    fields: dict[str, object] = {"at": seen.time, "expires": seen.time + timedelta(minutes=5), **changes}
    command = Command(
        id="c", asset="m0", action=action, setpoint=setpoint, reason=Reason.OPERATOR, words="asked", **fields  # type: ignore[arg-type]
    )  # fmt: skip
    until = seen.time + timedelta(hours=1)
    return Plan(id="p", made_at=seen.time, until=until, strategy="operator", commands=(command,))


def rules(seen: Situation, made: Plan) -> set[str]:
    return {violation.rule for violation in check(made, seen)}


def test_a_lawful_command_passes() -> None:
    seen = situation()
    assert check(plan(seen, Action.OPTIMIZE, 0.8), seen) == ()


@pytest.mark.parametrize(
    ("changes", "action", "rule"),
    [
        ({"mode": Mode.OBSERVE}, Action.STARTUP, "mode"),
        ({"good": False}, Action.STARTUP, "not_good"),
        ({"permit": Permit(start=False)}, Action.STARTUP, "permit_start"),
        ({"permit": Permit(remote=False)}, Action.STARTUP, "not_remote"),
        ({"permit": Permit(tripped=True)}, Action.STARTUP, "tripped"),
    ],
)
def test_what_the_plant_or_a_person_forbids_is_refused(changes: dict[str, object], action: Action, rule: str) -> None:
    seen = situation(**changes)
    assert rule in rules(seen, plan(seen, action))


def test_minimum_down_time_is_kept_to_the_second() -> None:
    now = situation().time
    least = situation().envelopes[0].lives[0].min_down_s
    early, due = (situation(since=now - timedelta(seconds=lasted)) for lasted in (least - 1, least))
    assert rules(early, plan(early, Action.STARTUP)) == {"min_down"}
    assert rules(due, plan(due, Action.STARTUP)) == set()


def test_a_lock_forbids_even_a_release() -> None:
    seen = situation()
    seen = replace(seen, locks=(Lock(asset="m0", who="shift leader", why="belt", since=seen.time),))
    assert rules(seen, plan(seen, Action.RELEASE)) == {"locked"}


def test_starts_of_the_day_are_counted_from_what_was_used() -> None:
    for used, broken in ((1, set()), (2, {"starts_per_day"})):
        seen = situation(starts_today=used)
        seen = replace(seen, limits=(Limit(name="starts_per_day", high=2.0, asset="m0"),))
        assert rules(seen, plan(seen, Action.STARTUP)) == broken


def test_set_points_have_a_range_and_optimize_needs_one() -> None:
    seen = situation()
    assert rules(seen, plan(seen, Action.OPTIMIZE, 1.2)) == {"setpoint_high"}
    assert rules(seen, plan(seen, Action.OPTIMIZE, 0.2)) == {"setpoint_low"}
    assert rules(seen, plan(seen, Action.OPTIMIZE)) == {"no_setpoint"}


def test_a_command_without_life_left_or_not_due_is_refused() -> None:
    seen = situation()
    assert "expired" in rules(seen, plan(seen, Action.STARTUP, expires=seen.time))
    assert "not_due" in rules(
        seen, plan(seen, Action.STARTUP, at=seen.time + timedelta(hours=2), expires=seen.time + timedelta(hours=3))
    )


def test_an_asset_that_does_not_exist_is_named() -> None:
    seen = situation()
    made = plan(seen, Action.STARTUP)
    made = replace(made, commands=(replace(made.commands[0], asset="m9"),))
    assert [violation.words for violation in check(made, seen)] == ["there is no asset m9"]


def test_a_combination_nobody_knows_is_refused() -> None:
    seen = situation()
    first, second = seen.envelopes[:2]
    group = replace(first, assets=("m0", "m1"), lives=(first.lives[0], second.lives[0]), regimes=(*first.regimes, *second.regimes))
    states: tuple[AssetState, ...] = tuple(replace(state, running=True) if state.asset == "m1" else state for state in seen.assets)
    seen = replace(seen, envelopes=(group, *seen.envelopes[2:]), assets=states)
    assert rules(seen, plan(seen, Action.STARTUP)) == {"combination"}
