"""Learning with one thread: several cores serve several series, and OpenMP threads that wait for a busy core cost minutes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    import sklearn.ensemble

    del sklearn.ensemble  # imported so that its OpenMP runtime is loaded and found
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[object]:
    """A `with` block in which OpenMP and BLAS use one thread."""
    limited: AbstractContextManager[object] = _controller().limit(limits=1)
    return limited
