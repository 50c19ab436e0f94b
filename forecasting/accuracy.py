"""How good forecasts were, in the measures people ask for, and whether they are getting worse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.cells import LEVELS
from plant.table import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Measures over all cells with a known value; those that are not defined are None."""

    values: int
    mae: float | None
    """Mean absolute miss of p50, in the target's unit."""
    rmse: float | None
    wape: float | None
    """Sum of absolute misses over the sum of absolute values."""
    mape: float | None
    """Mean of |miss / value| where the value is not 0."""
    mase: float | None
    """MAE over the MAE of a seasonal naive forecast on the training part."""
    nmse: float | None
    """Mean square miss over the variance of what came."""
    pinball: float | None
    """Mean pinball loss of p10, p50 and p90."""
    coverage80: float | None
    """Share of values inside p10..p90."""


def accuracy(forecast: Floats, actual: Floats, scale: float | None = None) -> Accuracy:
    """Measures of forecasts.

    Parameters
    ----------
    forecast
        p10, p50, p90; shape (..., 3).
    actual
        What came, NaN where nobody knows; shape (...,).
    scale
        MAE of a seasonal naive forecast on the training part, for MASE.
    """
    known = np.isfinite(actual) & np.isfinite(forecast).all(axis=-1)
    came, said = actual[known], forecast[known]
    if not came.size:
        return Accuracy(values=0, mae=None, rmse=None, wape=None, mape=None, mase=None, nmse=None, pinball=None, coverage80=None)
    missed = came - said[:, 1]
    mae, square = float(np.abs(missed).mean()), float((missed**2).mean())
    size, variance, nonzero = float(np.abs(came).mean()), float(came.var()), came != 0
    return Accuracy(
        values=int(came.size),
        mae=mae,
        rmse=square**0.5,
        wape=mae / size if size > 0 else None,
        mape=float(np.abs(missed[nonzero] / came[nonzero]).mean()) if nonzero.any() else None,
        mase=mae / scale if scale else None,
        nmse=square / variance if variance > 0 else None,
        pinball=pinball(said, came),
        coverage80=float(((came >= said[:, 0]) & (came <= said[:, 2])).mean()),
    )


def pinball(forecast: Floats, actual: Floats) -> float:
    """Mean pinball loss of the three quantiles; shape (n, 3) and (n,), NaN in `actual` is left out."""
    missed = actual[..., None] - forecast
    return float(np.nanmean(np.maximum(np.array(LEVELS) * missed, (np.array(LEVELS) - 1) * missed)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Whether a model has become worse than it was when it was chosen."""

    recent: float
    """MAE of the recent forecasts."""
    expected: float
    """MAE when it was chosen."""
    ratio: float
    worse: bool
    words: str


def drift(recent_mae: float, expected_mae: float, recent_coverage: float, *, worst_ratio: float = 1.5) -> Drift:
    """Judge recent accuracy against what the backtest promised.

    Parameters
    ----------
    recent_mae, expected_mae
        In the target's unit.
    recent_coverage
        Share of recent values inside the band that should hold 80 %.
    worst_ratio
        Ratio of the two errors from which the model counts as worse.
    """
    ratio = recent_mae / expected_mae if expected_mae > 0 else (1.0 if recent_mae == 0 else float("inf"))
    reasons = []
    if ratio > worst_ratio:
        reasons.append(f"the error is {ratio:.1f} times what the backtest promised")
    if not 0.6 <= recent_coverage <= 0.95:
        reasons.append(f"the 80 % band holds {recent_coverage:.0%}")
    return Drift(recent=recent_mae, expected=expected_mae, ratio=ratio, worse=bool(reasons), words="; ".join(reasons))
