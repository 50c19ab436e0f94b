"""What a forecast may know: lean features of each cell to be forecast, all from rows above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecasting import windows
from forecasting.calendar import OFF, WORK, rest_after, rest_before, weekday
from forecasting.days import Days
from forecasting.windows import Rows
from plant.table import Floats

NAMES = (
    "slot", "weekday", "kind", "yesterday", "yesterday_smooth", "week_ago", "week_ago_smooth", "class_mean_4", "class_mean_8",
    "group_median_12", "group_mean_12", "mean_7d", "mean_28d", "analogues", "last_hour", "last_4h", "last_day", "last_week",
    "rest_yesterday", "holiday_today", "holiday_around", "rest_run", "rest_ahead", "deviation_hour", "deviation_4h",
    "deviation_day", "spread_28d", "class_last", "two_days_ago", "mean_3d", "median_7d", "lowest_7d", "highest_7d",
    "yesterday_before", "yesterday_after",
)  # fmt: skip
LEVELS = (
    "yesterday", "yesterday_smooth", "week_ago", "week_ago_smooth", "class_mean_4", "class_mean_8", "group_median_12",
    "group_mean_12", "mean_7d", "mean_28d", "analogues", "last_hour", "last_4h", "last_day", "last_week", "class_last",
    "two_days_ago", "mean_3d", "median_7d", "lowest_7d", "highest_7d", "yesterday_before", "yesterday_after",
)  # fmt: skip
"""Features in the target's unit."""
DISTANCES = ("deviation_hour", "deviation_4h", "deviation_day", "spread_28d")
"""Features that are differences in the target's unit."""
ANALOGUE_DAYS = 182
"""How far back the days are sought that were like yesterday."""
NEAREST = 8
"""Days like yesterday whose following day is averaged."""
LONGEST_REST = 10
"""Days of rest in a row that are told apart."""
MEMORY_DAYS = 210
"""Rows above an issue that its features look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Features of cells, and what the cells are measured against.

    Attributes
    ----------
    x
        Shape (n, slots, features); NaN = not known.
    bases
        What a cell can be measured against, never NaN: smoothed mean of the last days of its class, the same as it is,
        smoothed mean of the last week; shape (n, slots, 3).
    spread
        Spread of the 28 days before, never 0; shape (n, slots), the same along a row.
    names
        Of the features.
    """

    x: Floats
    bases: Floats
    spread: Floats
    names: tuple[str, ...]


def design(
    days: Days, at: Rows, lead: int = 0, known: Sequence[tuple[str, Floats]] = (), *, ahead: bool = False, season: bool = False
) -> Design:
    """Features of the rows `at + lead` as known at the beginning of the rows `at`.

    Parameters
    ----------
    days
        The series.
    at
        Rows at whose beginning the forecast is issued, 0 to the number of rows (the day that begins now); shape (n,).
    lead
        Whole days between the issue and the row that is forecast.
    known
        Columns known for the future, laid out like the series with at least `lead + 1` rows more; their value in the cell
        and its distance from their mean over the 7 days before the issue become features.
    ahead
        Whether slots since the issue become a feature (where issues are not all at the same time of day).
    season
        Whether the time of the year becomes a feature (where each has been seen twice).
    """
    see = _Sight(days, at, lead)
    values, soft = days.values, see.soft
    class_8, group = windows.mean(see.soft_alike), see.of_class(values, see.rows_like(days.groups, 12))
    hour, week = max(1, round(3600 / days.step_s)), windows.last(values, at, 7)
    deviation = _deviation(days, soft, at)
    columns: list[Floats] = [
        np.broadcast_to((np.arange(days.slots) + days.first_slot) % days.slots, see.shape).astype(float),
        see.wide(days.groups), see.wide(days.kinds),
        *(windows.rows_at(matrix, at - back) for back in (1, max(1, 7 - lead)) for matrix in (values, soft)),
        windows.mean(see.alike[:, :4]), class_8,
        windows.median(group), windows.mean(group),
        windows.mean(week), windows.mean(windows.last(values, at, 28)),
        analogues(days, at, lead),
        *(see.tall(windows.mean(windows.tail(values, at, cells))) for cells in (hour, 4 * hour, days.slots, 7 * days.slots)),
        *(see.wide(column) for column in _rest(days)),
        *(see.tall(windows.mean(deviation[:, -cells:])) for cells in (hour, 4 * hour, days.slots)),
        windows.spread(values, at, 28), see.soft_alike[:, 0],
        windows.rows_at(values, at - 2), windows.mean(week[:, :3]), windows.median(week), np.fmin.reduce(week, axis=1),
        np.fmax.reduce(week, axis=1),
        *(windows.rows_at(windows.beside(values, step), at - 1) for step in (-1, 1)),
    ]  # fmt: skip
    names = list(NAMES)
    if ahead:
        columns.append(np.broadcast_to(np.arange(days.slots), see.shape).astype(float))
        names.append("ahead")
    if season:
        angle = _season(days, at + lead)
        columns += [see.tall(np.cos(angle)), see.tall(np.sin(angle))]
        names += ["season_cos", "season_sin"]
    for name, column in known:
        cell = windows.rows_at(column, at + lead)
        columns += [cell, cell - windows.mean(windows.last(column, at, 7))]
        names += [name, f"{name}_deviation"]
    measured, spread = _measured(see)
    return Design(x=np.stack(columns, axis=-1), bases=measured, spread=spread, names=tuple(names))


