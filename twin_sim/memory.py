"""Memory: what a simulation frees is kept for the next one."""

from __future__ import annotations

import ctypes
import os
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's `mallopt`, see malloc.h."""
KEPT_BYTES, LARGE_BYTES = 64 * 2**20, 32 * 2**20
"""So much freed memory is kept; arrays above the second size are given back as before."""


@cache
def keep_freed() -> None:
    """Have the C library keep what is freed at its end of memory instead of giving it back to the system; once for a process.

    It gives back what exceeds a few MB, page by page, and every rehearsal frees that much: a thousand pages that the next one
    would have to fault in again, 2 to 15 ms, more than any of its stages; so do other ensembles of many futures. Each thread that
    simulates keeps so much at most. Elsewhere than in glibc nothing is changed.
    """
    set_option = None if os.name == "nt" else getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(MMAP_THRESHOLD, LARGE_BYTES)
        set_option(TRIM_THRESHOLD, KEPT_BYTES)
