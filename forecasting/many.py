"""Hundreds of series in one call: a model for all of them, one for each, or both, as each series' last days say.

The common model learns from relative cells of all series, so that small and large ones teach each other; it is what serves a
series that is too short to teach itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np

from forecasting.blends import score
from forecasting.calendar import Calendar
from forecasting.cells import Cells, Learned, cells_of
from forecasting.days import DAY_S, Days, fold, place
from forecasting.features import MEMORY_DAYS, design
from forecasting.forecaster import WARM_UP_DAYS, nearest_base, together
from forecasting.intervals import Correction, corrected
from forecasting.models.extra_trees import ExtraTrees
from forecasting.models.linear_quantile import LinearQuantile
from plant.errors import DataError
from plant.identity import content_id
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.table import Floats, Table

HELD_BACK_DAYS = 28
MOST_CELLS = 60_000
"""Cells of all series together that the common model learns from."""
_SHARES = (1.0, 0.5, 0.0)
"""Shares of the common model that are tried for each series."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One series of a fleet."""

    base: int
    own: Learned
    share: float
    """Share of the common model in its forecast."""
    moves: Floats
    """What is added to p10, p50, p90 of each slot; shape (slots, 3)."""


class Fleet:
    """Day-ahead forecasts of many series with one table.

    Parameters
    ----------
    timezone, country, shutdown_days, seed, unit
        As for `Forecaster`, the same for all series.
    """

    def __init__(
        self,
        *,
        timezone: str = "UTC",
        country: str | None = None,
        shutdown_days: tuple[str, ...] = (),
        seed: int = 0,
        unit: str = "1",
    ) -> None:
        self.timezone, self.seed, self.unit = timezone, seed, unit
        self.calendar = Calendar(country=country, shutdown_days=shutdown_days)
        self.step_s, self.model_id = 0.0, ""
        self.common: Learned | None = None
        self.members: dict[str, Member] = {}
        self.refused: dict[str, str] = {}

    def fit(self, history: Table, targets: Sequence[str] = ()) -> Self:
        """Learn all series; one that cannot be learned is named in `refused` with the reason.

        Parameters
        ----------
        history
            One column per series, rows at equal steps.
        targets
            Columns to learn; empty = all.

        Raises
        ------
        DataError
            If none of them can be learned.
        """
        self.step_s, self.refused, self.members = history.step_s, {}, {}
        rng = np.random.default_rng(self.seed)
        laid = {name: self._days(history, name) for name in targets or tuple(history.columns)}
        laid = {name: days for name, days in laid.items() if self._enough(name, days)}
        if not laid:
            raise DataError(f"none of {len(self.refused)} series can be learned: {next(iter(self.refused.values()), 'no column')}")
        bases = {name: nearest_base(days) for name, days in laid.items()}
        cells = {name: self._cells(days, np.arange(WARM_UP_DAYS, days.values.shape[0]), bases[name]) for name, days in laid.items()}
        share = MOST_CELLS / max(MOST_CELLS, sum(len(each) for each in cells.values()))
        early = {name: each.only(each.row < laid[name].values.shape[0] - HELD_BACK_DAYS) for name, each in cells.items()}
        judge = self._learned(early, share, rng)
        for name, days in laid.items():
            self.members[name] = self._member(days, bases[name], early[name], cells[name], judge, rng)
        self.common = self._learned(cells, share, rng)
        self.model_id = content_id("fleet", sorted(laid), self.seed, str(history.times[-1]), len(history))
        return self

    def predict(self, history: Table, start: datetime, steps: int) -> dict[str, Forecast]:
        """Forecast every learned series from `start` (a local midnight), at most one day ahead.

        Raises
        ------
        DataError
            If nothing has been learned, or more than a day is asked for.
        """
        issue = instant64(start)
        times = issue + np.arange(steps) * np.timedelta64(round(self.step_s * 1e6), "us")
        dates, slots = place(times, self.timezone, self.step_s, 0)
        if self.common is None or dates[-1] > dates[0]:
            raise DataError("a fleet forecasts the day that begins at its start, after it has learned")
        past = history.since(issue - np.timedelta64(MEMORY_DAYS, "D")).before(issue)
        names = list(self.members)
        parts = []
        for name in names:
            days = self._days(past, name, until=dates[0] - 1)
            parts.append(self._cells(days, np.array([days.values.shape[0]]), self.members[name].base, known_only=False))
        pooled = self.common.quantiles(together(parts)).reshape(len(names), -1, 3)
        found: dict[str, Forecast] = {}
        for name, cells, common in zip(names, parts, pooled, strict=True):
            member = self.members[name]
            own = member.own.quantiles(cells) if member.share < 1 else common
            whole = np.sort(member.share * common + (1 - member.share) * own + member.moves, axis=1)
            found[name] = self._forecast(name, start, whole[slots])
        return found

    def _forecast(self, name: str, start: datetime, values: Floats) -> Forecast:
        p10, p50, p90 = (
            Series(start=start, step_s=self.step_s, values=tuple(values[:, end].tolist()), unit=self.unit) for end in range(3)
        )
        return Forecast(target=name, made_at=start, model_id=self.model_id, p10=p10, p50=p50, p90=p90)

    def _days(self, table: Table, name: str, until: np.datetime64 | None = None) -> Days:
        return fold(
            table.times,
            table.columns[name],
            timezone=self.timezone,
            step_s=self.step_s,
            calendar=self.calendar,
            until=until,
        )

    def _enough(self, name: str, days: Days) -> bool:
        rows, missing = days.values.shape[0], 1 - float(np.isfinite(days.values).mean())
        if rows < WARM_UP_DAYS + HELD_BACK_DAYS + 7:
            self.refused[name] = f"{name}: {rows} days are too few"
        elif missing > 0.9:
            self.refused[name] = f"{name}: {missing:.0%} of the values are missing"
        return name not in self.refused

    def _cells(self, days: Days, at: np.ndarray, base: int, *, known_only: bool = True) -> Cells:
        cells = cells_of(days, at, 0, design(days, at), base)
        return cells.only(np.isfinite(cells.y)) if known_only else cells

    def _learned(self, cells: dict[str, Cells], share: float, rng: np.random.Generator) -> Learned:
        drawn = [each.only(np.flatnonzero(rng.random(len(each)) < share)) for each in cells.values()]
        return ExtraTrees(trees=60, leaf=20, relative=True).learn(together(drawn), rng)

    def _member(self, days: Days, base: int, early: Cells, cells: Cells, judge: Learned, rng: np.random.Generator) -> Member:
        """Choose the share of the common model on the days held back, and what its band misses there."""
        at = np.arange(days.values.shape[0] - HELD_BACK_DAYS, days.values.shape[0])
        held = self._cells(days, at, base, known_only=False)
        common, own = judge.quantiles(held), LinearQuantile().learn(early, rng).quantiles(held)
        there = np.isfinite(held.y)
        mixed = {share: np.sort(share * common + (1 - share) * own, axis=1) for share in _SHARES}
        best = min(mixed, key=lambda share: score(mixed[share][there], held.y[there]) if there.any() else -share)
        raw = mixed[best].reshape(HELD_BACK_DAYS, days.slots, 3)
        again = np.concatenate([raw, raw.mean(axis=0)[None]])
        actual = np.concatenate([days.values[at], np.full((1, days.slots), np.nan)])
        last = np.array([HELD_BACK_DAYS])
        moves = corrected(again, actual, last, 0, Correction(window_days=HELD_BACK_DAYS))[0] - again[-1]
        return Member(base=base, own=LinearQuantile().learn(cells, rng), share=best, moves=moves)


def day_ahead(history: Table, start: datetime, *, timezone: str, country: str | None = None, seed: int = 0) -> dict[str, Forecast]:
    """Learn every column of a history and forecast the day that begins at `start`."""
    fleet = Fleet(timezone=timezone, country=country, seed=seed).fit(history.before(instant64(start)))
    return fleet.predict(history, start, round(DAY_S / fleet.step_s))
