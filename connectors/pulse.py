"""Signs of life both ways.

Ours is a sign of the control loop's life, not of a thread's: a loop that hangs must lose its plant to local control.
"""

from __future__ import annotations

import time
from dataclasses import replace

from plant.site import Heartbeat
from plant.tags import Quality, Reading


class Pulse:
    """Decides when to raise our counter, and whether the plant's still moves.

    Parameters
    ----------
    idle_s
        The control loop counts as alive for this long after it last asked the plant for anything.
    """

    def __init__(self, heartbeat: Heartbeat, idle_s: float) -> None:
        self.every_s = heartbeat.every_s
        self._missed_most = heartbeat.missed
        self._idle_s = idle_s
        self._busy = 0
        self._last_verb_s = time.monotonic()
        self._seen: float | None = None
        self._still = 0
        self.count = 0

    def begin(self) -> None:
        """The loop asks the plant for something."""
        self._busy += 1

    def end(self) -> None:
        """The plant answered, or failed."""
        self._busy -= 1
        self._last_verb_s = time.monotonic()

    def alive(self) -> bool:
        """Whether the control loop is waiting on the plant or was there not long ago."""
        return self._busy > 0 or time.monotonic() - self._last_verb_s < self._idle_s

    def next_count(self) -> int:
        """The counter to write now."""
        self.count += 1
        return self.count

    def saw(self, count: float | None) -> None:
        """The plant's counter, looked at once per beat; None = it could not be read."""
        self._still = 0 if count is not None and count != self._seen else self._still + 1
        self._seen = count if count is not None else self._seen

    @property
    def plant_silent(self) -> bool:
        """True when the plant's counter has stood still for as many beats as are accepted."""
        return self._still >= self._missed_most


def silenced(reading: Reading) -> Reading:
    """A reading of a plant whose own heartbeat stands still: the wire answers, but nobody may be behind it."""
    if reading.quality is Quality.BAD:
        return reading
    return replace(reading, quality=Quality.BAD, words="the plant's own heartbeat stands still")
