"""The model that wins on the series itself: a pool of models, combined as walk-forward blocks inside the training part say."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from forecasting import intervals
from forecasting.blends import Blend, Combination, choose, losses
from forecasting.cells import Cells, Learned
from forecasting.days import Days
from forecasting.forecaster import LEAST_VALUES, Forecaster, Past
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


class Auto(Forecaster):
    """A pool of models and the combination that forecast best.

    Parameters
    ----------
    quick
        True: a smaller pool and fewer blocks, for many targets in little time.
    """

    def __init__(self, *, quick: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.quick = quick
        self.parts: tuple[tuple[str, float], ...] = ()
        self.tried: tuple[tuple[str, float], ...] = ()

    def fit(self, history: Table, target: str) -> Self:
        """See `Forecaster.fit`."""
        self.parts, self.tried = (), ()
        super().fit(history, target)
        return self

    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """See `Forecaster.learn`: without blocks to choose by, the forest."""
        return self.pool()["forest"].learn(cells, rng)

    def pool(self) -> dict[str, Forecaster]:
        """Names of the pool's models and how they are made."""
        made: dict[str, Forecaster] = {
            "seasonal naive": SeasonalNaive(),
            "class mean": WeekMean(),
            "lines": LinearQuantile(),
            "forest": RandomForest(extra=True, share=0.5),
            "relative forest": RandomForest(extra=True, share=0.5, leaf=15, relative=True),
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

    def _fit_lead(self, history: Table, days: Days, lead: int, rng: np.random.Generator) -> None:
        cells = self.cells_to_learn(history, days, lead, rng)
        if not len(cells):
            raise DataError(f"{self.target}: no value that could be learned from has a day of history before it")
        pool = self.pool() if len(cells) >= ENOUGH_CELLS else {"seasonal naive": SeasonalNaive(), "class mean": WeekMean()}
        blocks = _blocks(days.values.shape[0], 2 if self.quick else BLOCKS)
        tried, seen, block = self._walk(history, days, lead, cells, pool, blocks, rng)
        past = Past()
        names = list(pool)
        if tried is None:
            learned: Learned = pool[names[-1]].learn(cells, rng)
        else:
            there = np.isfinite(seen.y)
            chosen = choose(tried[:, there], seen.y[there], block[there])
            learned = self._final(pool, chosen, cells, rng)
            held = np.unique(seen.row)
            combined = chosen.of(tried).reshape(held.size, days.slots, 3)
            past.held_back = dict(zip(days.dates[held], combined, strict=True))
            if lead == 0:
                self._remember(names, chosen, tried[:, there], seen.y[there])
                self.correction = intervals.best(combined, days.values[held])
        self.past.append(past)
        self.learned.append(learned)

    def _walk(
        self,
        history: Table,
        days: Days,
        lead: int,
        cells: Cells,
        pool: dict[str, Forecaster],
        blocks: list[Rows],
        rng: np.random.Generator,
    ) -> tuple[Floats | None, Cells, Rows]:
        """Forecasts of the blocks by models that learned from what lies before each; members × cells × 3."""
        parts: list[Floats] = []
        kept: list[Rows] = []
        for rows in blocks:
            earlier = cells.only(cells.row < rows[0])
            if len(earlier) < LEAST_VALUES:
                continue
            ahead = self.cells(history, days, rows - lead, lead)
            parts.append(np.stack([member.learn(earlier, rng).quantiles(ahead) for member in pool.values()]))
            kept.append(rows)
        if not parts:
            return None, cells, np.zeros(0, dtype=np.int64)
        seen = self.cells(history, days, np.concatenate(kept) - lead, lead)
        number = np.concatenate([np.full(rows.size * days.slots, index) for index, rows in enumerate(kept)])
        return np.concatenate(parts, axis=1), seen, number

    def _final(self, pool: dict[str, Forecaster], chosen: Combination, cells: Cells, rng: np.random.Generator) -> Learned:
        members = list(pool.values())
        used = chosen.used
        learned = tuple(members[index].learn(cells, rng) for index in used)
        return Blend(members=learned, combination=Combination(name=chosen.name, weights=chosen.weights[used], median=chosen.median))

    def _remember(self, names: list[str], chosen: Combination, tried: Floats, y: Floats) -> None:
        each = losses(tried, y)[:, 1] * 2
        self.parts = tuple((names[index], float(chosen.weights[index].mean())) for index in chosen.used)
        self.tried = tuple(zip(names, each.tolist(), strict=True))
        told = ", ".join(f"{name} {share:.0%}" for name, share in self.parts)
        self.words = (*self.words, f"{chosen.name}: {told}")


def _blocks(rows: int, count: int) -> list[Rows]:
    """Rows of the last blocks, oldest first, at most half of all rows."""
    length = max(1, min(BLOCK_DAYS, rows // (2 * count)))
    return [np.arange(rows - length * (count - index), rows - length * (count - index - 1)) for index in range(count)]
