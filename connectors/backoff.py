"""How long to wait before the next attempt."""

from __future__ import annotations


class Backoff:
    """Delays that double from `first_s` up to `most_s`, until an attempt succeeds.

    There is one controller per plant, so the delays carry no random part: nobody else retries at the same moment.
    """

    def __init__(self, first_s: float = 0.25, most_s: float = 15.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next_s(self) -> float:
        """Seconds to wait before the next attempt."""
        delay_s = self._next_s
        self._next_s = min(2.0 * delay_s, self._most_s)
        return delay_s

    def reset(self) -> None:
        """An attempt succeeded: the next failure starts from the first delay again."""
        self._next_s = self._first_s
