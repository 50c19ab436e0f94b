"""The model that wins on the series itself: a pool of models, combined as walk-forward blocks inside the training part say.

Every four weeks the combination is made anew from what the members' forecasts have missed since; the members themselves are
not learned again.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from forecasting import intervals
from forecasting.blends import Blend, Combination, choose, losses
from forecasting.cells import Cells, Learned
from forecasting.days import Days
from forecasting.features import MEMORY_DAYS
from forecasting.forecaster import LEAST_VALUES, Forecaster, Past
from forecasting.models.extra_trees import ExtraTrees
from forecasting.models.gradient_boosting import GradientBoosting
from forecasting.models.linear_quantile import LinearQuantile
from forecasting.models.random_forest import RandomForest
from forecasting.models.ridge import Ridge
from forecasting.models.seasonal_naive import SeasonalNaive
from forecasting.models.week_mean import WeekMean
from forecasting.windows import Rows
from plant.errors import DataError
from plant.table import Floats, Table

BLOCK_DAYS = 28
BLOCKS = 4
ENOUGH_CELLS = 300
"""Cells below which only the simplest models can learn."""


@dataclass(slots=True, kw_only=True)
class Walk:
    """What the members forecast of days that they had not seen, and the combinations made of it."""

    until: np.datetime64
    """First date behind the days learned from."""
    members: dict[np.datetime64, Floats]
    """Forecasts by date, shape (members, slots, 3)."""
    combinations: dict[tuple[int, int], Combination] = field(default_factory=dict)
    """Made later, by period and checksum of the days they were made from."""


class Auto(Forecaster):
    """A pool of models and the combination that forecast best.

    Parameters
    ----------
    quick
        True: a smaller pool, fewer blocks and one combination for good, for many targets in little time.
    """

    def __init__(self, *, quick: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.quick = quick
        self.parts: tuple[tuple[str, float], ...] = ()
        self.tried: tuple[tuple[str, float], ...] = ()
        self.walks: list[Walk | None] = []

    def fit(self, history: Table, target: str) -> Self:
        """See `Forecaster.fit`."""
        self.parts, self.tried, self.walks = (), (), []
        return super().fit(history, target)

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`: without blocks to choose by, the forest."""
        return self.pool()["forest"].learn(cells, rng)

    def pool(self) -> dict[str, Forecaster]:
        """Names of the pool's models and how they are made."""
        made: dict[str, Forecaster] = {
            "seasonal naive": SeasonalNaive(),
            "class mean": WeekMean(),
            "lines": LinearQuantile(),
            "forest": self._forest(relative=False),
            "relative forest": self._forest(relative=True),
        }
        if not self.quick:
            made |= {
                "ridge": Ridge(),
                "bagged forest": RandomForest(),
                "relative bagged forest": RandomForest(relative=True),
                "boosting": GradientBoosting(),
                "relative boosting": GradientBoosting(relative=True, leaves=10),
            }
        return made

    def _forest(self, *, relative: bool) -> ExtraTrees:
        return ExtraTrees(trees=60, leaf=20, relative=relative) if self.quick else ExtraTrees(relative=relative)

    def _fit_lead(self, history: Table, days: Days, lead: int, rng: np.random.Generator) -> None:
        cells = self.cells_to_learn(history, days, lead, rng)
        if not len(cells):
            raise DataError(f"{self.target}: no value that could be learned from has a day of history before it")
        pool = self.pool() if len(cells) >= ENOUGH_CELLS else {"seasonal naive": SeasonalNaive(), "class mean": WeekMean()}
        blocks = _blocks(days.values.shape[0], 2 if self.quick else BLOCKS)
        walk = self._walked(history, days, lead, cells, pool, blocks, rng)
        chosen = self._chosen(walk, days, list(walk.members))
        if chosen is None:
            self.learned.append(next(reversed(pool.values())).learn(cells, rng))
            self.past.append(Past())
            self.walks.append(None)
            return
        held = {date: chosen.of(members) for date, members in walk.members.items()}
        self.past.append(Past(held_back=held))
        if lead == 0:
            self._tell(list(pool), chosen, walk, days)
            self.correction = intervals.best(np.array(list(held.values())), days.values[-len(held) :])
        self.learned.append(self._final(pool, chosen, cells, rng))
        self.walks.append(None if self.quick else walk)

    def _walked(
        self,
        history: Table,
        days: Days,
        lead: int,
        cells: Cells,
        pool: dict[str, Forecaster],
        blocks: list[Rows],
        rng: np.random.Generator,
    ) -> Walk:
        """Forecasts of the blocks by models that learned from what lies before each."""
        walk = Walk(until=days.dates[-1] + np.timedelta64(1, "D"), members={})
        for rows in blocks:
            earlier = cells.only(cells.row < rows[0])
            if len(earlier) < LEAST_VALUES:
                continue
            ahead = self.cells(history, days, rows - lead, lead)
            found = np.stack([member.learn(earlier, rng).quantiles(ahead) for member in pool.values()])
            shaped = found.reshape(len(pool), rows.size, days.slots, 3)
            walk.members.update((days.dates[row], shaped[:, number]) for number, row in enumerate(rows))
        return walk

    def _chosen(self, walk: Walk, days: Days, dates: list[np.datetime64]) -> Combination | None:
        """The combination that was best on the named days; None if nothing is known of them."""
        if not dates:
            return None
        rows = (np.array(dates) - days.dates[0]).astype(np.int64)
        members = np.concatenate([walk.members[date] for date in dates], axis=1)
        actual = days.values[rows].ravel()
        there = np.isfinite(actual)
        if not there.any():
            return None
        block = np.repeat(np.arange(len(dates)) // max(1, -(-len(dates) // BLOCKS)), days.slots)
        return choose(members[:, there], actual[there], block[there])

    def _final(self, pool: dict[str, Forecaster], chosen: Combination, cells: Cells, rng: np.random.Generator) -> Learned:
        members = list(pool.values())
        used = chosen.used if self.quick else np.arange(len(members))
        learned = tuple(members[index].learn(cells, rng) for index in used)
        return Blend(members=learned, combination=Combination(name=chosen.name, weights=chosen.weights[used], median=chosen.median))

    def _tell(self, names: list[str], chosen: Combination, walk: Walk, days: Days) -> None:
        actual = days.values[-len(walk.members) :].ravel()
        there = np.isfinite(actual)
        missed = losses(np.concatenate(list(walk.members.values()), axis=1)[:, there], actual[there])[:, 1] * 2
        self.tried = tuple(zip(names, missed.tolist(), strict=True))
        self.parts = tuple((names[index], float(chosen.weights[index].mean())) for index in chosen.used)
        told = ", ".join(f"{name} {share:.0%}" for name, share in self.parts)
        self.words = (*self.words, f"{chosen.name}: {told}")

    def _raw(self, history: Table, days: Days, issues: Rows, lead: int) -> Floats:
        """See `Forecaster._raw`; issues four weeks and more behind the days learned from have newer combinations."""
        walk = self.walks[min(lead, len(self.walks) - 1)]
        model = self.learned[min(lead, len(self.learned) - 1)]
        if walk is None or not isinstance(model, Blend) or not issues.size:
            return super()._raw(history, days, issues, lead)
        first = int((walk.until - days.dates[0]).astype(np.int64))
        period = np.maximum((issues - first) // BLOCK_DAYS, 0)
        start = max(0, first + BLOCK_DAYS * (int(period.max()) - BLOCKS))
        later = np.arange(max(start, first), first + BLOCK_DAYS * int(period.max())) - lead
        needed = np.unique(np.concatenate([issues, later[later >= 0]]))
        made = dict(zip(needed.tolist(), self._members(history, days, needed, lead, model), strict=True))
        found = np.empty((issues.size, days.slots, 3))
        for number in np.unique(period):
            combination = (
                self._later(walk, model, days, made, lead, first + BLOCK_DAYS * int(number)) if number else model.combination
            )
            for place in np.flatnonzero(period == number):
                found[place] = combination.of(made[int(issues[place])])
        return found

    def _members(self, history: Table, days: Days, issues: Rows, lead: int, model: Blend) -> list[Floats]:
        cells = self.cells(history, days, issues, lead)
        each = np.stack([member.quantiles(cells) for member in model.members])
        return list(np.moveaxis(each.reshape(len(model.members), issues.size, days.slots, 3), 1, 0))

    def _later(self, walk: Walk, model: Blend, days: Days, made: dict[int, Floats], lead: int, stop: int) -> Combination:
        """The combination from row `stop` on, from the four blocks before it."""
        begin = max(0, stop - BLOCK_DAYS * BLOCKS)
        first = int((walk.until - days.dates[0]).astype(np.int64))
        key = (stop - first, zlib.crc32(days.values[max(0, begin - MEMORY_DAYS) : stop].tobytes()))
        if key not in walk.combinations:
            known = {days.dates[row]: made[row - lead] for row in range(max(begin, first), stop) if row - lead in made}
            seen = Walk(until=walk.until, members={**walk.members, **known})
            dates = [days.dates[row] for row in range(begin, stop) if days.dates[row] in seen.members]
            walk.combinations[key] = self._chosen(seen, days, dates) or model.combination
        return walk.combinations[key]


def _blocks(rows: int, count: int) -> list[Rows]:
    """Rows of the last blocks, oldest first, at most half of all rows."""
    length = max(1, min(BLOCK_DAYS, rows // (2 * count)))
    return [np.arange(rows - length * (count - index), rows - length * (count - index - 1)) for index in range(count)]
