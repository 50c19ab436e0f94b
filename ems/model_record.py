"""What is known of a trained model, and of what it was made from."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import metadata
from typing import Literal

import numpy as np

from plant.table import Table

_LIBRARIES = ("lightgbm", "numpy", "scikit-learn", "twin-ems")


class State(StrEnum):
    """Where a model stands."""

    PENDING = "pending"
    APPROVED = "approved"
    SERVING = "serving"
    RETIRED = "retired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One trained model."""

    id: str
    name: str
    """What it is for: `forecast/TAG`, `health/SITE`."""
    kind: Literal["forecast", "health"]
    algorithm: str
    state: State
    trained_at: datetime
    data_start: datetime
    data_end: datetime
    rows: int
    data_hash: str
    """SHA-256 of the times and values it learned from."""
    metrics: tuple[tuple[str, float], ...]
    """On the part of the history that it had not seen."""
    importances: tuple[tuple[str, float], ...] = ()
    versions: tuple[tuple[str, str], ...]
    file: str
    sha256: str
    size_bytes: int
    words: str = ""
    """Why it stands where it stands."""

    def metric(self, name: str) -> float | None:
        """A metric by its name; None if it is not known."""
        return dict(self.metrics).get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One step in the life of a model."""

    model: str
    time: datetime
    who: str
    state: State
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What training hands to the registry."""

    name: str
    kind: Literal["forecast", "health"]
    algorithm: str
    history: Table
    metrics: tuple[tuple[str, float], ...]
    importances: tuple[tuple[str, float], ...] = ()


def versions() -> tuple[tuple[str, str], ...]:
    """Versions that a stored model depends on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return tuple(sorted([*((name, metadata.version(name)) for name in _LIBRARIES), ("python", python)]))


def data_hash(history: Table) -> str:
    """SHA-256 of a table's times and columns."""
    summed = hashlib.sha256(history.times.astype(np.int64).tobytes())
    for name in sorted(history.columns):
        summed.update(name.encode())
        summed.update(np.ascontiguousarray(history.columns[name]).tobytes())
    return summed.hexdigest()
