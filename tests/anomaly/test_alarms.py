from datetime import UTC, datetime, timedelta

import pytest

from anomaly.alarms import Condition, acknowledged, of_health, raised, returned, shelved, updated
from plant.errors import RefusedError
from plant.events import AlarmState, Priority
from plant.health import Driver, Health, Severity

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
HOT = Condition(rule="hot", asset="pump", priority=Priority.MEDIUM, since=NOW, words="hot")


def test_the_life_of_an_alarm_seen_while_it_stands() -> None:
    alarm = raised(HOT)
    assert alarm.state is AlarmState.UNACKNOWLEDGED
    seen = acknowledged(alarm, LATER)
    assert seen.state is AlarmState.ACKNOWLEDGED
    assert returned(seen, LATER).state is AlarmState.NORMAL
    with pytest.raises(RefusedError, match="nothing to acknowledge"):
        acknowledged(seen, LATER)


def test_an_alarm_that_went_before_it_was_seen_waits_for_a_person() -> None:
    gone = returned(raised(HOT), LATER)
    assert gone.state is AlarmState.RETURNED_UNACKNOWLEDGED
    assert acknowledged(gone, LATER).state is AlarmState.NORMAL


def test_a_shelved_alarm_is_quiet_until_its_time_is_over() -> None:
    aside = shelved(raised(HOT), NOW, hours=2.0)
    assert aside.shelved_until == NOW + timedelta(hours=2)
    assert updated([aside], [HOT], LATER) == ()
    (back,) = updated([aside], [HOT], NOW + timedelta(hours=2))
    assert back.state is AlarmState.UNACKNOWLEDGED
    (over,) = updated([aside], [], LATER)
    assert over.state is AlarmState.NORMAL


@pytest.mark.parametrize("hours", [0.0, -1.0, 25.0])
def test_a_shelf_has_an_end(hours: float) -> None:
    with pytest.raises(RefusedError, match="up to 24 h"):
        shelved(raised(HOT), NOW, hours)


def test_only_a_standing_alarm_can_be_shelved() -> None:
    with pytest.raises(RefusedError, match="standing"):
        shelved(returned(raised(HOT), NOW), NOW, 1.0)


def test_a_condition_that_lasts_raises_one_alarm() -> None:
    (alarm,) = updated([], [HOT], NOW)
    assert updated([alarm], [HOT], LATER) == ()
    (gone,) = updated([alarm], [], LATER)
    (again,) = updated([gone], [HOT], LATER)
    assert (again.id, again.state) == (alarm.id, AlarmState.UNACKNOWLEDGED)


def test_a_condition_after_the_end_of_an_alarm_is_a_new_one() -> None:
    over = returned(acknowledged(raised(HOT), NOW), NOW)
    later = Condition(rule="hot", asset="pump", priority=Priority.MEDIUM, since=LATER, words="hot")
    (alarm,) = updated([over], [later], LATER)
    assert alarm.id != over.id


def test_a_condition_that_gets_more_urgent_wants_to_be_seen_again() -> None:
    seen = acknowledged(raised(HOT), NOW)
    worse = Condition(rule="hot", asset="pump", priority=Priority.URGENT, since=LATER, words="very hot")
    (alarm,) = updated([seen], [worse], LATER)
    assert (alarm.priority, alarm.state, alarm.words) == (Priority.URGENT, AlarmState.UNACKNOWLEDGED, "very hot")


def test_health_names_the_sensor_and_the_expected_value() -> None:
    health = Health(
        asset="fan", time=NOW, score=0.3, severity=Severity.D, alarm=True, trip=True, model_id="m",
        drivers=(Driver(tag="bearing_c", expected=41.0, actual=57.5, share=0.9),), hours_to_d=None,
    )  # fmt: skip
    condition = of_health(health)
    assert condition is not None
    assert condition.priority is Priority.URGENT
    assert "bearing_c reads 57.5, expected 41" in condition.words
    assert of_health(Health(asset="fan", time=NOW, score=0.99, severity=Severity.A, alarm=False, model_id="m")) is None
