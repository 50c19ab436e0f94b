"""Day-ahead prices and the grid's CO2: fetched by the worker into the files that the tariff names."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from datasets import energi_data_service
from datasets.download import Service, brief
from datasets.repair import resample
from datasets.sources import day_ahead_price, grid_co2
from plant.errors import DataError, NotConnectedError
from plant.feeds import CO2_COLUMN, PRICE_COLUMN, PriceFeed
from plant.site import Site
from plant.table import Floats, Table
from plant.times import utc

PUBLISHED_HOUR = 14
"""Local hour of Copenhagen from which tomorrow's prices must be there."""
KEPT = timedelta(days=400)
"""How much a file keeps."""
AGAIN = timedelta(days=2)
"""What is asked for again: CO2 that was forecast has been measured since."""
_HOUR_S = 3600.0


def fetch(site: Site, folder: Path, now: datetime, say: Callable[[str], None]) -> str:
    """Bring the price files up to date; returns what was done, in words.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If it has no prices, or not yet those of tomorrow although it is time; a file is then as complete as can be.
    """
    feed = site.prices
    if feed is None:
        return "no prices are fetched: the site file has no [prices]"
    service = brief(feed.url or energi_data_service.BASE_URL)
    words = [_prices(site, feed, folder, now, service)]
    say(words[-1])
    if feed.co2_file is not None:
        words.append(_co2(feed, folder / feed.co2_file, now, service))
        say(words[-1])
    midnight = now.astimezone(ZoneInfo(energi_data_service.TIMEZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    until = known_until(site, folder)
    late = now.astimezone(midnight.tzinfo).hour >= PUBLISHED_HOUR
    if late and (until is None or until < utc(midnight + timedelta(days=1, hours=12))):
        raise DataError(f"{words[0]}; tomorrow's are not published yet")
    return "; ".join(words)


def known_until(site: Site, folder: Path) -> datetime | None:
    """Time of the last price that is there; None if none is.

    Raises
    ------
    DataError
        If the file is not one that this writes.
    """
    return None if site.prices is None else _last(folder / site.prices.file, PRICE_COLUMN)


def _prices(site: Site, feed: PriceFeed, folder: Path, now: datetime, service: Service) -> str:
    file, currency = folder / feed.file, site.site.currency
    since = _since(file, PRICE_COLUMN, now, timedelta(days=site.learning.history_days))
    table = day_ahead_price.load(since, _ahead(now), area=feed.area, currency=currency, service=service).table
    return _written(file, PRICE_COLUMN, table, _of(table, feed.area) + feed.add_per_kwh, now)


def _co2(feed: PriceFeed, file: Path, now: datetime, service: Service) -> str:
    """Measured where it has been measured, else as predicted; hourly means."""
    since = _since(file, CO2_COLUMN, now, AGAIN)
    parts, faults = [], []
    for predicted in (True, False):
        try:
            table = grid_co2.load(since, _ahead(now), area=feed.area, predicted=predicted, service=service).table
        except (DataError, NotConnectedError) as error:
            faults.append(str(error))
            continue
        parts.append(resample(Table(times=table.times, columns={CO2_COLUMN: _of(table, feed.area)}), _HOUR_S))
    if not parts:
        raise DataError("; ".join(faults))
    words = [_written(file, CO2_COLUMN, part, part.columns[CO2_COLUMN], now) for part in parts]
    return "; ".join([words[-1], *faults])


def _ahead(now: datetime) -> datetime:
    return utc(now).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)


def _of(table: Table, area: str) -> Floats:
    if area not in table.columns:
        raise DataError(f"Energi Data Service has nothing of {area}: it gave {', '.join(table.columns)}")
    return table.columns[area]


def _since(file: Path, column: str, now: datetime, back: timedelta) -> datetime:
    """From when to ask: a while before the end of the file, or so far back where there is none."""
    last = _last(file, column)
    begin = utc(now) - back if last is None else max(utc(now) - back, last - AGAIN)
    return min(begin, utc(now) - AGAIN).replace(minute=0, second=0, microsecond=0)


def _last(file: Path, column: str) -> datetime | None:
    kept = _read(file, column)
    return None if kept.empty else utc(kept.index[-1].to_pydatetime())


def _read(file: Path, column: str) -> pd.Series[float]:
    """What a file holds, in UTC; empty if there is none.

    Raises
    ------
    DataError
        If the file is not one that this writes: it is somebody's own, and left as it is.
    """
    if not file.is_file():
        return pd.Series(dtype=np.float64, index=pd.DatetimeIndex([], tz="UTC"))
    try:
        table = pd.read_csv(file)
        times = pd.DatetimeIndex(pd.to_datetime(table["time"], utc=True))
        return pd.Series(table[column].to_numpy(dtype=np.float64), index=times).sort_index()
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{file}: not a file of times and {column!r} ({error}); move it away and it is made anew") from error


def _written(file: Path, column: str, table: Table, values: Floats, now: datetime) -> str:
    """Put values into a file, in place of older ones of the same times; it is replaced as a whole."""
    there = np.isfinite(values)
    if not there.any():
        raise DataError(f"{file.name}: the service gave no number")
    fresh = pd.Series(values[there], index=pd.DatetimeIndex(table.times[there]).tz_localize("UTC"))
    kept = _read(file, column)
    whole = pd.concat([kept[~kept.index.isin(fresh.index)], fresh]).sort_index()
    whole = whole[whole.index >= pd.Timestamp(utc(now) - KEPT)]
    part = file.with_name(f"{file.name}.part{os.getpid()}")
    lines = [f"{time.isoformat()},{value:.6g}" for time, value in zip(whole.index, whole.to_numpy(), strict=True)]
    part.write_text("\n".join([f"time,{column}", *lines]) + "\n", encoding="utf-8")
    part.replace(file)
    return f"{file.name}: {int(there.sum())} values until {whole.index[-1]:%d %b %H:%M} UTC"
