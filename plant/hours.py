"""Hours of the local week, as `Mon-Fri 06:00-22:00`, `Sat,Sun 00:00-24:00` or `22:00-06:00` (over midnight)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES_PER_DAY = 1440
_FORM = re.compile(r"^(?:([A-Za-z,\-]+)\s+)?(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHours:
    """A span of the day on some days of the week; over midnight it counts to the day on which it began."""

    days: frozenset[int]
    """0 = Monday."""
    begin_min: int
    end_min: int
    """1440 = midnight; smaller than `begin_min` = the next morning."""

    def holds(self, local: datetime) -> bool:
        """Whether a local time lies inside."""
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.begin_min < self.end_min:
            return day in self.days and self.begin_min <= minute < self.end_min
        return (day in self.days and minute >= self.begin_min) or ((day - 1) % 7 in self.days and minute < self.end_min)


@lru_cache(maxsize=512)
def local_hours(text: str) -> LocalHours:
    """Read a text such as `Mon-Fri 06:00-22:00`.

    Raises
    ------
    ValueError
        If the text is not of that form.
    """
    match = _FORM.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not hours: write for example `Mon-Fri 06:00-22:00` or `22:00-06:00`")
    names, *numbers = match.groups()
    begin_h, begin_m, end_h, end_m = map(int, numbers)
    begin, end = begin_h * 60 + begin_m, end_h * 60 + end_m
    if begin >= MINUTES_PER_DAY or end > MINUTES_PER_DAY or begin == end or begin_m > 59 or end_m > 59:
        raise ValueError(f"{text!r}: hours run from 00:00 to 24:00 and end later than they begin, or the next morning")
    return LocalHours(days=_days(names, text), begin_min=begin, end_min=end)


def _days(names: str | None, text: str) -> frozenset[int]:
    if names is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in names.split(","):
        first, _, last = part.partition("-")
        try:
            begin = DAYS.index(first.strip().capitalize())
            end = DAYS.index((last or first).strip().capitalize())
        except ValueError as error:
            raise ValueError(f"{text!r}: days are {', '.join(DAYS)}, ranges such as Mon-Fri, or lists such as Sat,Sun") from error
        found.update((begin + i) % 7 for i in range((end - begin) % 7 + 1))
    return frozenset(found)


def holds(texts: tuple[str, ...], time: datetime, zone: ZoneInfo, closed: frozenset[date] = frozenset()) -> bool:
    """Whether any of the texts holds at an instant in a zone; on `closed` local dates none does."""
    local = time.astimezone(zone)
    return local.date() not in closed and any(local_hours(text).holds(local) for text in texts)
