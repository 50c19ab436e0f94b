"""What a detector brings: a distance from healthy for rows of deviations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from anomaly.views import View
from plant.table import Floats


class Part(ABC):
    """One way to measure how far rows are from healthy."""

    name: ClassVar[str]
    """As it appears in the parts of a Health."""

    @abstractmethod
    def learn(self, smooth: Floats) -> None:
        """Learn from healthy rows of all machines of a kind, shape (rows, sensors)."""

    @abstractmethod
    def distances(self, view: View) -> Floats:
        """Distance of each row, shape (rows,), 0 or more and growing with the deviation."""

    @abstractmethod
    def contributions(self, view: View) -> Floats:
        """Each sensor's part in the distance, shape (rows, sensors), 0 or more."""
