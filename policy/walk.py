"""Living through the hours ahead with a rule per step: local control, holding, rule tables.

This is a forecast of what a rule does, not a rehearsal: one future, the median of every forecast, no failures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from plant.assets import Flow, Store
from plant.envelopes import Envelope
from plant.orders import Course, StoreCourse
from plant.series import Series
from plant.situation import Situation
from plant.table import Floats
from policy.curves import Operating, at_setpoints
from policy.outlook import Outlook, ambient_of, on_steps, outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a rule wants of one asset in one step; None as set-point = where the machine gives most."""

    on: bool
    setpoint: float | None = None


@dataclass(slots=True, kw_only=True)
class Moment:
    """The site at the start of a step, as rules see it; moved on by the walk."""

    step: int
    levels: dict[str, float]
    on: dict[str, bool]
    setpoints: dict[str, float | None]


Rule = Callable[[str, Moment], Wish]


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """The course of a walk; arrays have shape (steps,), levels (steps + 1,)."""

    on: Mapping[str, Floats]
    setpoint: Mapping[str, Floats]
    power_kw: Mapping[str, Floats]
    levels: Mapping[str, Floats]
    unserved: Mapping[str, Floats]
    """Per service, units per hour."""

    def total_kw(self) -> Floats:
        """Power of all assets together."""
        return np.asarray(np.sum(list(self.power_kw.values()), axis=0)) if self.power_kw else np.zeros(1)


@dataclass(slots=True, kw_only=True)
class _Books:
    inflow: dict[str, float] = field(default_factory=dict)
    direct: dict[str, float] = field(default_factory=dict)

    def put(self, store: str | None, service: str | None, rate: float) -> None:
        """Book a rate into a store, or straight to the demand of a service."""
        if store is not None:
            self.inflow[store] = self.inflow.get(store, 0.0) + rate
        elif service is not None:
            self.direct[service] = self.direct.get(service, 0.0) + rate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """What the machines of an envelope do, laid out as it is written down."""

    done: Operating
    setpoints: tuple[tuple[str, float], ...]
    """Of the machines that run in a regime that is known."""
    drawn: tuple[tuple[str, bool, float, float], ...]
    """Of every machine: whether it runs, what it draws before the factor, and its standby."""


def walk(situation: Situation, rule: Rule, ahead: Outlook | None = None) -> Walked:
    """Live through the steps of a situation by a rule."""
    return _Walk(situation, outlook(situation) if ahead is None else ahead).run(rule)


