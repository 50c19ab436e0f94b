"""What energy costs and emits, over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from plant.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatPrice:
    """One price at all times."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["flat"]
    per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A price during some local hours."""

    __pydantic_config__ = {"extra": "forbid"}

    hours: str
    """For example `00:00-07:00` or `Mon-Fri 17:00-20:00`, local time."""
    per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeOfUsePrice:
    """The first band that holds decides; outside all of them the price is `otherwise_per_kwh`."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["time_of_use"]
    bands: tuple[Band, ...]
    otherwise_per_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePrice:
    """A series from a CSV file (relative to the site file): an ISO time column with a zone, and prices per kWh."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["file"]
    file: str
    time: str = "time"
    column: str = "per_kwh"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPrice:
    """A tag that shows the price now. What comes is taken from the same hours of the last days."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["tag"]
    tag: str


PriceSource = FlatPrice | TimeOfUsePrice | FilePrice | TagPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """How the site is billed."""

    __pydantic_config__ = {"extra": "forbid"}

    energy: PriceSource = field(metadata={"discriminator": "kind"})
    export: PriceSource | None = field(default=None, metadata={"discriminator": "kind"})
    """None = nothing is paid for export."""
    demand_charge_per_kw: float = field(default=0.0, metadata={"ge": 0})
    """Per kW of the billing period's highest window mean."""
    demand_window_s: float = field(default=900.0, metadata={"gt": 0})
    billing: Literal["day", "month", "year"] = "month"
    co2_g_per_kwh: PriceSource | None = field(default=None, metadata={"discriminator": "kind"})
    """Grid intensity, grams per kWh (the same kinds of source)."""
    co2_price_per_t: float = field(default=0.0, metadata={"ge": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """The tariff over a horizon, with what the billing period has already incurred."""

    energy: Series
    """Import, currency per kWh."""
    export: Series
    """Paid for export, currency per kWh."""
    assets: tuple[tuple[str, Series], ...] = ()
    """Assets billed by a price of their own instead of the site's."""
    demand_charge_per_kw: float = 0.0
    demand_window_s: float = 900.0
    peak_so_far_kw: float = 0.0
    """Highest window mean of the billing period until now."""
    open_window_kwh: float = 0.0
    """Energy already used in the window that is still open."""
    open_window_start: datetime | None = None
    billing_end: datetime | None = None
    co2_g_per_kwh: Series | None = None
    co2_price_per_t: float = 0.0

    def of(self, asset: str) -> Series | None:
        """The asset's own price, None if it is billed with the site."""
        return next((series for name, series in self.assets if name == asset), None)
