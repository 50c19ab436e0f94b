"""How counts, numbers and times are said to a person; records and JSON keep their own exact form."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from plant.times import UTC

_AT = re.compile(r"(?:(?P<date>\d{2} [A-Z][a-z]{2}(?: \d{4})?) )?(?P<clock>\d{2}:\d{2}) UTC\b")
_ISO = re.compile(r"\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z")
_POWER_OF_TEN = re.compile(r"\b\d(?:\.\d+)?e[+-]\d{2}\b")


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 gap`, `2 gaps`, `1,344 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def lasting(seconds: float) -> str:
    """A span of time in its largest unit that says something: `40 s`, `25 min`, `7 h`, `292 days`."""
    for unit_s, unit in ((172800.0, "days"), (7200.0, "h"), (120.0, "min")):
        if seconds >= unit_s:
            return f"{seconds / (86400.0 if unit == 'days' else unit_s / 2):,.0f} {unit}"
    return f"{seconds:.0f} s"


def listed(names: list[str], most: int = 10) -> str:
    """Names in a row, the rest counted."""
    more = f", … and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def clock(time: datetime, timezone: str) -> str:
    """An instant for a person: local time with its zone, to the minute: `2026-02-02 03:00 CET`."""
    return f"{time.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"


def localised(words: str, near: datetime, timezone: str) -> str:
    """A sentence whose times are said in UTC, with the same times on the site's clock.

    Parameters
    ----------
    near
        When it was said: a time of day alone means its first occurrence from then on.
    """
    zone = ZoneInfo(timezone)

    def exactly(found: re.Match[str]) -> str:
        return clock(datetime.fromisoformat(found.group()), timezone)

    def said(found: re.Match[str]) -> str:
        date, of_day = found["date"], found["clock"]
        if date is None:
            return f"{_next(of_day, near).astimezone(zone):%H:%M %Z}"
        form = "%d %b %Y %H:%M" if len(date) > len("01 Jan") else "%d %b %H:%M"
        whole = datetime.strptime(f"{date} {of_day}" if "%Y" in form else f"{near.year} {date} {of_day}", _parsed(form))
        return f"{whole.replace(tzinfo=UTC).astimezone(zone):{form} %Z}"

    return _AT.sub(said, _ISO.sub(exactly, words))


def _parsed(form: str) -> str:
    return form if "%Y" in form else f"%Y {form}"


def _next(of_day: str, near: datetime) -> datetime:
    hour, minute = (int(part) for part in of_day.split(":"))
    begin = near.astimezone(UTC)
    found = begin.replace(hour=hour % 24, minute=minute, second=0, microsecond=0)
    return found if found >= begin.replace(second=0, microsecond=0) else found + timedelta(days=1)


def readable(words: str) -> str:
    """A sentence without powers of ten: `1.1e+03 pieces` is `1,100 pieces`."""
    return _POWER_OF_TEN.sub(lambda found: _plain(float(found.group())), words)


def _plain(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1.0 else f"{number:.8f}".rstrip("0")
