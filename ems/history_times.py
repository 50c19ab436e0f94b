"""The time column of a history file as instants: zones, local times, running seconds and Unix times."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from ems.history_file import BadCell, HistoryFile, numbers
from ems.readings import microseconds
from plant.errors import ConfigError, DataError
from plant.table import Floats

Stamps = npt.NDArray[np.int64]
UNKNOWN = np.iinfo(np.int64).min
_OFFSET = re.compile(r"(?:[zZ]|[+-]\d{2}:?\d{2})$")
_RUNNING_S = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_NAMES = ("time", "timestamp", "datetime", "date", "time_s", "t")
_UNIX = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (1e8, 1e6))


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOptions:
    """How a time column is to be read."""

    column: str | None = None
    """None = the one called time, timestamp, datetime, date or time_s, else the first."""
    format: str | None = None
    """strptime format; None = ISO 8601."""
    zone: ZoneInfo
    """Of times that name none."""
    end: datetime | None = None
    """The instant at which a running time column ends."""


def time_column(names: list[str], wanted: str | None, where: str) -> str:
    """The column that holds the time.

    Raises
    ------
    ConfigError
        If the wanted one is not there.
    """
    if wanted is not None and wanted not in names:
        raise ConfigError(f"{where}: time column {wanted!r} is not there (columns: {', '.join(names[:12])})")
    lower = {name.lower(): name for name in reversed(names)}
    return wanted or next((lower[name] for name in _NAMES if name in lower), names[0])


def instants(file: HistoryFile, options: TimeOptions) -> tuple[Stamps, list[BadCell]]:
    """Microseconds since 1970 in UTC per row, `UNKNOWN` where there is no time, and those places.

    Numbers are running time if `end` is given (unit = last word of the column's name, seconds by default): 0 is `end`
    where no number is positive, else the largest is. Without `end` they must be Unix times.

    Raises
    ------
    ConfigError
        If the times run and `end` is missing.
    DataError
        If no row has a time.
    """
    name = time_column(list(file.columns), options.column, file.name)
    cells = file.columns[name]
    if cells.dtype == np.float64 or (options.format is None and _is_number(cells[0])):
        values, bad = numbers(file, name)
        stamps = _running(values, name, options.end) if options.end is not None else _unix(values, name, file)
        bad += _missing(file, name, values)
    else:
        stamps, bad = _written(file, name, options)
    if bool(np.all(stamps == UNKNOWN)):
        shown = ", ".join(repr(str(cell)) for cell in cells[:3])
        raise DataError(
            f"{file.name}: column {name!r} holds no time ({shown}, …); name the column with --time or its form with --time-format"
        )
    return stamps, bad


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def _missing(file: HistoryFile, name: str, values: Floats) -> list[BadCell]:
    rows = np.flatnonzero(np.isnan(values))
    return [BadCell(line=int(file.lines[row]), column=name, value="", words="no time") for row in rows]


def _running(values: Floats, name: str, end_time: datetime) -> Stamps:
    unit_s = _RUNNING_S.get(name.rsplit("_", 1)[-1].lower(), 1.0) if "_" in name else 1.0
    highest = np.nanmax(values) if bool(np.any(np.isfinite(values))) else 0.0
    since_end = values - max(highest, 0.0)
    end = microseconds(end_time)
    return np.where(np.isnan(values), UNKNOWN, np.nan_to_num(np.round(since_end * unit_s * 1e6)).astype(np.int64) + end)


def _unix(values: Floats, name: str, file: HistoryFile) -> Stamps:
    size = float(np.nanmedian(np.abs(values))) if bool(np.any(np.isfinite(values))) else 0.0
    factor = next((factor for least, factor in _UNIX if size >= least), None)
    if factor is None:
        raise ConfigError(
            f"{file.name}: column {name!r} is a running time; say with --end TIME when it ends (ISO 8601 with a zone)"
        )
    return np.where(np.isnan(values), UNKNOWN, np.nan_to_num(np.round(values * factor)).astype(np.int64))


def _written(file: HistoryFile, name: str, options: TimeOptions) -> tuple[Stamps, list[BadCell]]:
    texts = ["" if cell is None else str(cell).strip() for cell in file.columns[name]]
    zoned = np.array([bool(_OFFSET.search(text)) and len(text) > 10 for text in texts])
    stamps = np.full(len(texts), UNKNOWN)
    bad: list[BadCell] = []
    for rows, zone in ((np.flatnonzero(zoned), None), (np.flatnonzero(~zoned), options.zone)):
        if not rows.size:
            continue
        found = _parsed([texts[row] for row in rows], options.format, zone)
        stamps[rows] = found
        for row in rows[found == UNKNOWN]:
            words = "no time" if not texts[row] else _why(zone)
            bad.append(BadCell(line=int(file.lines[row]), column=name, value=texts[row][:60], words=words))
    return stamps, bad


def _why(zone: ZoneInfo | None) -> str:
    if zone is None:
        return "not a time (ISO 8601)"
    return f"not a time, or one that {zone.key} has twice or not at all when clocks change: write its offset from UTC"


def _parsed(texts: list[str], form: str | None, zone: ZoneInfo | None) -> Stamps:
    times = pd.Series(pd.to_datetime(pd.Series(texts, dtype=object), format=form or "ISO8601", errors="coerce", utc=zone is None))
    if zone is not None:
        times = _located(times, zone)
    known = times.notna().to_numpy()
    stamps = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.where(known, stamps, UNKNOWN)


def _located(times: pd.Series[Any], zone: ZoneInfo) -> pd.Series[Any]:
    """Local times as instants; the hour that comes twice is told apart by its order, else left out."""
    located: pd.Series[Any]
    try:
        located = times.dt.tz_localize(zone, ambiguous="infer", nonexistent="NaT")
    except ValueError:
        located = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    return located
