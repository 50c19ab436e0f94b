"""What must be true of every plan, worked out again from its courses alone.

Nothing here shares code with the model, its curves or its walk: a fault there must not hide itself here. A plan that
fails is never rehearsed, and that is an alarm.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from plant.assets import Store
from plant.envelopes import Envelope, Regime
from plant.orders import Action, Course, Plan
from plant.series import Series
from plant.situation import Situation
from plant.table import Floats

POWER_SHARE, POWER_KW = 0.03, 0.5
"""Power may differ from the curve by so much: between points it is interpolated along another coordinate."""
RATE_SHARE = 0.02
"""Accepted residual of a store's balance, as a share of the largest rate that enters or leaves it."""
LEVEL_SHARE = 1e-3
"""Accepted excess of a level, as a share of the store's height."""


def check(plan: Plan, situation: Situation) -> tuple[str, ...]:
    """What is wrong with a plan, one sentence each; empty if nothing is."""
    found = [*_figures(plan), *_shapes(plan, situation)]
    if any("does not cover" in words for words in found):
        return tuple(found)
    found += _commands(plan, situation)
    for envelope in situation.envelopes:
        found += _times(plan, situation, envelope)
        found += _curves(plan, situation, envelope)
    for store in situation.store_specs:
        found += _levels(plan, situation, store)
        found += _balance(plan, situation, store)
    found += _import(plan, situation)
    return tuple(found)


def _figures(plan: Plan) -> Iterator[str]:
    if plan.objective is not None and plan.bound is not None:
        if plan.objective < plan.bound - 1e-5 * max(1.0, abs(plan.bound)):
            yield f"the objective {plan.objective:g} is below its bound {plan.bound:g}"
        gap = (plan.objective - plan.bound) / max(abs(plan.objective), 1e-9)
        if plan.gap is not None and abs(max(0.0, gap) - plan.gap) > 1e-6 * max(1.0, abs(gap)):
            yield f"the gap {plan.gap:g} is not (objective − bound) / |objective| = {gap:g}"
    if plan.until <= plan.made_at:
        yield "the plan ends before it begins"


def _shapes(plan: Plan, situation: Situation) -> Iterator[str]:
    lives = {name: life for envelope in situation.envelopes for name, life in zip(envelope.assets, envelope.lives, strict=True)}
    for course in plan.courses:
        every = (course.on, course.power_kw, *([course.setpoint] if course.setpoint else []))
        if not all(_covers(series, situation) for series in every):
            yield f"the course of {course.asset} does not cover the steps of the situation"
            continue
        if min(course.on.values) < -1e-9 or max(course.on.values) > 1.0 + 1e-9:
            yield f"{course.asset} runs for a share outside 0..1"
        life = lives.get(course.asset)
        if life is None or course.setpoint is None:
            continue
        values = [value for on, value in zip(course.on.values, course.setpoint.values, strict=True) if on > 0.01]
        slack = 1e-4 * max(1.0, abs(life.setpoint_high or 0.0))
        if values and life.setpoint_low is not None and min(values) < life.setpoint_low - slack:
            yield f"{course.asset} is planned at set-point {min(values):g}, below {life.setpoint_low:g}"
        if values and life.setpoint_high is not None and max(values) > life.setpoint_high + slack:
            yield f"{course.asset} is planned at set-point {max(values):g}, above {life.setpoint_high:g}"


def _covers(series: Series, situation: Situation) -> bool:
    same_steps = series.start == situation.time and series.step_s == situation.step_s
    return same_steps and len(series.values) == situation.steps


def _commands(plan: Plan, situation: Situation) -> Iterator[str]:
    courses = {course.asset: course for course in plan.courses}
    for command in plan.commands:
        if command.at != situation.time:
            yield f"the command to {command.asset} is not due in the first step"
        course = courses.get(command.asset)
        if course is None or command.action is Action.RELEASE:
            continue
        if (course.on.values[0] >= 0.5) is not (command.action is not Action.SHUTDOWN):
            yield f"{command.asset} is told {command.action.value} but its course says otherwise"


