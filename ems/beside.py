"""Work beside a run, in a process of its own: learning at its start, deriving its decisions again while it goes on."""

from __future__ import annotations

import atexit
import importlib
import logging
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import get_context

from ems.both import done_by_both
from ems.cycle import Cycle
from ems.historian import Historian
from ems.replay import Found, Replay, Replayer, summed
from ems.runs import Run
from ems.workers import end_with_parent
from plant.errors import EmsError

log = logging.getLogger(__name__)


@contextmanager
def beside() -> Iterator[Executor]:
    """A process of its own; Ctrl-C is not meant for it, and what it has not begun when the block ends is dropped."""
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_begun)
    pool.submit(_warmed)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begun() -> None:
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _warmed() -> None:
    """Load what learning needs while the works are still being laid out."""
    for name in ("ems.learned", "sklearn.ensemble"):
        importlib.import_module(name)


class Alongside:
    """Derives the decisions of a run again as they are journalled.

    Parameters
    ----------
    historian
        The one that the run writes to.
    pool
        The other process.
    """

    def __init__(self, historian: Historian, pool: Executor) -> None:
        self._historian, self._pool = historian, pool
        self._asked: dict[int, Future[Found]] = {}

    def follow(self, _run: Run, cycle: Cycle) -> None:
        """Have the decisions of a cycle derived again; called after each cycle.

        What cannot be asked for now is derived when the run has finished: this is no reason for a cycle to fail.
        """
        try:
            for entry in self._historian.entries("plan", cycle=cycle.id):
                self._asked[entry.seq] = self._pool.submit(_again, self._historian.database.url, entry.seq)
        except (BrokenProcessPool, EmsError) as error:
            log.warning("decisions of the cycle at %s are derived again when the run has finished: %s", cycle.time, error)

    def finish(self) -> Replay:
        """Every decision of the journal derived again; what the other process has not begun is done here meanwhile."""
        replayer = Replayer(self._historian)
        entries = {entry.seq: entry for entry in replayer.plans()}
        found = done_by_both(tuple(entries), self._asked, lambda seq: replayer.one(replayer.recorded(entries[seq])))
        return summed(self._historian, list(found.values()))


def _again(url: str, seq: int) -> Found:
    """In the other process: one decision again, with a historian and models of its own."""
    historian, replayer = _replayer(url)
    return replayer.one(replayer.recorded(historian.entries("plan", after=seq - 1, limit=1)[0]))


@cache
def _replayer(url: str) -> tuple[Historian, Replayer]:
    historian = Historian(url)
    atexit.register(historian.close)
    return historian, Replayer(historian)
