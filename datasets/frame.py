"""The table of time series as files and pandas know it, and the clock on the wall of the site.

A frame has a UTC index `time` (left-labelled), one float column per tag, and NaN where something is missing. Files come
with all kinds of clocks: an offset in every row, a wall clock with or without daylight saving, or a plain number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd

from plant.errors import ConfigError, DataError, NotFoundError
from plant.table import Table, Times

_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})$")
_WRITTEN_OFFSET = re.compile(r"(?:[+-]\d{2}:?\d{2}|[Zz])$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A file as a table."""

    table: Table
    timezone: str
    """IANA name or `+HH:MM`: the wall clock of the file."""
    words: tuple[str, ...] = ()
    """What had to be decided while reading, in sentences."""


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name or a fixed offset `+HH:MM`.

    Raises
    ------
    ConfigError
        If the name is neither.
    """
    fixed = _OFFSET.fullmatch(name)
    if fixed:
        span = timedelta(hours=int(fixed[2]), minutes=int(fixed[3]))
        return timezone(span if fixed[1] == "+" else -span)
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"timezone {name!r} is not known: write an IANA name such as Europe/Berlin, or an offset +01:00"
        ) from error


def local_times(times: Times, timezone_name: str) -> Times:
    """Wall-clock times (without zone) of UTC instants.

    Parameters
    ----------
    times
        `datetime64[us]` in UTC.
    timezone_name
        IANA name or `+HH:MM`.
    """
    where = zone(timezone_name)
    if isinstance(where, timezone):
        offset = where.utcoffset(None)
        return (times + np.timedelta64(int(offset.total_seconds()), "s")).astype("datetime64[us]")
    wall = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(where).tz_localize(None)
    return wall.to_numpy().astype("datetime64[us]")


def utc_times(wall: Times, timezone_name: str) -> Times:
    """UTC instants of wall-clock times, the reverse of `local_times`.

    An hour that the clock shows twice is taken in the order of the rows where they show it twice, else as the first;
    an hour that the clock skips is taken as the hour after it.
    """
    index = pd.DatetimeIndex(wall)
    where = zone(timezone_name)
    if isinstance(where, timezone):
        offset = where.utcoffset(None)
        return (wall - np.timedelta64(int(offset.total_seconds()), "s")).astype("datetime64[us]")
    first_of_two = ~index.duplicated(keep="first")
    aware = index.tz_localize(where, ambiguous=first_of_two, nonexistent="shift_forward")
    return aware.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")


def to_table(frame: pd.DataFrame) -> Table:
    """The NumPy table of a frame; rows of equal time are averaged, rows are put in order."""
    index = pd.DatetimeIndex(frame.index)
    index = index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index
    tidy = frame.set_axis(index, axis=0)
    if not index.is_monotonic_increasing or index.has_duplicates:
        tidy = tidy.groupby(level=0).mean()
    times = pd.DatetimeIndex(tidy.index).to_numpy().astype("datetime64[us]")
    return Table(times=times, columns={str(name): tidy[name].to_numpy(dtype=np.float64, copy=True) for name in tidy.columns})


def to_frame(table: Table) -> pd.DataFrame:
    """The pandas frame of a table, with its UTC index `time`."""
    index = pd.DatetimeIndex(table.times, name="time").tz_localize("UTC")
    return pd.DataFrame(dict(table.columns), index=index)


def by_date(table: Table, timezone: str) -> Table:
    """Daily rows at the beginning of their local date, as if that clock were UTC: a day of 23 or 25 hours is a day like others."""
    nearest = local_times(table.times, timezone) + np.timedelta64(12, "h")
    return Table(times=nearest.astype("datetime64[D]").astype("datetime64[us]"), columns=table.columns)


def read_csv(path: Path, *, time: str, columns: Sequence[str] = (), timezone_name: str | None = None) -> Loaded:
    """Read a CSV file (also compressed: .gz, .bz2, .xz, .zip) as a table.

    Parameters
    ----------
    path
        The file.
    time
        Its column of times: ISO 8601 or what pandas understands, with or without an offset.
    columns
        Columns wanted; empty means every column that holds numbers.
    timezone_name
        Wall clock of the site. Without it the file's own offsets decide, else times are taken as written.

    Raises
    ------
    NotFoundError
        If the file or a column does not exist; the text lists the columns that do.
    DataError
        If times cannot be read or a wanted column holds no numbers.
    """
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}")
    try:
        text = pd.read_csv(path, dtype={time: str})
    except (ValueError, OSError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a CSV file that can be read: {error}") from error
    missing = [name for name in (time, *columns) if name not in text.columns]
    if missing:
        raise NotFoundError(f"{path} has no column {missing[0]!r}: it has {', '.join(map(str, text.columns))}")
    instants, found, words = _instants(text[time].astype(str), path, time, timezone_name)
    numbers = _numbers(text, [name for name in (columns or text.columns) if name != time], path, bool(columns))
    frame = numbers.set_axis(pd.DatetimeIndex(instants), axis=0)
    doubled = int(np.count_nonzero(frame.index.duplicated()))
    if doubled:
        words.append(f"{doubled} rows of {path.name} have a time that another row has: their mean is used")
    return Loaded(table=to_table(frame), timezone=found, words=tuple(words))


def _numbers(text: pd.DataFrame, names: Sequence[str], path: Path, wanted: bool) -> pd.DataFrame:
    chosen: dict[str, pd.Series[float]] = {}
    for name in names:
        values = pd.to_numeric(text[name], errors="coerce").astype("float64").replace([np.inf, -np.inf], np.nan)
        if values.notna().any():
            chosen[name] = values
        elif wanted:
            raise DataError(f"{path}, column {name!r}: there is no number in it")
    return pd.DataFrame(chosen)


def _instants(text: pd.Series[str], path: Path, column: str, timezone_name: str | None) -> tuple[Times, str, list[str]]:
    with_offset = bool(text.str.contains(_WRITTEN_OFFSET).all()) and not bool(text.str.fullmatch(r"\d{4}-\d{2}-\d{2}").any())
    try:
        stamps = pd.DatetimeIndex(pd.to_datetime(text, utc=with_offset))
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}, column {column!r}: {error}; write times as 2024-01-31T13:45:00+01:00") from error
    if stamps.hasnans:
        raise DataError(f"{path}, column {column!r}: {int(np.count_nonzero(stamps.isna()))} rows have no time")
    if not with_offset:
        wall = stamps.to_numpy().astype("datetime64[us]")
        name = timezone_name or "UTC"
        words = [] if timezone_name else [f"{path.name} names no time zone: times are taken as written"]
        return utc_times(wall, name), name, words
    instants = stamps.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    if timezone_name:
        zone(timezone_name)
        return instants, timezone_name, []
    name, words = _zone_of_offsets(text, instants, path)
    return instants, name, words


def _zone_of_offsets(text: pd.Series[str], instants: Times, path: Path) -> tuple[str, list[str]]:
    written = text.str.extract(_OFFSET)
    minutes = pd.to_numeric(written[1]).fillna(0) * 60 + pd.to_numeric(written[2]).fillna(0)
    offset_s = (np.where(written[0].to_numpy() == "-", -1, 1) * minutes.to_numpy() * 60).astype(np.int64)
    if np.all(offset_s == offset_s[0]):
        sign, rest = ("-" if offset_s[0] < 0 else "+"), abs(int(offset_s[0]))
        return (f"{sign}{rest // 3600:02d}:{rest % 3600 // 60:02d}" if rest else "UTC"), []
    changes = np.flatnonzero(np.diff(offset_s)) + 1
    looked_at = np.unique(np.concatenate([[0, len(offset_s) - 1], changes, changes - 1]))
    preferred = ["Europe/Copenhagen", "Europe/Berlin", "Europe/London", "Europe/Helsinki", "America/New_York", "America/Chicago"]
    for name in [*preferred, *sorted(available_timezones() - set(preferred))]:
        shown = local_times(instants[looked_at], name) - instants[looked_at]
        if np.array_equal(shown.astype("timedelta64[s]").astype(np.int64), offset_s[looked_at]):
            return name, [f"the offsets of {path.name} are those of {name}"]
    return "UTC", [f"the offsets of {path.name} fit no time zone: days are cut in UTC; name one with --timezone"]
