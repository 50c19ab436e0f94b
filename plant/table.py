"""A table of time series as NumPy arrays: what crosses the doors of forecasters and detectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns over one UTC time axis.

    Attributes
    ----------
    times
        `datetime64[us]`, shape (rows,), strictly increasing, UTC, left-labelled.
    columns
        Name → float64 array of shape (rows,); NaN = missing.
    """

    times: Times
    columns: Mapping[str, Floats]

    def __post_init__(self) -> None:
        if self.times.dtype != np.dtype("datetime64[us]"):
            raise ValueError("times must be datetime64[us] in UTC")
        if self.times.size > 1 and not bool(np.all(np.diff(self.times) > np.timedelta64(0, "us"))):
            raise ValueError("times must increase strictly")
        for name, column in self.columns.items():
            if column.shape != self.times.shape or column.dtype != np.float64:
                raise ValueError(f"column {name!r} must be float64 with {self.times.size} rows")

    def __len__(self) -> int:
        return int(self.times.size)

    @property
    def step_s(self) -> float:
        """The most frequent distance between rows in seconds; 0 with fewer than two rows."""
        if len(self) < 2:
            return 0.0
        distances, counts = np.unique(np.diff(self.times).astype(np.int64), return_counts=True)
        return float(distances[np.argmax(counts)]) / 1e6

    def before(self, time: np.datetime64) -> Table:
        """The rows strictly earlier than a time."""
        stop = int(np.searchsorted(self.times, time, side="left"))
        return Table(times=self.times[:stop], columns={name: column[:stop] for name, column in self.columns.items()})

    def since(self, time: np.datetime64) -> Table:
        """The rows not earlier than a time."""
        first = int(np.searchsorted(self.times, time, side="left"))
        return Table(times=self.times[first:], columns={name: column[first:] for name, column in self.columns.items()})

    def only(self, *names: str) -> Table:
        """The named columns."""
        return Table(times=self.times, columns={name: self.columns[name] for name in names})
