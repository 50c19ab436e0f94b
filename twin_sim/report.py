"""A plant's own account of what it received and what it took and gave: nobody else's figures enter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from plant.kpi import co2_kg, demand_peak_kw, energy_cost, energy_kwh
from plant.orders import Violation
from plant.series import Series
from plant.table import Floats
from plant.tags import Value
from twin_sim.layout import Layout
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One write that the plant took."""

    time: datetime
    tag: str
    asset: str
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """What one service was asked for and what was not given."""

    service: str
    demanded: float
    """Service units; where nobody draws, the hours of its stores inside their limits."""
    unserved: float
    """Same unit; where nobody draws, hours × share of the accepted span that the level was outside of it."""
    served_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantReport:
    """The account of a run."""

    start: datetime
    end: datetime
    orders: tuple[Order, ...]
    energy_kwh: float
    """Imported."""
    exported_kwh: float
    energy_cost: float
    demand_charge: float
    """Charge per kW × the highest window mean of the run."""
    start_cost: float
    cost: float
    """Sum of the three."""
    demand_peak_kw: float
    co2_kg: float | None
    """None where no grid intensity was given."""
    served_share: float
    """Mean over the services."""
    services: tuple[ServiceAccount, ...]
    starts: int
    starts_by_asset: tuple[tuple[str, int], ...]
    violations: tuple[Violation, ...]
    levels_end: tuple[tuple[str, float], ...]


def report(
    model: SiteModel,
    ensemble: Ensemble,
    recorder: Recorder,
    orders: tuple[Order, ...],
    energy: Series | None,
    export: Series | None,
    co2_g_per_kwh: Series | None = None,
) -> PlantReport:
    """The account of a single future until now."""
    ticks, tick_s = recorder.ticks, ensemble.tick_s
    kw = recorder.kw[:ticks, :, 0].T if ticks else np.zeros((1, 1))
    total = kw.sum(axis=0)
    tariff = model.site.tariff
    price, sold = _prices(energy, ensemble.start, ticks, tick_s), _prices(export, ensemble.start, ticks, tick_s)
    peak = float(demand_peak_kw(total, tick_s, tariff.demand_window_s))
    energy_part = float(energy_cost(total, price, sold, tick_s)) if price.size else 0.0
    starts = ensemble.starts[:, 0]
    start_part = float((starts * ensemble.layout.start_cost).sum())
    charge = tariff.demand_charge_per_kw * max(peak, 0.0)
    services = service_accounts(model, ensemble, recorder)
    return PlantReport(
        start=ensemble.start,
        end=ensemble.start + timedelta(seconds=ticks * tick_s),
        orders=orders,
        energy_kwh=float(energy_kwh(np.maximum(total, 0.0), tick_s)),
        exported_kwh=float(-energy_kwh(np.minimum(total, 0.0), tick_s)),
        energy_cost=energy_part,
        demand_charge=charge,
        start_cost=start_part,
        cost=energy_part + charge + start_part,
        demand_peak_kw=peak,
        co2_kg=None
        if co2_g_per_kwh is None
        else float(co2_kg(total, _prices(co2_g_per_kwh, ensemble.start, ticks, tick_s), tick_s)),
        served_share=float(np.mean([item.served_share for item in services])) if services else 1.0,
        services=services,
        starts=int(starts.sum()),
        starts_by_asset=tuple((name, int(count)) for name, count in zip(ensemble.layout.names, starts, strict=True)),
        violations=_violations(model, ensemble, recorder, total),
        levels_end=tuple((store.name, float(ensemble.level[row, 0])) for row, store in enumerate(ensemble.layout.stores)),
    )


def _prices(series: Series | None, start: datetime, ticks: int, tick_s: float) -> Floats:
    if series is None or not ticks:
        return np.zeros(ticks)
    offset = (start - series.start).total_seconds()
    where = np.floor((offset + tick_s * np.arange(ticks)) / series.step_s).astype(np.int64)
    return np.asarray(np.array(series.values)[np.clip(where, 0, len(series.values) - 1)])


def service_accounts(model: SiteModel, ensemble: Ensemble, recorder: Recorder) -> tuple[ServiceAccount, ...]:
    """What each service was asked for and given in the first future; see `service_amounts`."""
    found = []
    for service, demanded, unserved in service_amounts(model, ensemble, recorder):
        asked, missing = float(demanded[0]), float(unserved[0])
        share = 1.0 if asked <= 0 else max(0.0, 1.0 - missing / asked)
        found.append(ServiceAccount(service=service, demanded=asked, unserved=missing, served_share=share))
    return tuple(found)


