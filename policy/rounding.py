"""From a relaxed solution to one that machines can run: rounding, then repair of minimum times and settled bounds.

The repair goes forward in time and keeps to what each machine may do next, so what comes out always respects minimum
times, combinations and what is settled; where nothing better is allowed an envelope keeps its present regime.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.situation import Situation
from plant.table import Floats
from policy.fixed import Fixed
from policy.layout import Layout, MachinePart
from policy.outlook import Outlook

STAY = 1.0
"""Debt beyond which a machine changes its regime: without it machines would start and stop in every other step."""

Choices = npt.NDArray[np.int64]
"""Shape (machines, steps): place of the regime among its machine's, −1 = none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """How long each asset has been in its state, in steps, in the order of the layout's assets."""

    running: tuple[bool, ...]
    steps: tuple[int, ...]
    starts_left: tuple[float, ...]
    """Of today."""
    starts_a_day: tuple[float, ...]


def past(plan: Layout, situation: Situation, ahead: Outlook, most: tuple[float | None, ...]) -> Past:
    """The past of all assets."""
    states = [situation.state(part.name) for part in plan.assets]
    since = [
        10**6 if state.since is None else int((situation.time - state.since).total_seconds() / ahead.step_s + 1e-9)
        for state in states
    ]
    left = [np.inf if limit is None else max(0.0, limit - state.starts_today) for limit, state in zip(most, states, strict=True)]
    return Past(
        running=tuple(bool(state.running) for state in states),
        steps=tuple(since),
        starts_left=tuple(left),
        starts_a_day=tuple(np.inf if limit is None else limit for limit in most),
    )


def rounded(plan: Layout, shares: Floats, threshold: float) -> Choices:
    """The regime each machine would run in each step: the largest one where all together reach a threshold.

    Parameters
    ----------
    shares
        Relaxed regime binaries, shape (regimes, any number of steps).
    """
    found = np.full((len(plan.machines), shares.shape[1]), -1, dtype=np.int64)
    for i, machine in enumerate(plan.machines):
        if not machine.regimes:
            continue
        own = shares[list(machine.regimes)]
        found[i] = np.where(own.sum(axis=0) >= threshold, np.argmax(own, axis=0), -1)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the machines may draw together, and what each regime draws; shapes (steps,) and (regimes, steps), kW."""

    total_kw: Floats
    regime_kw: Floats


def repaired(plan: Layout, choices: Choices, shares: Floats, fixed: Fixed, before: Past) -> Choices:
    """The nearest choices that minimum times, starts and settled bounds allow."""
    repair = Repair(plan, fixed, before)
    return repair.forward(choices, shares, plan.steps)


class Repair:
    """Goes forward in time with all machines; may be asked to go on from where it stopped."""

    def __init__(self, plan: Layout, fixed: Fixed, before: Past) -> None:
        self.machines = [
            _Machine(plan, number, machine, fixed, before) if machine.regimes else None
            for number, machine in enumerate(plan.machines)
        ]
        self.done = 0
        """Steps that are settled."""

    def forward(self, wanted: Choices, shares: Floats, until: int) -> Choices:
        """Settle the steps up to `until` as near to what is wanted as allowed; returns all steps, later ones as wanted."""
        found, wishes = wanted.copy(), wanted.T.tolist()
        for t in range(self.done, until):
            picked = [
                -1 if one is None else one.choice(wish, shares, t) for wish, one in zip(wishes[t], self.machines, strict=True)
            ]
            self.run(picked, t)
            found[:, t] = picked
        self.done = until
        return found

    def run(self, picked: list[int], t: int) -> None:
        """Move all machines on by a step; one whose companion elsewhere does not run stands still if it may."""
        running = {a for place, one in zip(picked, self.machines, strict=True) if one is not None for a in one.running[place]}
        for i, machine in enumerate(self.machines):
            if machine is None:
                continue
            alone = any(one in machine.running[picked[i]] and other not in running for one, other in machine.machine.needs)
            if alone and machine.allowed(-1, t, strict=True):
                picked[i] = -1
            machine.run(picked[i])


class Pace:
    """Sum-up rounding that respects minimum times and the room that limits leave (Sager, Bock and Diehl 2012).

    In every step each machine runs the regime whose debt (shares promised, not given) is largest among those it may run.
    Where all together would draw more than there is room for, those with the smallest debt wait if they may; what they
    are owed stays, so they run in one of the next steps.
    """

    def __init__(self, plan: Layout, repair: Repair) -> None:
        self._plan, self._repair = plan, repair
        self._debts = [np.zeros(len(machine.regimes) + 1) for machine in plan.machines]

    def forward(self, shares: Floats, room: Room, until: int) -> Choices:
        """Settle the steps up to `until`; returns those newly settled."""
        begin = self._repair.done
        found = np.full((len(self._plan.machines), until - begin), -1, dtype=np.int64)
        for debt in self._debts:
            debt[:] = 0.0
        for t in range(begin, until):
            picked = self._picked(shares, t)
            self._fit(picked, room, t)
            self._repair.run(picked, t)
            for i, place in enumerate(picked):
                self._debts[i][place] -= 1.0
            found[:, t - begin] = picked
        self._repair.done = until
        return found

    def _picked(self, shares: Floats, t: int) -> list[int]:
        picked = []
        for i, part in enumerate(self._plan.machines):
            machine = self._repair.machines[i]
            if machine is None:
                picked.append(-1)
                continue
            own = shares[list(part.regimes), t]
            self._debts[i][:-1] += own
            self._debts[i][-1] += 1.0 - own.sum()
            now = machine.place()
            self._debts[i][now] += STAY
            wanted = int(np.argmax(self._debts[i]))
            self._debts[i][now] -= STAY
            picked.append(machine.choice(wanted if wanted < len(part.regimes) else -1, shares, t))
        return picked

    def _fit(self, picked: list[int], room: Room, t: int) -> None:
        def draw(i: int) -> float:
            machine = self._repair.machines[i]
            if machine is None or picked[i] < 0:
                return 0.0
            return float(room.regime_kw[self._plan.machines[i].regimes[picked[i]], t]) + machine.starting_kw(picked[i])

        total = sum(map(draw, range(len(picked))))
        waiting = [i for i in range(len(picked)) if draw(i) > 0.0]
        for i in sorted(waiting, key=lambda i: float(self._debts[i][picked[i]] - self._debts[i][-1])):
            machine = self._repair.machines[i]
            if total <= room.total_kw[t] + 1e-6:
                return
            if machine is not None and machine.allowed(-1, t, strict=True):
                total -= draw(i)
                picked[i] = -1


