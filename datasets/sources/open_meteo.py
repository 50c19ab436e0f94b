"""Open-Meteo (CC BY 4.0): weather forecast, past weather, and past forecasts *as they were issued* for a place.

A backtest that uses past weather as if it had been forecast flatters itself; `issued` asks for the forecasts that were made a
day before instead. The service gives radiation as the mean of the hour before each time; here, as everywhere, a row carries the
beginning of its hour, so the last row of radiation is not known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from datasets.download import Service
from datasets.frame import Loaded
from plant.errors import DataError
from plant.table import Floats, Table, Times

FORECAST_URL = "https://api.open-meteo.com"
ARCHIVE_URL = "https://archive-api.open-meteo.com"
ISSUED_URL = "https://previous-runs-api.open-meteo.com"
VARIABLES = {
    "temperature_2m": "outdoor_c",
    "shortwave_radiation": "irradiance_w_m2",
    "wind_speed_10m": "wind_m_s",
    "relative_humidity_2m": "humidity_percent",
}
"""Published name → our name; units as our name says."""
HOUR_BEFORE = frozenset({"irradiance_w_m2"})
"""Published with the end of their hour."""


def forecast(latitude: float, longitude: float, *, days: int = 3, key: str | None = None, service: Service | None = None) -> Loaded:
    """The newest forecast, hourly, from today's midnight UTC for `days` days (1 to 16).

    Parameters
    ----------
    key
        Of the paid service; None = the free one, for non-commercial use.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If it refuses, or the answer is of another shape.
    """
    question = _place(latitude, longitude, VARIABLES, key) | {"forecast_days": str(days)}
    return _loaded((service or Service(base_url=address(FORECAST_URL, key))).get("/v1/forecast", question), VARIABLES)


def load(
    latitude: float, longitude: float, start: date, end: date, *, key: str | None = None, service: Service | None = None
) -> Loaded:
    """Past weather, hourly, both days included; answers without gaps are cached.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If the answer is of another shape.
    """
    question = _place(latitude, longitude, VARIABLES, key) | _span(start, end)
    asked = service or Service(base_url=address(ARCHIVE_URL, key))
    return _loaded(asked.get("/v1/archive", question, keep=True, settled=_complete), VARIABLES)


def issued(
    latitude: float,
    longitude: float,
    start: date,
    end: date,
    *,
    lead_days: int = 1,
    key: str | None = None,
    service: Service | None = None,
) -> Loaded:
    """Weather as it was forecast `lead_days` (1 to 7) times 24 hours before each hour, hourly, both days included.

    Answers without gaps are cached. The service has them from January 2024 on.
    """
    named = {f"{theirs}_previous_day{lead_days}": ours for theirs, ours in VARIABLES.items()}
    question = _place(latitude, longitude, named, key) | _span(start, end)
    asked = service or Service(base_url=address(ISSUED_URL, key))
    return _loaded(asked.get("/v1/forecast", question, keep=True, settled=_complete), named)


def address(url: str, key: str | None) -> str:
    """Where the free service answers, or the paid one, which has the same names with `customer-` before them."""
    return url if key is None else url.replace("https://", "https://customer-")


def _place(latitude: float, longitude: float, variables: Mapping[str, str], key: str | None) -> dict[str, str]:
    question = {
        "latitude": f"{latitude:g}",
        "longitude": f"{longitude:g}",
        "hourly": ",".join(variables),
        "timezone": "UTC",
        "wind_speed_unit": "ms",
    }
    return question if key is None else question | {"apikey": key}


def _span(start: date, end: date) -> dict[str, str]:
    if end < start:
        raise DataError(f"weather: the last day {end} is before the first {start}")
    return {"start_date": start.isoformat(), "end_date": end.isoformat()}


def _complete(answer: object) -> bool:
    hourly = answer.get("hourly") if isinstance(answer, dict) else None
    return isinstance(hourly, dict) and all(isinstance(column, list) and None not in column for column in hourly.values())


def _loaded(answer: object, variables: Mapping[str, str]) -> Loaded:
    hourly = answer.get("hourly") if isinstance(answer, dict) else None
    if not isinstance(hourly, dict) or not isinstance(hourly.get("time"), list):
        raise DataError("Open-Meteo: the answer has no hourly values")
    try:
        times = np.array(hourly["time"], dtype="datetime64[us]")
        columns = {ours: _numbers(hourly.get(theirs), times.size) for theirs, ours in variables.items() if theirs in hourly}
        moved = {name: _begun(times, column) if name in HOUR_BEFORE else column for name, column in columns.items()}
        return Loaded(table=Table(times=times, columns=moved), timezone="UTC")
    except (TypeError, ValueError) as error:
        raise DataError(f"Open-Meteo: the answer holds something else than times and numbers ({error})") from error


def _numbers(values: Sequence[float | None] | None, rows: int) -> Floats:
    if values is None or len(values) != rows:
        raise DataError(f"Open-Meteo: a column has {0 if values is None else len(values)} values for {rows} times")
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _begun(times: Times, column: Floats) -> Floats:
    """Means of the hour before each time as means of the hour after it."""
    found = np.searchsorted(times, times + np.timedelta64(1, "h"))
    inside = np.minimum(found, times.size - 1)
    return np.where((found < times.size) & (times[inside] == times + np.timedelta64(1, "h")), column[inside], np.nan)
