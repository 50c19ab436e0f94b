"""What drives the synthetic works: seeded weather, prices, demands, loads, surprises and wear, by tag of its site file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from datasets import synthetic
from datasets.synthetic import Hours
from plant.table import Floats, Table
from plant.times import UTC, iso, utc

Streams = Callable[[], np.random.Generator]

ZONE, COUNTRY, LATITUDE = "Europe/Berlin", "DE", 52.5
STEP_S = 900.0
PV_PEAK_KW = 240.0
ZONES = {"office": (1.5, 21.3), "hall": (4.2, 17.8)}
"""Store → heat loss (kW/K) and usual temperature, for what wind blows through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorksCourse:
    """Everything that happens to the works from outside over a stretch of time.

    Attributes
    ----------
    tags
        What tags of the site file show: weather, prices, demands, loads, PV.
    losses
        By store: heat that the wind takes and the people bring, kWh per hour. No tag shows it and no model has a term for it.
    health
        By asset: 1 as new, falling as a machine fouls.
    """

    tags: Table
    losses: Table
    health: Table


def course(seed: int, start: datetime, days: float, fouling_from: datetime | None = None) -> WorksCourse:
    """The course of the works from a seed.

    The same seed and start give the same course; a longer one begins like a shorter one.

    Parameters
    ----------
    seed
        Changes all of it.
    start
        First instant, with a zone.
    days
        Length.
    fouling_from
        When the first compressor begins to foul; None = at `start`.
    """
    steps = round(days * 86400.0 / STEP_S)
    when = synthetic.hours(start, steps, STEP_S, ZONE, COUNTRY)
    streams = iter(np.random.SeedSequence(seed).spawn(16))

    def rng() -> np.random.Generator:
        return np.random.default_rng(next(streams))

    outdoor = synthetic.outdoor_c(rng(), when)
    sun = synthetic.irradiance_w_m2(rng(), when, LATITUDE)
    wind = synthetic.wind_m_s(rng(), when)
    price = synthetic.price_per_kwh(rng(), when, sun)
    demands = _demands(rng, when)
    loads = _loads(rng, when, sun)
    tags = {
        "site.outdoor_c": outdoor,
        "site.irradiance_w_m2": sun,
        "site.price_per_kwh": price,
        "pv.power_kw": -PV_PEAK_KW * np.clip(sun / 1000.0 * (1.0 - 0.004 * (outdoor + 0.03 * sun - 25.0)), 0.0, 1.0),
        **demands,
        **loads,
    }
    return WorksCourse(
        tags=synthetic.table_of(when, tags),
        losses=synthetic.table_of(when, _hidden(when, outdoor, wind, sun)),
        health=synthetic.table_of(when, {"compressor_1": _fouling(rng(), when, fouling_from)}),
    )


def _demands(rng: Streams, when: Hours) -> dict[str, Floats]:
    first, second = synthetic.shift(when, 6.0, 22.0), synthetic.shift(when, 7.0, 17.0)

    def varied(memory_h: float, sd: float) -> Floats:
        return np.asarray(np.exp(synthetic.wander(rng(), when.steps, when.step_s, memory_h, sd) - sd * sd / 2))

    burst = synthetic.campaigns(rng(), when, 0.05, 2.0, first)
    return {
        "warehouse.shipped_per_h": (12.0 + 128.0 * second) * varied(5.0, 0.12),
        "air.demand_nm3_h": (120.0 + 270.0 * first) * varied(2.0, 0.08) + 130.0 * burst,
        "water.demand_m3_h": (14.0 + 26.0 * first + 10.0 * second) * varied(3.0, 0.10),
        "server.demand_kw": -(26.0 + 8.0 * second) * varied(12.0, 0.05),
    }


def _loads(rng: Streams, when: Hours, sun: Floats) -> dict[str, Floats]:
    first, second = synthetic.shift(when, 6.0, 22.0), synthetic.shift(when, 7.0, 17.0)
    dark = 1.0 / (1.0 + np.exp((sun - 40.0) / 12.0))
    presses = 20.0 + 14.0 * synthetic.wander(rng(), when.steps, when.step_s, 1.0, 0.35)
    forging = synthetic.campaigns(rng(), when, 0.28, 1.5, second)
    return {
        "lighting.power_kw": 24.0 * (0.08 + (0.55 + 0.37 * dark) * first),
        "conveyor.power_kw": 14.0 * first * (0.8 + 0.1 * np.tanh(synthetic.wander(rng(), when.steps, when.step_s, 1.0, 1.0))),
        "heavy_machinery.power_kw": np.clip(3.0 + (presses + 30.0) * second + 12.0 * (first - second) + 85.0 * forging, 0.0, 180.0),
        "exterior_lighting.power_kw": 9.0 * dark,
    }


def _hidden(when: Hours, outdoor: Floats, wind: Floats, sun: Floats) -> dict[str, Floats]:
    """Wind through doors and gaps (more loss), sun and people (less)."""
    people = synthetic.shift(when, 7.0, 17.0)
    return {
        store: loss * 0.03 * (wind - 4.5) * (usual - outdoor) - 3.0 * people * loss / 1.5 * 0.5 - 0.004 * sun * loss
        for store, (loss, usual) in ZONES.items()
    }


def _fouling(rng: np.random.Generator, when: Hours, begins: datetime | None) -> Floats:
    """Health of a compressor whose cooler and filter foul: to about 0.6 within ten days, at a seeded pace."""
    first = when.times[0] if begins is None else np.datetime64(utc(begins).replace(tzinfo=None), "us")
    days = np.maximum((when.times - first) / np.timedelta64(86400, "s"), 0.0)
    pace = rng.uniform(0.03, 0.05)
    return np.asarray(np.clip(1.0 - pace * days, 0.2, 1.0))


def write_prices(file: Path, tags: Table) -> None:
    """Write the day-ahead prices of a course as the price file that the site file names: UTC, per kWh, with grid CO2."""
    price = tags.columns["site.price_per_kwh"]
    intensity = synthetic.grid_co2_g_per_kwh(price)
    lines = ["time,per_kwh,export_per_kwh,co2_g_per_kwh"]
    for time, energy, grams in zip(tags.times.tolist(), price.tolist(), intensity.tolist(), strict=True):
        stamp = iso(time.replace(tzinfo=UTC))
        lines.append(f"{stamp},{energy:.5f},{0.4 * energy:.5f},{grams:.1f}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
