"""A trip needs conditions that the healthy history showed more than once: what is new may be all well."""

from __future__ import annotations

import numpy as np
import pytest

from anomaly.detectors.t2q import T2q
from anomaly.familiar import Familiar
from anomaly.judgement import Judgement
from anomaly.modes import FULL_LOAD, OFF, WARM_UP, Modes
from plant.table import Floats, Table
from tests.anomaly.blower import START, rows_of

DAY = 96
LEARN, ROWS = 28 * DAY, 35 * DAY


def _cooler(outdoor: Floats, fault: Floats | float = 0.0, on: Floats | None = None) -> Table:
    """A machine whose heat stays the same until it is 16 °C outside and falls steeply beyond."""
    rng = np.random.default_rng(4)
    running = np.ones(outdoor.size) if on is None else on
    heat = 50.0 - 3.0 * np.maximum(outdoor - 16.0, 0.0)
    columns = {
        "power": 0.4 + running * 7.0 + rng.normal(0.0, 0.02, outdoor.size),
        "heat": running * (heat + rng.normal(0.0, 0.4, outdoor.size) + fault),
        "outdoor": outdoor,
    }
    return Table(times=START + np.arange(outdoor.size) * np.timedelta64(900, "s"), columns=columns)


def _judged(readings: Table) -> Judgement:
    learner = T2q(context=("outdoor",), curved=("outdoor",), power="power", sensors=("power", "heat"))
    return learner.fit(rows_of(readings, 0, LEARN)).judge(rows_of(readings, LEARN, ROWS))


def _weather(low: float, high: float) -> Floats:
    return (low + high) / 2.0 + (high - low) / 2.0 * np.sin(np.arange(ROWS) * 2.0 * np.pi / DAY)


def test_a_spring_that_four_winter_weeks_never_saw_trips_nothing() -> None:
    warm = _weather(2.0, 14.0) + np.where(np.arange(ROWS) >= LEARN, 3.5, 0.0)
    found = _judged(_cooler(warm))
    assert not found.trip.any()
    assert "cannot lead to a trip" in found.health(int(warm[LEARN:].argmax()) - 10).words


def test_a_single_warm_day_of_the_history_is_no_proof_either() -> None:
    warm = _weather(2.0, 14.0)
    warm[10 * DAY : 10 * DAY + 40] = 15.5
    warm[LEARN:] = 15.5
    assert not _judged(_cooler(warm, np.where(np.arange(ROWS) >= LEARN, -10.0, 0.0))).trip.any()


def test_the_same_deviation_under_familiar_conditions_trips() -> None:
    usual = _weather(2.0, 14.0)
    found = _judged(_cooler(usual, np.where(np.arange(ROWS) >= LEARN, -10.0, 0.0)))
    assert found.trip[2 * DAY :].any()
    assert found.drivers(3 * DAY)[0].tag == "heat"


@pytest.mark.parametrize("tried", [0, 12])
def test_a_machine_that_stood_through_its_history_is_not_judged_when_it_starts(tried: int) -> None:
    on = (np.arange(ROWS) >= LEARN).astype(float)
    on[DAY : DAY + tried] = 1.0
    found = _judged(_cooler(_weather(2.0, 14.0), on=on))
    assert not found.trip.any()
    assert not found.alarm.any()
    last = found.health(len(found.normal) - 1)
    assert last.score is None
    assert "operating mode unknown" in last.words


@pytest.mark.parametrize("running", [None, "running"])
def test_a_row_in_which_it_switched_is_neither_standing_nor_running(running: str | None) -> None:
    share = np.tile(np.repeat([0.0, 1.0], 10), 20)
    history = Table(
        times=START + np.arange(400) * np.timedelta64(900, "s"), columns={"power": 0.4 + 40.0 * share, "running": share}
    )
    modes = Modes.learned(history, "power", running)
    half = Table(times=history.times[:3], columns={"power": np.array([0.4, 13.7, 40.4]), "running": np.array([0.0, 1 / 3, 1.0])})
    assert modes.codes(half).tolist() == ([OFF, WARM_UP, FULL_LOAD] if running is None else [OFF, -1, FULL_LOAD])


def test_two_parts_of_the_history_have_to_know_it() -> None:
    outside = np.concatenate([np.tile(np.linspace(0.0, 1.0, 100), 4), np.full(100, 5.0)])[:, None]
    codes = np.full(500, FULL_LOAD, dtype=np.int8)
    familiar = Familiar.learned(outside, codes, np.ones(500, dtype=bool))
    asked = np.array([[0.5], [0.76], [5.0]])
    assert familiar.rows(asked, codes[:3]).tolist() == [True, True, False]
    assert not familiar.rows(asked, np.zeros(3, dtype=np.int8)).any()


def test_what_was_seen_apart_may_never_have_been_seen_together() -> None:
    level = np.tile(np.repeat([0.0, 1.0], 50), 5)
    power = 1.0 - level
    codes = np.full(500, FULL_LOAD, dtype=np.int8)
    familiar = Familiar.learned(np.stack([level, power], axis=1), codes, np.ones(500, dtype=bool))
    asked = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert familiar.rows(asked, codes[:4]).tolist() == [True, True, False, False]
