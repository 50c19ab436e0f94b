"""What forecasters of a site are told of the weather: the past as it had been forecast, the future as it is forecast now.

It is kept as Forecasts of targets of our own (`weather.outdoor_c`), beside those of the site's models:

- by `open_meteo`: a forecast as it stood when it was asked for;
- by `open_meteo.ahead1d`: a past day of which each hour is as it was forecast 24 hours before that hour (`2d`: 48, and so on);
- by `open_meteo.past`: a past day as it came, where nobody can say any more what had been forecast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from ems.database import Database
from ems.issued import IssuedForecasts
from plant.ports import Forecaster, instant64
from plant.series import Forecast, Series
from plant.site import Site
from plant.table import Floats, Table, Times

MODEL = "open_meteo"
PAST = f"{MODEL}.past"
UNITS = {"outdoor_c": "°C", "irradiance_w_m2": "W/m2", "wind_m_s": "m/s"}
"""What forecasters are given, by the source's name."""
NAMES = tuple(f"weather.{name}" for name in UNITS)
LONGEST_LEAD_DAYS = 7
HOUR_S = 3600.0
OLDEST = timedelta(days=3)
"""A weather forecast older than this is none."""
NOTED_AFTER = timedelta(hours=6)
"""From this age on a forecast made with it says so."""
_HOUR = np.timedelta64(1, "h")
_EPOCH = np.datetime64(0, "us")


