from datetime import UTC, datetime, timedelta, timezone

import pytest

from plant.times import after, duration_s, floor, instant, iso, steps_between, utc

AT = datetime(2026, 3, 1, 12, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15min", 900), ("15m", 900), ("24h", 86400), ("7d", 604800), ("1d 12h", 129600), ("90s", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "h", "15 lightyears", "-5min"])
def test_what_is_no_duration_says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        duration_s(text)


def test_instants_need_a_zone() -> None:
    assert utc(datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2)))) == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert instant(iso(AT)) == AT
    with pytest.raises(ValueError, match="no time zone"):
        utc(datetime(2026, 3, 1))


def test_floor_and_steps() -> None:
    assert floor(AT, 900) == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert floor(AT, 300) == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)
    assert steps_between(AT, after(AT, 901), 900) == 2
    assert steps_between(AT, AT, 900) == 0
