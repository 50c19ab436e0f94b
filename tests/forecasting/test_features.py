from __future__ import annotations

import numpy as np

from forecasting.calendar import OFF, SATURDAY, WORK, Calendar
from forecasting.days import fold
from forecasting.features import design
from tests.forecasting.series import works


def _days(first_slot: int = 0, until: str | None = None):
    table = works(days=60)
    stop = None if until is None else np.datetime64(until)
    return fold(
        table.times,
        table.columns["load_kw"],
        timezone="UTC",
        step_s=3600,
        calendar=Calendar(country="DE"),
        first_slot=first_slot,
        until=stop,
    )


def test_a_feature_knows_only_rows_above() -> None:
    days = _days()
    changed = fold(
        works(days=60).times, np.where(np.arange(1440) < 40 * 24, works(days=60).columns["load_kw"], -1.0),
        timezone="UTC", step_s=3600, calendar=Calendar(country="DE"),
    )  # fmt: skip
    at = np.arange(15, 41)
    for lead in (0, 1, 2):
        here, there = design(days, at, lead, season=True, ahead=True), design(changed, at, lead, season=True, ahead=True)
        assert np.array_equal(here.x, there.x, equal_nan=True)
        assert np.array_equal(here.bases, there.bases)
        assert np.array_equal(here.spread, there.spread)


def test_features_are_what_their_names_say() -> None:
    days = _days()
    made = design(days, np.array([30]))
    cell = dict(zip(made.names, made.x[0, 9], strict=True))
    assert cell["slot"] == 9
    assert cell["yesterday"] == days.values[29, 9]
    assert cell["week_ago"] == days.values[23, 9]
    assert np.isclose(cell["mean_7d"], days.values[23:30, 9].mean())
    assert np.isclose(cell["last_hour"], days.values[29, 23])
    assert np.isclose(cell["last_day"], days.values[29].mean())
    assert cell["kind"] == WORK  # 31 January 2024, a Wednesday
    assert np.isclose(cell["class_mean_4"], days.values[[29, 28, 25, 24], 9].mean())


def test_a_day_that_begins_at_noon_turns_into_the_next_date_at_midnight() -> None:
    days = _days(first_slot=12)
    made = design(days, np.array([31]))  # begins Wednesday 31 January or Thursday at noon
    slots, kinds = made.x[0, :, 0], made.x[0, :, made.names.index("weekday")]
    assert list(slots[:2]) == [12, 13]
    assert kinds[12] == kinds[0] + 1


def test_a_day_of_rest_counts_as_a_sunday() -> None:
    kinds = Calendar(country="DE", shutdown_days=("2024-05-02",)).kinds(
        np.arange("2024-05-01", "2024-05-06", dtype="datetime64[D]")
    )
    assert list(kinds) == [OFF, OFF, WORK, SATURDAY, OFF]
