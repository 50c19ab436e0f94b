"""Judgement from distances that need no learning of thresholds: one per sensor, 1 = its limit."""

from __future__ import annotations

import numpy as np

from anomaly import health
from anomaly.baseline import Normal
from anomaly.features import Bools
from anomaly.judgement import Judgement
from anomaly.modes import FULL_LOAD
from anomaly.profiles import ADVISORY, CONTROL
from plant.table import Floats, Times


def normal_of(times: Times, sensors: tuple[str, ...], actual: Floats, expected: Floats) -> Normal:
    """Readings beside an expectation that has no spread: `z` only says what is known."""
    known = np.where(np.isfinite(actual) & np.isfinite(expected), 0.0, np.nan)
    modes = np.full(times.size, FULL_LOAD, dtype=np.int8)
    return Normal(
        times=times, sensors=sensors, actual=actual, expected=expected, z=known, doubt=np.zeros_like(actual),
        familiar=np.ones(times.size, dtype=bool), modes=modes,
    )  # fmt: skip


def judged(asset: str, name: str, model_id: str, normal: Normal, each: Floats) -> Judgement:
    """The judgement of rows by the sensor that is furthest out.

    Parameters
    ----------
    asset, name, model_id
        Who is judged, by which detector and model.
    normal
        Readings beside their expectation.
    each
        Shape (rows, sensors): distance of each sensor, 1 = its limit; NaN = not known.
    """
    known: Bools = np.isfinite(each)
    distance = np.where(known.any(axis=1), np.where(known, each, 0.0).max(axis=1, initial=0.0), np.nan)
    square = np.where(known, each, 0.0) ** 2
    slow = health.settled(distance)
    beyond = np.nan_to_num(distance) > 1.0
    return Judgement(
        asset=asset,
        model_id=model_id,
        normal=normal,
        rows=1,
        part_names=(name,),
        parts=distance[:, None],
        distance=distance,
        settled=slow,
        shown=np.arange(distance.size),
        rows_to_d=health.rows_to_zone_d(slow),
        alarm=health.delayed(beyond, ADVISORY),
        trip=health.delayed(beyond, CONTROL),
        shares=square / np.maximum(square.sum(axis=1, keepdims=True), np.finfo(float).tiny),
        confidence=known.mean(axis=1),
    )