def _running(course: Course) -> list[bool]:
    return [value >= 0.5 for value in course.on.values]


def _times(plan: Plan, situation: Situation, envelope: Envelope) -> Iterator[str]:
    """Minimum times from the last change on; what runs at the end of the horizon is not judged."""
    for name, life in zip(envelope.assets, envelope.lives, strict=True):
        course = next((found for found in plan.courses if found.asset == name), None)
        if course is None or any(0.01 < value < 0.99 for value in course.on.values):
            continue
        state, step_s = situation.state(name), situation.step_s
        now, since = bool(state.running), state.since
        for step, on in enumerate(_running(course)):
            time = situation.time + timedelta(seconds=step * step_s)
            if on is now:
                continue
            least_s = life.min_up_s if now else life.min_down_s
            if since is not None and (time - since).total_seconds() < least_s - 1e-6 and not _forced(envelope, name, time, on):
                lasted = (time - since).total_seconds() / 60.0
                yield f"{name} changes at {time:%H:%M} after {lasted:.0f} min in its state, {least_s / 60.0:.0f} are needed"
            now, since = on, time


def _forced(envelope: Envelope, name: str, time: datetime, on: bool) -> bool:
    """Whether a production plan asks for the change."""
    plan = envelope.must_run[envelope.assets.index(name)] if envelope.must_run else None
    return plan is not None and on and plan.at(time) >= 0.5


def _mean(series: Series | None, situation: Situation) -> Floats:
    if series is None:
        return np.ones(situation.steps)
    return np.asarray(series.resampled(situation.time, situation.step_s, situation.steps))


def _curves(plan: Plan, situation: Situation, envelope: Envelope) -> Iterator[str]:
    """Power of the machines of an envelope against the curve of the combination that runs."""
    courses = [next((found for found in plan.courses if found.asset == name), None) for name in envelope.assets]
    known = [course for course in courses if course is not None]
    if len(known) != len(courses) or any(course.setpoint is None for course in known):
        return
    factor = _mean(envelope.power_factor, situation)
    for step in range(situation.steps):
        shares = [course.on.values[step] for course in known]
        if any(0.01 < share < 0.99 for share in shares):
            continue
        running = tuple(name for name, share in zip(envelope.assets, shares, strict=True) if share >= 0.5)
        if not running:
            continue
        setpoints = {course.asset: course.setpoint.values[step] for course in known if course.setpoint is not None}
        curve = _interpolated(envelope, running, setpoints)
        if curve is None:
            yield f"step {step}: nothing is known of {'+'.join(running)} running together"
            return
        meant = sum(course.power_kw.values[step] for course in known if course.asset in running)
        allowed = POWER_SHARE * abs(curve[1]) * abs(factor[step]) + POWER_KW + _starting_kw(envelope, known, situation, step)
        if abs(meant - curve[1] * factor[step]) > allowed:
            due = curve[1] * factor[step]
            yield f"step {step}: {'+'.join(running)} are planned to draw {meant:.1f} kW, their curve says {due:.1f}"
            return


def _starting_kw(envelope: Envelope, courses: list[Course], situation: Situation, step: int) -> float:
    extra = 0.0
    for course, life in zip(courses, envelope.lives, strict=True):
        before = bool(situation.state(course.asset).running) if step == 0 else course.on.values[step - 1] >= 0.5
        if course.on.values[step] >= 0.5 and not before:
            extra += life.start_energy_kwh * 3600.0 / situation.step_s
    return extra


def _interpolated(envelope: Envelope, running: tuple[str, ...], setpoints: dict[str, float]) -> tuple[float, float, float] | None:
    """(output, power, input) of a combination at set-points: the nearest place on its curves counts."""
    best: tuple[float, tuple[float, float, float]] | None = None
    for regime in (found for found in envelope.regimes if set(found.running) == set(running)):
        wanted = [setpoints[name] for name in regime.running]
        for distance, values in _places(regime, wanted):
            if best is None or distance < best[0]:
                best = distance, values
    return None if best is None else best[1]


