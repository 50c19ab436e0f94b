"""Seeded weather, prices, demands and wear of a works that does not exist but could."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import holidays
import numpy as np

from plant.table import Floats, Table, Times
from plant.times import utc

DAY_H = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A stretch of local time at equal steps.

    Attributes
    ----------
    times
        UTC, shape (steps,).
    hour
        Local time of day in hours at the middle of each step.
    day
        Number of local days since the first.
    working
        1 on working days, 0 on weekends and public holidays.
    day_of_year
        Local, 1..366.
    """

    times: Times
    hour: Floats
    day: Floats
    working: Floats
    day_of_year: Floats
    step_s: float

    @property
    def steps(self) -> int:
        """Number of steps."""
        return int(self.times.size)


def hours(start: datetime, steps: int, step_s: float, timezone: str, country: str | None) -> Hours:
    """A stretch of local time.

    Parameters
    ----------
    start
        With a zone.
    timezone, country
        IANA zone; ISO 3166 code for public holidays, None = none.
    """
    begin, zone = utc(start), ZoneInfo(timezone)
    local = [(begin + timedelta(seconds=step_s * (i + 0.5))).astimezone(zone) for i in range(steps)]
    years = range(local[0].year, local[-1].year + 1)
    free: set[date] = set(holidays.country_holidays(country, years=years)) if country else set()
    first = local[0].date()
    return Hours(
        times=np.datetime64(begin.replace(tzinfo=None), "us") + np.arange(steps) * np.timedelta64(round(step_s * 1e6), "us"),
        hour=np.array([t.hour + t.minute / 60 + t.second / 3600 for t in local]),
        day=np.array([float((t.date() - first).days) for t in local]),
        working=np.array([float(t.weekday() < 5 and t.date() not in free) for t in local]),
        day_of_year=np.array([float(t.timetuple().tm_yday) for t in local]),
        step_s=step_s,
    )


def wander(rng: np.random.Generator, steps: int, step_s: float, memory_h: float, sd: float) -> Floats:
    """A stationary first-order autoregressive course: mean 0, standard deviation `sd`, memory `memory_h`."""
    keep = float(np.exp(-step_s / 3600.0 / memory_h))
    value = rng.normal(0.0, sd)
    noise = rng.normal(0.0, sd * np.sqrt(1.0 - keep * keep), steps)
    course = np.empty(steps)
    for i in range(steps):
        value = keep * value + noise[i]
        course[i] = value
    return course


def outdoor_c(rng: np.random.Generator, when: Hours, mean_c: float = 9.5, season_c: float = 9.0) -> Floats:
    """Outdoor temperature: season, day, and weather of some days' memory."""
    season = mean_c - season_c * np.cos(2 * np.pi * (when.day_of_year - 20) / 365.25)
    day = -3.2 * np.cos(2 * np.pi * (when.hour - 3.0) / DAY_H)
    return np.asarray(
        season + day + wander(rng, when.steps, when.step_s, 60.0, 2.6) + wander(rng, when.steps, when.step_s, 3.0, 0.4)
    )


def irradiance_w_m2(rng: np.random.Generator, when: Hours, latitude: float) -> Floats:
    """Global horizontal irradiance: clear sky by the sun's height, times a cloud factor.

    Clear sky after Haurwitz, B.: Insolation in relation to cloudiness and cloud density, J. Meteorology 2 (1945) 154-166;
    declination after Cooper (1969). The local clock stands for solar time.
    """
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + when.day_of_year) / 365.0)
    angle = np.radians(15.0) * (when.hour - 12.6)
    high = np.sin(np.radians(latitude)) * np.sin(declination) + np.cos(np.radians(latitude)) * np.cos(declination) * np.cos(angle)
    sine = np.maximum(high, 1e-3)
    clear = np.where(high > 0, 1098.0 * sine * np.exp(-0.059 / sine), 0.0)
    cloud = 1.0 / (
        1.0 + np.exp(-(0.9 + wander(rng, when.steps, when.step_s, 14.0, 1.3) + wander(rng, when.steps, when.step_s, 0.8, 0.5)))
    )
    return np.asarray(clear * cloud)


def wind_m_s(rng: np.random.Generator, when: Hours) -> Floats:
    """Wind speed with some hours' memory; the square of a course gives the long upper tail."""
    return np.asarray(4.5 * np.exp(wander(rng, when.steps, when.step_s, 8.0, 0.5) - 0.125))


def price_per_kwh(rng: np.random.Generator, when: Hours, irradiance: Floats, base: float = 0.105) -> Floats:
    """Day-ahead price of each hour: peaks in the morning and evening, a valley at noon that is the deeper the sunnier it is.

    The weather's ups and downs over days and hours stand for wind power; free days are cheaper.
    """
    morning = np.exp(-(((when.hour - 8.0) / 1.9) ** 2))
    evening = np.exp(-(((when.hour - 19.0) / 2.1) ** 2))
    night = np.exp(-(((when.hour - 3.0) / 2.8) ** 2))
    noon = np.exp(-(((when.hour - 13.0) / 2.2) ** 2))
    level = np.exp(wander(rng, when.steps, when.step_s, 48.0, 0.16) + wander(rng, when.steps, when.step_s, 4.0, 0.18))
    shape = 1.0 + 0.45 * morning + 0.95 * evening - 0.30 * night - 0.40 * noon - 0.35 * np.minimum(irradiance / 520.0, 1.0)
    price = base * level * np.maximum(shape, 0.12) * np.where(when.working > 0, 1.0, 0.82)
    per_hour = max(1, round(3600.0 / when.step_s))
    whole = np.arange(when.steps) // per_hour
    return np.asarray((np.bincount(whole, price) / np.bincount(whole))[whole])


def grid_co2_g_per_kwh(price: Floats) -> Floats:
    """Grid intensity: high where power is dear, because then thermal plant runs."""
    return np.asarray(180.0 + 2200.0 * np.clip(price, 0.0, 0.2))


def shift(when: Hours, begin_h: float, end_h: float, ramp_h: float = 0.5) -> Floats:
    """1 during a shift of working days, 0 outside, with soft edges."""
    up = np.clip((when.hour - begin_h) / ramp_h + 0.5, 0.0, 1.0)
    down = np.clip((end_h - when.hour) / ramp_h + 0.5, 0.0, 1.0)
    return np.asarray(np.minimum(up, down) * when.working)


def campaigns(rng: np.random.Generator, when: Hours, per_h: float, longest_h: float, allowed: Floats) -> Floats:
    """Surprises: stretches of 1 that begin at random (`per_h` an hour) where `allowed` is over a half, else 0."""
    step_h = when.step_s / 3600.0
    draws = rng.random((when.steps, 2))
    begins = (draws[:, 0] < per_h * step_h) & (allowed > 0.5)
    lengths = longest_h * (0.3 + 0.7 * draws[:, 1])
    on = np.zeros(when.steps)
    for i in np.flatnonzero(begins).tolist():
        on[i : i + max(1, round(lengths[i] / step_h))] = 1.0
    return on


def table_of(when: Hours, columns: Mapping[str, Floats]) -> Table:
    """Columns over a stretch of local time as a table."""
    return Table(times=when.times, columns={name: np.asarray(column, dtype=np.float64) for name, column in columns.items()})
