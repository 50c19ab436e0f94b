"""Forecasts of a cycle: what was learned, moved by what is seen now."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from ems.forecasts import SiteForecasts
from forecasting.models.seasonal_naive import SeasonalNaive
from plant.table import Table
from plant.times import UTC

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_a_load_that_is_a_surprise_now_is_expected_to_last_as_surprises_did() -> None:
    rows = 28 * 48
    begin = np.datetime64(NOW.replace(tzinfo=None) - timedelta(days=28), "us")
    times = begin + np.arange(rows + 1) * np.timedelta64(1800, "s")
    load = np.full(rows + 1, 80.0)
    for first in np.random.default_rng(3).choice(rows - 100, 20, replace=False):
        load[first : first + 3] = 170.0
    load[-1] = 170.0
    history = Table(times=times, columns={"load": load})
    model = SeasonalNaive(timezone="UTC", horizon_s=86400.0, any_time=True).fit(history.before(times[-1]), "load")
    (made,) = SiteForecasts({"load": model}, {"load": "kW"}).issue(history, NOW, 1800.0, 48)
    assert made.p50.values[0] > 120.0
    assert 80.0 <= made.p50.values[6] < 90.0
    (without,) = SiteForecasts({"load": model}, {"load": "kW"}).issue(history.before(times[-1]), NOW, 1800.0, 48)
    assert without.p50.values[0] == 80.0
