"""UTC instants, steps and durations. Nothing here reads a clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["UTC", "duration_s", "floor", "instant", "iso", "steps_between", "utc"]

_UNIT_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")


def utc(time: datetime) -> datetime:
    """The same instant in UTC.

    Raises
    ------
    ValueError
        If `time` has no zone: a wall clock without a zone is not an instant.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time.isoformat()} has no time zone")
    return time.astimezone(UTC)


def iso(time: datetime) -> str:
    """ISO 8601 in UTC with a `Z`, microseconds only where there are any."""
    return utc(time).isoformat().replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """The instant an ISO 8601 text with a zone names.

    Raises
    ------
    ValueError
        If the text is not ISO 8601 or has no zone.
    """
    return utc(datetime.fromisoformat(text))


def floor(time: datetime, step_s: float) -> datetime:
    """The last multiple of `step_s` (counted from 1970 in UTC) that is not later than `time`."""
    seconds = utc(time).timestamp()
    return datetime.fromtimestamp(seconds - seconds % step_s, UTC)


def steps_between(start: datetime, end: datetime, step_s: float) -> int:
    """Whole steps from `start` to `end`, rounded up; 0 when `end` is not later."""
    span = (end - start).total_seconds()
    return max(0, -int(-span // step_s))


def duration_s(text: str) -> float:
    """Seconds of a duration such as `15min`, `24h`, `1d 12h`, `90s`.

    Raises
    ------
    ValueError
        If the text is not a duration.
    """
    compact = text.strip().lower()
    parts = _DURATION.findall(compact)
    if not parts or _DURATION.sub("", compact).strip():
        raise ValueError(f"{text!r} is not a duration: write for example 15min, 24h or 7d")
    return sum(float(number) * _UNIT_S[unit] for number, unit in parts)


def after(time: datetime, seconds: float) -> datetime:
    """`time` plus `seconds`."""
    return time + timedelta(seconds=seconds)
