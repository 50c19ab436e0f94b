from datetime import UTC, datetime, timedelta

import pytest

from plant.series import Forecast, Series

AT = datetime(2026, 3, 1, tzinfo=UTC)


def series(*values: float, step_s: float = 900.0) -> Series:
    return Series(start=AT, step_s=step_s, values=values, unit="kW")


def test_a_value_holds_until_the_next() -> None:
    one = series(1.0, 2.0)
    assert one.at(AT + timedelta(seconds=899)) == 1.0
    assert one.at(AT + timedelta(seconds=900)) == 2.0
    assert one.at(AT - timedelta(days=1)) == 1.0
    assert one.at(one.end + timedelta(days=1)) == 2.0
    assert one.end == AT + timedelta(minutes=30)


def test_resampling_keeps_the_mean() -> None:
    one = series(1.0, 3.0, 5.0, 7.0)
    assert one.resampled(AT, 1800.0, 2) == (2.0, 6.0)
    assert one.resampled(AT, 450.0, 3) == (1.0, 1.0, 3.0)
    assert one.resampled(AT + timedelta(seconds=450), 900.0, 2) == (2.0, 4.0)


def test_ends_extend() -> None:
    one = series(1.0, 3.0)
    assert one.resampled(AT - timedelta(seconds=900), 900.0, 4) == (1.0, 1.0, 3.0, 3.0)


def test_invalid_records_do_not_exist() -> None:
    with pytest.raises(ValueError, match="numbers only"):
        series(float("nan"))
    with pytest.raises(ValueError, match="positive step"):
        series(step_s=0.0)
    with pytest.raises(ValueError, match="cross"):
        Forecast(target="x", made_at=AT, model_id="m", p10=series(2.0), p50=series(1.0), p90=series(3.0))
    with pytest.raises(ValueError, match="differ"):
        Forecast(target="x", made_at=AT, model_id="m", p10=series(1.0), p50=series(1.0, 1.0), p90=series(1.0))