def service_amounts(model: SiteModel, ensemble: Ensemble, recorder: Recorder) -> Iterator[tuple[str, Floats, Floats]]:
    """Name, amount demanded and amount not served of every service that counts; arrays (futures,).

    A service that is drawn from counts by volume. One that nobody draws from (a heated room) or that is only kept inside
    limits (a cooled room: its demand is a gain) counts by time: hours, less hours × depth outside the accepted span. A
    service whose `unserved_price` is 0 (electricity in a battery) is nobody's need and does not count.
    """
    layout, hours = ensemble.layout, recorder.ticks * ensemble.tick_s / 3600.0
    total = ensemble.demanded_until_now()
    for service in model.site.services:
        if service.unserved_price == 0:
            continue
        rows = [row for row, name in enumerate(layout.service_of) if name == service.name]
        demanded, unserved = _together(total, rows), _together(ensemble.unserved, rows)
        stores = [row for row in rows if row < layout.real]
        if stores and not (demanded > 0).all():
            demanded, unserved = np.full(ensemble.futures, hours * len(stores)), np.zeros(ensemble.futures)
            for row in stores:
                if _left(layout, recorder, row):
                    unserved += _outside(layout, recorder, row)
            unserved *= ensemble.tick_s
            unserved /= 3600.0
        yield service.name, demanded, unserved


def _together(table: Floats, rows: list[int]) -> Floats:
    return np.asarray(table[rows[0]] if len(rows) == 1 else table[rows].sum(axis=0))


def _left(layout: Layout, recorder: Recorder, row: int) -> bool:
    """Whether a store was ever outside its span, as far as levels are kept."""
    lowest, highest = recorder.extremes()
    return len(recorder.level) > 0 and bool(lowest[row] < layout.low[row, 0] or layout.high[row, 0] < highest[row])


def _outside(layout: Layout, recorder: Recorder, row: int) -> Floats:
    """Ticks × depth that a store was outside its span, as shares of it; array (futures,)."""
    low, high = float(layout.low[row, 0]), float(layout.high[row, 0])
    lowest, highest = recorder.extremes()
    levels = recorder.level[: recorder.ticks, row]
    beyond = levels - high if low <= lowest[row] else low - levels
    np.maximum(beyond, 0.0, out=beyond)
    if lowest[row] < low and high < highest[row]:
        beyond += np.maximum(levels - high, 0.0)
    return np.asarray(beyond.sum(axis=0) / (high - low))


def served_shares(model: SiteModel, ensemble: Ensemble, recorder: Recorder) -> Floats:
    """Mean over the services of the share that was served, per future."""
    everything = np.ones(ensemble.futures)
    shares = [
        np.where(demanded > 0, 1.0 - unserved / np.where(demanded > 0, demanded, 1.0), 1.0) if unserved.any() else everything
        for _, demanded, unserved in service_amounts(model, ensemble, recorder)
    ]
    return np.clip(np.mean(shares, axis=0), 0.0, 1.0) if shares else everything


def _violations(model: SiteModel, ensemble: Ensemble, recorder: Recorder, total: Floats) -> tuple[Violation, ...]:
    """Metering windows over the import limit, and levels at a physical end."""
    found = []
    limit, window_s = model.site.limits.import_kw, model.site.tariff.demand_window_s
    if limit is not None and total.size:
        per_window = max(1, round(window_s / ensemble.tick_s))
        for first in range(0, total.size, per_window):
            mean = float(total[first : first + per_window].mean())
            if mean > limit + TOLERANCE:
                time = ensemble.start + timedelta(seconds=first * ensemble.tick_s)
                words = f"import {mean:.1f} kW in the metering window, {limit:g} kW contracted"
                found.append(Violation(rule="import_kw", asset="site", time=time, found=mean, limit=limit, words=words))
    for row, store in enumerate(ensemble.layout.stores):
        levels = recorder.level[: recorder.ticks, row, 0]
        for end, limit_level, hit in (("bottom", store.bottom, levels <= store.bottom), ("top", store.top, levels >= store.top)):
            if not ensemble.layout.managed[row] and hit.any():
                time = ensemble.start + timedelta(seconds=(int(np.argmax(hit)) + 1) * ensemble.tick_s)
                words = f"{store.name} reached its {end} for {int(hit.sum())} ticks"
                found.append(
                    Violation(rule=f"store_{end}", asset=store.name, time=time, found=limit_level, limit=limit_level, words=words)
                )
    return tuple(sorted(found, key=lambda item: item.time))
