"""Futures drawn beforehand from forecasts: the same draws for a plan and for doing nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from plant.series import Forecast
from plant.situation import Situation
from plant.table import Floats
from twin_sim.drivers import Drivers, Failure, at_steps
from twin_sim.machine import hazard_per_h
from twin_sim.model import SiteModel

try:
    from twin_sim import draws
except ImportError:  # installed without a C compiler
    draws = None  # type: ignore[assignment]

MEMORY_H = 3.0
"""How long a deviation from the forecast lasts: autocorrelation 1/e after so many hours."""
P90_SIGMA = 1.2815515655446004
"""Standard normal quantile of 90 %."""


def draw(situation: Situation, model: SiteModel, *, futures: int, steps: int, seed: int, columns: int | None = None) -> Drivers:
    """Futures of everything that a situation forecasts, and of failures.

    Every target follows its forecast through a Gaussian copula in time: a standard normal AR(1) course per target and
    future, mapped to the forecast's quantiles (half-normal either side of p50, so that 10 % fall below p10 and 10 % above
    p90). Future 0 is the median itself.

    Parameters
    ----------
    futures, steps
        How many, and how many control steps long. Beyond a forecast's end its last values hold.
    seed
        Of the draws; the same seed gives the same futures whatever is rehearsed in them.
    columns
        More than there are futures: the same ones again and again. None = each once.
    """
    start, step_s = situation.time, situation.step_s
    tags: dict[str, Floats] = {}
    for name, series in situation.ambient:
        tags[name] = at_steps(series, start, step_s, steps)[:, None]
    keep = float(np.exp(-step_s / 3600.0 / MEMORY_H))
    over, under, then = _courses(seed, len(situation.forecasts), steps, futures, keep)
    for number, forecast in enumerate(situation.forecasts):
        tags[forecast.target] = _drawn(forecast, start, step_s, over[number], under[number], columns or futures)
    rng = np.random.default_rng()
    rng.bit_generator.state = then
    failures = tuple(
        replace(failure, future=column)
        for failure in _failures(situation, model, rng, futures, steps * step_s)
        for column in range(failure.future, columns or futures, futures)
    )
    return Drivers(start=start, step_s=step_s, tags=tags, failures=failures)


@lru_cache(maxsize=1)
def _courses(seed: int, targets: int, steps: int, futures: int, keep: float) -> tuple[Floats, Floats, Any]:
    """Standard normal AR(1) courses, shape (targets, steps, futures); the first future of each is zero.

    Kept from one plan to the next, which mostly have the same seed and length.

    Returns
    -------
    tuple
        What lies above zero, what lies below, and where the generator of random numbers stands then.
    """
    rng = np.random.default_rng([seed, 41])
    noise = rng.standard_normal((targets, steps, futures))
    fresh = float(np.sqrt(1.0 - keep * keep))
    if draws is not None:
        over, under = np.empty_like(noise), noise
        draws.courses(noise, over, steps, futures, keep, fresh)
        over.flags.writeable = under.flags.writeable = False
        return over, under, rng.bit_generator.state
    noise[:, 1:] *= fresh
    noise = np.ascontiguousarray(noise.swapaxes(0, 1))
    kept = np.zeros((targets, futures))
    for before, now in pairwise(noise):
        np.add(now, np.multiply(before, keep, out=kept), out=now)
    noise = noise.swapaxes(0, 1)
    noise[:, :, 0] = 0.0
    over = np.maximum(noise, 0.0)
    under = np.minimum(noise, 0.0, out=noise)
    over.flags.writeable = under.flags.writeable = False
    return over, under, rng.bit_generator.state


def _drawn(forecast: Forecast, start: datetime, step_s: float, over: Floats, under: Floats, columns: int) -> Floats:
    steps, futures = over.shape
    wide = columns if futures > 1 else 1
    low, mid, high = (at_steps(series, start, step_s, steps)[:, None] for series in (forecast.p10, forecast.p50, forecast.p90))
    up, down = (high - mid) / P90_SIGMA, (mid - low) / P90_SIGMA
    if draws is not None:
        drawn = np.empty((steps, wide))
        draws.drawn(drawn, over, under, up, mid, down)
        return drawn
    drawn = over * up
    drawn += mid
    drawn += under * down
    return drawn if wide == futures else drawn.take(np.arange(wide) % futures, axis=1)


def _failures(situation: Situation, model: SiteModel, rng: np.random.Generator, futures: int, span_s: float) -> tuple[Failure, ...]:
    """Failures of machines that may fail: exponential times at the rate their health gives."""
    scores = {item.asset: item.score for item in situation.health if item.score is not None}
    found = []
    for asset in model.site.assets:
        rate = hazard_per_h(asset.life, scores.get(asset.name, 1.0))
        draws = rng.random(futures)
        if rate <= 0:
            continue
        at_s = -np.log1p(-draws) / rate * 3600.0
        for future in np.flatnonzero(at_s < span_s).tolist():
            if future == 0:
                continue
            begin = situation.time + timedelta(seconds=float(at_s[future]))
            found.append(Failure(asset=asset.name, future=future, at=begin, until=begin + timedelta(hours=asset.life.repair_h)))
    return tuple(found)
