"""Waiting for what will come, no longer than reasonable."""

from __future__ import annotations

import time
from collections.abc import Callable

BRIEF_S = 1.0  # what a peer that never answers is waited for; long enough for one that does, on a busy machine


def eventually(true: Callable[[], bool], within_s: float = 15.0) -> bool:
    """Whether something becomes true in time."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)  # noqa: TID251 - a test waits by the wall
    return False
