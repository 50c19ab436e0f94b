"""What is settled before anything is decided: assets that a plan has no say over, and how soon the others may change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from plant.envelopes import Envelope
from plant.errors import SolverError
from plant.site import Site
from plant.situation import Situation
from plant.table import Floats
from policy.curves import at_setpoints, nearest
from policy.guard import starts_allowed
from policy.local import local_course
from policy.outlook import Outlook, on_steps
from policy.risk import must_rest
from policy.standing import PERMIT_WAIT_S, Say, forbidden, free_from, lock_of, say
from policy.walk import Walked


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Bounds on what runs when, in the order of the envelopes' assets; shape (assets, steps)."""

    names: tuple[str, ...]
    says: tuple[Say, ...]
    low: Floats
    """1 where it has to run."""
    high: Floats
    """0 where it cannot run."""
    startable: npt.NDArray[np.bool_]
    """False where no start may happen."""
    regime: npt.NDArray[np.int64]
    """Shape (envelopes, steps): regime that local control runs, −1 = none, −2 = free to choose."""
    weights: tuple[tuple[int, int, tuple[float, ...]], ...]
    """(envelope, step, point weights) of the regime that local control runs."""
    today: int
    """Steps until local midnight, cut to the horizon."""
    local: Walked
    why: tuple[tuple[str, str], ...]
    """(asset, words): what is settled about assets that a plan might command."""


def fixed(site: Site, situation: Situation, ahead: Outlook) -> Fixed:
    """Settle what cannot be decided in a situation."""
    return _Settling(site, situation, ahead).settled()


class _Settling:
    def __init__(self, site: Site, situation: Situation, ahead: Outlook) -> None:
        self.site, self.situation, self.ahead, steps = site, situation, ahead, ahead.steps
        self.names = tuple(name for envelope in situation.envelopes for name in envelope.assets)
        self.says = tuple(say(situation, name) for name in self.names)
        self.local = local_course(site, situation, ahead)
        self.low, self.high = np.zeros((len(self.names), steps)), np.ones((len(self.names), steps))
        self.startable = np.ones((len(self.names), steps), dtype=np.bool_)
        self.regime = np.full((len(situation.envelopes), steps), -2, dtype=np.int64)
        self.weights: list[tuple[int, int, tuple[float, ...]]] = []
        self.why: list[tuple[str, str]] = []
        midnight = until_midnight(situation.time, ZoneInfo(site.site.timezone))
        self.today = min(steps, math.ceil(midnight / ahead.step_s - 1e-9))

    def settled(self) -> Fixed:
        for index, (name, word) in enumerate(zip(self.names, self.says, strict=True)):
            envelope = self.situation.envelope(name)
            assert envelope is not None  # names come from the envelopes
            if word.commanded:
                self._commanded(index, name, envelope)
            else:
                self._uncommanded(index, name)
        for number, envelope in enumerate(self.situation.envelopes):
            self._together(number, envelope)
        return Fixed(
            names=self.names,
            says=self.says,
            low=self.low,
            high=self.high,
            startable=self.startable,
            regime=self.regime,
            weights=tuple(self.weights),
            today=self.today,
            local=self.local,
            why=tuple(self.why),
        )

    def _steps_to(self, time: datetime | None) -> int:
        if time is None:
            return self.ahead.steps
        return min(self.ahead.steps, max(0, math.ceil((time - self.situation.time).total_seconds() / self.ahead.step_s - 1e-9)))

    def _uncommanded(self, index: int, name: str) -> None:
        state, lock = self.situation.state(name), lock_of(self.situation, name)
        course = self.local.on[name]
        if lock is not None and not state.released:
            course = np.full(self.ahead.steps, 1.0 if state.running else 0.0)
        until = self.ahead.steps if lock is None or lock.until is None else self._steps_to(lock.until)
        self.low[index, :until] = self.high[index, :until] = course[:until]

    def _commanded(self, index: int, name: str, envelope: Envelope) -> None:
        running = bool(self.situation.state(name).running)
        place = envelope.assets.index(name)
        if envelope.must_run and (must := envelope.must_run[place]) is not None:
            self.low[index] = np.asarray(on_steps(self.situation, must)) >= 0.5
        resting = must_rest(self.situation, name)
        if resting is not None:
            self.low[index], self.high[index] = 0.0, 0.0
            self.why.append((name, f"{name} must rest: health {resting.score or 0.0:.2f}, zone D"))
        self._forbidden(index, name, envelope, running)
        self._starts(index, name, envelope)
        until = self._steps_to(free_from(self.situation, envelope, name) or self.situation.time)
        if until:
            self.low[index, :until] = self.high[index, :until] = float(running)
            self.why.append((name, f"{name} may not change for {until * self.ahead.step_s / 60.0:.0f} min"))

    def _forbidden(self, index: int, name: str, envelope: Envelope, running: bool) -> None:
        stated = self.site.asset(name)
        wait = self._steps_to(self.situation.time + timedelta(seconds=PERMIT_WAIT_S))
        words = forbidden(self.situation, envelope, name, starting=True)
        if words:
            until = wait if stated.may_start else self.ahead.steps
            self.startable[index, :until] = False
            if not running:
                self.low[index, :until] = self.high[index, :until] = 0.0
                self.why.append((name, words))
        words = forbidden(self.situation, envelope, name, starting=False)
        if words and running:
            until = wait if stated.may_stop else self.ahead.steps
            self.low[index, :until] = self.high[index, :until] = 1.0
            self.why.append((name, words))

    def _starts(self, index: int, name: str, envelope: Envelope) -> None:
        most = starts_allowed(self.situation, envelope, name)
        if most is None or self.situation.state(name).starts_today < most:
            return
        self.startable[index, : self.today] = False
        self.why.append((name, f"{name} has used its {most:.0f} starts of today"))
        if not self.situation.state(name).running:
            self.high[index, : self.today] = 0.0
            self.low[index, : self.today] = 0.0

    def _together(self, number: int, envelope: Envelope) -> None:
        """Where nothing in an envelope is commanded its regime is known; else bounds must leave some regime possible."""
        members = [self.names.index(name) for name in envelope.assets]
        steps = range(self.ahead.steps)
        if any(self.says[index].commanded for index in members):
            if len(members) > 1:
                for step in steps:
                    self._possible(envelope, members, step)
            return
        locks = [lock_of(self.situation, name) for name in envelope.assets]
        ends = [self._steps_to(lock.until) for lock in locks if lock is not None and lock.until is not None]
        for step in range(min(ends, default=self.ahead.steps)):
            self._run_by_itself(number, envelope, members, step)

    def _run_by_itself(self, number: int, envelope: Envelope, members: list[int], step: int) -> None:
        running = frozenset(self.names[index] for index in members if self.low[index, step] >= 0.5)
        setpoints = {
            name: float(self.local.setpoint[name][step]) if self.local.on[name][step] else self.situation.state(name).setpoint
            for name in running
        }
        done = at_setpoints(envelope, running, setpoints)
        self.regime[number, step] = -1 if done.regime is None else done.regime
        if done.regime is not None:
            self.weights.append((number, step, weights_at(envelope, done.regime, done.setpoints)))
        elif running:
            for index in members:
                self.low[index, step] = self.high[index, step] = 0.0

    def _possible(self, envelope: Envelope, members: list[int], step: int) -> None:
        low, high = self.low[members, step], self.high[members, step]
        if not low.any() and high.all():
            return
        choices = [np.zeros(len(members))]
        choices += [np.asarray([float(name in regime.running) for name in envelope.assets]) for regime in envelope.regimes]
        if any(bool(np.all(choice >= low) and np.all(choice <= high)) for choice in choices):
            return
        misses = [float(np.sum(np.maximum(low - choice, 0.0) + np.maximum(choice - high, 0.0))) for choice in choices]
        nearest_choice = choices[int(np.argmin(misses))]
        self.low[members, step] = self.high[members, step] = nearest_choice


