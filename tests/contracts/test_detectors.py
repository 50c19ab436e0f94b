"""One suite for every Detector: scores in 0..1, causal, lowered by a fault, quiet when healthy; gaps are survived."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from plant.errors import DataError
from plant.kinds import find, known
from plant.ports import Detector
from plant.table import Table
from tests.anomaly.blower import SENSORS, Fault, rows_of, table, with_column

KINDS = known("anomaly.detectors")
ROWS, TRAIN = 1000, 600
FAULT_AT = 750


def _readings(*faults: Fault, seed: int = 1) -> Table:
    return table(seed, ROWS, step_s=60.0, faults=faults, always_on=True).only(*SENSORS)


def _fitted(kind: str, **options: Any) -> Detector:
    made = find("anomaly.detectors", kind)(**options)
    assert isinstance(made, Detector)
    return made.fit(rows_of(_readings(), 0, TRAIN))


def _frozen(readings: Table) -> Table:
    column = readings.columns["power"].copy()
    column[FAULT_AT:] = column[FAULT_AT]
    return with_column(readings, "power", column)


def _ill(kind: str) -> Table:
    return _frozen(_readings()) if kind == "flatline" else _readings(Fault("bearing_c", 60.0, FAULT_AT))


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def detector(kind: str) -> Detector:
    return _fitted(kind)


def _scores(detector: Detector, readings: Table) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.nan if health.score is None else health.score for health in detector.score(readings, "blower")])


def test_one_health_per_row_with_a_score_between_0_and_1(detector: Detector) -> None:
    readings = rows_of(_readings(), TRAIN, ROWS)
    found = detector.score(readings, "blower")
    assert len(found) == len(readings)
    assert all(health.asset == "blower" and health.model_id for health in found)
    assert all(health.score is not None and 0.0 <= health.score <= 1.0 for health in found)
    assert [health.time.replace(tzinfo=None) for health in found[:3]] == readings.times[:3].tolist()


def test_a_fault_lowers_the_score_raises_the_alarm_and_is_named(kind: str, detector: Detector) -> None:
    found = detector.score(rows_of(_ill(kind), TRAIN, ROWS), "blower")
    healthy, ill = found[FAULT_AT - TRAIN - 1], found[-1]
    assert healthy.score is not None
    assert ill.score is not None
    assert ill.score < healthy.score - 0.2
    assert not healthy.alarm
    assert ill.alarm
    assert ill.drivers[0].tag == ("power" if kind == "flatline" else "bearing_c")
    assert ill.parts


def test_false_alarms_stay_below_the_promised_rate(kind: str) -> None:
    alarmed = []
    for seed in range(4):
        readings = _readings(seed=10 + seed)
        made: Detector = find("anomaly.detectors", kind)()
        made.fit(rows_of(readings, 0, TRAIN))
        found = made.score(rows_of(readings, TRAIN, ROWS), "blower")
        alarmed.append(np.mean([health.alarm for health in found]))
        assert not any(health.trip for health in found)
    assert np.mean(alarmed) <= 0.03


def test_later_rows_change_nothing(kind: str, detector: Detector) -> None:
    whole = _scores(detector, rows_of(_ill(kind), TRAIN, ROWS))
    part = _scores(detector, rows_of(_ill(kind), TRAIN, FAULT_AT + 50))
    np.testing.assert_array_equal(whole[: part.size], part)


def test_dump_load_score_is_identical(detector: Detector) -> None:
    readings = rows_of(_readings(), TRAIN, TRAIN + 100)
    again: Detector = pickle.loads(pickle.dumps(detector))
    assert detector.score(readings, "blower") == again.score(readings, "blower")


def test_same_seed_same_model(kind: str) -> None:
    readings = rows_of(_readings(), TRAIN, TRAIN + 100)
    assert _fitted(kind).score(readings, "blower") == _fitted(kind).score(readings, "blower")


def test_gaps_and_a_vanished_sensor_are_survived_and_said(detector: Detector) -> None:
    readings = rows_of(_readings(), TRAIN, ROWS)
    holes = readings.columns["flow"].copy()
    holes[::3] = np.nan
    gone = np.full(len(readings), np.nan)
    for column in (holes, gone):
        found = detector.score(with_column(readings, "flow", column), "blower")
        assert all(health.score is None or 0.0 <= health.score <= 1.0 for health in found)
    without = Table(times=readings.times, columns={name: c for name, c in readings.columns.items() if name != "flow"})
    last = detector.score(without, "blower")[-1]
    assert last.confidence < 1.0
    assert "flow" in last.words


def test_no_readings_at_all_are_no_health(detector: Detector) -> None:
    readings = rows_of(_readings(), TRAIN, TRAIN + 50)
    empty = Table(times=readings.times, columns=dict.fromkeys(readings.columns, np.full(len(readings), np.nan)))
    found = detector.score(empty, "blower")
    assert all(health.score is None and health.severity is None and not health.alarm for health in found)
    assert "not enough data" in found[-1].words


def test_too_few_rows_are_refused_with_a_number(kind: str) -> None:
    made: Detector = find("anomaly.detectors", kind)()
    with pytest.raises(DataError, match="10"):
        made.fit(rows_of(_readings(), 0, 10))


def test_constant_readings_are_refused_by_name(kind: str) -> None:
    readings = rows_of(_readings(), 0, 100)
    still = Table(times=readings.times, columns={"flow": np.full(100, 3.0), "power": np.full(100, 1.0)})
    made: Detector = find("anomaly.detectors", kind)()
    with pytest.raises(DataError, match="flow"):
        made.fit(still)
