"""What drives a twin from outside: demands, weather, loads, wear. Drawn beforehand, the same for all that is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from plant.series import Series
from plant.table import Floats, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A machine fails in one future and is repaired."""

    asset: str
    future: int
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """Values at equal steps; a value holds from its time until the next, the last beyond the end.

    All arrays have shape (steps, futures), or (steps, 1) where every future sees the same.
    """

    start: datetime
    step_s: float
    tags: Mapping[str, Floats]
    """By tag: demands (units per hour), temperatures (°C), powers of what nobody commands and of PV (kW), prices."""
    losses: Mapping[str, Floats] = field(default_factory=dict)
    """By store: loss that no model has a term for, service units per hour."""
    health: Mapping[str, Floats] = field(default_factory=dict)
    """By asset: 1 as new, 0 worn out."""
    failures: tuple[Failure, ...] = ()
    steps: int = field(init=False)
    """Number of steps."""
    futures: int = field(init=False)
    """Number of futures."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", max((array.shape[0] for array in self.tags.values()), default=1))
        object.__setattr__(self, "futures", max((array.shape[1] for array in self.tags.values()), default=1))

    def step_at(self, time: datetime) -> int:
        """Index of the step that holds at a time, limited to those that exist."""
        return min(max(int((time - self.start).total_seconds() // self.step_s), 0), self.steps - 1)

    def only(self, future: int) -> Drivers:
        """One future alone."""

        def pick(columns: Mapping[str, Floats]) -> dict[str, Floats]:
            return {name: array[:, [min(future, array.shape[1] - 1)]] for name, array in columns.items()}

        return Drivers(
            start=self.start,
            step_s=self.step_s,
            tags=pick(self.tags),
            losses=pick(self.losses),
            health=pick(self.health),
            failures=tuple(
                Failure(asset=item.asset, future=0, at=item.at, until=item.until) for item in self.failures if item.future == future
            ),
        )


def at_steps(series: Series, start: datetime, step_s: float, steps: int) -> Floats:
    """What `Series.resampled` gives, as an array: looked up at once where the steps are the series' own."""
    first, between = divmod((start - series.start).total_seconds(), series.step_s)
    if step_s != series.step_s or between:
        return np.array(series.resampled(start, step_s, steps))
    values, begin = np.array(series.values), int(first)
    if 0 <= begin <= values.size - steps:
        return values[begin : begin + steps]
    return values.take(np.arange(begin, begin + steps), mode="clip")


def from_table(table: Table) -> Drivers:
    """The columns of a table as one future; gaps hold the value before them (the first known one at the start).

    Raises
    ------
    ValueError
        If the table has no rows or a column has no value at all.
    """
    if not len(table):
        raise ValueError("a table without rows drives nothing")
    start = datetime.fromisoformat(f"{table.times[0]}+00:00")
    return Drivers(
        start=start,
        step_s=table.step_s or 900.0,
        tags={name: _filled(column, name)[:, None] for name, column in table.columns.items()},
    )


def _filled(column: Floats, name: str) -> Floats:
    known = np.flatnonzero(np.isfinite(column))
    if not known.size:
        raise ValueError(f"column {name!r} holds no value")
    where = np.searchsorted(known, np.arange(column.size), side="right") - 1
    return np.asarray(column[known[np.maximum(where, 0)]])


def as_table(drivers: Drivers, future: int = 0) -> Table:
    """The tags of one future as a table."""
    start = np.datetime64(drivers.start.replace(tzinfo=None), "us")
    step = np.timedelta64(round(drivers.step_s * 1e6), "us")
    return Table(
        times=start + step * np.arange(drivers.steps),
        columns={
            name: np.ascontiguousarray(array[:, min(future, array.shape[1] - 1)], dtype=np.float64)
            for name, array in drivers.tags.items()
        },
    )


def end_of(drivers: Drivers) -> datetime:
    """The instant at which the last step ends."""
    return drivers.start + timedelta(seconds=drivers.step_s * drivers.steps)
