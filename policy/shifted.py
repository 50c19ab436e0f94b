"""The previous plan, carried on: what it intended for the steps that are left, its last day repeated beyond."""

from __future__ import annotations

import numpy as np

from plant.envelopes import Regime
from plant.orders import Course
from plant.situation import Situation
from policy.fixed import Fixed
from policy.layout import Layout
from policy.rounding import Choices
from policy.walk import Walked


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
        envelope = situation.envelopes[i]
        for t in range(plan.steps):
            names = [plan.assets[a].name for a in machine.assets]
            intended = {name: _at(courses.get(name), fixed.local, name, situation, t) for name in names}
            running = frozenset(name for name, (on, _) in intended.items() if on)
            found[i, t] = _regime(envelope.regimes, running, intended)
    return found


def _at(course: Course | None, local: Walked, name: str, situation: Situation, step: int) -> tuple[bool, float]:
    if course is None:
        return bool(local.on[name][step] >= 0.5), float(local.setpoint[name][step])
    series = course.on
    offset = int((situation.time - series.start).total_seconds() // series.step_s) + int(step * situation.step_s // series.step_s)
    day = max(1, round(86400.0 / series.step_s))
    while offset >= len(series.values):
        offset -= min(day, len(series.values))
    setpoint = 0.0 if course.setpoint is None else course.setpoint.values[offset]
    return series.values[offset] >= 0.5, setpoint


def _regime(regimes: tuple[Regime, ...], running: frozenset[str], intended: dict[str, tuple[bool, float]]) -> int:
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
