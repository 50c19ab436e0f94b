from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from forecasting.many import Fleet
from plant.errors import DataError
from plant.table import Table
from tests.forecasting.series import works

START = datetime(2024, 2, 28, tzinfo=UTC)


def _meters(count: int, days: int = 60) -> Table:
    tables = [works(days=days, seed=seed, level=10.0 * (seed + 1), noise=float(seed + 1)) for seed in range(count)]
    columns = {f"m{seed}": table.columns["load_kw"] for seed, table in enumerate(tables)}
    return Table(times=tables[0].times, columns=columns)


def test_all_series_are_learned_and_forecast_in_one_call() -> None:
    table = _meters(5)
    broken = Table(times=table.times, columns={**table.columns, "dead": np.full(len(table), np.nan)})
    fleet = Fleet(seed=1).fit(broken.before(np.datetime64("2024-02-28")))
    found = fleet.predict(broken, START, 24)
    assert set(found) == {"m0", "m1", "m2", "m3", "m4"}
    assert "100% of the values are missing" in fleet.refused["dead"]
    for seed in range(5):
        actual = table.columns[f"m{seed}"][58 * 24 : 59 * 24]
        assert float(np.abs(np.array(found[f"m{seed}"].p50.values) - actual).mean()) < 2.0 * (seed + 1)
    inside = [
        np.mean((np.array(found[f"m{seed}"].p10.values) <= actual) & (actual <= np.array(found[f"m{seed}"].p90.values)))
        for seed, actual in ((seed, table.columns[f"m{seed}"][58 * 24 : 59 * 24]) for seed in range(5))
    ]
    assert 0.6 <= float(np.mean(inside)) <= 0.95


def test_what_comes_later_changes_nothing() -> None:
    table = _meters(2)
    fleet = Fleet().fit(table.before(np.datetime64("2024-02-28")))
    assert fleet.predict(table, START, 24) == fleet.predict(table.before(np.datetime64("2024-02-28")), START, 24)


def test_too_little_is_refused() -> None:
    with pytest.raises(DataError, match="days are too few"):
        Fleet().fit(_meters(2, days=20))
