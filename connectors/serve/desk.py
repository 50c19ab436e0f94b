"""The one desk at which all wires queue for a served plant: one call at a time, one watchdog, one count of what came in."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar

from connectors.held import Held
from plant.errors import EmsError, WriteRefusedError
from plant.ports import Plant
from plant.site import Site
from plant.tags import Snapshot, Value

_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")
Listener = Callable[[], None]


@dataclass(slots=True)
class Received:
    """What came over all wires."""

    writes: dict[str, int] = field(default_factory=dict)
    """Accepted writes per tag."""
    orders: dict[str, int] = field(default_factory=dict)
    """Accepted writes to command tags per value."""
    refused: int = 0
    beats: int = 0
    advances: int = 0
    releases: int = 0
    """How often the watchdog gave the plant back to local control."""


class Desk:
    """A plant that several wires may serve at once (a context manager: it enters and leaves the plant).

    Parameters
    ----------
    plant
        Called from one worker thread only.
    site
        Names the heartbeat and how each asset is given back.
    lock_step
        True: time moves when a client advances it. False: the desk paces the plant by the wall's clock.
    refresh_s
        Without lock-step: seconds between readings; never slower than the heartbeat.
    """

    def __init__(self, plant: Plant, site: Site, *, lock_step: bool, refresh_s: float = 1.0) -> None:
        self.site = site
        self.lock_step = lock_step
        self.received = Received()
        self.ended = False
        self._plant = plant
        heartbeat = site.connection.heartbeat
        self.refresh_s = refresh_s if heartbeat is None else min(refresh_s, heartbeat.every_s)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plant")
        self._held = Held(site)
        self._commands = {asset.tags.command for asset in site.assets if asset.tags.command is not None}
        self._listeners: list[Listener] = []
        self._snapshot: Snapshot | None = None
        self._stale = False
        self._leaving = threading.Event()
        self._pacer = threading.Thread(target=self._pace, name="pace", daemon=True)
        self._fault: BaseException | None = None
        self._finished = threading.Event()
        self._last_beat: float | None = None
        self._beats_at_advance = 0
        self._missed = 0

    def __enter__(self) -> Self:
        self._worker.submit(self._plant.__enter__).result()
        self._worker.submit(self._refresh).result()
        if not self.lock_step:
            self._pacer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leaving.set()
        if self._pacer.is_alive():
            self._pacer.join()
        try:
            self._worker.submit(self._plant.__exit__, kind, error, trace).result()
        finally:
            self._worker.shutdown()

    @property
    def snapshot(self) -> Snapshot:
        """The newest readings."""
        if self._snapshot is None:
            raise RuntimeError("the desk is not open")
        return self._snapshot

    def listen(self, listener: Listener) -> None:
        """Be told that there is a new snapshot, in the worker's thread."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """No longer be told."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the plant has ended; False if it has not by then. A fault inside the plant is raised here."""
        ended = self._finished.wait(timeout_s)
        if self._fault is not None:
            raise self._fault
        return ended

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask the plant something that no wire asks (its report), in its own thread."""
        return self._worker.submit(question).result()

    async def freshen(self) -> None:
        """Read the plant again if something was written since."""
        if self._stale:
            await self._call(self._refresh)

    async def write(self, tag: str, value: Value) -> None:
        """Hand one write to the plant.

        Raises
        ------
        NotFoundError, WriteRefusedError
            As the plant itself says.
        """
        await self._call(self._write, tag, value)

    async def advance(self, seconds: float) -> None:
        """Let the plant's time pass (lock-step) and read it afterwards."""
        await self.advance_to(self.snapshot.time + timedelta(seconds=seconds))

    async def advance_to(self, time: datetime) -> None:
        """Let the plant's time pass until `time`, if it is not there yet, and read it afterwards."""
        self._stale = False  # it reads when it is through; nobody has to wait for a reading before that
        await self._call(self._advance_to, time)

    def beat(self) -> None:
        """The controller shows that it lives."""
        self.received.beats += 1
        self._last_beat = time.monotonic()

    async def _call(self, work: Callable[..., Answer], *values: object) -> Answer:
        future: Future[Answer] = self._worker.submit(work, *values)
        return await asyncio.wrap_future(future)

    def _refresh(self) -> None:
        self._stale = False
        self._snapshot = self._plant.read()
        for listener in tuple(self._listeners):
            listener()

    def _write(self, tag: str, value: Value) -> None:
        try:
            self._plant.write(tag, value)
        except EmsError:
            self.received.refused += 1
            raise
        self._stale = True
        self._held.note(tag, value)
        self.received.writes[tag] = self.received.writes.get(tag, 0) + 1
        if tag in self._commands:
            self.received.orders[str(value)] = self.received.orders.get(str(value), 0) + 1

    def _advance_to(self, time: datetime) -> None:
        self.received.advances += 1
        self._count_missed_advance()
        self._pass_time(time)
        self._refresh()

    def _pass_time(self, until: datetime) -> None:
        try:
            self.ended = not self._plant.wait_until(until)
        except BaseException as error:
            self._fault = error
            self._finished.set()
            raise
        if self.ended:
            self._finished.set()

    def _count_missed_advance(self) -> None:
        """In lock-step time passes only by advances, so each one without a beat before it is one missed."""
        heartbeat = self.site.connection.heartbeat
        if heartbeat is None:
            return
        self._missed = 0 if self.received.beats > self._beats_at_advance else self._missed + 1
        self._beats_at_advance = self.received.beats
        if self._missed == heartbeat.missed:
            self._release(f"{self._missed} advances without a beat")

    def _watch(self) -> None:
        heartbeat = self.site.connection.heartbeat
        if heartbeat is None or not self._held.assets():
            return
        if self._last_beat is None:
            self._last_beat = time.monotonic()  # written to before the first beat: the patience begins now
        silent_s = time.monotonic() - self._last_beat
        if silent_s > heartbeat.missed * heartbeat.every_s:
            self._release(f"no beat for {silent_s:.1f} s")

    def _release(self, words: str) -> None:
        held = self._held.assets()
        if not held:
            return
        _log.warning("%s: back to local control: %s", words, ", ".join(held))
        self.received.releases += 1
        for asset in held:
            for write in self._held.writes(asset):
                try:
                    self._plant.write(write.tag, write.value)
                except WriteRefusedError as error:
                    _log.warning("%s: %s", asset, error)
            self._held.forget(asset)
        self._stale = True

    def _pace(self) -> None:
        """Keep the plant's time going with the wall's; a plant that is itself live waits by itself."""
        due = time.monotonic()
        while not self._leaving.is_set() and not self.ended:
            due += self.refresh_s
            try:
                self._worker.submit(self._tick).result()
            except Exception as error:
                _log.exception("the served plant failed")
                self._fault = error
                self._finished.set()
                return
            self._leaving.wait(max(0.0, due - time.monotonic()))

    def _tick(self) -> None:
        self._watch()
        self._pass_time(self._plant.now() + timedelta(seconds=self.refresh_s))
        self._refresh()
