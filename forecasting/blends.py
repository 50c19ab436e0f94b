"""Several models as one: which combination forecast best what none of its parts had seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.cells import LEVELS, Cells, Learned
from forecasting.windows import Rows
from plant.table import Floats

GREEDY_STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """How members become one.

    Attributes
    ----------
    name
        What it is called.
    weights
        Of each member for each quantile, columns sum to 1; shape (members, 3).
    median
        True: the median of the members that have a weight.
    """

    name: str
    weights: Floats
    median: bool = False

    def of(self, members: Floats) -> Floats:
        """The combination of members' quantiles, shape (members, n, 3) → (n, 3), not crossing."""
        if self.median:
            used = np.flatnonzero(self.weights.sum(axis=1) > 0)
            return np.sort(np.median(members[used], axis=0), axis=1)
        return np.sort(np.einsum("mnq,mq->nq", members, self.weights), axis=1)

    @property
    def used(self) -> Rows:
        """Members that have a weight."""
        return np.flatnonzero(self.weights.sum(axis=1) > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blend(Learned):
    """Learned members and how they are combined."""

    members: tuple[Learned, ...]
    combination: Combination

    def importances(self) -> Floats | None:
        """See `Learned`; the mean of the members that can say, by their weights."""
        told = [
            (member.importances(), float(weight))
            for member, weight in zip(self.members, self.combination.weights.mean(axis=1), strict=True)
        ]
        known = [(worth, weight) for worth, weight in told if worth is not None and weight > 0]
        if not known:
            return None
        return np.asarray(sum(worth * weight for worth, weight in known) / sum(weight for _, weight in known))

    def quantiles(self, cells: Cells) -> Floats:
        """See `Learned`."""
        return self.combination.of(np.stack([member.quantiles(cells) for member in self.members]))


def losses(members: Floats, y: Floats) -> Floats:
    """Mean pinball loss of each member and quantile, shape (members, 3)."""
    missed = y[None, :, None] - members
    level = np.array(LEVELS)
    return np.asarray(np.maximum(level * missed, (level - 1) * missed).mean(axis=1))


def score(quantiles: Floats, y: Floats) -> float:
    """What combinations are compared by: mean pinball loss with the middle counting twice."""
    return float(losses(quantiles[None], y)[0] @ np.array([1.0, 2.0, 1.0])) / 4


def candidates(members: Floats, y: Floats) -> list[Combination]:
    """Combinations made for members' forecasts of shape (members, n, 3)."""
    each = losses(members, y) @ np.array([1.0, 2.0, 1.0])
    order = np.argsort(each, kind="stable")

    def even(count: int) -> Floats:
        weights = np.zeros((members.shape[0], 3))
        weights[order[:count]] = 1 / min(count, members.shape[0])
        return weights

    greedy_weights = greedy(members, y)
    return [
        Combination(name="champion", weights=even(1)),
        Combination(name="mean of 3", weights=even(3)),
        Combination(name="median of 5", weights=even(5), median=True),
        Combination(name="greedy", weights=greedy_weights),
        Combination(name="half greedy", weights=(greedy_weights + even(3)) / 2),
        Combination(name="mean of 7", weights=even(7)),
        Combination(name="greedy and mean of 7", weights=(greedy_weights + even(7)) / 2),
    ]


def greedy(members: Floats, y: Floats) -> Floats:
    """Weights by forward selection with replacement, per quantile (Caruana et al. 2004); shape (members, 3)."""
    weights = np.zeros((members.shape[0], 3))
    for number, level in enumerate(LEVELS):
        total = np.zeros(y.size)
        for step in range(1, GREEDY_STEPS + 1):
            missed = y[None, :] - (total[None, :] + members[:, :, number]) / step
            loss = np.maximum(level * missed, (level - 1) * missed).mean(axis=1)
            best = int(np.argmin(loss))
            total += members[best, :, number]
            weights[best, number] += 1
    return weights / GREEDY_STEPS


def choose(
    members: Floats, y: Floats, block: Rows, make: Callable[[Floats, Floats], Sequence[Combination]] = candidates
) -> Combination:
    """The kind of combination that is best on blocks it was not made for, made for all blocks.

    Parameters
    ----------
    members
        Forecasts of cells that their makers had not seen, shape (members, n, 3).
    y
        What came, shape (n,).
    block
        Number of the block of each cell, shape (n,).
    make
        Makes the combinations to choose from.
    """
    numbers = np.unique(block)
    whole = make(members, y)
    if numbers.size < 2:
        return min(whole, key=lambda kind: score(kind.of(members), y))
    total = np.zeros(len(whole))
    for number in numbers:
        inside = block == number
        for index, kind in enumerate(make(members[:, ~inside], y[~inside])):
            total[index] += score(kind.of(members[:, inside]), y[inside]) * inside.sum()
    return whole[int(np.argmin(total))]
