from __future__ import annotations

import numpy as np
import pytest

from datasets.repair import dead, even, repaired, resample, spikes
from plant.errors import DataError
from plant.table import Table


def _table(values: np.ndarray, step_s: int = 3600) -> Table:
    times = np.datetime64("2024-01-01", "us") + np.arange(values.size) * np.timedelta64(step_s, "s")
    return Table(times=times, columns={"kw": values.astype(float)})


def test_means_over_longer_steps_and_holes_as_holes() -> None:
    table = _table(np.arange(12.0), 300)
    keep = np.r_[0:3, 6:12]
    holed = Table(times=table.times[keep], columns={"kw": table.columns["kw"][keep]})
    found = resample(holed, 900)
    assert list(found.times.astype("datetime64[m]").astype(str)) == [f"2024-01-01T00:{minute:02d}" for minute in (0, 15, 30, 45)]
    assert np.array_equal(found.columns["kw"], [1.0, np.nan, 7.0, 10.0], equal_nan=True)


@pytest.mark.parametrize("step_s", [59, 86401])
def test_steps_outside_a_minute_and_a_day_are_refused(step_s: int) -> None:
    with pytest.raises(DataError, match="1,440 minutes"):
        resample(_table(np.arange(5.0)), step_s)


def test_missing_rows_become_rows_without_a_value() -> None:
    table = _table(np.arange(10.0))
    holed = Table(times=np.delete(table.times, [4, 5]), columns={"kw": np.delete(table.columns["kw"], [4, 5])})
    assert np.array_equal(np.isnan(even(holed).columns["kw"]), np.isin(np.arange(10), [4, 5]))
    assert even(table) is table


def test_a_dead_sensor_is_found_and_a_sleeping_plant_is_not() -> None:
    rng = np.random.default_rng(0)
    load = rng.gamma(3.0, size=2000)
    load[700:760] = 0.0
    assert np.array_equal(np.flatnonzero(dead(load, 6)), np.arange(700, 760))
    hour = np.arange(2000) % 24
    solar = np.where((hour > 6) & (hour < 18), rng.gamma(3.0, size=2000), 0.0)
    assert not dead(solar, 6).any()
    assert not dead(np.full(2000, 5.0), 6).any()


def test_a_spike_is_found_and_a_peak_is_not() -> None:
    load = np.random.default_rng(0).normal(100, 10, 1000)
    load[300], load[600:604] = 1e5, 200.0
    assert list(np.flatnonzero(spikes(load))) == [300]


def test_the_report_counts_what_was_done() -> None:
    load = np.random.default_rng(0).gamma(3.0, size=2000)
    load[100:110], load[700:760], load[900] = np.nan, 0.0, 1e6
    table, (report,) = repaired(_table(load))
    assert (report.missing, report.gaps, report.longest_gap, report.flat, report.spikes) == (10, 1, 10, 60, 1)
    assert int(np.isnan(table.columns["kw"]).sum()) == 71
    assert report.missing_share == pytest.approx(71 / 2000)
