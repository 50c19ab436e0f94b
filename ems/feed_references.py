"""What a site file says of services outside must agree with the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import time

from ems.naming import Fault
from plant.feeds import CO2_AREAS, CO2_COLUMN, CURRENCIES, PRICE_COLUMN, PriceFeed
from plant.site import Site


def fetched_files(site: Site) -> Mapping[str, str]:
    """Files that the worker writes, with their column of values."""
    feed = site.prices
    if feed is None:
        return {}
    return {feed.file: PRICE_COLUMN} | ({feed.co2_file: CO2_COLUMN} if feed.co2_file else {})


def feed_faults(site: Site) -> Iterator[Fault]:
    """Everything wrong with `[weather]` and `[prices]`."""
    if site.weather is not None:
        for key in ("latitude", "longitude"):
            if getattr(site.site, key) is None:
                yield Fault(key=f"site.{key}", words="is missing; [weather] asks for the weather of this place")
    if site.prices is not None:
        yield from _prices(site, site.prices)


def _prices(site: Site, feed: PriceFeed) -> Iterator[Fault]:
    currency = site.site.currency
    if currency not in CURRENCIES:
        words = f"{currency!r}; {feed.kind} of [prices] gives prices in {' or '.join(CURRENCIES)}"
        yield Fault(key="site.currency", words=words)
    if feed.co2_file is not None and feed.area not in CO2_AREAS:
        yield Fault(
            key="prices.area", words=f"{feed.area!r} has no CO2: only {' and '.join(CO2_AREAS)} have, or leave co2_file out"
        )
    if feed.co2_file == feed.file:
        yield Fault(key="prices.co2_file", words=f"{feed.co2_file!r} is also the file of prices; each needs its own")
    try:
        time.fromisoformat(feed.fetch_at)
    except ValueError:
        yield Fault(key="prices.fetch_at", words=f"{feed.fetch_at!r} is no time of day; write HH:MM")
