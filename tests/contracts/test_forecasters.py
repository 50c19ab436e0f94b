"""One suite for every file of `forecasting/models`."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from forecasting.forecaster import Forecaster
from forecasting.selection import make, names
from plant.errors import DataError
from plant.ports import Forecaster as Door
from plant.ports import instant64
from plant.table import Table
from tests.forecasting.series import changed, works

ISSUE = datetime(2024, 2, 9, tzinfo=UTC)
KINDS = names()


@cache
def fitted(kind: str) -> Forecaster:
    more = {"quick": True} if kind == "auto" else {}  # the whole pool learns in tests/forecasting/test_auto.py
    return make(kind, timezone="UTC", country="DE", seed=3, unit="kW", **more).fit(works().before(instant64(ISSUE)), "load_kw")


@pytest.mark.parametrize("kind", KINDS)
def test_fits_the_door_and_forecasts_a_day(kind: str) -> None:
    model = fitted(kind)
    forecast = model.predict(works(), None, ISSUE, 24)
    assert isinstance(model, Door)
    assert forecast.p50.start == ISSUE
    assert (len(forecast.p50.values), forecast.p50.step_s, forecast.p50.unit) == (24, 3600.0, "kW")
    actual = works(days=60).since(instant64(ISSUE)).columns["load_kw"][:24]
    assert float(np.abs(np.array(forecast.p50.values) - actual).mean()) < 15.0  # noise alone makes 4


@pytest.mark.parametrize("kind", KINDS)
def test_values_after_the_issue_change_nothing(kind: str) -> None:
    table = works()
    later = table.times >= instant64(ISSUE)
    other = changed(table, "load_kw", np.where(later, 1e6, table.columns["load_kw"]))
    gone = changed(table, "load_kw", np.where(later, np.nan, table.columns["load_kw"]))
    told = [fitted(kind).predict(history, None, ISSUE, 24) for history in (table, other, gone, table.before(instant64(ISSUE)))]
    assert all(forecast == told[0] for forecast in told)


@pytest.mark.parametrize("kind", KINDS)
def test_a_backtest_knows_no_more_than_the_door(kind: str) -> None:
    table, model = works(), fitted(kind)
    row = 39
    whole = model.forecast_days(table, np.arange(row, row + 4))[1]
    door = model.predict(table, None, ISSUE + timedelta(days=1), 24)
    assert np.allclose(whole[:, 1], door.p50.values, rtol=1e-9)
    assert np.allclose(whole[:, 0], door.p10.values, rtol=1e-9)
    assert np.allclose(whole[:, 2], door.p90.values, rtol=1e-9)


@pytest.mark.parametrize("kind", ["week_mean", "extra_trees"])
def test_three_days_ahead_the_backtest_knows_no_more_either(kind: str) -> None:
    table = works()
    model = make(kind, horizon_s=3 * 86400.0).fit(table.before(instant64(ISSUE)), "load_kw")
    whole = model.forecast_days(table, np.arange(39, 42))[1]
    door = model.predict(table, None, ISSUE + timedelta(days=1), 72)
    assert np.allclose(whole[:, 1], door.p50.values, rtol=1e-9)
    assert np.allclose(whole[:, 0], door.p10.values, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_survives_gaps_and_any_time_of_day(kind: str) -> None:
    table, rng = works(), np.random.default_rng(5)
    holes = changed(table, "load_kw", np.where(rng.random(len(table)) < 0.5, np.nan, table.columns["load_kw"]))
    forecast = fitted(kind).predict(holes, None, ISSUE + timedelta(hours=7), 30)
    assert np.isfinite(forecast.p10.values).all()
    assert min(forecast.p10.values) >= 0
    assert 60 < min(forecast.p50.values) < max(forecast.p50.values) < 240


@pytest.mark.parametrize("kind", KINDS)
def test_dumped_and_loaded_forecasts_the_same(kind: str) -> None:
    model = fitted(kind)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.predict(works(), None, ISSUE, 24) == model.predict(works(), None, ISSUE, 24)


@pytest.mark.parametrize("kind", KINDS)
def test_refuses_loudly_with_the_share_missing(kind: str) -> None:
    table = works(days=20)
    nearly_nothing = np.where(np.arange(len(table)) % 20 == 0, table.columns["load_kw"], np.nan)
    with pytest.raises(DataError, match="95% of the values are missing"):
        make(kind).fit(changed(table, "load_kw", nearly_nothing), "load_kw")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "auto"])
def test_the_same_seed_learns_the_same(kind: str) -> None:
    history: Table = works(days=30)
    first, second = (
        make(kind, seed=11).fit(history, "load_kw").predict(history, None, datetime(2024, 1, 31, tzinfo=UTC), 24) for _ in "ab"
    )
    assert first == second