def _places(regime: Regime, wanted: list[float]) -> Iterator[tuple[float, tuple[float, float, float]]]:
    points = [*regime.points, regime.points[-1]]
    for one, other in pairwise(points):
        away = [end - begin for begin, end in zip(one.setpoints, other.setpoints, strict=True)]
        length = sum(part * part for part in away)
        gone = sum((found - begin) * part for found, begin, part in zip(wanted, one.setpoints, away, strict=True))
        share = 0.0 if length == 0.0 else min(1.0, max(0.0, gone / length))
        off = (begin + share * part - found for found, begin, part in zip(wanted, one.setpoints, away, strict=True))
        values = (
            (1.0 - share) * one.output_per_h + share * other.output_per_h,
            (1.0 - share) * sum(one.power_kw) + share * sum(other.power_kw),
            (1.0 - share) * one.input_per_h + share * other.input_per_h,
        )
        yield sum(part * part for part in off), values


def _course_of_store(plan: Plan, name: str) -> Floats | None:
    course = next((found for found in plan.stores if found.store == name), None)
    return None if course is None else np.asarray(course.level.values)


def _levels(plan: Plan, situation: Situation, store: Store) -> Iterator[str]:
    levels, now = _course_of_store(plan, store.name), situation.store(store.name).level
    if levels is None:
        return
    if len(levels) != situation.steps + 1:
        yield f"the course of {store.name} does not cover the steps of the situation"
        return
    if now is not None and abs(levels[0] - now) > LEVEL_SHARE * max(1.0, abs(now)):
        yield f"{store.name} is planned from {levels[0]:g}, it stands at {now:g}"
    slack = LEVEL_SHARE * (store.top - store.bottom)
    low, high = min(store.bottom, levels[0]) - slack, max(store.top, levels[0]) + slack
    if float(levels.min()) < low or float(levels.max()) > high:
        span = f"{store.bottom:g} to {store.top:g}"
        yield f"{store.name} is planned between {levels.min():g} and {levels.max():g}, it reaches from {span}"


def _balance(plan: Plan, situation: Situation, store: Store) -> Iterator[str]:
    """Change of content against what enters and leaves; only unserved demand or an overflow may make up a difference.

    What overflows once a store is full may be missing from any step before: lived through, the store is as full by then.
    A plan that is at its wits' end (a room gets too warm and its only cooler is locked) has to say so itself.
    """
    levels = _course_of_store(plan, store.name)
    touching = [e for e in situation.envelopes if store.name in (e.store, e.input_store, e.second_store)]
    courses = {course.asset for course in plan.courses}
    if plan.strategy not in {"optimal", "clairvoyant"} or levels is None or len(levels) != situation.steps + 1:
        return
    shared = sum(1 for other in situation.store_specs if other.service == store.service) > 1
    if (
        shared
        or any(name not in courses for envelope in touching for name in envelope.assets)
        or any(e.second_store for e in touching)
    ):
        return
    rates = [_rates(plan, situation, envelope, store) for envelope in touching]
    if any(rate is None for rate in rates):
        return
    entering = np.sum([rate for rate in rates if rate is not None], axis=0) if rates else np.zeros(situation.steps)
    demand, leaving = _demand(situation, store), _losses(situation, store, levels) + _flows(plan, situation, store)
    size = store.size_per_level or 1.0
    change = np.diff(levels) * size * 3600.0 / situation.step_s
    residual = change - (entering - demand - leaving)
    scale = max(float(np.max(np.abs(entering), initial=0.0)), float(np.max(np.abs(demand), initial=0.0)), 1e-6)
    slack = RATE_SHARE * scale + LEVEL_SHARE * (store.top - store.bottom) * size
    edge = LEVEL_SHARE * (store.top - store.bottom)
    full, empty = levels[1:] >= max(store.top, levels[0]) - edge, levels[1:] <= min(store.bottom, levels[0]) + edge
    short = np.maximum(demand, 0.0)
    filled = np.logical_or.accumulate(full[::-1])[::-1]
    wrong = (residual > slack + short) & ~empty & (not _says(plan, f"{store.name} lacks "))
    wrong |= (residual < -slack - np.maximum(-demand, 0.0)) & ~filled & (not _says(plan, f"{store.name} cannot take "))
    if wrong.any():
        step = int(np.argmax(wrong))
        yield f"step {step}: the content of {store.name} changes by {residual[step]:.3g} per hour that nothing brings or takes"


