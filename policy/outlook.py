"""What a situation says of the hours ahead, as arrays over its steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from plant.assets import Store
from plant.series import Forecast, Series
from plant.situation import Situation
from plant.table import Floats

SECONDS_PER_HOUR = 3600.0
GRAMS_PER_TONNE = 1e6
BAND_SIGMAS = 2.563
"""p90 − p10 of a normal distribution, in standard deviations."""
MEMORY_H = 3.0
"""Correlation time taken for forecast errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Times, prices, load and demand over the steps of a situation; arrays have shape (steps,)."""

    start: datetime
    step_s: float
    steps: int
    energy: Floats
    """What an imported kWh costs, CO2 included."""
    export: Floats
    """What an exported kWh earns."""
    tariff: Floats
    """What an imported kWh costs, CO2 not included."""
    carbon_g: Floats
    """Grams per imported kWh; zeros where unknown."""
    load_kw: Floats
    demand: tuple[tuple[str, Floats], ...]
    """Per service that somebody draws from, units per hour."""
    spread: tuple[tuple[str, Floats], ...]
    """Standard deviation of each demand, units per hour."""
    unknown: frozenset[str]
    """Services whose demand has no forecast."""

    @property
    def step_h(self) -> float:
        """Length of a step in hours."""
        return self.step_s / SECONDS_PER_HOUR

    def time(self, step: int) -> datetime:
        """Start of a step."""
        return self.start + timedelta(seconds=self.step_s * step)

    def step_of(self, time: datetime) -> int:
        """The step in which a time lies, cut to 0..steps."""
        return int(min(max((time - self.start).total_seconds() // self.step_s, 0), self.steps))

    def demand_of(self, service: str) -> Floats:
        """Demand of a service, zeros if nobody draws from it."""
        return next((values for name, values in self.demand if name == service), np.zeros(self.steps))

    def spread_of(self, service: str) -> Floats:
        """Standard deviation of a service's demand."""
        return next((values for name, values in self.spread if name == service), np.zeros(self.steps))

    def local(self, step: int, zone: ZoneInfo) -> datetime:
        """Local time at the start of a step."""
        return self.time(step).astimezone(zone)


def outlook(situation: Situation) -> Outlook:
    """Read the hours ahead off a situation."""
    prices, zeros = situation.prices, np.zeros(situation.steps)
    tariff = on_steps(situation, prices.energy)
    carbon = zeros if prices.co2_g_per_kwh is None else on_steps(situation, prices.co2_g_per_kwh)
    load = situation.forecast(situation.load_target) if situation.load_target else None
    demand, spread, unknown = [], [], set()
    for service in situation.services:
        if service.demand is None:
            continue
        forecast = situation.forecast(service.demand)
        if forecast is None:
            unknown.add(service.name)
            continue
        demand.append((service.name, on_steps(situation, forecast.p50)))
        spread.append((service.name, _deviation(situation, forecast)))
    return Outlook(
        start=situation.time,
        step_s=situation.step_s,
        steps=situation.steps,
        energy=tariff + carbon * prices.co2_price_per_t / GRAMS_PER_TONNE,
        export=on_steps(situation, prices.export),
        tariff=tariff,
        carbon_g=carbon,
        load_kw=zeros if load is None else on_steps(situation, load.p50),
        demand=tuple(demand),
        spread=tuple(spread),
        unknown=frozenset(unknown),
    )


def on_steps(situation: Situation, series: Series) -> Floats:
    """A series as means over the situation's steps."""
    return np.asarray(series.resampled(situation.time, situation.step_s, situation.steps), dtype=np.float64)


def _deviation(situation: Situation, forecast: Forecast) -> Floats:
    return np.asarray((on_steps(situation, forecast.p90) - on_steps(situation, forecast.p10)) / BAND_SIGMAS)


def ambient_of(situation: Situation, store: Store) -> Floats:
    """What a store loses to over the steps; zeros if it names nothing or nothing is known of it."""
    series = next((found for tag, found in situation.ambient if tag == store.ambient), None)
    return np.zeros(situation.steps) if series is None else on_steps(situation, series)


def asset_price(situation: Situation, ahead: Outlook, asset: str) -> Floats:
    """What a kWh of an asset costs over the steps: its own tariff or the site's."""
    own = situation.prices.of(asset)
    return ahead.energy if own is None else on_steps(situation, own)


def accumulated(deviation: Floats, step_h: float) -> Floats:
    """Standard deviation of the demand summed up to the end of each step, shape (steps,).

    Errors are taken as a first-order process with a memory of `MEMORY_H`; the variance of its running sum is summed
    exactly step by step (covariance of the sum with the newest error decays by the same factor).
    """
    decay = float(np.exp(-step_h / MEMORY_H))
    total, cross, found = 0.0, 0.0, []
    for sigma in deviation * step_h:
        total += 2.0 * decay * cross * sigma + sigma * sigma
        cross = decay * cross + sigma
        found.append(total)
    return np.asarray(np.sqrt(found))
