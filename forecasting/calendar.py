"""What kind of day it is, for people who work: work day, Saturday, off; and the days between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import holidays
import numpy as np
import numpy.typing as npt

from plant.errors import ConfigError
from plant.table import Floats

Dates = npt.NDArray[np.datetime64]
Kinds = npt.NDArray[np.int64]

WORK, SATURDAY, OFF = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Which days the works rests."""

    country: str | None = None
    """ISO 3166 code for public holidays; None = only weekends."""
    shutdown_days: tuple[str, ...] = ()
    """Further local dates (YYYY-MM-DD) on which the works stands still."""

    def __post_init__(self) -> None:
        if self.country is not None and self.country.upper() not in _countries():
            raise ConfigError(f"country {self.country!r} is not known: write an ISO 3166 code such as DE, DK or KR")

    def holidays(self, dates: Dates) -> npt.NDArray[np.bool_]:
        """Whether each local date is a public holiday or a shutdown day."""
        rest = np.isin(dates, np.array(self.shutdown_days, dtype="datetime64[D]"))
        if self.country is None or not dates.size:
            return rest
        first, last = (int(str(edge.astype("datetime64[Y]"))) for edge in (dates.min(), dates.max()))
        return rest | np.isin(dates, _public(self.country.upper(), first, last))

    def kinds(self, dates: Dates) -> Kinds:
        """WORK, SATURDAY or OFF of each local date; a holiday counts as a Sunday."""
        day = weekday(dates)
        kinds = np.where(day < 5, WORK, np.where(day == 5, SATURDAY, OFF))
        return np.where(self.holidays(dates), OFF, kinds)


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    return frozenset(holidays.list_supported_countries())


@lru_cache(maxsize=64)
def _public(country: str, first: int, last: int) -> Dates:
    found = holidays.country_holidays(country, years=range(first - 1, last + 2))
    return np.array(sorted(found), dtype="datetime64[D]")


def weekday(dates: Dates) -> Kinds:
    """0 Monday to 6 Sunday."""
    return (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7


def groups(dates: Dates, kinds: Kinds) -> Kinds:
    """Finer than kinds: the weekday of a work day (0 to 4), Saturday 5, off 6."""
    return np.where(kinds == WORK, weekday(dates), np.where(kinds == SATURDAY, 5, 6))


def rest_before(kinds: Kinds) -> Floats:
    """Days of rest in a row that end the day before; 0 after a work day. Shape as `kinds`."""
    run = np.zeros(kinds.size)
    for day in range(1, kinds.size):
        run[day] = run[day - 1] + 1 if kinds[day - 1] != WORK else 0
    return run


def rest_after(kinds: Kinds) -> Floats:
    """Days of rest in a row that begin the day after. Shape as `kinds`."""
    return rest_before(kinds[::-1])[::-1]
