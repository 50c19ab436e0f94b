"""From the tariff of a site file to prices over a horizon."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from plant.errors import ConfigError
from plant.hours import holds
from plant.kpi import SECONDS_PER_HOUR
from plant.ports import instant64
from plant.series import Series
from plant.site import Site
from plant.table import Floats, Table
from plant.tariff import FilePrice, FlatPrice, Prices, PriceSource, TimeOfUsePrice
from plant.times import floor, utc

DAYS_LOOKED_BACK = 7


@dataclass(frozen=True, slots=True)
class FileSeries:
    """Prices of a file: sorted instants (seconds since 1970) and the price from each on."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, time: datetime) -> float:
        """The price at a time; beyond the last row, that of the same hour of the last day in the file."""
        seconds, day = utc(time).timestamp(), 86400.0
        step = self.times[-1] - self.times[-2] if len(self.times) > 1 else SECONDS_PER_HOUR
        if seconds >= self.times[-1] + step:
            seconds -= day * -(-(seconds - self.times[-1] - step + 1e-6) // day)
        return self.values[max(bisect_right(self.times, seconds) - 1, 0)]


@lru_cache(maxsize=32)
def file_series(path: Path, time: str, column: str, _modified: float) -> FileSeries:
    """Read a price file.

    Raises
    ------
    ConfigError
        If the file, a column or a zone is missing, or a price is not a number.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: price file cannot be read ({error})") from error
    for wanted in (time, column):
        if wanted not in table.columns:
            raise ConfigError(f"{path}: no column {wanted!r}; it has {', '.join(map(str, table.columns))}")
    try:
        instants = [datetime.fromisoformat(str(text)) for text in table[time]]
        rows = sorted((utc(at).timestamp(), float(price)) for at, price in zip(instants, table[column], strict=True))
    except ValueError as error:
        raise ConfigError(f"{path}: {error}; write times like 2026-03-01T00:00:00+01:00 and prices as numbers") from error
    if not rows or not all(math.isfinite(price) for _, price in rows):
        raise ConfigError(f"{path}: column {column!r} has no rows or holds gaps")
    return FileSeries(times=tuple(at for at, _ in rows), values=tuple(price for _, price in rows))


class Billing:
    """The tariff of one site, asked for horizons and for the past.

    Parameters
    ----------
    site, folder
        The site and the folder of its file, to which price files are relative.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self._site, self._folder, self._zone = site, folder, ZoneInfo(site.site.timezone)

    def prices(
        self, history: Table, start: datetime, step_s: float, steps: int, power: str | None, now: datetime | None = None
    ) -> Prices:
        """Prices over a horizon, with the peak that the billing period has already incurred.

        Parameters
        ----------
        history
            Readings until now: the tags of tag prices and of the site's power.
        start, step_s, steps
            The horizon.
        power
            Tag of the site's power, kW; None = not measured.
        now
            Until when power was measured; None = `start`.
        """
        tariff = self._site.tariff
        times = [start + timedelta(seconds=step_s * i) for i in range(steps)]

        def series(source: PriceSource | None, unit: str) -> Series:
            return Series(start=start, step_s=step_s, values=self.values(source, times, history), unit=unit)

        unit = f"{self._site.site.currency}/kWh"
        begin, end = self.billing_period(start)
        peak, open_kwh, open_start = self._incurred(history, begin, now or start, step_s, power)
        return Prices(
            energy=series(tariff.energy, unit),
            export=series(tariff.export, unit),
            assets=tuple((name, series(own.price, unit)) for own in self._site.asset_prices for name in own.assets),
            demand_charge_per_kw=tariff.demand_charge_per_kw,
            demand_window_s=tariff.demand_window_s,
            peak_so_far_kw=peak,
            open_window_kwh=open_kwh,
            open_window_start=open_start,
            billing_end=end,
            co2_g_per_kwh=None if tariff.co2_g_per_kwh is None else series(tariff.co2_g_per_kwh, "g/kWh"),
            co2_price_per_t=tariff.co2_price_per_t,
        )

    def values(self, source: PriceSource | None, times: list[datetime], history: Table) -> tuple[float, ...]:
        """The price at each of `times`; a tag price looks at the same time of the last days in `history`."""
        if source is None:
            return (0.0,) * len(times)
        if isinstance(source, FlatPrice):
            return (source.per_kwh,) * len(times)
        if isinstance(source, TimeOfUsePrice):
            return tuple(self._of_band(source, time) for time in times)
        if isinstance(source, FilePrice):
            path = self._folder / source.file
            if not path.exists():
                raise ConfigError(f"{path}: price file of the tariff does not exist")
            found = file_series(path, source.time, source.column, path.stat().st_mtime)
            return tuple(found.at(time) for time in times)
        return self._of_tag(source.tag, times, history)

    def _of_band(self, source: TimeOfUsePrice, time: datetime) -> float:
        return next((band.per_kwh for band in source.bands if holds((band.hours,), time, self._zone)), source.otherwise_per_kwh)

    def _of_tag(self, tag: str, times: list[datetime], history: Table) -> tuple[float, ...]:
        column = history.columns.get(tag)
        known = np.flatnonzero(np.isfinite(column)) if column is not None else np.array([], dtype=np.int64)
        if column is None or known.size == 0:
            raise ConfigError(f"the price tag {tag!r} has not been read yet: no price is known")
        at, values = history.times[known], column[known]
        found = []
        for time in times:
            candidates = (instant64(time - timedelta(days=back)) for back in range(DAYS_LOOKED_BACK + 1))
            known_at = next((candidate for candidate in candidates if candidate <= at[-1]), at[-1])
            found.append(float(values[max(int(np.searchsorted(at, known_at, side="right")) - 1, 0)]))
        return tuple(found)

    def billing_period(self, time: datetime) -> tuple[datetime, datetime]:
        """Begin and end of the billing period of a time: local day, month or year."""
        local = time.astimezone(self._zone).replace(hour=0, minute=0, second=0, microsecond=0)
        if self._site.tariff.billing == "day":
            begin, end = local, local + timedelta(days=1)
        elif self._site.tariff.billing == "month":
            begin = local.replace(day=1)
            end = (begin + timedelta(days=32)).replace(day=1)
        else:
            begin = local.replace(month=1, day=1)
            end = begin.replace(year=begin.year + 1)
        return utc(begin), utc(end)

    def _incurred(
        self, history: Table, begin: datetime, now: datetime, step_s: float, power: str | None
    ) -> tuple[float, float, datetime | None]:
        """Highest closed window mean so far, kWh in the open window, and when that began."""
        window_s = self._site.tariff.demand_window_s
        open_start = floor(now, window_s)
        column = history.columns.get(power) if power else None
        if column is None:
            return 0.0, 0.0, None
        past = Table(times=history.times, columns={"kw": column}).since(instant64(begin)).before(instant64(now))
        opened = instant64(floor(open_start, step_s))  # a step of the history may be longer than a window
        closed = past.before(opened)
        means = window_means(closed.times.astype("datetime64[us]").astype(np.int64) / 1e6, closed.columns["kw"], window_s)
        held = past.since(opened).columns["kw"]
        held = held[np.isfinite(held)]
        open_kwh = float(held.mean()) * (now - open_start).total_seconds() / SECONDS_PER_HOUR if held.size else 0.0
        return float(means.max(initial=0.0)), open_kwh, open_start


def window_means(seconds: Floats, power_kw: Floats, window_s: float) -> Floats:
    """Mean power of each metering window that has readings; NaN readings are left out."""
    finite = np.isfinite(power_kw)
    if not finite.any():
        return np.zeros(0)
    windows, where = np.unique(seconds[finite] // window_s, return_inverse=True)
    return np.asarray(np.bincount(where, power_kw[finite], minlength=windows.size) / np.bincount(where, minlength=windows.size))
