"""What a person reads: counts, numbers, times on the site's clock; and what differs between two records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ems.differing import differences
from ems.wording import clock, counted, lasting, listed, localised, readable
from plant.times import UTC

NIGHT = datetime(2026, 2, 2, 23, 30, tzinfo=UTC)


def test_counts_agree_with_their_noun() -> None:
    assert [counted(number, "gap") for number in (0, 1, 2, 1344)] == ["0 gaps", "1 gap", "2 gaps", "1,344 gaps"]
    assert counted(2, "entry", "entries") == "2 entries"


def test_spans_are_said_in_their_largest_unit() -> None:
    assert [lasting(seconds) for seconds in (40, 1500, 25200, 25248739)] == ["40 s", "25 min", "7 h", "292 days"]


def test_many_names_are_cut_and_the_rest_is_counted() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … and 2 more"


def test_times_are_said_on_the_clock_of_the_site_with_its_zone() -> None:
    assert clock(NIGHT, "Europe/Berlin") == "2026-02-03 00:30 CET"
    said = "cheap until 02:00 UTC; work of 04 Feb 2026 23:30 UTC; at 04 Jul 12:00 UTC; due at 2026-07-01T10:00:00Z; kept 10:00"
    assert localised(said, NIGHT, "Europe/Berlin") == (
        "cheap until 03:00 CET; work of 05 Feb 2026 00:30 CET; at 04 Jul 14:00 CEST; due at 2026-07-01 12:00 CEST; kept 10:00"
    )
    assert localised("no time, 02 UTC", NIGHT, "Europe/Berlin") == "no time, 02 UTC"


def test_the_zone_of_a_time_of_day_is_that_of_when_it_comes() -> None:
    before = datetime(2026, 3, 28, 23, 0, tzinfo=UTC)  # the clock changes at 01:00 UTC
    assert localised("from 00:30 UTC to 01:30 UTC", before, "Europe/Berlin") == "from 01:30 CET to 03:30 CEST"


def test_no_powers_of_ten() -> None:
    assert (
        readable("warehouse at 1.1e+03 pieces, planned 2e+04 to 2.5e-05") == "warehouse at 1,100 pieces, planned 20,000 to 0.000025"
    )


@dataclass(frozen=True)
class Order:
    asset: str
    setpoint: float | None


@dataclass(frozen=True)
class Plan:
    orders: tuple[Order, ...]
    values: tuple[float, ...]
    words: str


def test_differences_name_the_value_and_never_cut_a_word() -> None:
    one = Plan(orders=(Order("pump", 1.0), Order("line", None)), values=(1.0, 2.0, 3.0), words="short")
    other = Plan(orders=(Order("pump", 0.5),), values=(1.0, 2.5, 4.0), words="word " * 60)
    found = {item.field: (item.recorded, item.replayed) for item in differences("p", one, other)}
    assert found["orders[pump].setpoint"] == ("1", "0.5")
    assert found["orders[line]"] == ("asset line", "–")
    assert found["values[1]"] == ("2 (the first of 2 of 3 that differ)", "2.5")
    assert found["words"][1].endswith("word …")
    assert differences("p", one, one) == ()
