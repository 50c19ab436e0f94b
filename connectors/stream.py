"""One WebSocket session that is begun anew whenever it is lost: numbered messages out, snapshots and acknowledgements in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from connectors.backoff import Backoff
from connectors.messages import Ack, Advance, Beat, Hello, Points, Welcome, Write, decode, encode
from plant.errors import ConfigError, DataError, NotConnectedError, WriteRefusedError

_log = logging.getLogger(__name__)
_FAULTS = (OSError, TimeoutError, WebSocketException, DataError)
_LONGEST_MESSAGE = 2**26
_PATIENCE = 3.0


class Stream:
    """A session for one event loop.

    Parameters
    ----------
    on_points
        Called with every snapshot, in order and without gaps; a new session starts with one.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        token: str | None,
        authority: Path | None,
        lock_step: bool,
        timeout_s: float,
        on_points: Callable[[Points], None],
    ) -> None:
        url = urlparse(endpoint)
        if url.scheme not in ("ws", "wss") or not url.hostname:
            raise ConfigError(f"connection.endpoint = {endpoint!r}: write for example ws://127.0.0.1:8765 or wss://host/plant")
        self._endpoint = endpoint
        self._token = token
        self._tls = ssl.create_default_context(cafile=authority) if url.scheme == "wss" else None
        self._lock_step = lock_step
        self._timeout_s = timeout_s
        self._on_points = on_points
        self._session: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._open_acks: dict[int, asyncio.Future[Ack]] = {}
        self._sent = 0
        self._lost = ""
        self._closing = False

    async def open(self) -> None:
        """Begin the first session.

        Raises
        ------
        NotConnectedError
            If the endpoint does not answer or refuses.
        ConfigError
            If it is not the kind of plant that the site file means.
        """
        try:
            await self._begin()
        except _FAULTS as error:
            raise NotConnectedError(f"{self._endpoint} {_words(error)}") from error

    async def close(self) -> None:
        """End the session."""
        self._closing = True
        for task in (self._keeper, self._reader):
            if task is not None:
                task.cancel()
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(*_FAULTS):
                await asyncio.wait_for(session.close(), min(2.0, self._timeout_s))

    async def settled(self) -> None:
        """Wait for a session that is being begun anew, no longer than the connection's time limit.

        Raises
        ------
        NotConnectedError
            If there is none by then.
        """
        try:
            await asyncio.wait_for(self._ready.wait(), self._timeout_s)
        except TimeoutError as error:
            raise self._away() from error

    async def tell(self, kind: Literal["write", "advance", "beat"], timeout_s: float, **content: object) -> None:
        """Send one numbered message and wait for its acknowledgement; it goes out at once or not at all.

        Raises
        ------
        WriteRefusedError
            If the plant refuses.
        NotConnectedError
            If there is no session (nothing was sent), or no acknowledgement in time (it may have arrived).
        """
        self.check()
        session = self._session
        assert session is not None
        self._sent += 1
        number = self._sent
        message = {"write": Write, "advance": Advance, "beat": Beat}[kind](seq=number, **content)
        waiting: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._open_acks[number] = waiting
        try:
            async with asyncio.timeout(timeout_s):
                await session.send(encode(message), text=True)
                ack = await waiting
        except (TimeoutError, WebSocketException, OSError, ConnectionError) as error:
            self._drop(session, error)
            raise NotConnectedError(f"{self._endpoint} {_words(error)}: it is not known whether the {kind} arrived") from error
        finally:
            self._open_acks.pop(number, None)
        if not ack.ok:
            raise WriteRefusedError(f"the plant refused: {ack.words}")

    def check(self) -> None:
        """Raise NotConnectedError if there is no session now: nothing will be sent then."""
        if self._session is None:
            raise self._away()

    def _away(self) -> NotConnectedError:
        return NotConnectedError(f"{self._endpoint} is not connected: {self._lost or 'never was'}")

    async def _begin(self) -> None:
        session = await connect(
            self._endpoint,
            ssl=self._tls,
            proxy=None,
            compression=None,
            open_timeout=self._timeout_s,
            ping_interval=self._timeout_s,
            ping_timeout=self._timeout_s,
            close_timeout=1.0,
            max_size=_LONGEST_MESSAGE,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await session.send(encode(Hello(token=self._token)), text=True)
                welcome = decode(await session.recv())
                self._check(welcome)
                first = decode(await session.recv())
            if not isinstance(first, Points):
                raise DataError(f"a snapshot follows the welcome, not {first.type}")
        except BaseException:
            session.transport.abort()
            raise
        self._on_points(first)
        self._sent = 0
        self._session = session
        assert isinstance(welcome, Welcome)
        patience_s = None if welcome.lock_step else max(self._timeout_s, _PATIENCE * welcome.refresh_s)
        self._reader = asyncio.create_task(self._listen(session, first.seq, patience_s))
        self._ready.set()

    def _check(self, welcome: object) -> None:
        if isinstance(welcome, Ack):
            raise NotConnectedError(f"{self._endpoint} refused: {welcome.words}")
        if not isinstance(welcome, Welcome):
            raise DataError("a welcome was expected")
        if welcome.lock_step != self._lock_step:
            is_, says = ("", "does not have") if welcome.lock_step else ("not ", "has")
            raise ConfigError(f"{self._endpoint} is {is_}in lock-step, the site file {says} connection.lock_step")

    async def _listen(self, session: ClientConnection, seq: int, patience_s: float | None) -> None:
        try:
            while True:
                async with asyncio.timeout(patience_s):
                    message = decode(await session.recv())
                if isinstance(message, Points):
                    if message.seq != seq + 1:
                        raise DataError(f"snapshot {message.seq} came where {seq + 1} was due")
                    seq = message.seq
                    self._on_points(message)
                elif isinstance(message, Ack):
                    self._settle(message)
                else:
                    raise DataError(f"{message.type} is not for a client")
        except _FAULTS as error:
            self._drop(session, error)

    def _settle(self, ack: Ack) -> None:
        if ack.re == 0:
            raise DataError(f"the plant ended the session: {ack.words}")
        waiting = self._open_acks.get(ack.re)
        if waiting is not None and not waiting.done():
            waiting.set_result(ack)

    def _drop(self, session: ClientConnection, error: BaseException) -> None:
        """Forget a session that failed and begin another one."""
        if self._session is not session:
            return
        self._session = None
        self._ready.clear()
        self._lost = _words(error)
        _log.warning("%s lost: %s", self._endpoint, self._lost)
        for waiting in self._open_acks.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError(self._lost))
        session.transport.abort()
        if not self._closing:
            self._keeper = asyncio.create_task(self._return())

    async def _return(self) -> None:
        backoff = Backoff()
        while not self._closing:
            await asyncio.sleep(backoff.next_s())
            try:
                await self._begin()
            except (*_FAULTS, ConfigError, NotConnectedError) as error:
                self._lost = _words(error)
            except Exception as error:
                _log.exception("%s: a fault of the library; trying again", self._endpoint)
                self._lost = _words(error)
            else:
                _log.warning("%s connected again", self._endpoint)
                return


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    if isinstance(error, InvalidHandshake):
        return f"is no WebSocket plant: {error}"
    return f"cannot be reached: {error or type(error).__name__}"
