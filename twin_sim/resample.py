"""Futures made of the past: whole days of telemetry drawn anew, working days for working days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from plant.errors import DataError
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.drivers import Drivers

LEAST_DAYS = 2


def from_past(
    site: Site, history: Table, tags: Sequence[str], *, start: datetime, days: float, futures: int, step_s: float, seed: int
) -> Drivers:
    """Draw futures of some tags from the whole local days of a history.

    All tags of a day are taken together, so weather, load and demand keep their company. Future `i` depends on the seed and
    `i` only: more futures leave the first ones as they are.

    Raises
    ------
    DataError
        If there are less than two whole days, or a tag has no value in any of them.
    """
    zone = ZoneInfo(site.site.timezone)
    free = _free_days(site, start, days, history)
    past = _days(history, tags, zone, step_s)
    if len(past) < LEAST_DAYS:
        raise DataError(f"{len(past)} whole days of history: at least {LEAST_DAYS} are needed to draw futures from")
    classes = {
        working: [day for day in past if (day.weekday() < 5 and day not in free) == working] or list(past)
        for working in (True, False)
    }
    local = [(start + timedelta(seconds=step * step_s)).astimezone(zone) for step in range(round(days * 86400.0 / step_s))]
    ahead = list(dict.fromkeys(time.date() for time in local))
    number, candidates = {day: n for n, day in enumerate(past)}, [classes[day.weekday() < 5 and day not in free] for day in ahead]
    drawn = np.empty((len(ahead), futures), dtype=np.int64)
    for future in range(futures):
        rng = np.random.default_rng([seed, 43, future])
        drawn[:, future] = [number[those[int(rng.integers(len(those)))]] for those in candidates]
    place = {day: n for n, day in enumerate(ahead)}
    days_at = drawn[np.array([place[time.date()] for time in local], dtype=np.int64)]
    slots = np.array([int((time.hour * 3600 + time.minute * 60 + time.second) // step_s) for time in local], dtype=np.int64)[
        :, None
    ]
    made = {tag: np.stack([columns[tag] for columns in past.values()])[days_at, slots] for tag in tags}
    return Drivers(start=start, step_s=step_s, tags=made)


def _free_days(site: Site, start: datetime, days: float, history: Table) -> set[date]:
    years = {start.year, (start + timedelta(days=days)).year, int(str(history.times[0])[:4]) if len(history) else start.year}
    free = {date.fromisoformat(day) for day in site.site.shutdown_days}
    if site.site.country:
        free |= set(holidays.country_holidays(site.site.country, years=range(min(years), max(years) + 1)))
    return free


def _days(history: Table, tags: Sequence[str], zone: ZoneInfo, step_s: float) -> dict[date, dict[str, Floats]]:
    """Local days with a value of every tag in at least nine tenths of the slots, gaps filled from the neighbours."""
    slots = round(86400.0 / step_s)
    found: dict[date, dict[str, Floats]] = {}
    for tag in tags:
        if tag not in history.columns:
            raise DataError(f"the history has no tag {tag!r}: import its readings, or take it out of the site file")
    local = [datetime.fromisoformat(f"{time}+00:00").astimezone(zone) for time in history.times]
    of_day: dict[date, list[tuple[int, int]]] = {}
    for row, time in enumerate(local):
        of_day.setdefault(time.date(), []).append((int((time.hour * 3600 + time.minute * 60 + time.second) // step_s), row))
    for day, rows in of_day.items():
        columns: dict[str, Floats] = {}
        for tag in tags:
            column = np.full(slots, np.nan)
            for slot, row in rows:
                column[slot] = history.columns[tag][row]
            known = np.flatnonzero(np.isfinite(column))
            if known.size < 0.9 * slots:
                break
            columns[tag] = np.asarray(np.interp(np.arange(slots), known, column[known]))
        if len(columns) == len(tags):
            found[day] = columns
    return found
