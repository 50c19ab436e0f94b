"""What each sensor of one machine is expected to read, by operating mode and by what acts on it from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from anomaly.familiar import Familiar
from anomaly.features import LEAST_ROWS, Bools, matrix
from anomaly.modes import NAMES, Codes, Modes
from plant.table import Floats, Table, Times

_RIDGE = 1e-3
_POOLED_ROWS = 200
"""The kind's spread counts as much as so many rows of the machine's own."""
_MOST_INFLATION = 50.0
_BEYOND = 0.05
"""Outside of the context that was learned by this share of its range, the expectation is as uncertain as one reading."""
_MOST_DOUBT = 10.0
"""Where the expectation itself is less certain than this many readings, nothing can be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """Readings of one machine beside what they were expected to be.

    Attributes
    ----------
    times
        Shape (rows,).
    sensors
        Names of the columns below.
    actual, expected
        Shape (rows, sensors), in the sensors' units.
    z
        Shape (rows, sensors): (actual − expected) over the healthy spread; NaN where missing or the mode was never learned.
    doubt
        Shape (rows, sensors): variance of the expectation itself, in units of one reading's: it does not average out.
    familiar
        Shape (rows,): the machine did the like in two separate parts of its healthy history.
    modes
        Shape (rows,): codes of `anomaly.modes`.
    """

    times: Times
    sensors: tuple[str, ...]
    actual: Floats
    expected: Floats
    z: Floats
    doubt: Floats
    familiar: Bools
    modes: Codes

    def __len__(self) -> int:
        return int(self.times.size)

    def only_familiar(self) -> Normal:
        """The same rows, of which those under conditions that were hardly ever seen say nothing."""
        return replace(self, z=np.where(self.familiar[:, None], self.z, np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One machine when healthy.

    A ridge regression of each sensor on the context, one per operating mode; without context it is the mean. The doubt
    grows with the leverage of a row (Belsley, Kuh and Welsch 1980), so that weather or a product outside of what was
    learned widens the expectation instead of raising an alarm.

    Attributes
    ----------
    begin, end
        First and last row that was learned from.
    sensors, context
        Column names.
    curved
        Context whose effect may bend: its slope changes at the quartiles that were learned.
    modes
        How the operating mode is told.
    centre, width
        Shape (context,): mean and spread of the context; width 0 where it never changed.
    knots
        Shape (3, context): its quartiles.
    reach
        Shape (modes, 2, context): lowest and highest context of each mode.
    familiar
        Conditions that were seen more than once.
    weights
        Shape (modes, terms, sensors): constant, context, bends.
    inverse
        Shape (modes, terms, terms): inverse Gram matrix.
    spread
        Shape (modes, sensors): standard deviation of the residuals; NaN in a mode that was not learned.
    inflation
        Shape (modes, sensors): variance of the fit per unit of leverage, above 1 where the residuals are autocorrelated.
    rows
        Shape (modes,): rows each mode was learned from.
    """

    begin: np.datetime64
    end: np.datetime64
    sensors: tuple[str, ...]
    context: tuple[str, ...]
    curved: tuple[str, ...]
    modes: Modes
    centre: Floats
    width: Floats
    knots: Floats
    reach: Floats
    familiar: Familiar
    weights: Floats
    inverse: Floats
    spread: Floats
    inflation: Floats
    rows: npt.NDArray[np.int64]

    @classmethod
    def learned(
        cls,
        history: Table,
        sensors: Sequence[str],
        context: Sequence[str],
        curved: Sequence[str],
        modes: Modes,
        used: Bools | None = None,
    ) -> Self:
        """The baseline that healthy rows show.

        Parameters
        ----------
        history
            Healthy rows.
        sensors, context, curved
            Columns to be expected, columns that explain them, and which of these by a bent line.
        modes
            How the operating mode is told.
        used
            Shape (rows,): rows to learn from; None = all.
        """
        chosen = np.ones(len(history), dtype=bool) if used is None else used
        outside = matrix(history, context)
        known = chosen & np.isfinite(outside).all(axis=1)
        base = outside[known] if known.any() else np.zeros((1, len(context)))
        centre, width = base.mean(axis=0), base.std(axis=0)
        width = np.where(width > 1e-6 * np.maximum(np.abs(centre), 1.0), width, 0.0)
        values, codes = matrix(history, sensors), modes.codes(history)
        floor = _resolution(values)
        knots = np.quantile(base, (0.25, 0.5, 0.75), axis=0)
        bent = np.array([name in curved for name in context], dtype=bool)
        design = _design(outside, centre, width, knots, bent)
        fits = [_fit(design, values, known & (codes == code), floor) for code in range(len(NAMES))]
        weights, inverse, spread, inflation, rows = (np.stack(part) for part in zip(*fits, strict=True))
        return cls(
            begin=history.times[0], end=history.times[-1], sensors=tuple(sensors), context=tuple(context), curved=tuple(curved),
            modes=modes, centre=centre, width=width, knots=knots, reach=_reach(outside, known, codes),
            familiar=Familiar.learned(outside, codes, known), weights=weights, inverse=inverse, spread=spread,
            inflation=inflation, rows=rows.astype(np.int64),
        )  # fmt: skip

    def pooled(self, spread: Floats) -> Baseline:
        """The same baseline with its spread drawn towards that of its kind, the more the fewer rows it has of its own.

        Parameters
        ----------
        spread
            Shape (modes, sensors): spread of the kind, NaN where unknown.
        """
        own, other = self.rows[:, None] * self.spread**2, _POOLED_ROWS * spread**2
        mixed = np.sqrt((own + other) / (self.rows[:, None] + _POOLED_ROWS))
        return replace(self, spread=np.where(np.isfinite(mixed), mixed, self.spread))

    def normal(self, window: Table) -> Normal:
        """Readings of a window beside what this baseline expects."""
        actual, codes = matrix(window, self.sensors), self.modes.codes(window)
        bent = np.array([name in self.curved for name in self.context], dtype=bool)
        outside = matrix(window, self.context)
        design = _design(outside, self.centre, self.width, self.knots, bent)
        expected = np.full_like(actual, np.nan)
        z, doubt = np.full_like(actual, np.nan), np.zeros_like(actual)
        for code in range(len(NAMES)):
            at = codes == code
            if not at.any() or not np.isfinite(self.spread[code]).any():
                continue
            rows = design[at]
            leverage = np.einsum("ij,jk,ik->i", rows, self.inverse[code], rows)
            expected[at] = rows @ self.weights[code]
            z[at] = (actual[at] - expected[at]) / self.spread[code]
            doubt[at] = leverage[:, None] * self.inflation[code] + self._beyond(outside[at], code)
        blind = ~(doubt <= _MOST_DOUBT)
        z, doubt = np.where(blind, np.nan, z), np.where(blind, 0.0, doubt)
        return Normal(
            times=window.times, sensors=self.sensors, actual=actual, expected=expected, z=z, doubt=doubt,
            familiar=self.familiar.rows(outside, codes), modes=codes,
        )  # fmt: skip

    def _beyond(self, outside: Floats, code: int) -> Floats:
        """Doubt where the context lies outside of what the mode was learned from, shape (rows, 1)."""
        low, high = self.reach[code]
        distance = np.maximum(np.maximum(low - outside, outside - high), 0.0) / np.where(high > low, high - low, 1.0)
        doubt: Floats = ((distance / _BEYOND) ** 2).sum(axis=1, keepdims=True)
        return doubt

    @property
    def days(self) -> float:
        """How much time the history covers."""
        return float((self.end - self.begin) / np.timedelta64(1, "D"))

    @property
    def learned_modes(self) -> tuple[str, ...]:
        """Names of the operating modes that were learned."""
        return tuple(name for name, spread in zip(NAMES, self.spread, strict=True) if np.isfinite(spread).any())


def pooled_spread(baselines: Sequence[Baseline]) -> Floats:
    """Root mean square of the spreads of machines of one kind, weighted by their rows; shape (modes, sensors)."""
    spread = np.stack([baseline.spread for baseline in baselines])
    rows = np.stack([baseline.rows for baseline in baselines])[:, :, None] * np.isfinite(spread)
    total = rows.sum(axis=0)
    square = np.where(np.isfinite(spread), spread, 0.0) ** 2
    pooled: Floats = np.where(total > 0, np.sqrt((rows * square).sum(axis=0) / np.maximum(total, 1)), np.nan)
    return pooled


def _reach(outside: Floats, known: Bools, codes: Codes) -> Floats:
    reach = np.zeros((len(NAMES), 2, outside.shape[1]))
    for code in range(len(NAMES)):
        rows = outside[known & (codes == code)]
        if len(rows):
            reach[code] = rows.min(axis=0), rows.max(axis=0)
    return reach


def _design(outside: Floats, centre: Floats, width: Floats, knots: Floats, bent: Bools) -> Floats:
    """Terms of the regression, shape (rows, terms); NaN where a context that never changed reads something else."""
    moved = np.abs(outside - centre) > 1e-3 * np.maximum(np.abs(centre), 1.0)
    still = np.where(np.isfinite(outside) & ~moved, 0.0, np.nan)
    per = np.where(width > 0.0, width, 1.0)
    scaled = np.where(width > 0.0, (outside - centre) / per, still)
    chosen = bent & (width > 0.0)
    bends = [np.maximum(scaled - (knot - centre) / per, 0.0)[:, chosen] for knot in knots]
    return np.concatenate([np.ones((len(outside), 1)), scaled, *bends], axis=1)


def _resolution(values: Floats) -> Floats:
    """Least believable spread of each sensor: that of a reading rounded to its finest step."""
    floors = []
    for column in values.T:
        steps = np.diff(np.unique(column[np.isfinite(column)]))
        # A constant sensor has no step to tell: its spread is that of its kind.
        finest = steps[steps > 1e-9 * float(steps.max())].min() if steps.size else 0.0
        floors.append(max(float(finest) / np.sqrt(12.0), 1e-9))
    return np.array(floors)


def _fit(design: Floats, values: Floats, used: Bools, floor: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    terms, sensors = design.shape[1], values.shape[1]
    weights = np.zeros((terms, sensors))
    spread, inflation = np.full(sensors, np.nan), np.ones(sensors)
    count = int(used.sum())
    if count < max(LEAST_ROWS, 2 * terms):
        return weights, np.eye(terms), spread, inflation, np.array(0.0)
    rows = design[used]
    penalty = _RIDGE * count * np.eye(terms)
    penalty[0, 0] = 0.0
    inverse: Floats = np.asarray(np.linalg.inv(rows.T @ rows + penalty), dtype=np.float64)
    for sensor in range(sensors):
        column = values[used, sensor]
        known = np.isfinite(column)
        if known.sum() < max(LEAST_ROWS, 2 * terms):
            continue
        part = rows[known]
        weights[:, sensor] = np.linalg.solve(part.T @ part + penalty, part.T @ column[known])
        residual = column[known] - part @ weights[:, sensor]
        spread[sensor] = max(float(np.sqrt((residual**2).sum() / max(known.sum() - terms, 1))), float(floor[sensor]))
        inflation[sensor] = _inflation(residual)
    return weights, inverse, spread, inflation, np.array(float(count))


def _inflation(residual: Floats) -> float:
    """Rows per independent row, from the autocorrelation of successive residuals."""
    square = float((residual**2).sum())
    echo = float((residual[1:] * residual[:-1]).sum()) / square if square > 0 else 0.0
    return float(np.clip((1.0 + echo) / max(1.0 - echo, 1e-6), 1.0, _MOST_INFLATION))