def going_on(settled: Fixed, situation: Situation, asset: str) -> Fixed:
    """The same with an asset, and what runs with it, going on in the first step as it is.

    Raises
    ------
    SolverError
        If nothing is known of how it runs.
    """
    number = next(n for n, envelope in enumerate(situation.envelopes) if asset in envelope.assets)
    envelope = situation.envelopes[number]
    running = frozenset(name for name in envelope.assets if situation.state(name).running)
    done = at_setpoints(envelope, running, {name: situation.state(name).setpoint for name in running})
    if running and done.regime is None:
        raise SolverError(f"nothing is known of {'+'.join(sorted(running))} running together")
    regime, low, high = settled.regime.copy(), settled.low.copy(), settled.high.copy()
    regime[number, 0] = -1 if done.regime is None else done.regime
    for name in envelope.assets:
        index = settled.names.index(name)
        low[index, 0] = high[index, 0] = float(name in running)
    own = () if done.regime is None else ((number, 0, weights_at(envelope, done.regime, done.setpoints)),)
    return replace(settled, regime=regime, low=low, high=high, weights=(*settled.weights, *own))


def weights_at(envelope: Envelope, regime: int, setpoints: tuple[float, ...]) -> tuple[float, ...]:
    """Weights of a regime's points that make set-points lying on its curve."""
    points = envelope.regimes[regime].points
    best: tuple[float, tuple[float, ...]] | None = None
    for first in range(max(1, len(points) - 1)):
        pair = points[first : first + 2]
        distance, point = nearest(replace(envelope.regimes[regime], points=pair), setpoints)
        share = 0.0
        if len(pair) == 2:
            spans = list(zip(pair[0].setpoints, pair[1].setpoints, strict=True))
            place = max(range(len(spans)), key=lambda n: abs(spans[n][1] - spans[n][0]))
            width = spans[place][1] - spans[place][0]
            share = (point.setpoints[place] - spans[place][0]) / width if width else 0.0
        found = tuple(1.0 - share if n == first else share if n == first + 1 else 0.0 for n in range(len(points)))
        if best is None or distance < best[0] - 1e-12:
            best = (distance, found)
    assert best is not None  # a regime has at least one point
    return best[1]


def until_midnight(time: datetime, zone: ZoneInfo) -> float:
    """Seconds until the next local midnight."""
    local = time.astimezone(zone)
    return 86400.0 - (local.hour * 3600.0 + local.minute * 60.0 + local.second + local.microsecond / 1e6)
