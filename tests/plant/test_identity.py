from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant.identity import canonical, content_id, digest
from plant.orders import Action, Command, Reason

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def command(setpoint: float | None = 1.0) -> Command:
    return Command(
        id="c-1", asset="pump", action=Action.OPTIMIZE, setpoint=setpoint, at=AT, expires=AT, reason=Reason.PRICE_LOW, words="cheap"
    )


def test_whole_floats_and_integers_have_one_text() -> None:
    assert canonical(command(1.0)) == canonical(command(1))
    assert canonical([0.0, -0.0]) == "[0,0]"


def test_keys_are_sorted_and_times_are_utc() -> None:
    text = canonical(command())
    assert text.index('"action"') < text.index('"words"')
    assert '"at":"2026-03-01T12:00:00Z"' in text


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="cannot be recorded"):
        canonical(command(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_comes_back(value: float) -> None:
    import json

    assert json.loads(canonical([value]))[0] == value


def test_ids_follow_content() -> None:
    assert content_id("c", command(0.5)) == content_id("c", command(0.5))
    assert content_id("c", command(0.5)) != content_id("c", command(0.6))
    assert len(digest("x")) == 64


def test_what_is_no_record_is_refused() -> None:
    with pytest.raises(TypeError, match="not a record"):
        canonical(object())