class _Walk:
    def __init__(self, situation: Situation, ahead: Outlook) -> None:
        self.situation, self.ahead, steps = situation, ahead, ahead.steps
        names = [asset for envelope in situation.envelopes for asset in envelope.assets]
        self.on = {name: [0.0] * steps for name in names}
        self.setpoint = {name: [0.0] * steps for name in names}
        self.power = {name: [0.0] * steps for name in names}
        self.levels = {store.name: np.zeros(steps + 1) for store in situation.store_specs}
        self.unserved = {service.name: np.zeros(steps) for service in situation.services}
        self.known: dict[tuple[int, tuple[bool, ...], tuple[float | None, ...]], _Ran] = {}
        self.ambient = {store.name: ambient_of(situation, store) for store in situation.store_specs}
        self.power_factor = [self._factor(envelope.power_factor) for envelope in situation.envelopes]
        self.output_factor = [self._factor(envelope.output_factor) for envelope in situation.envelopes]
        wanted = dict(ahead.demand)
        self.demand = {service.name: wanted.get(service.name) for service in situation.services}
        self.stores = {
            service.name: [store for store in situation.store_specs if store.service == service.name]
            for service in situation.services
        }

    def _factor(self, series: Series | None) -> list[float]:
        """Plain numbers: looked up one at a time, they are faster than an array's."""
        return [1.0] * self.ahead.steps if series is None else [float(value) for value in on_steps(self.situation, series)]

    def run(self, rule: Rule) -> Walked:
        moment = self._first()
        for step in range(self.ahead.steps):
            moment.step = step
            for name, level in moment.levels.items():
                self.levels[name][step] = level
            wishes = {name: rule(name, moment) for name in self.on}
            moment.on = {name: wish.on for name, wish in wishes.items()}
            moment.setpoints = {name: wish.setpoint for name, wish in wishes.items()}
            books = _Books()
            for index, envelope in enumerate(self.situation.envelopes):
                self._operate(index, envelope, step, moment, books)
            self._demand(step, moment, books)
            self._stores(step, moment, books)
        for name, level in moment.levels.items():
            self.levels[name][-1] = level
        on, setpoint, power = (
            {name: np.asarray(values) for name, values in found.items()} for found in (self.on, self.setpoint, self.power)
        )
        return Walked(on=on, setpoint=setpoint, power_kw=power, levels=self.levels, unserved=self.unserved)

    def _first(self) -> Moment:
        levels = {store.name: level_now(self.situation, store) for store in self.situation.store_specs}
        states = {name: self.situation.state(name) for name in self.on}
        return Moment(
            step=0,
            levels=levels,
            on={name: bool(state.running) for name, state in states.items()},
            setpoints={name: state.setpoint for name, state in states.items()},
        )

    def _operate(self, index: int, envelope: Envelope, step: int, moment: Moment, books: _Books) -> None:
        ran = self._ran(index, envelope, moment)
        for name, setpoint in ran.setpoints:
            self.setpoint[name][step] = setpoint
        factor, done = self.power_factor[index][step], ran.done
        for name, on, power, standby in ran.drawn:
            if on:
                self.on[name][step] = 1.0
            self.power[name][step] = power * factor + standby
        books.put(envelope.store, envelope.service, done.output_per_h * self.output_factor[index][step])
        if envelope.input_store is not None:
            books.put(envelope.input_store, None, -done.input_per_h)
        if envelope.second_store is not None:
            books.put(envelope.second_store, None, done.second_output_per_h)

    def _ran(self, index: int, envelope: Envelope, moment: Moment) -> _Ran:
        """What the machines of an envelope do; rules seldom change set-points, so what was found once is kept."""
        names, on, setpoints = envelope.assets, moment.on, moment.setpoints
        key = (index, tuple([on[name] for name in names]), tuple([setpoints[name] for name in names]))
        ran = self.known.get(key)
        if ran is None:
            running = frozenset([name for name in names if on[name]])
            ran = self.known[key] = _ran(envelope, running, at_setpoints(envelope, running, setpoints))
        return ran

    def _demand(self, step: int, moment: Moment, books: _Books) -> None:
        for service in self.situation.services:
            wanted, stores = self.demand[service.name], self.stores[service.name]
            left = (0.0 if wanted is None else float(wanted[step])) - books.direct.get(service.name, 0.0)
            if not stores:
                self.unserved[service.name][step] = max(0.0, left)
                continue
            if wanted is None:
                continue
            content = [max(moment.levels[store.name] - store.bottom, 1e-9) * _size(store) for store in stores]
            for store, held in zip(stores, content, strict=True):
                books.put(store.name, None, -left * held / sum(content))

    def _stores(self, step: int, moment: Moment, books: _Books) -> None:
        for flow in self.situation.flows:
            self._flow(flow, moment, books)
        for store in self.situation.store_specs:
            level, size = moment.levels[store.name], _size(store)
            loss = store.loss_a + store.loss_b * (level - self.ambient[store.name][step])
            after = level + (books.inflow.get(store.name, 0.0) - loss) * self.ahead.step_h / size
            if after < store.bottom and after < level:
                missing = (min(store.bottom, level) - after) * size / self.ahead.step_h
                self.unserved[store.service][step] += missing
                after = min(store.bottom, level)
            moment.levels[store.name] = min(after, max(store.top, level))

    def _flow(self, flow: Flow, moment: Moment, books: _Books) -> None:
        head = moment.levels[flow.source] - moment.levels[flow.target]
        rate = (flow.a_per_h or 0.0) + (flow.b_per_h or 0.0) * head
        books.put(flow.source, None, -rate)
        books.put(flow.target, None, rate)


def _ran(envelope: Envelope, running: frozenset[str], done: Operating) -> _Ran:
    names = () if done.regime is None else envelope.regimes[done.regime].running
    powers = dict(zip(names, done.power_kw, strict=True))
    resting = envelope.off_power_kw or (0.0,) * len(envelope.assets)
    return _Ran(
        done=done,
        setpoints=tuple(zip(names, done.setpoints, strict=True)),
        drawn=tuple(
            (name, name in running, powers.get(name, 0.0), 0.0 if name in running else standby)
            for name, standby in zip(envelope.assets, resting, strict=True)
        ),
    )


def _size(store: Store) -> float:
    return store.size_per_level or 1.0


def level_now(situation: Situation, store: Store) -> float:
    """The level of a store now; the middle of its accepted band where it is not known."""
    level = situation.store(store.name).level
    return (store.low + store.high) / 2.0 if level is None else level


def course_of(situation: Situation, name: str, on: Floats, setpoint: Floats | None, power_kw: Floats) -> Course:
    """Arrays over the steps as a Course."""

    def series(values: Floats, unit: str) -> Series:
        return Series(
            start=situation.time, step_s=situation.step_s, values=tuple(np.asarray(values, dtype=np.float64).tolist()), unit=unit
        )

    return Course(
        asset=name,
        on=series(on, "1"),
        setpoint=None if setpoint is None else series(setpoint, "1"),
        power_kw=series(power_kw, "kW"),
    )


def store_course(situation: Situation, store: Store, levels: Floats) -> StoreCourse:
    """Levels at the start of each step and one at the end as a StoreCourse."""
    values = tuple(np.asarray(levels, dtype=np.float64).tolist())
    return StoreCourse(
        store=store.name, level=Series(start=situation.time, step_s=situation.step_s, values=values, unit=store.unit)
    )


def courses(situation: Situation, walked: Walked, only: frozenset[str] | None = None) -> tuple[Course, ...]:
    """The courses of a walk, of all assets or of the named ones."""
    return tuple(
        course_of(situation, name, walked.on[name], walked.setpoint[name], walked.power_kw[name])
        for name in walked.on
        if only is None or name in only
    )


def store_courses(situation: Situation, walked: Walked) -> tuple[StoreCourse, ...]:
    """The store courses of a walk."""
    return tuple(store_course(situation, store, walked.levels[store.name]) for store in situation.store_specs)
