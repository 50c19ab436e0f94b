from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from forecasting.backtest import Protocol, backtest
from forecasting.models.auto import Auto
from forecasting.selection import champion
from tests.forecasting.series import changed, works


def test_a_hundred_rows_are_enough_for_the_simplest() -> None:
    table = works(days=5)
    short = type(table)(times=table.times[:100], columns={"load_kw": table.columns["load_kw"][:100]})
    model = Auto().fit(short, "load_kw")
    forecast = model.predict(short, None, datetime(2024, 1, 5, 4, tzinfo=UTC), 24)
    assert np.isfinite(forecast.p50.values).all()
    assert "only 5 days of history" in forecast.words


def test_a_pool_is_not_worse_than_what_it_is_made_of() -> None:
    table = works(days=50, noise=15.0)
    scores = {
        name: backtest(table, "load_kw", Protocol(model=name)).made[0].accuracy.mae for name in ("seasonal_naive", "week_mean")
    }
    model = Auto(quick=True).fit(table.before(np.datetime64("2024-02-05")), "load_kw")
    rows = np.arange(35, 50)
    mae = float(np.abs(model.forecast_days(table, rows)[..., 1] - model.laid_out(table, "load_kw").values[rows]).mean())
    assert mae < 1.1 * min(score for score in scores.values() if score is not None)
    assert sum(share for _, share in model.parts) == pytest.approx(1.0)
    assert {name for name, _ in model.tried} == set(model.pool())


def test_a_level_shift_is_followed_within_days() -> None:
    table = works(days=60)
    moved = changed(table, "load_kw", table.columns["load_kw"] + np.where(np.arange(len(table)) < 40 * 24, 0.0, 150.0))
    model = Auto(quick=True).fit(moved.before(np.datetime64("2024-02-05")), "load_kw")
    found, actual = model.forecast_days(moved, np.arange(40, 60)), model.laid_out(moved, "load_kw").values[40:60]
    missed = np.abs(found[..., 1] - actual).mean(axis=1)
    assert missed[0] > 100.0  # nobody could have known
    assert missed[12:].mean() < 0.5 * missed[0]
    assert ((actual >= found[..., 0]) & (actual <= found[..., 2]))[12:].mean() > 0.6


def test_the_champion_of_a_site_forecasts_at_any_time_of_day() -> None:
    table = works(days=40, step_s=900)
    model = champion(table, "load_kw", step_s=3600, timezone="Europe/Berlin", country="DE", unit="kW", quick=True)
    forecast = model.predict(table, None, datetime(2024, 2, 8, 13, tzinfo=UTC), 24)
    assert forecast.p50.unit == "kW"
    day = np.array(forecast.p50.values)
    assert day[:5].mean() > 1.6 * day[6:12].mean()  # a Thursday afternoon, then its night


def test_the_whole_pool_is_combined_anew_every_four_weeks_from_what_was_known() -> None:
    table = works(days=66, step_s=7200)
    until = np.datetime64("2024-02-01")
    model = Auto().fit(table.before(until), "load_kw")
    assert len(model.pool()) == 10
    rows = np.arange(31, 66)
    found = model.forecast_days(table, rows)
    later = changed(table, "load_kw", np.where(table.times < until + np.timedelta64(33, "D"), table.columns["load_kw"], 0.0))
    again = model.forecast_days(later, rows)
    assert np.array_equal(found[:34], again[:34])
    assert not np.array_equal(found[34:], again[34:])
    assert model.walks[0] is not None
    assert len(model.walks[0].combinations) >= 1
