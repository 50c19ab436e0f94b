"""How far a value from a wire is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from connectors.judge import Judge, Raw, carried, in_units, on_wire
from plant.tags import Quality, Reading, Tag, ValueType

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEVEL = Tag(name="level", unit="m", low=0.0, high=5.0, max_age_s=60.0)


def live(tag: Tag, value: object, age_s: float = 0.0, **more: object) -> Reading:
    raw = Raw(value=value, time=NOW - timedelta(seconds=age_s), **more)  # type: ignore[arg-type]
    return Judge(plant_clock=False).reading(tag, raw, NOW)


def test_a_good_value_stays_good_and_keeps_its_source_time() -> None:
    reading = live(LEVEL, 3.0, 5.0)
    assert (reading.value, reading.quality, reading.words) == (3.0, Quality.GOOD, "")
    assert reading.time == NOW - timedelta(seconds=5)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "not a number"),
        (float("inf"), "not a number"),
        (-0.01, "below the plausible 0"),
        (5.01, "above the plausible 5"),
        ("three", "not a number"),
        (None, "no value"),
        (NOW, "not a number"),
    ],
)
def test_what_cannot_be_is_bad(value: object, words: str) -> None:
    reading = live(LEVEL, value)
    assert reading.quality is Quality.BAD
    assert words in reading.words


@pytest.mark.parametrize("edge", [0.0, 5.0])
def test_the_edges_are_plausible(edge: float) -> None:
    assert live(LEVEL, edge).quality is Quality.GOOD


def test_too_old_is_bad_by_the_source_time() -> None:
    assert live(LEVEL, 3.0, 60.0).quality is Quality.GOOD
    old = live(LEVEL, 3.0, 61.0)
    assert old.quality is Quality.BAD
    assert "61 s old, 60 s accepted" in old.words


def test_a_source_time_far_ahead_is_doubtful() -> None:
    assert live(LEVEL, 3.0, -30.0).quality is Quality.GOOD
    assert live(LEVEL, 3.0, -90.0).quality is Quality.UNCERTAIN


def test_the_wires_own_quality_is_never_improved() -> None:
    doubtful = live(LEVEL, 3.0, quality=Quality.UNCERTAIN, words="sensor not calibrated")
    assert (doubtful.quality, doubtful.words) == (Quality.UNCERTAIN, "sensor not calibrated")
    bad = live(LEVEL, None, quality=Quality.BAD, words="BadSensorFailure")
    assert (bad.quality, bad.words) == (Quality.BAD, "BadSensorFailure")
    assert live(LEVEL, 9.0, quality=Quality.UNCERTAIN).quality is Quality.BAD


def test_a_written_value_stands_until_somebody_writes_again() -> None:
    order = Tag(name="order", unit="1", type=ValueType.TEXT, writable=True, max_age_s=1.0, frozen_after_s=1.0)
    assert live(order, "STARTUP", 86400.0).quality is Quality.GOOD


class TestStandingStill:
    tag = Tag(name="flow", unit="L/s", frozen_after_s=3600.0)

    def course(self, stamps: bool, plant_clock: bool = True, values: tuple[float, ...] = (1.0,) * 6) -> list[Quality]:
        judge, found = Judge(plant_clock=plant_clock), []
        for step, value in enumerate(values):
            now = NOW + timedelta(minutes=15 * step)
            raw = Raw(value=value, time=now if stamps else NOW)
            found.append(judge.reading(self.tag, raw, now).quality)
        return found

    def test_a_value_that_stands_is_doubtful_after_a_while(self) -> None:
        assert self.course(stamps=True) == [Quality.GOOD] * 4 + [Quality.UNCERTAIN] * 2

    def test_a_value_and_stamp_that_stand_are_bad(self) -> None:
        assert self.course(stamps=False) == [Quality.GOOD] * 4 + [Quality.BAD] * 2

    def test_the_slightest_move_starts_anew(self) -> None:
        assert set(self.course(stamps=True, values=(1.0, 1.0, 1.0, 1.000001, 1.0, 1.0))) == {Quality.GOOD}

    def test_a_clock_that_is_set_back_starts_anew(self) -> None:
        judge = Judge(plant_clock=True)
        for hours in (0, 1, -5):
            now = NOW + timedelta(hours=hours)
            quality = judge.reading(self.tag, Raw(value=1.0, time=now), now).quality
        assert quality is Quality.GOOD

    def test_values_that_may_stand_still_are_left_alone(self) -> None:
        judge, door = Judge(plant_clock=True), Tag(name="door", unit="1", type=ValueType.BOOLEAN)
        for days in range(9):
            now = NOW + timedelta(days=days)
            assert judge.reading(door, Raw(value=True, time=NOW), now).quality is Quality.GOOD


def test_in_lock_step_the_time_is_the_plants_and_the_stamp_is_kept() -> None:
    stamp = datetime(2031, 1, 1, tzinfo=UTC)
    reading = Judge(plant_clock=True).reading(LEVEL, Raw(value=3.0, time=stamp), NOW)
    assert (reading.time, reading.server_time, reading.quality) == (NOW, stamp, Quality.GOOD)


def test_nothing_received_is_bad() -> None:
    assert Judge(plant_clock=False).reading(LEVEL, None, NOW).quality is Quality.BAD


@given(
    value=some.floats(-1e6, 1e6),
    scale=some.sampled_from([1.0, 0.001, 1000.0, -2.5]),
    offset=some.sampled_from([0.0, 273.15, -40.0]),
)
def test_units_survive_the_way_there_and_back(value: float, scale: float, offset: float) -> None:
    tag = Tag(name="x", unit="kW", scale=scale, offset=offset, writable=True)
    back, fault = in_units(on_wire(value, tag), tag)
    assert fault == ""
    assert back == pytest.approx(value, rel=1e-9, abs=1e-6)
    assert carried(value, tag) == on_wire(value, tag)


@given(value=some.integers(-(2**40), 2**40))
def test_whole_numbers_stay_whole(value: int) -> None:
    tag = Tag(name="count", unit="1", type=ValueType.INTEGER, writable=True)
    assert on_wire(value, tag) == value
    assert isinstance(on_wire(float(value), tag), int)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (ValueType.FLOAT, "fast", "is not float"),
        (ValueType.TEXT, 1.0, "is not text"),
        (ValueType.BOOLEAN, "yes", "is not boolean"),
        (ValueType.INTEGER, 1.5, "not a whole number"),
        (ValueType.FLOAT, float("nan"), "not a number"),
        (ValueType.FLOAT, 11.0, "outside the plausible 0..10"),
        (ValueType.FLOAT, -1.0, "outside the plausible 0..10"),
    ],
)
def test_what_does_not_fit_is_never_sent(kind: ValueType, value: object, words: str) -> None:
    tag = Tag(name="x", unit="1", type=kind, low=0.0, high=10.0, writable=True)
    with pytest.raises(ValueError, match=words):
        on_wire(value, tag)  # type: ignore[arg-type]
