"""What a site asks of services outside of its works, as its site file states it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

CURRENCIES = ("EUR", "DKK")
"""What Energi Data Service gives prices in."""
CO2_AREAS = ("DK1", "DK2")
"""Price areas whose CO2 it knows."""
PRICE_COLUMN, CO2_COLUMN = "per_kwh", "g_per_kwh"
"""Columns of the files that are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeatherFeed:
    """Weather forecasts for the site's latitude and longitude, kept as they are issued."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["open_meteo"]
    every_s: float = field(default=3600.0, metadata={"ge": 900})
    """Seconds between two questions of `ems worker`."""
    url: str | None = field(default=None, metadata={"pattern": r"^https?://"})
    """A server of one's own that answers all questions; None = the public ones."""
    key_env: str | None = None
    """Name of the environment variable that holds the key of the paid service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFeed:
    """Day-ahead prices, and if wanted the grid's CO2, kept in files that the tariff names."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["energi_data_service"]
    area: str = field(metadata={"pattern": r"^[A-Z]{2,6}[0-9]?$"})
    """Price area, for example DK1."""
    file: str = "prices.csv"
    """CSV beside the site file: `time`, `per_kwh` in the site's currency."""
    co2_file: str | None = None
    """CSV beside the site file: `time`, `g_per_kwh`; None = not asked for."""
    add_per_kwh: float = 0.0
    """Added to every price: grid fee, levies, taxes."""
    fetch_at: str = "13:30"
    """Local time of day: tomorrow's prices come out about 13:00 in Copenhagen."""
    url: str | None = field(default=None, metadata={"pattern": r"^https?://"})
    """A mirror of the service; None = the public one."""
