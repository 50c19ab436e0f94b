from __future__ import annotations

import numpy as np
import pytest

from forecasting.intervals import Correction, best, corrected, followed


def _noise(days: int, spread: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (days, 24))


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("claimed", [0.3, 3.0])
def test_a_band_that_claims_too_little_or_too_much_holds_80_percent(scaled: bool, claimed: float) -> None:
    actual = _noise(120, 1.0)
    raw = np.broadcast_to(np.array([-1.28, 0.0, 1.28]) * claimed, (120, 24, 3))
    at = np.arange(60, 120)
    band = corrected(raw, actual, at, 0, Correction(scaled=scaled))
    held = ((actual[at] >= band[..., 0]) & (actual[at] <= band[..., 2])).mean()
    assert held == pytest.approx(0.8, abs=0.03)


def test_days_that_were_not_known_at_the_issue_change_nothing() -> None:
    actual = _noise(60, 1.0)
    raw = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (60, 24, 3))
    later = actual.copy()
    later[48:] = 100.0
    at = np.array([50])
    assert np.array_equal(corrected(raw, actual, at, 2, Correction()), corrected(raw, later, at, 2, Correction()))
    assert not np.array_equal(corrected(raw, actual, at, 1, Correction()), corrected(raw, later, at, 1, Correction()))


def test_quantiles_never_cross() -> None:
    actual = _noise(60, 1.0) + 50
    raw = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (60, 24, 3))
    band = corrected(raw, actual, np.arange(30, 60), 0, Correction())
    assert (np.diff(band, axis=-1) >= 0).all()


def test_the_best_correction_parts_the_day_where_nights_are_calm() -> None:
    spread = np.where(np.arange(24) < 12, 0.1, 2.0)
    actual = _noise(60, 1.0) * spread
    raw = np.broadcast_to(np.array([-1.0, 0.0, 1.0]), (60, 24, 3))
    assert best(raw, actual).parts > 1


def test_a_lasting_shift_is_made_up_and_noise_is_not() -> None:
    actual = _noise(40, 1.0)
    raw = np.broadcast_to(np.array([-1.28, 0.0, 1.28]), (40, 24, 3))
    assert np.abs(followed(raw, actual, 0)[7:, :, 1]).mean() < 0.02
    moved = actual + np.where(np.arange(40) < 20, 0.0, 10.0)[:, None]
    assert np.allclose(followed(raw, moved, 0)[28:, :, 1], 10.0, atol=1.0)
