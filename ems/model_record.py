"""What is known of a trained model, and of what it was made from."""

from __future__ import annotations

import functools
import hashlib
import importlib
import platform
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Literal

import numpy as np

from plant.table import Table

Kind = Literal["forecast", "health"]
_PACKAGES: dict[Kind, str] = {"forecast": "forecasting", "health": "anomaly"}
_LIBRARIES = ("numpy", "scikit-learn", "twin-ems")


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
    kind: Kind
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
    kind: Kind
    algorithm: str
    history: Table
    metrics: tuple[tuple[str, float], ...]
    importances: tuple[tuple[str, float], ...] = ()


def versions(kind: Kind) -> tuple[tuple[str, str], ...]:
    """Versions that a stored model depends on: Python, libraries, and the code that it was made by (a hash of its sources)."""
    python = ".".join(platform.python_version_tuple()[:2])
    libraries = [(name, metadata.version(name)) for name in _LIBRARIES]
    return tuple(sorted([*libraries, ("code", _code(_PACKAGES[kind])), ("python", python)]))


@functools.cache
def _code(package: str) -> str:
    """A stored model is an object of our own classes: it means nothing to other sources than those that made it."""
    folder = Path(next(iter(importlib.import_module(package).__path__)))
    summed = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        summed.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return summed.hexdigest()[:12]


def data_hash(history: Table) -> str:
    """SHA-256 of a table's times and columns."""
    summed = hashlib.sha256(history.times.astype(np.int64).tobytes())
    for name in sorted(history.columns):
        summed.update(name.encode())
        summed.update(np.ascontiguousarray(history.columns[name]).tobytes())
    return summed.hexdigest()