def _says(plan: Plan, words: str) -> bool:
    return any(said.startswith(words) for said in plan.binding)


def _rates(plan: Plan, situation: Situation, envelope: Envelope, store: Store) -> Floats | None:
    """What an envelope brings a store over the steps; None where a machine runs part of a step or only just starts up."""
    if any(life.startup_s > 0 for life in envelope.lives):
        return None
    courses = {course.asset: course for course in plan.courses if course.asset in envelope.assets}
    factor, found = _mean(envelope.output_factor, situation), np.zeros(situation.steps)
    for step in range(situation.steps):
        if any(0.01 < course.on.values[step] < 0.99 or course.setpoint is None for course in courses.values()):
            return None
        running = tuple(name for name in envelope.assets if courses[name].on.values[step] >= 0.5)
        setpoints = {name: series.values[step] for name in running if (series := courses[name].setpoint) is not None}
        curve = _interpolated(envelope, running, setpoints) if running else (0.0, 0.0, 0.0)
        if curve is None:
            return None
        found[step] += curve[0] * factor[step] if envelope.store == store.name else 0.0
        found[step] -= curve[2] if envelope.input_store == store.name else 0.0
    return found


def _demand(situation: Situation, store: Store) -> Floats:
    service = next(found for found in situation.services if found.name == store.service)
    forecast = situation.forecast(service.demand) if service.demand else None
    if forecast is None:
        return np.zeros(situation.steps)
    return np.asarray(forecast.p50.resampled(situation.time, situation.step_s, situation.steps))


def _losses(situation: Situation, store: Store, levels: Floats) -> Floats:
    series = next((found for tag, found in situation.ambient if tag == store.ambient), None)
    ambient = 0.0 if series is None else np.asarray(series.resampled(situation.time, situation.step_s, situation.steps))
    return np.asarray(store.loss_a + store.loss_b * ((levels[:-1] + levels[1:]) / 2.0 - ambient))


def _flows(plan: Plan, situation: Situation, store: Store) -> Floats:
    """What transports take out of a store, at the mean levels of each step."""
    found = np.zeros(situation.steps)
    for flow in situation.flows:
        source, target = _course_of_store(plan, flow.source), _course_of_store(plan, flow.target)
        if store.name not in (flow.source, flow.target) or source is None or target is None:
            continue
        head = (source[:-1] + source[1:] - target[:-1] - target[1:]) / 2.0
        rate = (flow.a_per_h or 0.0) + (flow.b_per_h or 0.0) * head
        found += rate if store.name == flow.source else -rate
    return found


def _import(plan: Plan, situation: Situation) -> Iterator[str]:
    """A hard import limit is kept, or the plan says itself that it cannot be."""
    limits = [found for found in situation.limits if found.name == "import_kw" and found.asset is None and found.price is None]
    every = {name for envelope in situation.envelopes for name in envelope.assets}
    if not limits or every != {course.asset for course in plan.courses} or plan.strategy not in {"optimal", "clairvoyant"}:
        return
    load = situation.forecast(situation.load_target) if situation.load_target else None
    total = np.sum([course.power_kw.values for course in plan.courses], axis=0)
    if load is not None:
        total = total + np.asarray(load.p50.resampled(situation.time, situation.step_s, situation.steps))
    for limit in limits:
        high = np.full(situation.steps, limit.high)
        for step in range(situation.steps):
            begin = situation.time + timedelta(seconds=step * situation.step_s)
            if (limit.end is not None and begin >= limit.end) or (limit.start is not None and begin < limit.start):
                high[step] = np.inf
        worst = int(np.argmax(total - high))
        if total[worst] > high[worst] + 1e-3 * max(1.0, abs(limit.high)) and not any("import" in words for words in plan.binding):
            yield f"step {worst}: the site draws {total[worst]:.1f} kW, the limit is {limit.high:g} and the plan does not say so"
