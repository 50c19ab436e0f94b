"""An asyncio loop in a thread of its own: where the wires live, so that nobody above them needs to know."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Self, TypeVar

Answer = TypeVar("Answer")


def quieten() -> None:
    """Let asyncua speak of errors only unless somebody asked for more: the wires say in one line what it warns of in ten."""
    library = logging.getLogger("asyncua")
    if library.level == logging.NOTSET:
        library.setLevel(logging.ERROR)


class LoopThread:
    """Runs coroutines for callers in other threads. A context manager: leaving it cancels what is left and ends the thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, for callbacks from other threads."""
        return self._loop

    def run(self, work: Coroutine[Any, Any, Answer], timeout_s: float | None = None) -> Answer:
        """The answer of a coroutine; its exception is raised here.

        Raises
        ------
        TimeoutError
            If it takes longer than `timeout_s`; it is cancelled then, as it is when a signal interrupts the wait.
        """
        future = self.start(work)
        try:
            return future.result(timeout_s)
        except BaseException:
            future.cancel()
            raise

    def start(self, work: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Begin a coroutine without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
