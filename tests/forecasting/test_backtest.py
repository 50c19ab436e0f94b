from __future__ import annotations

import numpy as np
import pytest

from forecasting.accuracy import accuracy
from forecasting.backtest import Protocol, backtest, midnight
from forecasting.calendar import Calendar
from forecasting.days import fold
from plant.errors import ConfigError, DataError
from plant.table import Table
from tests.forecasting.series import changed, works


def test_every_hour_of_the_test_part_is_forecast_once_and_scored() -> None:
    found = backtest(works(), "load_kw", Protocol(model="extra_trees"))
    made = found.made[0]
    assert found.origins == 14
    assert made.target_times.size == 14 * 24 == np.unique(made.target_times).size
    assert made.accuracy == accuracy(
        made.forecast, made.actual, scale=None if made.accuracy.mase is None else made.accuracy.mae / made.accuracy.mase
    )
    assert [other.model for other in found.made] == ["extra_trees", "seasonal_naive"]
    assert made.accuracy.mae is not None
    assert found.made[1].accuracy.mae is not None
    assert made.accuracy.mae < found.made[1].accuracy.mae


@pytest.mark.parametrize(
    ("start", "hours", "date"), [("2024-03-04T23:00", 23, "2024-03-31"), ("2024-09-30T22:00", 25, "2024-10-27")]
)
def test_days_of_23_and_25_hours_have_as_many_rows(start: str, hours: int, date: str) -> None:
    found = backtest(works(days=34, start=start), "load_kw", Protocol(model="week_mean", timezone="Europe/Berlin"))
    made = found.made[0]
    rows = made.issue_times == midnight(np.datetime64(date), "Europe/Berlin")
    assert int(rows.sum()) == hours
    assert np.isfinite(made.forecast[rows]).all()
    assert np.unique(made.target_times).size == made.target_times.size


@pytest.mark.parametrize("step_s", [60, 300, 900, 3600, 86400])
def test_steps_from_a_minute_to_a_day(step_s: int) -> None:
    days = {60: 21, 300: 30}.get(step_s, 60)
    found = backtest(works(days=days, step_s=step_s), "load_kw", Protocol(model="linear_quantile"))
    score = found.made[0].accuracy
    assert score.nmse is not None
    assert score.nmse < (0.3 if step_s < 86400 else 2.0)
    assert found.made[0].target_times.size == found.origins * 86400 // step_s


def test_three_days_ahead_overlap_and_stay_inside_the_file() -> None:
    table = works(days=30)
    made = backtest(table, "load_kw", Protocol(model="week_mean", horizon_s=3 * 86400.0)).made[0]
    first = made.issue_times == made.issue_times[0]
    assert int(first.sum()) == 72
    assert made.target_times.max() == table.times[-1]


def test_half_a_day_ahead() -> None:
    made = backtest(works(days=30), "load_kw", Protocol(model="seasonal_naive", horizon_s=12 * 3600.0)).made[0]
    assert int((made.issue_times == made.issue_times[0]).sum()) == 12


def test_learning_again_uses_newer_days() -> None:
    table = works(days=60)
    moved = changed(table, "load_kw", table.columns["load_kw"] * np.where(np.arange(len(table)) < 44 * 24, 1.0, 3.0))
    once, often = (
        backtest(moved, "load_kw", Protocol(model="extra_trees", refit_days=days)).made[0].accuracy.mae for days in (None, 9)
    )
    assert once is not None
    assert often is not None
    assert often < once


def test_a_column_known_ahead_helps() -> None:
    table, rng = works(days=50), np.random.default_rng(2)
    plan = rng.integers(0, 2, 50).repeat(24).astype(float)
    planned = changed(changed(table, "load_kw", table.columns["load_kw"] + 80 * plan), "plan", plan)
    blind, told = (
        backtest(planned, "load_kw", Protocol(model="extra_trees", known=known)).made[0].accuracy.mae for known in ((), ("plan",))
    )
    assert blind is not None
    assert told is not None
    assert told < 0.7 * blind


def test_wrong_shares_and_short_series_are_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        backtest(works(), "load_kw", Protocol(model="week_mean", test_share=1.5))
    with pytest.raises(DataError, match="two at least must be left"):
        backtest(works(days=2), "load_kw", Protocol(model="week_mean"))


def test_a_constant_series_is_forecast_as_it_is() -> None:
    table = works(days=30)
    still = changed(table, "load_kw", np.full(len(table), 7.0))
    for model in ("extra_trees", "linear_quantile", "gradient_boosting"):
        made = backtest(still, "load_kw", Protocol(model=model)).made[0]
        assert np.allclose(made.forecast, 7.0, atol=0.01), model


def test_readings_at_half_past_keep_their_time() -> None:
    table = works(days=30)
    late = Table(times=table.times + np.timedelta64(30, "m"), columns=table.columns)
    made = backtest(late, "load_kw", Protocol(model="seasonal_naive")).made[0]
    assert np.isfinite(made.actual).all()
    days = fold(late.times, late.columns["load_kw"], timezone="UTC", step_s=3600, calendar=Calendar())
    assert days.values.shape == (30, 24)


def test_boosting_learns_where_a_feature_has_no_number_yet() -> None:
    """Twelve days of quarter hours: what a fortnight ago was is known nowhere."""
    found = backtest(works(days=12, step_s=900), "load_kw", Protocol(model="gradient_boosting"))
    assert found.made[0].accuracy.mae > 0
