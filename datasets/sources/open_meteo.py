"""Open-Meteo (CC BY 4.0): weather forecast, past weather, and past forecasts *as they were issued* for a place.

A backtest that uses past weather as if it had been forecast flatters itself; `issued` asks for the forecasts that were made a
day before instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np

from datasets.download import Service
from datasets.frame import Loaded
from plant.errors import DataError
from plant.table import Floats, Table

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


def forecast(latitude: float, longitude: float, *, days: int = 3, service: Service | None = None) -> Loaded:
    """The newest forecast, hourly, from today's midnight UTC for `days` days (1 to 16)."""
    question = _place(latitude, longitude, VARIABLES) | {"forecast_days": str(days)}
    return _loaded((service or Service(base_url=FORECAST_URL)).get("/v1/forecast", question), VARIABLES)


def load(latitude: float, longitude: float, start: date, end: date, *, service: Service | None = None) -> Loaded:
    """Past weather, hourly, both days included; answers are cached.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If the answer is of another shape.
    """
    question = _place(latitude, longitude, VARIABLES) | _span(start, end)
    return _loaded((service or Service(base_url=ARCHIVE_URL)).get("/v1/archive", question, keep=True), VARIABLES)


def issued(
    latitude: float, longitude: float, start: date, end: date, *, lead_days: int = 1, service: Service | None = None
) -> Loaded:
    """Weather as it was forecast `lead_days` days before, hourly, both days included; answers are cached."""
    named = {f"{theirs}_previous_day{lead_days}": ours for theirs, ours in VARIABLES.items()}
    question = _place(latitude, longitude, named) | _span(start, end)
    return _loaded((service or Service(base_url=ISSUED_URL)).get("/v1/forecast", question, keep=True), named)


def _place(latitude: float, longitude: float, variables: Mapping[str, str]) -> dict[str, str]:
    return {
        "latitude": f"{latitude:g}",
        "longitude": f"{longitude:g}",
        "hourly": ",".join(variables),
        "timezone": "UTC",
        "wind_speed_unit": "ms",
    }


def _span(start: date, end: date) -> dict[str, str]:
    if end < start:
        raise DataError(f"weather: the last day {end} is before the first {start}")
    return {"start_date": start.isoformat(), "end_date": end.isoformat()}


def _loaded(answer: object, variables: Mapping[str, str]) -> Loaded:
    hourly = answer.get("hourly") if isinstance(answer, dict) else None
    if not isinstance(hourly, dict) or "time" not in hourly:
        raise DataError("Open-Meteo: the answer has no hourly values")
    times = np.array(hourly["time"], dtype="datetime64[us]")
    columns = {ours: _numbers(hourly.get(theirs), times.size) for theirs, ours in variables.items() if theirs in hourly}
    return Loaded(table=Table(times=times, columns=columns), timezone="UTC")


def _numbers(values: Sequence[float | None] | None, rows: int) -> Floats:
    if values is None or len(values) != rows:
        raise DataError(f"Open-Meteo: a column has {0 if values is None else len(values)} values for {rows} times")
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
