"""What is remembered of a time axis belongs to that axis alone, and nobody can write to it."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting import days
from forecasting.calendar import Calendar
from forecasting.days import Days, fold, place
from plant.table import Floats, Times

STEP_S = 1800.0


def axis(begin: str, rows: int = 400) -> Times:
    return np.asarray(np.datetime64(begin, "us") + np.arange(rows) * np.timedelta64(1800, "s"))


def laid(times: Times, values: Floats, timezone: str = "UTC", first_slot: int = 0, country: str | None = None) -> Days:
    calendar = Calendar(country=country)
    return fold(times, values, timezone=timezone, step_s=STEP_S, calendar=calendar, first_slot=first_slot)


def same(one: Days, other: Days) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in ("dates", "values", "kinds", "groups"))
    return all(np.array_equal(mine, yours, equal_nan=mine.dtype.kind == "f") for mine, yours in pairs)


def test_histories_that_take_turns_are_laid_out_as_each_would_be_alone() -> None:
    rng = np.random.default_rng(1)
    asked = [
        (axis(begin, rows), rng.normal(size=rows), zone, first_slot, country)
        for begin, rows in (("2026-03-27", 400), ("2026-03-28", 400), ("2026-03-27", 401))
        for zone in ("UTC", "Europe/Berlin", "+02:00")
        for first_slot in (0, 5)
        for country in (None, "DE")
    ]
    together = [laid(*each) for each in (*asked, *asked)]
    for number, each in enumerate((*asked, *asked)):
        days._grid.cache_clear()
        days._placed.cache_clear()
        assert same(together[number], laid(*each))


def test_a_series_laid_out_twice_on_one_axis_shares_no_values() -> None:
    times = axis("2026-01-05")
    one = laid(times, np.ones(times.size))
    one.values[:] = 7.0
    assert np.nanmax(laid(times, np.ones(times.size)).values) == 1.0


def test_what_is_remembered_cannot_be_written_to() -> None:
    dates, slots = place(axis("2026-01-05"), "UTC", STEP_S, 0)
    laid_out = laid(axis("2026-01-05"), np.ones(400))
    for array in (dates, slots, laid_out.dates, laid_out.kinds, laid_out.groups):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]
