"""What a detector found for every row of a window, as arrays; a Health is made of a row when somebody wants to see it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly import health
from anomaly.baseline import Normal
from anomaly.features import Bools, utc_of
from anomaly.modes import NAMES, OFF
from plant.health import Driver, Health
from plant.table import Floats

_DRIVERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One machine over a window.

    Attributes
    ----------
    asset, model_id
        Who was judged by what.
    normal
        Readings beside their expectation.
    rows
        Rows that deviations were averaged over.
    part_names, parts
        Detectors, and their distances in thresholds, shape (rows, parts).
    distance, settled
        Shape (rows,): the combined distance in thresholds, and the slower one that the score shows; NaN = not judged.
    shown
        Shape (rows,): the row that each row's health is told from.
    rows_to_d
        Shape (rows, 3): p10, p50, p90 of the rows until zone D by the trend; NaN = no estimate.
    alarm, trip
        Shape (rows,): of the advisory and the control profile.
    shares
        Shape (rows, sensors): each sensor's share in the distance.
    confidence
        Shape (rows,), 0..1.
    """

    asset: str
    model_id: str
    normal: Normal
    rows: int
    part_names: tuple[str, ...]
    parts: Floats
    distance: Floats
    settled: Floats
    shown: npt.NDArray[np.intp]
    rows_to_d: Floats
    alarm: Bools
    trip: Bools
    shares: Floats
    confidence: Floats

    @property
    def scores(self) -> Floats:
        """Health 0..1 of each row, NaN = not judged."""
        return health.score_of(self.settled)

    @property
    def worst_sensors(self) -> list[str]:
        """The sensor with the largest share in each row's distance."""
        return [self.normal.sensors[index] for index in self.shares[self.shown].argmax(axis=1).tolist()]

    def drivers(self, row: int) -> tuple[Driver, ...]:
        """The sensors that deviate most in a row, largest share first."""
        at = int(self.shown[row])
        alike = np.flatnonzero((self.normal.modes[: at + 1] > OFF) == (self.normal.modes[at] > OFF))[-self.rows :]
        actual, expected = (_mean(values[alike]) for values in (self.normal.actual, self.normal.expected))
        shares = self.shares[at]
        order = np.argsort(-shares, kind="stable")[:_DRIVERS]
        return tuple(
            Driver(tag=self.normal.sensors[i], expected=float(expected[i]), actual=float(actual[i]), share=float(shares[i]))
            for i in order
            if np.isfinite(actual[i]) and np.isfinite(expected[i]) and shares[i] > 0.0
        )

    def health(self, row: int) -> Health:
        """The Health record of a row."""
        time = utc_of(self.normal.times[row])
        confidence = float(self.confidence[row])
        if not np.isfinite(self.settled[row]):
            return Health(
                asset=self.asset, time=time, score=None, severity=None, alarm=False, model_id=self.model_id,
                confidence=confidence, words=self._missing(row),
            )  # fmt: skip
        score = float(health.score_of(self.settled[row : row + 1])[0])
        return Health(
            asset=self.asset, time=time, score=score, severity=health.zone(float(self.settled[row])), alarm=bool(self.alarm[row]),
            trip=bool(self.trip[row]), drivers=self.drivers(row), model_id=self.model_id, confidence=confidence,
            parts=tuple((name, float(value)) for name, value in zip(self.part_names, self.parts[self.shown[row]], strict=True)),
            hours_to_d=self.hours_to_d(row), words=self._reserve(row),
        )  # fmt: skip

    def hours_to_d(self, row: int) -> tuple[float, float, float] | None:
        """p10, p50, p90 of the hours until zone D by the trend up to a row; None = no estimate."""
        first = max(0, row + 1 - health.TREND_ROWS)
        times = self.normal.times[first : row + 1]
        rows = self.rows_to_d[row]
        if times.size < health.TREND_ROWS or not math.isfinite(rows[0]):
            return None
        hours = float((times[-1] - times[0]).astype(np.int64)) / 3.6e9 / (times.size - 1)
        low, middle, high = (float(value) * hours for value in rows)
        return low, middle, high

    def _reserve(self, row: int) -> str:
        if float(self.confidence[row]) < 1.0:
            return self._missing(row)
        return "" if self.normal.familiar[row] else "the history hardly knows these conditions: they cannot lead to a trip"

    def _missing(self, row: int) -> str:
        code = int(self.normal.modes[row])
        first = max(0, row + 1 - self.rows)
        seen: Bools = np.atleast_1d(np.isfinite(self.normal.actual[first : row + 1]).any(axis=0))
        names = ", ".join(sensor for sensor, known in zip(self.normal.sensors, seen, strict=True) if not known)
        if names:
            return f"not enough data: no values of {names} in the last {row + 1 - first} rows"
        if code < 0:
            return "not enough data: operating mode unknown (switched, power missing, or twice what the baseline was learned from)"
        if not np.isfinite(self.normal.expected[row]).any():
            return f"not enough data: {NAMES[code]} was not seen often enough when the baseline was learned"
        if not np.isfinite(self.normal.z[row]).any():
            return "not enough data: weather, load or set-point lie outside of what the baseline was learned from"
        return "some readings are missing"


def _mean(values: Floats) -> Floats:
    """Mean of each column over its known values, NaN where there are none."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    mean: Floats = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
    return mean
