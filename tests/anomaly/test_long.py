"""Weeks and a year of a seeded machine: quiet when healthy, faults found by size, the right sensor named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from anomaly.backtest import raised
from anomaly.detectors.isolation_forest import IsolationForest
from tests.anomaly.blower import NOISE, SENSORS, Fault, rows_of, table

DAY = 96
CONTEXT = ("speed", "product", "outdoor")
LEARN, HEALTHY, LATE = 60 * DAY, 90 * DAY, 5 * DAY
"""Rows to learn from, until when all is well, and from a fault's begin until the service is lost."""


def _learner() -> IsolationForest:
    return IsolationForest(seed=0, context=CONTEXT, curved=CONTEXT, power="power", sensors=SENSORS)


@pytest.fixture(scope="module")
def learner() -> IsolationForest:
    return _learner().fit(rows_of(table(3, LEARN), 0, LEARN))


@dataclass(frozen=True)
class Found:
    detected: bool
    named: bool


def _found(learner: IsolationForest, sensor: str, size: float, begin: int, sign: int) -> Found:
    readings = table(3, begin + LATE, faults=(Fault(sensor, sign * size, begin, DAY),))
    judgement = learner.judge(rows_of(readings, begin - 5 * DAY, begin + LATE))
    rows = np.flatnonzero(judgement.alarm[5 * DAY :])
    if not rows.size:
        return Found(False, False)
    return Found(True, judgement.drivers(5 * DAY + int(rows[0]))[0].tag == sensor)


def test_a_healthy_month_raises_at_most_one_alarm_and_never_trips(learner: IsolationForest) -> None:
    judgement = learner.judge(rows_of(table(3, HEALTHY), LEARN, HEALTHY))
    assert raised(judgement.alarm) <= 1
    assert not judgement.trip.any()
    assert np.mean(judgement.scores[np.isfinite(judgement.scores)] >= 0.9) >= 0.99


@pytest.mark.parametrize(("size", "least"), [(2.0, 0.6), (5.0, 0.95), (12.0, 1.0)])
def test_faults_are_found_by_their_size_and_the_sensor_is_named(learner: IsolationForest, size: float, least: float) -> None:
    rng = np.random.default_rng(11)
    found = [
        _found(learner, sensor, size, int(rng.integers(LEARN + 6 * DAY, HEALTHY - LATE)), sign)
        for sensor in NOISE
        for sign in (-1, 1)
        for _ in range(3)
    ]
    detected = [each for each in found if each.detected]
    assert len(detected) >= least * len(found)
    assert sum(each.named for each in detected) >= 0.8 * len(detected)


def test_a_healthy_year_with_summer_winter_and_a_new_product() -> None:
    day, year = 24, 365 * 24
    readings = table(8, year + 60 * day, step_s=3600.0, product_change=200 * day)
    scores = []
    for first in range(60 * day, year + 60 * day, 30 * day):  # learned anew every month from the last two
        model = _learner().fit(rows_of(readings, first - 60 * day, first))
        window = rows_of(readings, first - 5 * day, first + 30 * day)
        judgement = model.judge(window)
        assert not judgement.trip.any()
        scores.append(judgement.scores[5 * day :])
    together = np.concatenate(scores)
    judged = together[np.isfinite(together)]
    assert np.mean(judged >= 0.9) >= 0.99
    assert judged.size >= 0.9 * together.size
