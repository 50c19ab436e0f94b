"""How figures, times and states are written for an operator: unit always, local time of the site, one look everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

NONE = "–"
THIN = "\u202f"
"""Narrow no-break space: between thousands."""
GAP = "\u00a0"
"""No-break space: between a number and its unit."""


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands apart; a dash where there is none."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}".replace(",", THIN)
    return text.replace("-", "−") if float(f"{value:.{digits}f}") != 0 else text.replace("-", "")


def figures(value: float | None) -> str:
    """A number to about three figures, as a meter would show it."""
    if value is None:
        return NONE
    size = abs(value)
    return number(value, 0 if size >= 99.95 or size < 0.005 else 1 if size >= 9.995 else 2)


def quantity(value: float | None, unit: str) -> str:
    """A number with its unit."""
    if value is None:
        return NONE
    return figures(value) + (f"{GAP}{unit}" if unit not in ("", "1") else "")


def money(value: float | None, currency: str, digits: int | None = None) -> str:
    """An amount in the site's currency; cents below a thousand."""
    if value is None:
        return NONE
    return f"{number(value, digits if digits is not None else (2 if abs(value) < 1000 else 0))}{GAP}{currency}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share 0..1 as per cent."""
    return NONE if share is None else f"{number(share * 100, digits)}{GAP}%"


def span(seconds: float) -> str:
    """A duration in its two largest units, for example `3 h 20 min`."""
    whole = round(abs(seconds))
    parts = [("d", whole // 86400), ("h", whole % 86400 // 3600), ("min", whole % 3600 // 60), ("s", whole % 60)]
    shown = [f"{count}{GAP}{unit}" for unit, count in parts if count][:2]
    return " ".join(shown) or f"0{GAP}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalTime:
    """The site's wall clock, for reading only."""

    zone: ZoneInfo

    def clock(self, time: datetime | None) -> str:
        """Hours and minutes."""
        return NONE if time is None else f"{time.astimezone(self.zone):%H:%M}"

    def full(self, time: datetime | None) -> str:
        """Date, time and zone."""
        return NONE if time is None else f"{time.astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"

    def stamp(self, time: datetime | None) -> str:
        """Date and time without the zone: for columns that are sorted as text."""
        return NONE if time is None else f"{time.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def near(self, time: datetime | None, now: datetime | None) -> str:
        """Hours and minutes; with the weekday on another local day than `now`, with the date beyond the week."""
        if time is None or now is None:
            return self.clock(time)
        local, days = time.astimezone(self.zone), abs((time - now).days)
        if local.date() == now.astimezone(self.zone).date():
            return f"{local:%H:%M}"
        return f"{local:%a %H:%M}" if days < 6 else f"{local:%a %d %b %H:%M}"

    def offset(self, now: datetime) -> timedelta:
        """What is added to UTC at `now`. Charts keep it over their whole span, so that no hour appears twice."""
        return now.astimezone(self.zone).utcoffset() or timedelta(0)

    def midnight(self, now: datetime) -> datetime:
        """The instant at which the local day of `now` began."""
        return now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)

    def name(self, now: datetime) -> str:
        """Zone as it is written under a chart, for example `Europe/Berlin, UTC+02:00`."""
        local = now.astimezone(self.zone)
        return f"{self.zone.key}, UTC{local:%z}"[:-2] + ":" + f"{local:%z}"[-2:]


def words_of(code: str) -> str:
    """A code such as `PRICE_HIGH` in small letters with spaces."""
    return code.replace("_", " ").lower()


KEYS = {
    "cost": "Cost",
    "regret": "Regret",
    "energy_kwh": "Energy",
    "demand_peak_kw": "Peak",
    "co2_kg": "CO₂",
    "served_share": "Service",
    "starts": "Starts",
    "violations": "Violations",
    "health_min": "Lowest health",
}
MONEY = frozenset({"cost", "regret"})
UNITS = {"energy_kwh": "kWh", "demand_peak_kw": "kW", "co2_kg": "kg"}


def figure_words(key: str, value: float, currency: str) -> str:
    """A key figure with its unit."""
    if key in MONEY:
        return money(value, currency)
    return percent(value, 2) if key.endswith("_share") else quantity(value, UNITS.get(key, ""))
