"""Numbers, money and times as an operator reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboard.words import GAP, NONE, THIN, LocalTime, figures, money, number, percent, quantity, span, words_of

BERLIN = LocalTime(zone=ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, NONE), (1234567.0, f"1{THIN}234{THIN}567"), (-3.2, "−3.20"), (0.0, "0"), (99.96, "100"), (12.34, "12.3"), (0.004, "0")],
)
def test_figures_are_about_three(value: float | None, said: str) -> None:
    assert figures(value) == said


def test_minus_zero_is_zero() -> None:
    assert number(-0.0001, 2) == "0.00"


def test_units_follow_and_one_is_no_unit() -> None:
    assert quantity(21.5, "°C") == f"21.5{GAP}°C"
    assert quantity(0.5, "1") == "0.50"
    assert quantity(None, "kW") == NONE
    assert money(12.5, "EUR") == f"12.50{GAP}EUR"
    assert money(123456.7, "CHF") == f"123{THIN}457{GAP}CHF"
    assert percent(0.123) == f"12.3{GAP}%"


@pytest.mark.parametrize(("seconds", "said"), [(0, "0 s"), (59.6, "1 min"), (3700, "1 h 1 min"), (90061, "1 d 1 h")])
def test_spans_name_their_two_largest_units(seconds: float, said: str) -> None:
    assert span(seconds).replace(GAP, " ") == said


def test_times_are_those_of_the_site() -> None:
    time = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert BERLIN.clock(time) == "00:30"
    assert BERLIN.stamp(time) == "2026-07-02 00:30"
    assert BERLIN.near(time, datetime(2026, 7, 1, 21, 0, tzinfo=UTC)) == "Thu 00:30"
    assert BERLIN.near(time, datetime(2026, 6, 1, 21, 0, tzinfo=UTC)) == "Thu 02 Jul 00:30"
    assert BERLIN.midnight(time).astimezone(UTC) == datetime(2026, 7, 1, 22, 0, tzinfo=UTC)
    assert BERLIN.clock(None) == NONE


def test_codes_are_words() -> None:
    assert words_of("PRICE_HIGH") == "price high"
