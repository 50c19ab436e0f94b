import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly.features import judged_sensors, trailing_mean, wander
from plant.errors import DataError


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(-1e3, 1e3)), min_size=1, max_size=40), st.integers(1, 12))
def test_trailing_mean_is_the_mean_of_what_is_known_in_the_window(values: list[float], rows: int) -> None:
    column = np.array(values)[:, None]
    found = trailing_mean(column, rows)[:, 0]
    for row in range(len(values)):
        window = np.array(values[max(0, row + 1 - rows) : row + 1])
        known = window[np.isfinite(window)]
        if known.size:
            assert found[row] == pytest.approx(known.mean(), abs=1e-6)
        else:
            assert np.isnan(found[row])


def test_wander_tells_a_level_from_a_curve() -> None:
    rng = np.random.default_rng(0)
    level, curve = rng.normal(size=400), np.linspace(0.0, 5.0, 400) + 0.1 * rng.normal(size=400)
    shares = wander(np.stack([level, curve], axis=1))
    assert shares[0] < 0.2
    assert shares[1] > 0.9


def test_sensors_are_left_out_with_the_reason() -> None:
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(size=200), np.full(200, 7.0), np.linspace(0, 9, 200), np.full(200, np.nan)], axis=1)
    kept, dropped = judged_sensors(("good", "still", "warming", "dead"), [values], [values])
    assert kept == ("good",)
    words = {entry.sensor: entry.words for entry in dropped}
    assert "constant" in words["still"]
    assert "drifts" in words["warming"]
    assert "0% of the healthy rows" in words["dead"]


def test_nothing_but_drift_is_judged_by_its_wide_spread() -> None:
    values = np.linspace(0.0, 1.0, 100)[:, None]
    assert judged_sensors(("tank",), [values], [values]) == (("tank",), ())


def test_no_sensor_at_all_is_said() -> None:
    values = np.full((100, 1), 3.0)
    with pytest.raises(DataError, match="valve is constant"):
        judged_sensors(("valve",), [values], [values])
