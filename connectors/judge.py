"""From what came over a wire to a Reading: units, type, and how far it can be believed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from plant.tags import Quality, Reading, Tag, Value, ValueType

_AHEAD_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """One value as a wire gave it, before the site file had a word."""

    value: object
    time: datetime | None = None
    """Source time; None = the wire gave none."""
    quality: Quality = Quality.GOOD
    server_time: datetime | None = None
    words: str = ""


@dataclass(slots=True)
class _Standing:
    value: Value | None
    since: datetime
    stamp: datetime | None


class Judge:
    """Turns raw values into Readings by the rules of the site file.

    Parameters
    ----------
    plant_clock
        True where the plant owns a clock (lock-step): a Reading's time is then that clock, and the wire's own stamps are
        judged only by whether they move.
    """

    def __init__(self, *, plant_clock: bool) -> None:
        self._plant_clock = plant_clock
        self._standing: dict[str, _Standing] = {}

    def reading(self, tag: Tag, raw: Raw | None, now: datetime) -> Reading:
        """The Reading of a tag at the plant's time `now`; None = the wire had nothing for it."""
        if raw is None:
            return Reading(tag=tag.name, time=now, value=None, quality=Quality.BAD, words="no value received")
        stamp = raw.time or raw.server_time
        time = now if self._plant_clock or stamp is None else stamp
        value, fault = in_units(raw.value, tag)
        quality, words = raw.quality, raw.words
        if fault and quality is not Quality.BAD:
            quality, words = Quality.BAD, fault
        if quality is Quality.GOOD or quality is Quality.UNCERTAIN:
            found = self._doubt(tag, value, time, stamp, now)
            if found is not None and (found[0] is Quality.BAD or quality is Quality.GOOD):
                quality, words = found
        if value is None and quality is not Quality.BAD:
            quality, words = Quality.BAD, "no value"
        return Reading(tag=tag.name, time=time, value=value, quality=quality, server_time=stamp, words=words)

    def forget(self) -> None:
        """Start anew after a gap in which nobody looked: a value may have moved unseen."""
        self._standing.clear()

    def _doubt(
        self, tag: Tag, value: Value | None, time: datetime, stamp: datetime | None, now: datetime
    ) -> tuple[Quality, str] | None:
        if isinstance(value, float):
            if tag.low is not None and value < tag.low:
                return Quality.BAD, f"{value:g} {tag.unit} is below the plausible {tag.low:g}"
            if tag.high is not None and value > tag.high:
                return Quality.BAD, f"{value:g} {tag.unit} is above the plausible {tag.high:g}"
        if tag.writable:
            return None  # what was asked stands until somebody asks again: neither old nor frozen
        if not self._plant_clock:
            age_s = (now - time).total_seconds()
            if age_s > tag.max_age_s:
                return Quality.BAD, f"{age_s:.0f} s old, {tag.max_age_s:g} s accepted"
            if age_s < -_AHEAD_S:
                return Quality.UNCERTAIN, f"its source time is {-age_s:.0f} s ahead of the clock here"
        return self._frozen(tag, value, stamp, now)

    def _frozen(self, tag: Tag, value: Value | None, stamp: datetime | None, now: datetime) -> tuple[Quality, str] | None:
        if tag.frozen_after_s is None:
            return None
        standing = self._standing.get(tag.name)
        if standing is None or standing.value != value or now < standing.since:
            self._standing[tag.name] = _Standing(value=value, since=now, stamp=stamp)
            return None
        still_s = (now - standing.since).total_seconds()
        if still_s < tag.frozen_after_s:
            return None
        if stamp is None or stamp == standing.stamp:
            return Quality.BAD, f"nothing new for {still_s:.0f} s: neither value nor time stamp has moved"
        return Quality.UNCERTAIN, f"the value has stood still for {still_s:.0f} s"


def in_units(value: object, tag: Tag) -> tuple[Value | None, str]:
    """A wire value in the tag's type and unit, and what is wrong with it (empty if nothing)."""
    if value is None:
        return None, "no value"
    if tag.type is ValueType.TEXT:
        return (value, "") if isinstance(value, str) else (None, f"{value!r} is not text")
    if isinstance(value, bool):
        number = 1.0 if value else 0.0
    elif isinstance(value, (int, float)):
        number = float(value)
    else:
        return None, f"{value!r} is not a number"
    if not math.isfinite(number):
        return None, f"{number} is not a number"
    if tag.type is ValueType.BOOLEAN:
        return number >= 0.5, ""
    if tag.scale == 1.0 and tag.offset == 0.0:
        return number, ""
    return number * tag.scale + tag.offset, ""


def on_wire(value: Value, tag: Tag) -> bool | float | int | str:
    """A value of the product as the wire wants it: the tag's type, the plant's unit.

    Raises
    ------
    ValueError
        If the value does not fit the tag's type, is not finite, or lies outside the tag's plausible range.
    """
    if tag.type is ValueType.TEXT:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not text")
        return value
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not {tag.type.value}")
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a number")
    if tag.type is ValueType.BOOLEAN:
        return value if isinstance(value, bool) else value >= 0.5
    if (tag.low is not None and value < tag.low) or (tag.high is not None and value > tag.high):
        raise ValueError(f"{value:g} {tag.unit} is outside the plausible {_bound(tag.low)}..{_bound(tag.high)}")
    number = (float(value) - tag.offset) / tag.scale
    if tag.type is ValueType.FLOAT:
        return number
    if abs(number - round(number)) > 1e-9 * max(1.0, abs(number)):
        raise ValueError(f"{value:g} {tag.unit} is not a whole number on the wire ({number:g})")
    return round(number)


def carried(value: Value | None, tag: Tag) -> bool | float | int | str | None:
    """A reading as the plant's own wire would carry it: its type and unit, not judged; None where it is not a number."""
    if value is None or tag.type is ValueType.TEXT or isinstance(value, str):
        return value if isinstance(value, str) and tag.type is ValueType.TEXT else None
    if not math.isfinite(value):
        return None
    if tag.type is ValueType.BOOLEAN:
        return bool(value >= 0.5)
    number = (float(value) - tag.offset) / tag.scale
    return round(number) if tag.type is ValueType.INTEGER else number


def _bound(limit: float | None) -> str:
    return "" if limit is None else f"{limit:g}"
