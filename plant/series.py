"""Values over time at equal steps, and a forecast of them with its band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from plant.times import utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Values at equal steps; a value holds from its time until the next (left-labelled)."""

    start: datetime
    step_s: float
    values: tuple[float, ...]
    unit: str

    def __post_init__(self) -> None:
        utc(self.start)
        if self.step_s <= 0 or not self.values:
            raise ValueError("a series needs a positive step and at least one value")
        if not all(map(math.isfinite, self.values)):
            raise ValueError("a series holds numbers only: NaN belongs in tables")

    @property
    def end(self) -> datetime:
        """The instant at which the last value ends."""
        return self.start + timedelta(seconds=self.step_s * len(self.values))

    def time(self, step: int) -> datetime:
        """Start of a step."""
        return self.start + timedelta(seconds=self.step_s * step)

    def at(self, time: datetime) -> float:
        """The value that holds at a time; the first before the start, the last after the end."""
        step = int((time - self.start).total_seconds() // self.step_s)
        return self.values[min(max(step, 0), len(self.values) - 1)]

    def resampled(self, start: datetime, step_s: float, steps: int) -> tuple[float, ...]:
        """Mean value over each of `steps` steps from `start`; the first and last values extend beyond the ends."""
        offset = (start - self.start).total_seconds()
        first, between = divmod(offset, self.step_s)
        if step_s == self.step_s and not between:
            begin, last = int(first), len(self.values) - 1
            if begin >= 0 and begin + steps <= len(self.values):
                return self.values[begin : begin + steps]
            return tuple(self.values[min(max(begin + i, 0), last)] for i in range(steps))
        return tuple(self._mean(offset + step_s * i, offset + step_s * (i + 1)) for i in range(steps))

    def _mean(self, begin_s: float, end_s: float) -> float:
        total, at, last = 0.0, begin_s, len(self.values) - 1
        while at < end_s - 1e-9:
            step = math.floor(at / self.step_s + 1e-9)
            until = min(end_s, (step + 1) * self.step_s) if 0 <= step < last else (min(end_s, 0.0) if step < 0 else end_s)
            total += self.values[min(max(step, 0), last)] * (until - at)
            at = until
        return total / (end_s - begin_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a target is expected to be, with the band that should hold 80 % of what comes."""

    target: str
    """Tag name of the target."""
    made_at: datetime
    """Issue time: nothing later was known."""
    model_id: str
    p10: Series
    p50: Series
    p90: Series
    words: str = ""
    """What was missing when it was made (no weather, short history), empty if nothing."""

    def __post_init__(self) -> None:
        shapes = {(s.start, s.step_s, len(s.values), s.unit) for s in (self.p10, self.p50, self.p90)}
        if len(shapes) != 1:
            raise ValueError(f"forecast of {self.target}: the three quantiles differ in start, step, length or unit")
        if any(not low <= mid <= high for low, mid, high in zip(self.p10.values, self.p50.values, self.p90.values, strict=True)):
            raise ValueError(f"forecast of {self.target}: quantiles cross")
