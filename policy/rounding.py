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

THRESHOLDS: tuple[float | None, ...] = (0.2, 0.5, 0.8, None)
"""Share from which a regime runs; None = the running sum of shares decides (sum-up rounding)."""

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


def rounded(plan: Layout, shares: Floats, threshold: float | None) -> Choices:
    """The regime each machine would run in each step.

    Parameters
    ----------
    shares
        Relaxed regime binaries, shape (regimes, steps).
    """
    found = np.full((len(plan.machines), plan.steps), -1, dtype=np.int64)
    for i, machine in enumerate(plan.machines):
        if not machine.regimes:
            continue
        own = shares[list(machine.regimes)]
        found[i] = _summed_up(own) if threshold is None else _cut(own, threshold)
    return found


def _cut(own: Floats, threshold: float) -> npt.NDArray[np.int64]:
    best = np.argmax(own, axis=0)
    return np.where(own.sum(axis=0) >= threshold, best, -1)


def _summed_up(own: Floats) -> npt.NDArray[np.int64]:
    debt, found = np.zeros(own.shape[0] + 1), np.full(own.shape[1], -1, dtype=np.int64)
    for t in range(own.shape[1]):
        debt[:-1] += own[:, t]
        debt[-1] += 1.0 - own[:, t].sum()
        chosen = int(np.argmax(debt))
        debt[chosen] -= 1.0
        found[t] = chosen if chosen < own.shape[0] else -1
    return found


def repaired(plan: Layout, choices: Choices, shares: Floats, fixed: Fixed, before: Past) -> Choices:
    """The nearest choices that minimum times, starts and settled bounds allow."""
    found = choices.copy()
    for i, machine in enumerate(plan.machines):
        if machine.regimes:
            found[i] = _Repair(plan, i, machine, fixed, before).forward(choices[i], shares[list(machine.regimes)])
    return found


class _Repair:
    def __init__(self, plan: Layout, number: int, machine: MachinePart, fixed: Fixed, before: Past) -> None:
        self.plan, self.machine, self.fixed, self.before, self.number = plan, machine, fixed, before, number
        self.assets = list(machine.assets)
        sets = [[float(a in plan.regimes[k].assets) for a in self.assets] for k in machine.regimes]
        self.runs = np.asarray([*sets, [0.0] * len(self.assets)])
        """Which assets run in each regime; the last row is none."""

    def forward(self, wanted: npt.NDArray[np.int64], shares: Floats) -> npt.NDArray[np.int64]:
        on = np.asarray([float(self.before.running[a]) for a in self.assets])
        lasted = np.asarray([self.before.steps[a] for a in self.assets])
        left = np.asarray([self.before.starts_left[a] for a in self.assets])
        found = wanted.copy()
        for t in range(self.plan.steps):
            if t == self.fixed.today:
                left = np.asarray([self.before.starts_a_day[a] for a in self.assets])
            known = int(self.fixed.regime[self.number, t])
            chosen = known if known >= -1 else self._choice(int(wanted[t]), shares[:, t], t, on, lasted, left)
            after = self.runs[chosen]
            left = left - (after > on)
            lasted = np.where(after == on, lasted + 1, 1)
            on, found[t] = after, chosen
        return found

    def _choice(self, wanted: int, shares: Floats, t: int, on: Floats, lasted: Floats, left: Floats) -> int:
        low, high = self.fixed.low[self.assets, t], self.fixed.high[self.assets, t]
        up = np.asarray([self.plan.assets[a].up_steps for a in self.assets])
        down = np.asarray([self.plan.assets[a].down_steps for a in self.assets])
        may_stop = (on < 0.5) | (lasted >= up) | (high < 0.5)
        startable = self.fixed.startable[self.assets, t] & (lasted >= down) & (left >= 1.0)
        may_start = (on > 0.5) | startable | (low > 0.5)
        possible = self._possible(low, high, on, may_start, may_stop)
        if possible[wanted]:
            return wanted
        rank = np.append(shares, 1.0 - shares.sum()) - np.abs(self.runs - self.runs[wanted]).sum(axis=1)
        rank[~possible] = -np.inf
        best = int(np.argmax(rank))
        return best if best < len(self.machine.regimes) else -1

    def _possible(
        self, low: Floats, high: Floats, on: Floats, may_start: npt.NDArray[np.bool_], may_stop: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        settled = np.all((self.runs >= low) & (self.runs <= high), axis=1)
        starts, stops = (self.runs > on), (self.runs < on)
        allowed = settled & ~np.any(starts & ~may_start, axis=1) & ~np.any(stops & ~may_stop, axis=1)
        if self.machine.at_most is not None:
            allowed &= self.runs.sum(axis=1) <= max(self.machine.at_most, on.sum())
        return np.asarray(allowed if allowed.any() else settled if settled.any() else np.all(self.runs == on, axis=1))
