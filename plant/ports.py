"""The doors. A Protocol stands only here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import ClassVar, Protocol, Self, runtime_checkable

import numpy as np

from plant.health import Health
from plant.orders import Plan
from plant.physics import Conditions, Numbers, Working
from plant.series import Forecast
from plant.situation import Situation
from plant.table import Table
from plant.tags import Snapshot, Value
from plant.times import utc


@runtime_checkable
class Plant(Protocol):
    """A plant can be read, told and waited for. It owns time. Leaving its `with` block releases to local control."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...

    def now(self) -> datetime:
        """The plant's time, UTC.

        Raises
        ------
        NotConnectedError
            If the plant owns a clock and does not answer.
        """

    def wait_until(self, time: datetime) -> bool:
        """Return once the plant's time is `time` or later; False if the plant has ended (its `done`).

        Raises
        ------
        NotConnectedError
            If the plant does not answer within its time limit.
        """

    def read(self) -> Snapshot:
        """Every tag at one instant. A tag that cannot be read is a BAD Reading, not an exception.

        Raises
        ------
        NotConnectedError
            If the plant does not answer at all.
        """

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        """Write one value, typed as the tag says; checked against `expires` last.

        Raises
        ------
        NotFoundError
            If there is no such tag.
        WriteRefusedError
            If the tag is not writable, the plant refuses, or `expires` has passed.
        NotConnectedError
            If it is not known whether the write arrived.
        """


@runtime_checkable
class AssetModel(Protocol):
    """The physics of one asset kind. Its fields are the spec of the site file, each one number or one column per asset.

    A kind holds no state: what a machine remembers is its life (on, since when) and the level of its store, and both are
    the simulation's. So one file serves one machine or a thousand futures of fifty. What it says to a number it says to that
    number in an array, too: the simulation asks it once for what many are told, or for several instants together.
    """

    depends_on: ClassVar[frozenset[str]]
    """Names of the Conditions that `running` reads: it is asked again only when one of them has changed."""
    uncertain: ClassVar[tuple[str, ...]]
    """Fields of the spec in which a real machine differs from its data sheet."""

    def running(self, setpoint: Numbers, conditions: Conditions) -> Working:
        """What it draws and gives while it runs at a set-point."""

    def idle_kw(self, conditions: Conditions) -> Numbers:
        """What it draws while it does not run."""

    def pieces(self, low: float, high: float) -> tuple[tuple[float, ...], ...]:
        """Set-points of its operating points between two set-points, one tuple for each piece that may be cut across."""

    def sensors(self, setpoint: Numbers, conditions: Conditions, on: Numbers) -> Mapping[str, Numbers]:
        """What its further sensors show, by the last word of the tag's name; `on` is 1 while it runs, else 0."""


@runtime_checkable
class Forecaster(Protocol):
    """Learns one target and forecasts it with its band. Picklable; `predict` never looks past `start`."""

    def fit(self, history: Table, target: str) -> Self:
        """Learn from the rows of `history`.

        Raises
        ------
        DataError
            If there is too little to learn from; the text says how much is missing.
        """

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        """Forecast `steps` steps from `start` (the issue time), using only rows of `history` before `start`."""


@runtime_checkable
class Detector(Protocol):
    """Learns what healthy looks like. Picklable."""

    def fit(self, history: Table) -> Self:
        """Learn the baseline from healthy rows.

        Raises
        ------
        DataError
            If there is too little to learn from.
        """

    def score(self, window: Table, asset: str) -> Sequence[Health]:
        """One Health per row of `window`, causal: a row's score depends on it and earlier rows only."""


@runtime_checkable
class Strategy(Protocol):
    """Decides without touching."""

    def propose(self, situation: Situation) -> Plan:
        """The plan for a situation; the same situation gives the same plan.

        Raises
        ------
        SolverError
            If there is no usable plan; the text says why.
        """


def instant64(time: datetime) -> np.datetime64:
    """An instant as `datetime64[us]` in UTC."""
    return np.datetime64(utc(time).replace(tzinfo=None), "us")
