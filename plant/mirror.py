"""How far the twin beside the plant may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """What the twin expected of a tag and what the plant showed."""

    tag: str
    time: datetime
    expected: float
    actual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Credibility:
    """Agreement of twin and plant for one asset (ASHRAE Guideline 14: CV(RMSE) and NMBE)."""

    asset: str
    time: datetime
    samples: int
    cv_rmse: float
    """Root mean square error over the mean, as a share."""
    nmbe: float
    """Mean bias over the mean, as a share; positive = the twin expects too much."""
    ok: bool
    """Inside the site file's bounds: commands of this asset may be approved for CONTROL."""
    words: str = ""
