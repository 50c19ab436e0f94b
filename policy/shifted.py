"""The previous plan, carried on: what it intended for the steps that are left, its last day repeated beyond."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plant.envelopes import Regime
from plant.orders import Course
from plant.situation import Situation
from policy.fixed import Fixed
from policy.layout import Layout
from policy.rounding import Choices
from policy.walk import Walked

_Intended = tuple[tuple[bool, float], ...]
"""Of each asset of a machine in one step: whether it was to run, and its set-point."""


def carried_on(plan: Layout, situation: Situation, fixed: Fixed) -> Choices | None:
    """What the previous plan would do over the steps of now; None if there is none that fits."""
    previous = situation.previous
    if previous is None or previous.until <= situation.time:
        return None
    courses = {course.asset: course for course in previous.courses}
    if not all(part.name in courses or not say.commanded for part, say in zip(plan.assets, fixed.says, strict=True)):
        return None
    found = np.full((len(plan.machines), plan.steps), -1, dtype=np.int64)
    for i, machine in enumerate(plan.machines):
        regimes, known = situation.envelopes[i].regimes, dict[_Intended, int]()
        names = [plan.assets[a].name for a in machine.assets]
        intended = zip(*(_intended(courses.get(name), fixed.local, name, situation, plan.steps) for name in names), strict=True)
        for t, each in enumerate(intended):
            if each not in known:
                known[each] = _regime(regimes, dict(zip(names, each, strict=True)))
            found[i, t] = known[each]
    return found


def _intended(course: Course | None, local: Walked, name: str, situation: Situation, steps: int) -> Sequence[tuple[bool, float]]:
    """Whether an asset was to run in each step, and its set-point."""
    if course is None:
        return list(zip((local.on[name] >= 0.5).tolist(), local.setpoint[name].tolist(), strict=True))
    on, setpoint = course.on, course.setpoint
    count, day = len(on.values), max(1, round(86400.0 / on.step_s))
    passed = int((situation.time - on.start).total_seconds() // on.step_s)
    found = []
    for step in range(steps):
        offset = passed + int(step * situation.step_s // on.step_s)
        while offset >= count:
            offset -= min(day, count)
        found.append((on.values[offset] >= 0.5, 0.0 if setpoint is None else setpoint.values[offset]))
    return found


def _regime(regimes: tuple[Regime, ...], intended: dict[str, tuple[bool, float]]) -> int:
    running = frozenset(name for name, (on, _) in intended.items() if on)
    fitting = [place for place, regime in enumerate(regimes) if frozenset(regime.running) == running]
    if not fitting or not running:
        return -1

    def distance(place: int) -> float:
        names = regimes[place].running
        return float(
            min(
                sum((value - intended[name][1]) ** 2 for value, name in zip(point.setpoints, names, strict=True))
                for point in regimes[place].points
            )
        )

    return min(fitting, key=distance)