class _Machine:
    """One envelope on its way: which assets run, for how long, how many starts they have left."""

    def __init__(self, plan: Layout, number: int, machine: MachinePart, fixed: Fixed, before: Past) -> None:
        self.machine, self.fixed, self.before = machine, fixed, before
        self.assets = list(machine.assets)
        self.runs = [tuple(a in plan.regimes[k].assets for a in self.assets) for k in machine.regimes]
        self.runs.append((False,) * len(self.assets))
        self.running = [{a for a, on in zip(self.assets, runs, strict=True) if on} for runs in self.runs]
        """The assets that each regime runs; none in the last place."""
        self.up = [plan.assets[a].up_steps for a in self.assets]
        self.down = [plan.assets[a].down_steps for a in self.assets]
        self.pairs = [
            (self.assets.index(one), self.assets.index(other)) for one, other in machine.needs if {one, other} <= set(self.assets)
        ]
        self.on = tuple(before.running[a] for a in self.assets)
        self.lasted = [before.steps[a] for a in self.assets]
        self.left = [before.starts_left[a] for a in self.assets]
        # Plain lists: looked up one at a time, they are faster than arrays.
        self.low: list[list[bool]] = (fixed.low[self.assets] >= 0.5).tolist()
        self.high: list[list[bool]] = (fixed.high[self.assets] >= 0.5).tolist()
        self.startable: list[list[bool]] = fixed.startable[self.assets].tolist()
        self.known: list[int] = fixed.regime[number].tolist()
        self.start_kw = [plan.assets[a].start_kwh / plan.step_h for a in self.assets]

    def choice(self, wanted: int, shares: Floats, t: int) -> int:
        """The regime nearest to the wanted one among those allowed."""
        if t == self.fixed.today:
            self.left = [self.before.starts_a_day[a] for a in self.assets]
        known = self.known[t]
        return known if known >= -1 else self._choice(wanted, shares, t)

    def run(self, chosen: int) -> None:
        """Move on by a step."""
        after = self.runs[chosen]
        for n, (now, then) in enumerate(zip(after, self.on, strict=True)):
            self.left[n] -= now and not then
            self.lasted[n] = self.lasted[n] + 1 if now is then else 1
        self.on = after

    def place(self) -> int:
        """The first regime that runs what runs now (−1 = none)."""
        return next((place for place, runs in enumerate(self.runs[:-1]) if runs == self.on), -1)

    def starting_kw(self, place: int) -> float:
        """Power that the starts of a regime take besides its curve."""
        pairs = zip(self.runs[place], self.on, self.start_kw, strict=True)
        return sum(extra for now, then, extra in pairs if now and not then)

    def _choice(self, wanted: int, shares: Floats, t: int) -> int:
        if self.allowed(wanted, t, strict=True):
            return wanted
        places: list[int] = [*range(len(self.machine.regimes)), -1]
        for strict in (True, False):
            possible = [place for place in places if self.allowed(place, t, strict=strict)]
            if possible:
                ranks = [self._rank(place, wanted, shares, t) for place in possible]
                return possible[ranks.index(max(ranks))]
        return next((place for place in places if self.runs[place] == self.on), -1)

    def _rank(self, place: int, wanted: int, shares: Floats, t: int) -> float:
        own = [float(shares[k, t]) for k in self.machine.regimes]
        share = own[place] if place >= 0 else 1.0 - sum(own)
        misses = sum(one is not other for one, other in zip(self.runs[place], self.runs[wanted], strict=True))
        return share - float(misses)

    def allowed(self, place: int, t: int, *, strict: bool) -> bool:
        """Whether a regime may run in a step; not strict = only what is settled counts."""
        after = self.runs[place]
        for n, (now, then) in enumerate(zip(after, self.on, strict=True)):
            low, high = self.low[n][t], self.high[n][t]
            if (now and not high) or (low and not now):
                return False
            if not strict or now is then:
                continue
            if now and not low and not (self.startable[n][t] and self.lasted[n] >= self.down[n] and self.left[n] >= 1.0):
                return False
            if not now and high and self.lasted[n] < self.up[n]:
                return False
        if strict and any(after[one] and not after[other] and not self.on[one] for one, other in self.pairs):
            return False
        most = self.machine.at_most
        return not strict or most is None or sum(after) <= max(most, sum(self.on))
