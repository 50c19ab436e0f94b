"""What all forecasters share: the door, the rows they learn from, and the correction of their band.

A model file adds one thing: how cells are turned into quantiles (`learn`).
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import numpy as np

from forecasting.calendar import Calendar
from forecasting.cells import Cells, Learned, cells_of
from forecasting.days import DAY_S, Days, fold, place
from forecasting.features import MEMORY_DAYS, design, measures
from forecasting.intervals import SHIFT_DAYS, Correction, corrected
from forecasting.windows import Rows
from plant.errors import DataError
from plant.identity import content_id
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.table import Floats, Table, Times

LEAST_VALUES = 8
LARGEST_MISSING_SHARE = 0.9
MOST_CELLS = 40_000
"""Cells that a model learns from at most; more are drawn at random."""
WARM_UP_DAYS = 14
JUDGED_FROM = 3
"""First row whose forecast counts in the correction of later ones."""
HELD_BACK_SHARE = 0.2
MOST_HELD_BACK_DAYS = 56
SEASON_DAYS = 730
"""Days of history from which the time of the year is learned."""
SEVERAL_ISSUES = 4
"""Issue times a day that are learned where forecasts are made at any time of day."""


@dataclass(slots=True, kw_only=True)
class Past:
    """Forecasts of rows that lie behind, by date and by what was known: raw, before any correction of the band."""

    held_back: dict[np.datetime64, Floats] = field(default_factory=dict)
    """Made by a model that had not seen them; each of shape (slots, 3)."""
    made: dict[tuple[np.datetime64, int], Floats] = field(default_factory=dict)
    """Made by the model in service, by date and checksum of the rows above."""


class Forecaster(ABC):
    """Forecasts a target for whole days or parts of them, with a band.

    Parameters
    ----------
    timezone
        IANA name or `+HH:MM`: where days begin.
    country
        ISO 3166 code for public holidays.
    known
        Columns of the history that will be known for the future (production plan, shutdown, weather as issued).
    seed
        Of all randomness.
    shutdown_days
        Local dates on which the works stands still.
    horizon_s
        How far ahead forecasts are asked for.
    any_time
        True: learned for issues at any time of day; False: at local midnight only.
    unit
        Of the target, for the Series of forecasts.
    """

    def __init__(
        self,
        *,
        timezone: str = "UTC",
        country: str | None = None,
        known: Sequence[str] = (),
        seed: int = 0,
        shutdown_days: tuple[str, ...] = (),
        horizon_s: float = DAY_S,
        any_time: bool = False,
        unit: str = "1",
    ) -> None:
        self.timezone, self.country, self.known, self.seed = timezone, country, tuple(known), seed
        self.calendar = Calendar(country=country, shutdown_days=shutdown_days)
        self.horizon_s, self.any_time, self.unit = horizon_s, any_time, unit
        self.leads = max(1, -int(-horizon_s // DAY_S))
        self.correction = Correction()
        self.target, self.model_id, self.step_s = "", "", 0.0
        self.words: tuple[str, ...] = ()
        self.base, self.season, self.lowest = 0, False, -np.inf
        self.learned: list[Learned] = []
        self.names: tuple[str, ...] = ()
        self.past: list[Past] = []

    @abstractmethod
    def learn(self, cells: Cells, rng: np.random.Generator) -> Learned:
        """Learn from cells whose `y` is known."""

    @property
    def importances(self) -> tuple[tuple[str, float], ...]:
        """Features by what they are worth to the model, most first; empty if the model cannot say."""
        worth = self.learned[0].importances() if self.learned else None
        if worth is None:
            return ()
        return tuple(sorted(zip(self.names, worth.tolist(), strict=True), key=lambda pair: -pair[1]))

    @property
    def name(self) -> str:
        """Name of the model: that of its file."""
        return type(self).__module__.rsplit(".", 1)[-1]

    def fit(self, history: Table, target: str) -> Self:
        """Learn from the rows of `history`; see the door in `plant.ports`.

        Raises
        ------
        DataError
            If there is too little to learn from; the text says what share is missing.
        """
        days = self.laid_out(history, target)
        _check_amount(days, target)
        self.target = target
        rng = np.random.default_rng(self.seed)
        self.base, self.season = nearest_base(days), days.values.shape[0] >= SEASON_DAYS
        # What has never been negative (a load, a flow, light) is not forecast to be.
        self.lowest = 0.0 if np.nanmin(days.values) >= 0 else -np.inf
        self.words = _words_on(days, self.known, history)
        self.learned, self.past = [], []
        for lead in range(self.leads):
            self._fit_lead(history, days, lead, rng)
        last = str(history.times[-1])
        self.model_id = content_id(self.name, target, self.seed, last, len(history), float(np.nansum(history.columns[target])))
        return self

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        """Forecast `steps` steps from `start`, knowing only rows of `history` before it; see the door in `plant.ports`."""
        issue = instant64(start)
        step = np.timedelta64(round(self.step_s * 1e6), "us")
        times: Times = issue + np.arange(steps) * step
        _, slot = place(times[:1], self.timezone, self.step_s, 0)
        first_slot = int(slot[0]) if self.any_time or slot[0] else 0
        dates, slots = place(times, self.timezone, self.step_s, first_slot)
        table = _joined(self._needed(history).before(issue), known_future, self.known, issue)
        days = self.laid_out(table, self.target, first_slot=first_slot, until=dates[0] - 1)
        lead_of = np.clip((dates - dates[0]).astype(np.int64), 0, None)
        found = np.empty((steps, 3))
        for lead in np.unique(lead_of):
            mine = lead_of == lead
            found[mine] = self._corrected_row(table, days, int(lead), first_slot)[slots[mine]]
        found = np.maximum(found, self.lowest)
        words = "; ".join(self.words)
        p10, p50, p90 = (
            Series(start=start, step_s=self.step_s, values=tuple(found[:, end].tolist()), unit=self.unit) for end in range(3)
        )
        return Forecast(target=self.target, made_at=start, model_id=self.model_id, p10=p10, p50=p50, p90=p90, words=words)

    def forecast_days(self, history: Table, rows: Rows) -> Floats:
        """Forecasts issued at the local midnights that begin `rows`, each knowing only the rows above it.

        Parameters
        ----------
        history
            All readings; what lies behind an issue is not looked at.
        rows
            Rows of `laid_out(history, target)`, rising; shape (n,).

        Returns
        -------
        Floats
            Shape (n, leads × slots, 3).
        """
        days = self.laid_out(history, self.target)
        parts = []
        for lead in range(self.leads):
            first = max(min(JUDGED_FROM, int(rows[0])), int(rows[0]) - self.correction.window_days - SHIFT_DAYS - lead)
            issues = np.arange(first, int(rows[-1]) + 1)
            raw = np.full((rows[-1] + lead + 1, days.slots, 3), np.nan)
            raw[issues + lead] = self._raw(history, days, issues, lead)
            self._put_held_back(raw, days, lead)
            actual = np.full(raw.shape[:2], np.nan)
            actual[: days.values.shape[0]] = days.values[: raw.shape[0]]
            parts.append(corrected(raw, actual, rows + lead, lead, self.correction))
        return np.maximum(np.concatenate(parts, axis=1), self.lowest)

    def _needed(self, history: Table) -> Table:
        """The columns that a forecast looks at; all of them where the target is not among them, to be named to whoever asked."""
        if self.target not in history.columns:
            return history
        return history.only(*(name for name in dict.fromkeys((self.target, *self.known)) if name in history.columns))

    def laid_out(self, history: Table, target: str, first_slot: int = 0, until: np.datetime64 | None = None) -> Days:
        """The target of a table as days × slots."""
        if target not in history.columns:
            raise DataError(f"the history has no column {target!r}: it has {', '.join(history.columns)}")
        if len(history) < 2:
            raise DataError(f"{target}: {len(history)} rows are too few to learn from")
        self.step_s = self.step_s or history.step_s
        return fold(
            history.times,
            history.columns[target],
            timezone=self.timezone,
            step_s=self.step_s,
            calendar=self.calendar,
            first_slot=first_slot,
            until=until,
        )

    def cells(self, history: Table, days: Days, at: Rows, lead: int) -> Cells:
        """Cells of the rows `at + lead` as known at the beginning of `at`."""
        known = tuple((name, self._known_days(history, name, days, lead)) for name in self.known if name in history.columns)
        made = design(days, at, lead, known, ahead=self.any_time, season=self.season)
        self.names = made.names
        return cells_of(days, at, lead, made, self.base)

    def _known_days(self, history: Table, name: str, days: Days, lead: int) -> Floats:
        until = days.dates[-1] + np.timedelta64(lead + 1, "D")
        column = fold(
            history.times, history.columns[name], timezone=self.timezone, step_s=self.step_s, calendar=self.calendar,
            first_slot=days.first_slot, until=until,
        )  # fmt: skip
        return column.values

    def _fit_lead(self, history: Table, days: Days, lead: int, rng: np.random.Generator) -> None:
        cells = self.cells_to_learn(history, days, lead, rng)
        rows = days.values.shape[0]
        held = min(MOST_HELD_BACK_DAYS, int(rows * HELD_BACK_SHARE))
        earlier = cells.only(cells.row < rows - held)
        past = Past()
        if held and len(earlier) >= LEAST_VALUES:
            issues = np.arange(rows - held - lead, rows - lead)
            found = self.learn(earlier, rng).quantiles(self.cells(history, days, issues, lead))
            past.held_back = dict(zip(days.dates[rows - held :], found.reshape(held, days.slots, 3), strict=True))
        self.past.append(past)
        self.learned.append(self.learn(cells, rng))

    def cells_to_learn(self, history: Table, days: Days, lead: int, rng: np.random.Generator) -> Cells:
        """Cells with a known value of all issue times that the model is made for, at most `MOST_CELLS`."""
        shifts = [0]
        if self.any_time and days.slots >= SEVERAL_ISSUES:
            shifts = [days.slots * part // SEVERAL_ISSUES for part in range(SEVERAL_ISSUES)]
        parts = []
        for first_slot in shifts:
            turned = days if not first_slot else self.laid_out(history, self.target, first_slot=first_slot)
            rows = turned.values.shape[0]
            first = min(WARM_UP_DAYS, rows // 3)
            at = np.arange(first, rows - lead)
            wanted = max(1, MOST_CELLS // len(shifts) // days.slots)
            if at.size > 4 * wanted:
                at = np.sort(rng.choice(at, 4 * wanted, replace=False))
            cells = self.cells(history, turned, at, lead)
            there = np.flatnonzero(np.isfinite(cells.y))
            most = MOST_CELLS // len(shifts)
            parts.append(cells.only(there if there.size <= most else np.sort(rng.choice(there, most, replace=False))))
        return parts[0] if len(parts) == 1 else together(parts)

    def _raw(self, history: Table, days: Days, issues: Rows, lead: int) -> Floats:
        model = self.learned[min(lead, len(self.learned) - 1)]
        found = model.quantiles(self.cells(history, days, issues, lead))
        return found.reshape(issues.size, days.slots, 3)

    def _put_held_back(self, raw: Floats, days: Days, lead: int) -> None:
        """Rows that the model learned from count with the forecast of the model that had not seen them."""
        held = self.past[min(lead, len(self.past) - 1)].held_back
        for row, date in enumerate(days.dates[: raw.shape[0]]):
            if date in held:
                raw[row] = held[date]

    def _corrected_row(self, table: Table, days: Days, lead: int, first_slot: int) -> Floats:
        """The forecast of the row `lead` days behind the last, its band corrected by what midnight forecasts missed."""
        rows = days.values.shape[0]
        row = self._raw(table, days, np.array([rows]), lead)[0]
        even = days if not first_slot else self.laid_out(table, self.target, until=days.dates[-1])
        recent, actual = self._recent(table, even, lead)
        between = np.full((lead, days.slots, 3), np.nan)
        turned = np.concatenate([recent, between, np.roll(row, first_slot, axis=0)[None]])
        seen = np.concatenate([actual, np.full((lead + 1, days.slots), np.nan)])
        last = np.array([turned.shape[0] - 1])
        return np.roll(corrected(turned, seen, last, lead, self.correction)[0], -first_slot, axis=0)

    def _recent(self, table: Table, even: Days, lead: int) -> tuple[Floats, Floats]:
        """Midnight forecasts of the correction's window and what came, from memory where they were made before."""
        past = self.past[min(lead, len(self.past) - 1)]
        rows = even.values.shape[0]
        first = max(min(JUDGED_FROM + lead, rows), rows - self.correction.window_days - SHIFT_DAYS)
        window = np.arange(first, rows)
        sums = [zlib.crc32(line.tobytes()) for line in even.values]
        keys = {int(row): (even.dates[row], hash(tuple(sums[max(0, row - lead - MEMORY_DAYS) : row - lead]))) for row in window}
        new = np.array(
            [row for row in keys if even.dates[row] not in past.held_back and keys[row] not in past.made], dtype=np.int64
        )
        if new.size:
            made = self._raw(table, even, new - lead, lead)
            past.made.update((keys[int(row)], made[number]) for number, row in enumerate(new))
        raw = [past.held_back.get(even.dates[row], past.made.get(keys[row])) for row in keys]
        found = np.array(raw) if raw else np.zeros((0, even.slots, 3))
        return found, even.values[first:]


