"""Weather asked for by the worker: the newest forecast, and past days as they had been forecast; kept with their issue times."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise

import numpy as np

from datasets.download import brief
from datasets.frame import Loaded
from datasets.sources import open_meteo
from ems.issued import Issued, IssuedForecasts
from ems.outlook import HOUR_S, MODEL, NAMES, PAST, UNITS, ahead_model, lead_days
from plant.errors import ConfigError, DataError, NotConnectedError
from plant.feeds import WeatherFeed
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.site import Site
from plant.table import Floats, Table
from plant.times import floor

ARCHIVED_AFTER = timedelta(days=7)
"""So long after a day the archive has it for certain."""
FILLED_HOURS = 3
"""Gaps of so many hours are bridged."""
_HOUR = np.timedelta64(1, "h")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Source:
    """The three questions for one place."""

    feed: WeatherFeed
    latitude: float
    longitude: float

    def _ask(self, question: Callable[..., Loaded], public: str) -> Callable[..., Loaded]:
        key = os.environ.get(self.feed.key_env) if self.feed.key_env else None
        if self.feed.key_env and not key:
            raise ConfigError(f"weather.key_env: the environment variable {self.feed.key_env} is not set")
        own = brief(self.feed.url or open_meteo.address(public, key))
        return partial(question, self.latitude, self.longitude, key=key, service=own)

    def forecast(self, days: int) -> Table:
        return self._ask(open_meteo.forecast, open_meteo.FORECAST_URL)(days=days).table

    def issued(self, first: date, last: date, days: int) -> Table:
        return self._ask(open_meteo.issued, open_meteo.ISSUED_URL)(first, last, lead_days=days).table

    def past(self, first: date, last: date) -> Table:
        return self._ask(open_meteo.load, open_meteo.ARCHIVE_URL)(first, last).table


def fetch(site: Site, kept: IssuedForecasts, now: datetime, until: datetime, say: Callable[[str], None]) -> str:
    """Ask for the newest forecast and for days of the history that are not known yet; returns what was done, in words.

    Parameters
    ----------
    now
        The wall's time: when the forecast was known.
    until
        The end of the site's history.
    say
        Told each part; a part of the history that cannot be had is said, and asked for again the next time.

    Raises
    ------
    NotConnectedError, DataError
        If there is no newest forecast.
    """
    feed, place = site.weather, site.site
    if feed is None or place.latitude is None or place.longitude is None:
        return "no weather service is asked: the site file has no [weather]"
    source = _Source(feed, place.latitude, place.longitude)
    days = min(16, lead_days(site) + 3)
    rows = list(_runs(source.forecast(days), now))
    if not rows:
        raise DataError("Open-Meteo: the answer holds no hour that is still to come")
    kept.add(rows)
    words = f"weather until {rows[0].forecast.p50.end:%d %b %H:%M} UTC"
    say(words)
    try:
        made = _backfilled(site, source, kept, now, until)
    except (NotConnectedError, DataError) as error:
        say(f"past weather could not be had: {error}")
        return f"{words}; past weather is asked for again"
    say(made)
    return f"{words}; {made}"


def _runs(table: Table, now: datetime) -> Iterator[Issued]:
    """A new forecast, each variable from the present hour on as far as it is known."""
    start = floor(now, HOUR_S)
    for name, column in _hours(table, instant64(start)):
        known = np.flatnonzero(np.isnan(column))
        length = int(known[0]) if known.size else column.size
        if length:
            yield _issued(MODEL, name, now, start, column[:length])


def _backfilled(site: Site, source: _Source, kept: IssuedForecasts, now: datetime, until: datetime) -> str:
    """Days of the history that are not kept yet: as they had been forecast, or where nobody knows that, as they came."""
    last = min(until, now).astimezone(UTC).date()
    days = [last - timedelta(days=back) for back in range(site.learning.history_days, 0, -1)]
    lead = timedelta(days=lead_days(site))
    ahead = ahead_model(lead.days)
    missing = _unkept(kept, _unkept(kept, days, ahead, -lead), PAST, _DAY)
    if not missing:
        return "every past day is known"
    table = source.issued(missing[0], missing[-1] + _DAY, lead.days)
    kept.add([row for day in missing for row in _day(table, day, ahead, -lead)])
    left = _unkept(kept, missing, ahead, -lead)
    old = [day for day in left if _midnight(day) + ARCHIVED_AFTER <= now]
    if old:
        table = source.past(old[0], old[-1] + _DAY)
        kept.add([row for day in old for row in _day(table, day, PAST, _DAY)])
    still = _unkept(kept, left, PAST, _DAY)
    words = f"{len(missing) - len(left)} past days as forecast {24 * lead.days} h before, {len(left) - len(still)} as they came"
    return words + (f", {len(still)} not known yet" if still else "")


def _unkept(kept: IssuedForecasts, days: list[date], model: str, made_after: timedelta) -> list[date]:
    """The days that are not kept by a model whose days carry an issue time so long after their midnight."""
    known = kept.times(NAMES[0], model)
    return [day for day in days if _midnight(day) + made_after not in known]


def _day(table: Table, day: date, model: str, made_after: timedelta) -> Iterator[Issued]:
    """One past day, of each variable that is known all through it."""
    start = _midnight(day)
    for name, column in _hours(table, instant64(start), 24):
        if np.isfinite(column).all():
            yield _issued(model, name, start + made_after, start, column)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _hours(table: Table, start: np.datetime64, hours: int | None = None) -> Iterator[tuple[str, Floats]]:
    """Each variable hour by hour from a time on, small gaps bridged; hours that the answer lacks are NaN."""
    ahead = table.since(start)
    length = hours or (int((ahead.times[-1] - start) / _HOUR) + 1 if len(ahead) else 0)
    for name in UNITS:
        column = np.full(length, np.nan)
        if name in ahead.columns:
            place = ((ahead.times - start) / _HOUR).astype(np.int64)
            inside = place < length
            column[place[inside]] = ahead.columns[name][inside]
        yield f"weather.{name}", bridged(column)


def bridged(column: Floats) -> Floats:
    """Gaps of up to `FILLED_HOURS` hours between two known ones drawn through; longer ones stay NaN."""
    there = np.flatnonzero(np.isfinite(column))
    filled = column.copy()
    for left, right in pairwise(there):
        if 1 < right - left <= FILLED_HOURS + 1:
            filled[left : right + 1] = np.interp(np.arange(left, right + 1), [left, right], column[[left, right]])
    return filled


def _issued(model: str, name: str, made_at: datetime, start: datetime, column: Floats) -> Issued:
    unit = UNITS[name.partition(".")[2]]
    series = Series(start=start, step_s=HOUR_S, values=tuple(np.round(column, 2).tolist()), unit=unit)
    return Issued(model=model, forecast=Forecast(target=name, made_at=made_at, model_id=model, p10=series, p50=series, p90=series))
