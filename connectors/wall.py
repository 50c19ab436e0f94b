"""The wall clock. A live plant runs on it, so the wires may read it; nobody else does."""

from __future__ import annotations

import time
from datetime import datetime

from plant.times import UTC

_LONGEST_NAP_S = 3600.0


def now() -> datetime:
    """The wall's time in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - this is the one place that may


def pause(seconds: float) -> None:
    """Wait; a signal handler that raises ends it at once."""
    if seconds > 0:
        time.sleep(seconds)  # noqa: TID251 - this is the one place that may


def pause_until(instant: datetime) -> None:
    """Wait until the wall shows `instant` or later; follows a clock that is set while waiting."""
    while (left_s := (instant - now()).total_seconds()) > 0:
        pause(min(left_s, _LONGEST_NAP_S))