def measures(days: Days, at: Rows, lead: int = 0) -> tuple[Floats, Floats]:
    """The bases and the spread of a `Design`."""
    return _measured(_Sight(days, at, lead))


def _measured(see: _Sight) -> tuple[Floats, Floats]:
    days, at = see.days, see.at
    month = windows.tail(days.values, at, 28 * days.slots)
    plain = _plain_base(days.values, at, month)
    candidates = (windows.mean(see.soft_alike), windows.mean(see.alike), windows.mean(windows.last(see.soft, at, 7)))
    bases = np.stack([np.where(np.isfinite(base), base, plain) for base in candidates], axis=-1)
    return bases, _spread(month, bases[..., 0])


class _Sight:
    """Rows, their targets, and the slot from which a target row belongs to the next date."""

    def __init__(self, days: Days, at: Rows, lead: int) -> None:
        self.days, self.at, self.lead = days, at, lead
        self.rows = days.values.shape[0]
        self.shape = (at.size, days.slots)
        self.cut = days.slots - days.first_slot

    @cached_property
    def soft(self) -> Floats:
        """The values, smoothed within their rows."""
        return windows.smooth(self.days.values)

    @cached_property
    def alike(self) -> Floats:
        """The last eight days of the target's kind, shape (n, 8, slots)."""
        return self.of_class(self.days.values, self._kin)

    @cached_property
    def soft_alike(self) -> Floats:
        """The same, smoothed."""
        return self.of_class(self.soft, self._kin)

    @cached_property
    def _kin(self) -> tuple[Rows, Rows]:
        return self.rows_like(self.days.kinds, 8)

    def tall(self, column: Floats) -> Floats:
        """One value a row as cells."""
        return np.broadcast_to(column[:, None], self.shape)

    def wide(self, classes: Rows | Floats) -> Floats:
        """A class of each target row as cells."""
        target = self.at + self.lead
        first, second = classes[target].astype(float), classes[target + 1].astype(float)
        return np.where(np.arange(self.shape[1])[None, :] < self.cut, first[:, None], second[:, None])

    def rows_like(self, classes: Rows, width: int) -> tuple[Rows, Rows]:
        """The last rows of the target's class, for the slots before the next date and for those after; shape (n, width)."""
        before, after = (
            windows.last_of_class(later[: self.rows], self.at, later[self.at + self.lead], width)
            for later in (classes, classes[1:])
        )
        return before, after

    def of_class(self, values: Floats, rows: tuple[Rows, Rows]) -> Floats:
        """The values of such rows, shape (n, width, slots)."""
        before, after = rows
        parts = windows.rows_at(values[:, : self.cut], before), windows.rows_at(values[:, self.cut :], after)
        return np.concatenate(parts, axis=2)


