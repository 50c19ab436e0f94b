"""Work for two processes: what the other has not begun is done here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from plant.errors import EmsError

Key = TypeVar("Key", bound=Hashable)
Done = TypeVar("Done")


def done_by_both(keys: Sequence[Key], asked: Mapping[Key, Future[Done]], here: Callable[[Key], Done]) -> dict[Key, Done]:
    """The result of every key, in their order.

    Parameters
    ----------
    asked
        What the other process was asked for; it begins at the front, here it is done from the end.
    here
        Does one in this process, also where the other could not.
    """
    made = {key: here(key) for key in reversed(keys) if key not in asked or asked[key].cancel()}
    return {key: made[key] if key in made else _result(key, asked[key], here) for key in keys}


def _result(key: Key, asked: Future[Done], here: Callable[[Key], Done]) -> Done:
    try:
        return asked.result()
    except (BrokenProcessPool, EmsError):
        return here(key)
