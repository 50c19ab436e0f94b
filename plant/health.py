"""How well a machine is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """Zones in the manner of ISO 20816: A as new, B fit for long-term use, C limited, D damage is near."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One sensor's part in a low score."""

    tag: str
    expected: float
    actual: float
    share: float
    """0..1 of the whole deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The health of one asset at one time."""

    asset: str
    time: datetime
    score: float | None
    """0..1, 1 = as new; None = not enough data (the words say what is missing)."""
    severity: Severity | None
    """Zone; None where the score is None."""
    alarm: bool
    """The advisory profile's alarm: worth a person's look."""
    trip: bool = False
    """The control profile's alarm: may influence a SHUTDOWN."""
    drivers: tuple[Driver, ...] = ()
    """Largest share first."""
    parts: tuple[tuple[str, float], ...] = ()
    """What each detector contributed, as (detector, normalised deviation; 1 = its threshold)."""
    hours_to_d: tuple[float, float, float] | None = None
    """p10, p50, p90 of the hours until zone D by the present trend; None = no estimate."""
    model_id: str
    confidence: float = 1.0
    """0..1: share of the sensors and of the window that could be judged."""
    words: str = ""

    def __post_init__(self) -> None:
        if self.score is not None and not 0.0 <= self.score <= 1.0:
            raise ValueError(f"health of {self.asset}: score {self.score} is outside 0..1")
        if (self.score is None) != (self.severity is None):
            raise ValueError(f"health of {self.asset}: score and severity are known together or not at all")