def _deviation(days: Days, soft: Floats, at: Rows) -> Floats:
    """How far the row before each issue was from the mean of its class as known at its own beginning; shape (n, slots)."""
    before = np.maximum(at - 1, 0)
    see = _Sight(days, before, 0)
    expected = windows.mean(see.of_class(soft, see.rows_like(days.kinds, 8)))
    return windows.rows_at(days.values, at - 1) - expected


def _rest(days: Days) -> tuple[Floats, ...]:
    """Rest yesterday, holiday today, holiday around, length of the run of rest, rest ahead; for each day of the calendar."""
    before, after = rest_before(days.kinds), rest_after(days.kinds)
    rest = (days.kinds != WORK).astype(float)
    dates = days.dates[0] + np.arange(days.kinds.size).astype("timedelta64[D]")
    holiday = ((days.kinds == OFF) & (weekday(dates) < 6)).astype(float)
    near = np.maximum(np.append(0.0, holiday[:-1]), np.append(holiday[1:], 0.0))
    run = np.minimum(before + after + rest, LONGEST_REST)
    return np.append(1.0, rest[:-1]), holiday, near, run, np.minimum(after, LONGEST_REST)


def _season(days: Days, target: Rows) -> Floats:
    """Angle of each target row's date on the circle of the year."""
    dates = days.dates[0] + target.astype("timedelta64[D]")
    day_of_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(float)
    return np.asarray(2 * np.pi * day_of_year / 365.25)


def analogues(days: Days, at: Rows, lead: int = 0) -> Floats:
    """Mean of the days that followed those past days most like the day before the issue.

    Only days of the target's class count. Likeness is the mean square distance over the slots that both days have.
    Shape (n, slots); NaN where there are no such days.
    """
    values = days.values
    there = np.isfinite(values)
    first_week = values[:7][there[:7]]
    middle = float(first_week.mean()) if first_week.size else 0.0
    plain, seen = np.where(there, values - middle, 0.0), there.astype(float)
    square = plain * plain
    target = days.kinds[lead:]
    found = np.full((at.size, days.slots), np.nan)
    for number, issue in enumerate(at):
        past = np.arange(max(1, issue - ANALOGUE_DAYS), max(1, issue - lead))
        past = past[target[past] == target[issue]]
        if not past.size:
            continue
        before, yesterday = past - 1, issue - 1
        both = seen[before] @ seen[yesterday]
        distance = square[before] @ seen[yesterday] + seen[before] @ square[yesterday] - 2 * plain[before] @ plain[yesterday]
        ranked = np.where(both > 0, distance / np.maximum(both, 1), np.inf)
        near = past[np.argsort(ranked, kind="stable")[:NEAREST]] + lead
        found[number] = windows.share_mean(plain[near].sum(axis=0), seen[near].sum(axis=0)) + middle
    return found


def _plain_base(values: Floats, at: Rows, month: Floats) -> Floats:
    """The 28-day slot mean, else the 28-day level, else 0; shape (n, slots)."""
    slot_mean = windows.mean(windows.last(values, at, 28))
    return np.where(np.isfinite(slot_mean), slot_mean, np.nan_to_num(windows.mean(month))[:, None])


def _spread(month: Floats, base: Floats) -> Floats:
    """Standard deviation of all cells of 28 days, at least a thousandth of the level; shape as `base`."""
    level = windows.mean(month)
    spread = np.nan_to_num(np.sqrt(windows.mean((month - level[:, None]) ** 2)))
    least = np.maximum(np.abs(base).mean(axis=1) * 1e-3, 1e-9)
    return np.broadcast_to(np.maximum(spread, least)[:, None], base.shape)
