"""A plant on a WebSocket: it pushes snapshots and acknowledges writes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from connectors import addresses, judge, outgoing, wall
from connectors.endpoint import endpoint_of
from connectors.held import Held
from connectors.latest import Latest
from connectors.loop import LoopThread
from connectors.pulse import Pulse, silenced
from connectors.security import existing, secret
from connectors.stream import Stream
from plant.errors import EmsError, NotConnectedError, WriteRefusedError
from plant.site import Site
from plant.tags import Snapshot, Tag, Value

_log = logging.getLogger(__name__)
_TOLERANCE_S = 1e-3


class Websocket:
    """The client side of one site's WebSocket connection (a Plant).

    Parameters
    ----------
    site
        Its `connection` says where and how, its `tags` what.
    folder
        Where the server's certificate is looked for (`wss`).

    Raises
    ------
    ConfigError
        If the endpoint, a file or a secret is wrong.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        connection = site.connection
        security = connection.security
        self._connection = connection
        self._tags = {tag.name: tag for tag in site.tags}
        self._latest = Latest(site.tags)
        self._steps = connection.lock_step
        trusted = (
            None if security.server_certificate is None else existing(folder, security.server_certificate, "server_certificate")
        )
        self._stream = Stream(
            endpoint_of(connection),
            token=secret(security.token_env, "token_env"),
            authority=trusted,
            lock_step=self._steps is not None,
            timeout_s=connection.timeout_s,
            on_points=self._latest.take,
        )
        self._judge = judge.Judge(plant_clock=self._steps is not None)
        self._held = Held(site)
        self._pulse = None if connection.heartbeat is None else Pulse(connection.heartbeat, max(site.control.every_s, 60.0))
        self._thread = LoopThread("websocket")

    @property
    def beats_sent(self) -> int:
        """How often our heartbeat was sent."""
        return 0 if self._pulse is None else self._pulse.count

    def __enter__(self) -> Self:
        """Connect.

        Raises
        ------
        NotConnectedError
            If the endpoint refuses or does not answer.
        ConfigError
            If server and site file do not fit.
        """
        self._thread.__enter__()
        try:
            self._thread.run(self._open())
        except BaseException:
            self._thread.__exit__()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give every asset that holds our orders back to local control, then part."""
        try:
            self._thread.run(self._leave())
        finally:
            self._thread.__exit__()

    def now(self) -> datetime:
        """The wall's time; in lock-step the plant's clock, which moves only when we advance it."""
        if self._steps is None:
            return wall.now()
        if self._latest.time is None:
            raise NotConnectedError(f"{self._connection.endpoint}: the plant has not told its time yet")
        return self._latest.time

    def wait_until(self, time: datetime) -> bool:
        """Wait, or advance the plant's clock; see the door."""
        with self._verb():
            if self._steps is None:
                wall.pause_until(time)
                return not self._latest.ended
            return self._thread.run(self._advance_to(time))

    def read(self) -> Snapshot:
        """The newest that the plant has pushed, judged now; see the door."""
        with self._verb():
            return self._thread.run(self._read())

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        """Write one value and wait for its acknowledgement; see the door."""
        found = outgoing.writable(self._tags, tag)
        with self._verb():
            self._thread.run(self._write(found, value, expires))

    @contextmanager
    def _verb(self) -> Iterator[None]:
        if self._pulse is None:
            yield
            return
        self._pulse.begin()
        try:
            yield
        finally:
            self._pulse.end()

    async def _open(self) -> None:
        await self._stream.open()
        if self._steps is None and self._pulse is not None:
            self._beating = asyncio.create_task(self._beat_for_life(self._pulse))

    async def _leave(self) -> None:
        await outgoing.give_back(self._held, self._tags, self._stream.settled, self._write)
        await self._stream.close()

    async def _read(self) -> Snapshot:
        await self._stream.settled()
        now = self.now()
        silent = self._pulse is not None and self._pulse.plant_silent
        readings = []
        for tag in self._tags.values():
            reading = self._judge.reading(tag, self._latest.raw(tag), now)
            readings.append(silenced(reading) if silent else reading)
        return Snapshot(time=now, readings=tuple(readings))

    async def _write(self, tag: Tag, value: Value, expires: datetime | None = None) -> None:
        try:
            wire = judge.on_wire(value, tag)
        except ValueError as error:
            raise WriteRefusedError(f"{tag.name}: {error}") from error
        self._stream.check()
        outgoing.check_expiry(tag.name, expires, self.now())
        try:
            await self._stream.tell("write", self._connection.timeout_s, address=addresses.of_tag(tag), value=wire, expires=expires)
        except WriteRefusedError as error:
            raise WriteRefusedError(f"{tag.name} = {value}: {error}") from error
        except NotConnectedError:
            self._held.note(tag.name, value, sure=False)
            raise
        self._held.note(tag.name, value)

    async def _advance_to(self, time: datetime) -> bool:
        assert self._steps is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._steps.timeout_s
        while not self._latest.ended and (time - self.now()).total_seconds() > _TOLERANCE_S:
            before = self.now()
            try:
                await self._stream.settled()
                if self._pulse is not None:
                    await self._beat(self._pulse)
                await self._stream.tell("advance", max(deadline - loop.time(), 0.1), until=time)
            except WriteRefusedError as error:
                raise NotConnectedError(f"{self._connection.endpoint}: advance: {error}") from error
            except NotConnectedError:
                if loop.time() >= deadline:
                    raise
            if not self._latest.ended and self.now() <= before and loop.time() >= deadline:
                raise NotConnectedError(f"{self._connection.endpoint}: the plant's clock does not move when told to advance")
        return not self._latest.ended

    async def _beat_for_life(self, pulse: Pulse) -> None:
        while True:
            if pulse.alive():
                try:
                    await self._beat(pulse)
                except EmsError as error:
                    _log.debug("no beat: %s", error)
                    pulse.saw(None)
            await asyncio.sleep(pulse.every_s)

    async def _beat(self, pulse: Pulse) -> None:
        await self._stream.tell("beat", self._connection.timeout_s, count=pulse.next_count())
        pulse.saw(float(self._latest.beat))