def lead_days(site: Site) -> int:
    """Whole days that cover the site's horizon: past weather is given as it was forecast so long before."""
    return min(LONGEST_LEAD_DAYS, max(1, -int(-site.control.horizon_s // 86400)))


def ahead_model(days: int) -> str:
    """Name under which past forecasts made so many days before are kept."""
    return f"{MODEL}.ahead{days}d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """The weather of a horizon as it was known at an issue time."""

    table: Table
    """Columns `NAMES`, NaN where nothing was known."""
    words: str
    """What is to be said of it; empty if nothing."""

    def told(self, forecast: Forecast, model: Forecaster) -> Forecast:
        """A forecast with these words, if its model looks at the weather."""
        if not self.words or not set(NAMES) & set(getattr(model, "known", ())):
            return forecast
        return replace(forecast, words="; ".join(filter(None, (forecast.words, self.words))))


class Outlook:
    """The weather kept in a site's historian.

    Parameters
    ----------
    database
        Of the historian.
    site
        Says how far ahead its forecasts look: the past is given as it had been forecast so long before.
    """

    def __init__(self, database: Database, site: Site) -> None:
        self._kept, self._lead = IssuedForecasts(database), timedelta(days=lead_days(site))

    def joined(self, history: Table, *, as_it_came: bool = True) -> Table:
        """A history with the weather beside it, each hour as it had been forecast the whole horizon before.

        Parameters
        ----------
        as_it_came
            Whether hours of which nobody knows what had been forecast are filled with what came.
        """
        if not len(history):
            return history
        columns = {name: self._past(name, history.times, history.step_s, as_it_came) for name in NAMES}
        return Table(times=history.times, columns={**history.columns, **columns})

    def ahead(self, start: datetime, step_s: float, steps: int) -> Ahead:
        """The weather of a horizon as it was known at its start."""
        times = instant64(start) + np.arange(steps) * np.timedelta64(round(step_s * 1e6), "us")
        columns, made_at = {}, None
        for name in NAMES:
            hours = _Hours(times, step_s)
            newest = self._kept.latest(name, MODEL, start)
            if newest is not None and newest.forecast.made_at >= start - OLDEST:
                hours.fill(newest.forecast.p50)
                made_at = newest.forecast.made_at
            if hours.gap is not None:
                self._fill_days(hours, name, ahead_model(self._lead.days), -self._lead)
            columns[name] = hours.at(times, step_s)
        age = timedelta(0) if made_at is None else start - made_at
        words = f"the weather forecast is {age / timedelta(hours=1):.0f} h old" if age > NOTED_AFTER else ""
        return Ahead(table=Table(times=times, columns=columns), words=words)

    def source(self, history: Table) -> str:
        """Where the weather of a joined history comes from, in words; empty if there is none."""
        known = self.known(history)
        if not known:
            return ""
        issued = self.joined(history, as_it_came=False)
        share, whole = (np.mean([np.isfinite(table.columns[name]).mean() for name in known]) for table in (issued, history))
        words = f"weather as forecast {self._lead.days * 24} h before for {share:.0%} of the rows"
        came = f", as it came for {whole - share:.0%}: what was forecast is worse than that"
        return words + (came if whole - share > 0.005 else "")

    @staticmethod
    def known(history: Table) -> tuple[str, ...]:
        """The weather columns of a history that hold anything."""
        return tuple(name for name in NAMES if name in history.columns and np.isfinite(history.columns[name]).any())

    def _past(self, name: str, times: Times, step_s: float, as_it_came: bool) -> Floats:
        hours = _Hours(times, step_s)
        self._fill_days(hours, name, ahead_model(self._lead.days), -self._lead)
        if hours.gap is not None:
            since, until = hours.gap - self._lead - OLDEST, hours.end - self._lead
            for run in reversed(self._kept.of(name, model=MODEL, since=since, until=until)):
                hours.fill(run.forecast.p50, run.forecast.made_at + self._lead)
        if as_it_came and hours.gap is not None:
            self._fill_days(hours, name, PAST, timedelta(days=1))
        return hours.at(times, step_s)

    def _fill_days(self, hours: _Hours, name: str, model: str, made_after: timedelta) -> None:
        """Fill past days, whose issue time lies so long after their midnight."""
        since, until = hours.start + made_after - timedelta(days=1), hours.end + made_after
        for each in self._kept.of(name, model=model, since=since, until=until):
            hours.fill(each.forecast.p50)


class _Hours:
    """One value for each hour of a span, NaN until it is filled; what is filled stays."""

    def __init__(self, times: Times, step_s: float) -> None:
        self._first = int((times[0] - _EPOCH) / _HOUR)
        last = int((times[-1] + np.timedelta64(round(step_s * 1e6), "us") - _EPOCH) / _HOUR) + 1
        self._values = np.full(last - self._first, np.nan)
        self.start, self.end = (datetime.fromtimestamp(hour * HOUR_S, UTC) for hour in (self._first, last))

    @property
    def gap(self) -> datetime | None:
        """The first hour that is not filled; None if all are."""
        missing = np.flatnonzero(np.isnan(self._values))
        return self.start + timedelta(hours=int(missing[0])) if missing.size else None

    def fill(self, series: Series, since: datetime | None = None) -> None:
        """Fill hours with a series, from a time on."""
        begin = round(series.start.timestamp() / HOUR_S) - self._first
        least = 0 if since is None else -int(-since.timestamp() // HOUR_S) - self._first
        first, stop = max(begin, least, 0), min(begin + len(series.values), self._values.size)
        if first < stop:
            mine = self._values[first:stop]
            self._values[first:stop] = np.where(np.isnan(mine), series.values[first - begin : stop - begin], mine)

    def at(self, times: Times, step_s: float) -> Floats:
        """The mean of the hours that begin in each step, or of the hour in which a shorter step lies."""
        hours = ((times - _EPOCH) / _HOUR).astype(np.int64) - self._first
        whole = range(max(1, int(step_s // HOUR_S)))
        parts = np.stack([self._values[np.minimum(hours + part, self._values.size - 1)] for part in whole])
        there = np.isfinite(parts)
        return np.where(there.any(axis=0), np.where(there, parts, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1), np.nan)


def outlook_of(database: Database, site: Site) -> Outlook | None:
    """The weather of a site; None if it asks for none."""
    return None if site.weather is None else Outlook(database, site)
