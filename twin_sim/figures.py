"""Key figures of every future, and their spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from plant.kpi import co2_kg, energy_cost, energy_kwh
from plant.orders import Spread
from plant.series import Series
from plant.situation import Situation
from plant.table import Floats
from twin_sim.model import SiteModel
from twin_sim.report import served_shares

if TYPE_CHECKING:
    from twin_sim.rehearsal import Lived


def figures(situation: Situation, model: SiteModel, lived: Lived) -> Mapping[str, Floats]:
    """Energy, cost, peak, CO2, share served, starts of each column that was lived through; arrays (columns,)."""
    kw = np.ascontiguousarray(np.moveaxis(lived.recorder.kw[: lived.recorder.ticks], 0, -1))
    total = kw[0] if len(kw) == 1 else kw.sum(axis=0)
    prices, tick_s = situation.prices, lived.tick_s
    energy, export = _along(prices.energy, lived), _along(prices.export, lived)
    cost = energy_cost(kw[0], energy, export, tick_s)
    for number, name in enumerate(lived.ensemble.layout.bills[1:], start=1):
        own = prices.of(name)
        cost = cost + energy_cost(kw[number], _along(own or prices.energy, lived), export, tick_s)
    peak = window_means(total, lived, situation).max(axis=-1)
    charge = prices.demand_charge_per_kw * np.maximum(peak - prices.peak_so_far_kw, 0.0)
    starts = lived.ensemble.starts
    worn = (starts * lived.ensemble.layout.start_cost[:, None]).sum(axis=0)
    carbon = (
        np.zeros(total.shape[0]) if prices.co2_g_per_kwh is None else co2_kg(total, _along(prices.co2_g_per_kwh, lived), tick_s)
    )
    return {
        "energy_kwh": energy_kwh(np.maximum(total, 0.0), tick_s),
        "cost": cost + charge + worn + carbon / 1000.0 * prices.co2_price_per_t,
        "demand_peak_kw": peak,
        "co2_kg": carbon,
        "served_share": served_shares(model, lived.ensemble, lived.recorder),
        "starts": starts.sum(axis=0).astype(np.float64),
    }


def _along(series: Series, lived: Lived) -> Floats:
    """A series at every tick; beyond its end the same hour of its last day."""
    offset = (lived.ensemble.start - series.start).total_seconds()
    at = np.floor((offset + lived.tick_s * np.arange(lived.recorder.ticks)) / series.step_s).astype(np.int64)
    day, count = max(1, round(86400.0 / series.step_s)), len(series.values)
    beyond = np.maximum(at - count + 1, 0)
    at = np.where(beyond > 0, at - -(-beyond // day) * day, at)
    return np.asarray(np.array(series.values)[np.clip(at, 0, count - 1)])


def gone_s(situation: Situation) -> float:
    """How much of the open metering window is over when the situation begins."""
    opened = situation.prices.open_window_start
    return 0.0 if opened is None else (situation.time - opened).total_seconds() % situation.prices.demand_window_s


def window_means(total: Floats, lived: Lived, situation: Situation) -> Floats:
    """Mean power of every metering window, shape (futures, windows); the first includes what it has already used.

    Power holds through a tick, so a window that begins or ends inside one takes its share of it. What is lived through ends
    with a whole window, if it holds one.
    """
    window_s, tick_s, gone = situation.prices.demand_window_s, lived.tick_s, gone_s(situation)
    if window_s == tick_s and not gone and total.size:
        return total
    span_s = total.shape[-1] * tick_s
    count = int((span_s + gone) / window_s + 1e-9)
    ends = window_s * np.arange(1, count + 1) - gone if count else np.array([span_s])
    at = ends / tick_s
    whole = np.minimum(at.astype(np.int64), total.shape[-1])
    used = np.concatenate([np.zeros((*total.shape[:-1], 1)), np.cumsum(total, axis=-1)], axis=-1)
    partly = total[..., np.minimum(whole, total.shape[-1] - 1)] * (at - whole)
    energy = (used[..., whole] + partly) * tick_s + (situation.prices.open_window_kwh * 3600.0 if gone else 0.0)
    lengths = np.full(ends.shape, window_s) if count else ends + gone
    return np.asarray(np.diff(energy, axis=-1, prepend=0.0) / lengths)


def quantile(values: Floats, share: float) -> float:
    """A quantile, linear between neighbours: what `np.quantile` gives, without its preparations."""
    return _between(np.sort(values), share)


def _between(ordered: Floats, share: float) -> float:
    at = (ordered.size - 1) * share
    first = int(at)
    low, high, part = float(ordered[first]), float(ordered[min(first + 1, ordered.size - 1)]), at - first
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1.0 - part)


def spreads(found: Mapping[str, Floats], columns: slice) -> tuple[Spread, ...]:
    """5th, 50th, 95th percentile and mean of every figure over some columns."""
    table = np.array([values[columns] for values in found.values()])
    means = table.mean(axis=1).tolist()
    table.sort(axis=1)
    return tuple(
        Spread(key=key, p5=_between(row, 0.05), p50=_between(row, 0.5), p95=_between(row, 0.95), mean=mean)
        for key, row, mean in zip(found, table, means, strict=True)
    )
