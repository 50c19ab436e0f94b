"""Key figures, and the sums they are made of: pure functions of arrays whose last axis is time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from plant.table import Floats

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """What a span of time took and gave (ISO 50006: energy performance indicators)."""

    start: datetime
    end: datetime
    energy_kwh: float
    """Imported."""
    cost: float
    """Energy, demand charge and starts in the site's currency."""
    demand_peak_kw: float
    co2_kg: float
    served_share: float
    """Share of the demanded service that was served, 0..1."""
    starts: int
    violations: int
    health_min: float | None


def energy_kwh(power_kw: Floats, step_s: float) -> Floats:
    """Energy of mean powers over equal steps; shape (..., steps) → (...)."""
    return np.asarray(power_kw.sum(axis=-1) * (step_s / SECONDS_PER_HOUR))


def energy_cost(power_kw: Floats, energy: Floats, export: Floats, step_s: float) -> Floats:
    """Cost of import less revenue of export; prices per kWh broadcast over (..., steps)."""
    hourly = np.maximum(power_kw, 0.0) * energy + np.minimum(power_kw, 0.0) * export
    return np.asarray(hourly.sum(axis=-1) * (step_s / SECONDS_PER_HOUR))


def demand_peak_kw(power_kw: Floats, step_s: float, window_s: float) -> Floats:
    """Highest mean over whole metering windows; shape (..., steps) → (...). A last part window counts as its mean."""
    return np.asarray(demand_windows_kw(power_kw, step_s, window_s).max(axis=-1))


def demand_windows_kw(power_kw: Floats, step_s: float, window_s: float, gone_s: float = 0.0) -> Floats:
    """Mean of every metering window; shape (..., steps) → (..., windows). Windows of which only a part is there count as its mean.

    Parameters
    ----------
    gone_s
        So much of the first window is over when the first step begins.
    """
    per_window = max(1, round(window_s / step_s))
    first = per_window - round(gone_s % window_s / step_s) % per_window
    starts = np.append(0, np.arange(first, power_kw.shape[-1], per_window))
    sums = np.add.reduceat(power_kw, starts, axis=-1)
    return np.asarray(sums / np.diff(np.append(starts, power_kw.shape[-1])))


def co2_kg(power_kw: Floats, g_per_kwh: Floats, step_s: float) -> Floats:
    """Emission of the imported energy; shape (..., steps) → (...)."""
    return np.asarray((np.maximum(power_kw, 0.0) * g_per_kwh).sum(axis=-1) * (step_s / SECONDS_PER_HOUR / 1000.0))


def starts(running: Floats, before: Floats) -> Floats:
    """Number of changes from off to on; `running` (..., steps) of 0/1, `before` (...) the state just before."""
    first = (running[..., 0] > before).astype(np.float64)
    return np.asarray(first + (np.diff(running, axis=-1) > 0).sum(axis=-1))
