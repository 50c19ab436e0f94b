import dataclasses

import numpy as np
import pytest

from anomaly.health import delayed, distance_of, rows_to_zone_d, score_of, settled, zone
from anomaly.profiles import ADVISORY
from plant.health import Severity

QUICK = dataclasses.replace(ADVISORY, raise_rows=3, clear_rows=2)


def test_score_falls_with_distance_and_never_saturates() -> None:
    scores = score_of(np.array([0.0, 1.0, 4.0, 40.0, 400.0]))
    assert scores[0] == 1.0
    assert np.all(np.diff(scores) < 0)
    assert scores[2] == pytest.approx(0.5)
    assert scores[-1] > 0
    assert distance_of(0.5) == pytest.approx(4.0)


def test_zones_by_distance() -> None:
    assert [zone(d) for d in (0.5, 1.5, 3.0, 9.0)] == [Severity.A, Severity.B, Severity.C, Severity.D]


def test_alarm_needs_some_rows_to_be_raised_and_to_be_cleared() -> None:
    beyond = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 0, 0], dtype=bool)
    assert delayed(beyond, QUICK).astype(int).tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0]


def test_a_machine_does_not_heal_by_itself() -> None:
    distance = np.concatenate([np.full(10, 0.5), np.full(5, 6.0), np.full(40, 0.5)])
    slow = settled(distance)
    assert slow[14] == 6.0
    assert slow[20] > 5.0
    assert np.all(np.diff(slow[14:]) < 0)
    assert np.isnan(settled(np.array([1.0, np.nan]))[1])


def test_time_to_zone_d_of_a_steady_trend_and_of_none() -> None:
    rng = np.random.default_rng(0)
    rising = np.linspace(0.0, 3.0, 121) + 0.02 * rng.normal(size=121)
    low, middle, high = rows_to_zone_d(rising)[-1]
    assert low < middle < high
    assert middle == pytest.approx(40.0, rel=0.15)
    assert np.isnan(rows_to_zone_d(1.0 + 0.1 * rng.normal(size=121))[-1]).all()
    assert np.isnan(rows_to_zone_d(np.linspace(3.0, 6.0, 121))[-1]).all()
    assert np.isnan(rows_to_zone_d(np.linspace(0.0, 0.9, 121))[-1]).all()
