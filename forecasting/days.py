"""One series laid out as days × slots, with the day beginning at the issue time.

A day that begins at the slot of the issue turns "everything before the issue" into "all rows above", for midnight as for
any other time; what a feature may know is then a matter of rows, not of care.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from datasets.frame import local_times
from forecasting.calendar import Calendar, Dates, Kinds, groups
from plant.errors import DataError
from plant.table import Floats, Times

DAY_S = 86400
AHEAD_DAYS = 12
"""Days of calendar known beyond the last row."""
Slots = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Values by day and slot.

    Attributes
    ----------
    dates
        Local date on which each row begins, without gaps, shape (days,).
    values
        Mean of the readings in a cell, NaN where there are none, shape (days, slots).
    first_slot
        Slot of the wall clock at which a row begins.
    kinds, groups
        Kind and group of each row's date and of the days behind the last, shape (days + AHEAD_DAYS,).
    """

    dates: Dates
    values: Floats
    step_s: float
    first_slot: int
    kinds: Kinds
    groups: Kinds

    @property
    def slots(self) -> int:
        """Slots of a day."""
        return int(self.values.shape[1])

    def upto(self, row: int) -> Days:
        """The rows before `row`."""
        return replace(
            self,
            dates=self.dates[:row],
            values=self.values[:row],
            kinds=self.kinds[: row + AHEAD_DAYS],
            groups=self.groups[: row + AHEAD_DAYS],
        )


def slots_of_day(step_s: float) -> int:
    """Slots of a day.

    Raises
    ------
    DataError
        If the step is not a whole share of a day between 1 and 1,440 minutes.
    """
    if not (60 <= step_s <= DAY_S) or DAY_S % step_s:
        raise DataError(f"a step of {step_s:g} s is no whole share of a day: resample to between 1 and 1,440 minutes")
    return int(DAY_S // step_s)


def place(times: Times, timezone: str, step_s: float, first_slot: int) -> tuple[Dates, Slots]:
    """Row date and slot of each UTC instant; not to be written to."""
    return _placed(times.astype("datetime64[us]").tobytes(), timezone, step_s, first_slot)


@lru_cache(maxsize=8)
def _placed(times: bytes, timezone: str, step_s: float, first_slot: int) -> tuple[Dates, Slots]:
    """Remembered, because all targets of a site share one time axis."""
    wall = local_times(np.frombuffer(times, dtype="datetime64[us]"), timezone)
    moved = wall - np.timedelta64(round(first_slot * step_s), "s")
    dates = moved.astype("datetime64[D]")
    seconds = (moved - dates).astype("timedelta64[s]").astype(np.int64)
    slots = (seconds // step_s).astype(np.int64)
    for array in (dates, slots):
        array.flags.writeable = False
    return dates, slots


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Where the rows of a time axis lie among days and slots.

    Attributes
    ----------
    cell
        Cell of each row, shape (rows,).
    dates, kinds, groups
        As in `Days`.
    """

    cell: Slots
    dates: Dates
    kinds: Kinds
    groups: Kinds


@lru_cache(maxsize=8)
def _grid(times: bytes, timezone: str, step_s: float, calendar: Calendar, first_slot: int, until: np.datetime64 | None) -> _Grid:
    slots = slots_of_day(step_s)
    row_dates, slot = _placed(times, timezone, step_s, first_slot)
    first, last = row_dates[0], row_dates[-1] if until is None else until
    longer = np.arange(first, last + np.timedelta64(1 + AHEAD_DAYS, "D"), dtype="datetime64[D]")
    kinds = calendar.kinds(longer)
    made = _Grid(
        cell=(row_dates - first).astype(np.int64) * slots + slot,
        dates=np.arange(first, last + np.timedelta64(1, "D"), dtype="datetime64[D]"),
        kinds=kinds,
        groups=groups(longer, kinds),
    )
    for array in (made.cell, made.dates, made.kinds, made.groups):
        array.flags.writeable = False
    return made


def fold(
    times: Times,
    values: Floats,
    *,
    timezone: str,
    step_s: float,
    calendar: Calendar,
    first_slot: int = 0,
    until: np.datetime64 | None = None,
) -> Days:
    """Lay a series out as days.

    Parameters
    ----------
    times, values
        UTC instants and values, NaN = missing; shape (rows,).
    timezone
        IANA name or `+HH:MM` of the wall clock that cuts the days.
    step_s
        Length of a slot; several readings in one slot are averaged.
    calendar
        Which days the works rests.
    first_slot
        Slot at which a day begins.
    until
        Last row date wanted; rows without readings are NaN.
    """
    slots = slots_of_day(step_s)
    grid = _grid(times.astype("datetime64[us]").tobytes(), timezone, step_s, calendar, first_slot, until)
    count = grid.dates.size * slots
    there = np.isfinite(values) & (grid.cell < count)
    cells = grid.cell[there]
    total = np.bincount(cells, weights=values[there], minlength=count)
    readings = np.bincount(cells, minlength=count)
    with np.errstate(invalid="ignore"):
        filled = (total / readings).reshape(grid.dates.size, slots)
    return Days(dates=grid.dates, values=filled, step_s=step_s, first_slot=first_slot, kinds=grid.kinds, groups=grid.groups)
