"""What is seen now lasts a while, and no longer than it did in the past."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from forecasting.nowcast import lasting_shares, nowcast
from plant.series import Forecast, Series
from plant.table import Floats, Table, Times
from plant.times import UTC

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS, STEP_S = 28, 1800.0
PER_DAY = 48


def times(rows: int) -> Times:
    begin = np.datetime64(START.replace(tzinfo=None) - timedelta(days=DAYS), "us")
    return np.asarray(begin + np.arange(rows) * np.timedelta64(1800, "s"))


def usual() -> Floats:
    hour = np.arange(DAYS * PER_DAY + 1) % PER_DAY / 2.0
    return np.asarray(80.0 + 20.0 * np.sin(hour / 24.0 * 2.0 * np.pi))


def surprising(lasts: int, seed: int = 1) -> Floats:
    """The usual load with surprises of 90 kW, each so many steps long."""
    values = usual()
    for begin in np.random.default_rng(seed).choice(DAYS * PER_DAY - lasts, 20, replace=False):
        values[begin : begin + lasts] = usual()[begin : begin + lasts] + 90.0
    return values


def forecast(middle: Floats, band: float = 5.0) -> Forecast:
    def series(values: Floats) -> Series:
        return Series(start=START, step_s=STEP_S, values=tuple(values.tolist()), unit="kW")

    return Forecast(
        target="load",
        made_at=START,
        model_id="m",
        p10=series(np.maximum(middle - band, 0.0)),
        p50=series(middle),
        p90=series(middle + band),
    )


def seen(values: Floats, now: float) -> Table:
    told = values.copy()
    told[-1] = now
    return Table(times=times(len(told)), columns={"load": told})


def test_a_surprise_is_carried_as_far_as_surprises_lasted() -> None:
    values = surprising(4)
    made = nowcast(forecast(usual()[:8]), seen(values, usual()[0] + 90.0))
    moved = np.asarray(made.p50.values) - usual()[:8]
    assert 55.0 < moved[0] < 80.0, "three in four of such steps are followed by another"
    assert np.all(np.diff(moved) <= 1e-9)
    assert moved[5:] == pytest.approx(0.0, abs=12.0)
    low, high = np.asarray(made.p10.values), np.asarray(made.p90.values)
    assert low == pytest.approx(usual()[:8] - 5.0), "it may be over at once"
    assert np.all(high >= np.asarray(made.p50.values))
    assert high[0] > np.asarray(made.p50.values)[0]


def test_what_never_lasted_is_not_carried() -> None:
    noise = usual() + np.random.default_rng(2).normal(0.0, 5.0, DAYS * PER_DAY + 1)
    made = nowcast(forecast(usual()[:8]), seen(noise, usual()[0] + 30.0))
    assert np.asarray(made.p50.values) == pytest.approx(usual()[:8], abs=3.0)


def test_only_what_was_seen_by_now_counts() -> None:
    values = surprising(4)
    later = Table(times=times(len(values) + 40), columns={"load": np.concatenate([values, np.full(40, 1e6)])})
    assert nowcast(forecast(usual()[:8]), later) == nowcast(forecast(usual()[:8]), seen(values, values[-1]))


@pytest.mark.parametrize("now", [np.nan, None])
def test_without_a_reading_of_now_the_forecast_stays(now: float | None) -> None:
    table = seen(surprising(4), np.nan)
    if now is None:
        table = table.before(table.times[-1])
    made = forecast(usual()[:8])
    assert nowcast(made, table) is made


def test_what_cannot_be_negative_is_not_made_so() -> None:
    values = surprising(6)
    made = nowcast(forecast(np.full(8, 10.0), band=10.0), seen(values, -80.0))
    assert min(*made.p10.values, *made.p50.values) >= 0.0


def test_too_short_a_history_says_nothing_of_lasting() -> None:
    assert not lasting_shares(times(PER_DAY), usual()[:PER_DAY], STEP_S, 8).any()


def test_a_constant_series_and_one_with_holes() -> None:
    assert not lasting_shares(times(DAYS * PER_DAY), np.full(DAYS * PER_DAY, 7.0), STEP_S, 8).any()
    holes = surprising(4)[:-1]
    holes[::3] = np.nan
    holes[: PER_DAY * 2] = np.nan
    assert 0.5 < lasting_shares(times(DAYS * PER_DAY), holes, STEP_S, 8)[0] < 0.95


def test_a_drift_over_the_weeks_does_not_make_a_blip_last() -> None:
    spikes = usual()
    spikes[np.random.default_rng(5).choice(DAYS * PER_DAY, 60, replace=False)] += 60.0
    drifting = spikes - 120.0 * np.arange(spikes.size) / spikes.size
    assert lasting_shares(times(spikes.size), drifting, STEP_S, 8)[0] < 0.2


def test_a_working_week_far_from_greenwich_holds_no_surprise() -> None:
    when = times(DAYS * PER_DAY)
    local = when + np.timedelta64(9, "h")
    working = ((local.astype("datetime64[D]").astype(np.int64) + 3) % 7 < 5) & (
        (local.astype("datetime64[h]").astype(np.int64) % 24) > 6
    )
    load = np.where(working, 180.0, 80.0)
    assert not lasting_shares(when, load, STEP_S, 8, "Asia/Tokyo").any()
    assert lasting_shares(when, load, STEP_S, 8, "UTC")[0] > 0.5


def sunny(scale: Floats) -> Floats:
    """Generation, negative, from 6 to 18 o'clock, each day so strong."""
    hour = np.arange(scale.size * PER_DAY) % PER_DAY / 2.0
    return np.asarray(-np.maximum(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0) * 100.0 * np.repeat(scale, PER_DAY)) + 0.0


@pytest.mark.parametrize("now", [-100.0, -10.0])
def test_no_sun_is_missed_at_night(now: float) -> None:
    cloudy = np.random.default_rng(4).uniform(0.2, 1.0, DAYS)
    past = sunny(cloudy) * np.repeat(np.random.default_rng(6).uniform(0.4, 1.0, DAYS * 6), 8)
    start = START - timedelta(hours=8)
    table = Table(times=times(DAYS * PER_DAY - 16 + 1), columns={"load": np.append(past[:-16], now)})
    middle = sunny(np.array([0.8]))[32:]

    def series(values: Floats) -> Series:
        return Series(start=start, step_s=STEP_S, values=tuple(values.tolist()), unit="kW")

    given = Forecast(
        target="load", made_at=start, model_id="m", p10=series(1.2 * middle), p50=series(middle), p90=series(0.5 * middle)
    )
    made = nowcast(given, table)
    assert abs(made.p50.values[0] - now) < abs(middle[0] - now), "it is moved at all"
    assert max(*made.p10.values, *made.p50.values, *made.p90.values) <= 0.0
    assert made.p10.values[4:] == pytest.approx(np.zeros(12)), "from 18 o'clock on nothing"
