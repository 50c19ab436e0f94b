"""The invariants find a plan that cannot be, and pass one that can."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from plant.orders import Action, Course, Plan, StoreCourse
from plant.series import Series
from plant.situation import Situation
from policy.instances import works
from policy.invariants import check
from policy.strategies.hold import Hold
from policy.strategies.optimal import Optimal
from policy.strategies.threshold import Threshold


@pytest.fixture(scope="module")
def good() -> tuple[Plan, Situation]:
    made = works(3, 8, seed=4)
    return Optimal(made.site).propose(made.situation), made.situation


def changed(plan: Plan, name: str, field: str, step: int, value: float) -> Plan:
    def course(found: Course) -> Course:
        if found.asset != name:
            return found
        series = getattr(found, field)
        values = list(series.values)
        values[step] = value
        return replace(found, **{field: replace(series, values=tuple(values))})

    return replace(plan, courses=tuple(map(course, plan.courses)))


def test_a_plan_that_can_be_passes(good: tuple[Plan, Situation]) -> None:
    assert check(*good) == ()


def test_power_off_its_curve_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    running = next(course for course in plan.courses if course.on.values[3] > 0.5)
    assert any("curve says" in words for words in check(changed(plan, running.asset, "power_kw", 3, -500.0), situation))


def test_a_set_point_outside_its_range_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    running = next(course for course in plan.courses if course.asset != "battery" and course.on.values[2] > 0.5)
    found = check(changed(plan, running.asset, "setpoint", 2, 1.5), situation)
    assert any("set-point 1.5, above 1" in words for words in found)


def test_a_store_filled_from_nowhere_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good

    def lifted(found: StoreCourse) -> StoreCourse:
        values = tuple(level + 10.0 * min(step, 1) for step, level in enumerate(found.level.values))
        return replace(found, level=replace(found.level, values=values))

    found = check(replace(plan, stores=tuple(map(lifted, plan.stores))), situation)
    assert any("that nothing brings or takes" in words for words in found)


def test_a_store_beyond_its_top_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    course = plan.stores[0]
    full = replace(course, level=replace(course.level, values=(*course.level.values[:-1], 247.0)))
    assert any("it reaches from 0 to 100" in words for words in check(replace(plan, stores=(full, *plan.stores[1:])), situation))


def test_an_objective_below_its_bound_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    assert plan.bound is not None
    assert any("below its bound" in words for words in check(replace(plan, objective=plan.bound - 1.0, gap=0.0), situation))


def test_a_command_against_its_own_course_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    command = next(command for command in plan.commands if command.action is not Action.SHUTDOWN)
    turned = replace(command, action=Action.SHUTDOWN, setpoint=None)
    others = tuple(item for item in plan.commands if item is not command)
    assert any("its course says otherwise" in words for words in check(replace(plan, commands=(*others, turned)), situation))


def test_a_course_of_another_length_is_found(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    short = replace(plan.courses[0], on=replace(plan.courses[0].on, values=plan.courses[0].on.values[:-1]))
    assert any("does not cover the steps" in words for words in check(replace(plan, courses=(short, *plan.courses[1:])), situation))


def test_water_that_vanishes_is_found_unless_the_store_is_full_later(good: tuple[Plan, Situation]) -> None:
    plan, situation = good
    course, store = plan.stores[0], situation.store_specs[0]

    def lowered(last: float) -> Plan:
        values = (course.level.values[0], *(max(level - 8.0, 1.0) for level in course.level.values[1:-1]), last)
        return replace(plan, stores=(replace(course, level=replace(course.level, values=values)), *plan.stores[1:]))

    assert any("that nothing brings or takes" in words for words in check(lowered(course.level.values[-1] - 8.0), situation))
    full = check(lowered(store.top), situation)
    assert not any(words.startswith("step 0: the content of s0 changes by -") for words in full)


@pytest.mark.parametrize("step_s", [900.0, 300.0])
def test_a_plan_made_between_two_steps_passes(step_s: float) -> None:
    """What the sun gives is told by the quarter of an hour or finer; a cycle that comes at once plans from seven minutes past."""
    made = works(3, 8, seed=4)
    start, site = made.situation.time, made.site
    steps = round(8 * 900.0 / step_s)
    sun = Series(start=start, step_s=step_s, values=tuple(0.2 + 0.7 * (step % 5) / 5.0 for step in range(steps)), unit="1")
    envelopes = tuple(replace(envelope, power_factor=sun) for envelope in made.situation.envelopes)
    late = replace(made.situation, time=start + timedelta(minutes=7), envelopes=envelopes)
    for strategy in (Optimal(site), Hold(site), Threshold(site)):
        assert check(strategy.propose(late), late) == ()
