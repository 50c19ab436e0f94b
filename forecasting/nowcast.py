"""What is seen now lasts a while: the miss of now, carried into the next steps as far as misses lasted in the past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from forecasting import windows
from forecasting.calendar import WORK, Calendar
from forecasting.days import fold
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.table import Floats, Table, Times

LEAST_DAYS = 7
"""Fewer days do not tell what is usual at an hour."""
MOST = 0.95
"""Nothing is taken to last longer than this share from step to step."""
BARELY = 0.02
"""Smaller shares of a miss are left out."""
FAINT = 0.05
"""Below this share of the most that is expected, generation now says nothing of the hours to come."""
DAY = np.timedelta64(1, "D")


def nowcast(forecast: Forecast, history: Table, timezone: str = "UTC") -> Forecast:
    """A forecast with the miss of now carried into its next steps.

    The k-th step, the one that contains now being the first, is moved by miss · ρ_k, with ρ_k the share of a deviation from the
    usual value of the hour that was still there so many steps later in the history. What is never positive (power that is
    generated) is moved in proportion: there is no sun to be missed at night. The band is widened by the forecast so moved and
    by a miss that lasts longer than most (√ρ_k).

    Parameters
    ----------
    forecast
        As a model made it, from rows before its first step.
    history
        Readings on the forecast's grid; the row at the time of the first step is what is seen now.
    timezone
        Where days and weekends begin.
    """
    issue, steps = instant64(forecast.p50.start), len(forecast.p50.values)
    column = history.columns.get(forecast.target)
    where = int(np.searchsorted(history.times, issue))
    if column is None or where >= len(history) or history.times[where] != issue or not np.isfinite(column[where]):
        return forecast
    low, middle, high = (np.asarray(series.values) for series in (forecast.p10, forecast.p50, forecast.p90))
    miss = _miss(float(column[where]), low, middle, high)
    shares = lasting_shares(history.times[:where], column[:where], forecast.p50.step_s, steps, timezone)
    if not shares.any() or not miss.any():
        return forecast
    floor = 0.0 if low.min() >= 0.0 else -np.inf
    moved, far = np.maximum(middle + miss * shares, floor), np.maximum(middle + miss * np.sqrt(shares), floor)
    words = f"moved by what is seen now: {float(column[where]):.4g} instead of {middle[0]:.4g}"
    return replace(
        forecast,
        p10=_like(forecast.p10, np.minimum(low, np.minimum(moved, far))),
        p50=_like(forecast.p50, moved),
        p90=_like(forecast.p90, np.maximum(high, np.maximum(moved, far))),
        words="; ".join(part for part in (forecast.words, words) if part),
    )


def _miss(now: float, low: Floats, middle: Floats, high: Floats) -> Floats:
    """What each step would miss if it missed like now, shape (steps,)."""
    if high.max() > 0.0 or low.min() >= 0.0:
        return np.full(middle.shape, now - middle[0])
    if middle[0] > FAINT * middle.min():
        return np.zeros(middle.shape)
    return np.asarray(middle * np.clip(now / middle[0] - 1.0, -1.0, 1.0))


def _like(series: Series, values: Floats) -> Series:
    return replace(series, values=tuple(values.tolist()))


def lasting_shares(times: Times, values: Floats, step_s: float, steps: int, timezone: str = "UTC") -> Floats:
    """Shares of a deviation from the usual value of the hour that are still there 1, 2, … steps later, shape (steps,).

    The autocorrelation of the deviations within their days (what lasts for days is in the forecast already), and no more than a
    first-order process would leave of it.

    Parameters
    ----------
    times, values
        Rows at equal steps, shape (n,); NaN where nothing is known.
    step_s
        Their step.
    timezone
        Where days and weekends begin.
    """
    found = np.zeros(steps)
    if len(times) < 2 or times[-1] - times[0] < LEAST_DAYS * DAY:
        return found
    days = fold(times, values, timezone=timezone, step_s=step_s, calendar=Calendar())
    resting, table = days.kinds[: days.dates.size] != WORK, days.values.copy()
    for kind in (False, True):
        table[resting == kind] -= windows.median(table[None, resting == kind])
    table -= windows.median(table[..., None])
    off = _without_ends(table.ravel())
    for lag in range(1, min(steps, len(off) - 1) + 1):
        share = _autocorrelation(off, lag)
        found[lag - 1] = min(share, found[0] ** lag) if lag > 1 else share
        if found[lag - 1] < BARELY:
            found[lag - 1] = 0.0
            break
    return found


def _without_ends(off: Floats) -> Floats:
    """From the first to the last value that is known."""
    known = np.flatnonzero(np.isfinite(off))
    return off[known[0] : known[-1] + 1] if known.size else off[:0]


def _autocorrelation(off: Floats, lag: int) -> float:
    one, later = off[:-lag], off[lag:]
    both = np.isfinite(one) & np.isfinite(later)
    if not both.all():
        one, later = one[both], later[both]
    total = float(np.sum(one**2))
    return float(np.clip(np.sum(one * later) / total, 0.0, MOST)) if total > 0.0 else 0.0
