from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from plant.hours import holds, local_hours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "time", "expected"),
    [
        ("Mon-Fri 06:00-22:00", "2026-03-02T06:00", True),
        ("Mon-Fri 06:00-22:00", "2026-03-02T22:00", False),
        ("Mon-Fri 06:00-22:00", "2026-03-01T12:00", False),
        ("Sat,Sun 00:00-24:00", "2026-03-01T23:59", True),
        ("22:00-06:00", "2026-03-01T23:00", True),
        ("22:00-06:00", "2026-03-01T05:59", True),
        ("Fri 22:00-06:00", "2026-03-07T05:00", True),
        ("Fri 22:00-06:00", "2026-03-06T05:00", False),
        ("Fri-Mon 00:00-24:00", "2026-03-01T10:00", True),
    ],
)
def test_local_hours(text: str, time: str, expected: bool) -> None:
    assert holds((text,), at(time), BERLIN) is expected


def test_daylight_saving_is_local() -> None:
    winter, summer = datetime(2026, 1, 15, 6, 30, tzinfo=UTC), datetime(2026, 7, 15, 6, 30, tzinfo=UTC)
    assert not holds(("08:00-09:00",), winter, BERLIN)
    assert holds(("08:00-09:00",), summer, BERLIN)


def test_closed_days() -> None:
    assert not holds(("Mon-Fri 06:00-22:00",), at("2026-03-02T12:00"), BERLIN, frozenset({date(2026, 3, 2)}))


@pytest.mark.parametrize("text", ["6-22", "Mo-Fr 06:00-22:00", "25:00-26:00", "08:00-08:00", "Mon-Fri"])
def test_what_is_no_hours_says_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"hours|days"):
        local_hours(text)