def together(parts: Sequence[Cells]) -> Cells:
    """Several lots of cells as one."""
    return Cells(
        x=np.concatenate([part.x for part in parts]),
        y=np.concatenate([part.y for part in parts]),
        base=np.concatenate([part.base for part in parts]),
        spread=np.concatenate([part.spread for part in parts]),
        row=np.concatenate([part.row for part in parts]),
        names=parts[0].names,
    )


def nearest_base(days: Days) -> int:
    """Which of a design's bases the series keeps closest to."""
    at = np.arange(min(WARM_UP_DAYS, days.values.shape[0] // 3), days.values.shape[0])
    at = at[:: max(1, at.size * days.slots // MOST_CELLS)]
    missed = np.abs(measures(days, at)[0] - days.values[at][..., None])
    means = [float(np.nanmean(missed[..., number])) if np.isfinite(missed[..., number]).any() else 0.0 for number in range(3)]
    return int(np.argmin(means))


def _check_amount(days: Days, target: str) -> None:
    known = int(np.isfinite(days.values).sum())
    missing = 1 - known / days.values.size
    if known < LEAST_VALUES or days.values.shape[0] < 2:
        raise DataError(f"{target}: {known} values on {days.values.shape[0]} days are too few to learn from")
    if missing > LARGEST_MISSING_SHARE:
        raise DataError(f"{target}: {missing:.0%} of the values are missing, at most {LARGEST_MISSING_SHARE:.0%} may be")


def _words_on(days: Days, known: Sequence[str], history: Table) -> tuple[str, ...]:
    words = []
    missing = 1 - np.isfinite(days.values).mean()
    if missing > 0.05:
        words.append(f"{missing:.0%} of the history is missing")
    if days.values.shape[0] < 4 * WARM_UP_DAYS:
        words.append(f"only {days.values.shape[0]} days of history")
    absent = [name for name in known if name not in history.columns]
    if absent:
        words.append(f"without {', '.join(absent)}")
    return tuple(words)


def _joined(past: Table, future: Table | None, known: Sequence[str], issue: np.datetime64) -> Table:
    """The past, and behind it the known columns of the future; every other column is NaN there."""
    if future is None or not known:
        return past
    ahead = future.since(issue)
    nothing = np.full(len(ahead), np.nan)
    columns = {
        name: np.concatenate([column, ahead.columns[name] if name in known and name in ahead.columns else nothing])
        for name, column in past.columns.items()
    }
    return Table(times=np.concatenate([past.times, ahead.times]), columns=columns)
