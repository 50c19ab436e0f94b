"""Any plant on a WebSocket: pushed snapshots, acknowledged writes."""

from __future__ import annotations

import asyncio
import hmac
import logging
from typing import Self
from urllib.parse import urlparse

from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

from connectors import addresses, wall
from connectors.judge import carried, in_units
from connectors.loop import LoopThread
from connectors.messages import VERSION, Ack, Advance, Beat, Hello, Point, Points, Welcome, WireValue, Write, decode, encode
from connectors.serve.desk import Desk
from plant.errors import ConfigError, DataError, EmsError, NotConnectedError, WriteRefusedError
from plant.tags import Quality, Reading, Snapshot, Tag, ValueType

_log = logging.getLogger(__name__)
_PING_S = 5.0
_HELLO_WITHIN_S = 5.0
_LONGEST_MESSAGE = 2**20


class WebsocketServer:
    """Serves a desk's plant on a WebSocket (a context manager).

    Parameters
    ----------
    desk
        An open desk.
    endpoint
        `ws://host:port/path`; port 0 takes a free one, see `endpoint`.
    token
        What a client must show; None = open to everybody who can reach the port.
    """

    def __init__(self, desk: Desk, endpoint: str, token: str | None = None) -> None:
        url = urlparse(endpoint)
        if url.scheme != "ws" or not url.hostname:
            raise ConfigError(f"endpoint {endpoint!r}: write for example ws://127.0.0.1:8765")
        self._desk = desk
        self._url = url
        self._port = url.port or 0
        self._token = token
        self._tags = {addresses.of_tag(tag): tag for tag in desk.site.tags}
        self._address = {tag.name: address for address, tag in self._tags.items()}
        self._thread = LoopThread("websocket server")
        self._guests: set[ServerConnection] = set()
        self._seq = 0
        self._shown: Snapshot | None = None
        self._sent: dict[str, Reading] = {}
        self._server: Server | None = None

    def __enter__(self) -> Self:
        """Begin to listen.

        Raises
        ------
        NotConnectedError
            If the port is taken or the address is not this machine's.
        """
        self._thread.__enter__()
        try:
            self._thread.run(self._open())
        except BaseException as error:
            self._thread.__exit__()
            if isinstance(error, OSError):
                raise NotConnectedError(f"{self._url.geturl()} cannot be listened on: {error}") from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._thread.run(self._close())
        finally:
            self._thread.__exit__()

    @property
    def endpoint(self) -> str:
        """Where clients find it, with the port that was taken."""
        return f"ws://{self._url.hostname}:{self._port}{self._url.path}"

    @property
    def guests(self) -> int:
        """How many clients are connected."""
        return len(self._guests)

    async def _open(self) -> None:
        self._server = await serve(
            self._host,
            self._url.hostname,
            self._port,
            compression=None,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            max_size=_LONGEST_MESSAGE,
            close_timeout=1.0,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        self._desk.listen(self._news)

    async def _close(self) -> None:
        self._desk.unlisten(self._news)
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def _news(self) -> None:
        """There is a new snapshot; called in the worker's thread."""
        self._thread.start(self._push())

    async def _push(self) -> None:
        """Send the newest readings to everybody, once."""
        snapshot = self._desk.snapshot
        if snapshot is self._shown:
            return
        self._shown = snapshot
        self._seq += 1
        news = tuple(reading for reading in snapshot.readings if self._sent.get(reading.tag) != reading)
        self._sent = {reading.tag: reading for reading in snapshot.readings}
        if self._guests:
            broadcast(self._guests, encode(self._points(snapshot, news)), text=True)

    def _points(self, snapshot: Snapshot, news: tuple[Reading, ...]) -> Points:
        points = tuple(
            _point(reading, self._address[reading.tag], tag)
            for reading in news
            if (tag := self._tags.get(self._address.get(reading.tag, ""))) is not None
        )
        return Points(seq=self._seq, time=snapshot.time, ended=self._desk.ended, beat=self._seq, points=points)

    async def _host(self, guest: ServerConnection) -> None:
        """One client's whole visit."""
        try:
            async with asyncio.timeout(_HELLO_WITHIN_S):
                hello = decode(await guest.recv())
            refusal = self._refusal(hello)
            if refusal:
                await self._tell(guest, Ack(re=0, ok=False, words=refusal))
                return
            await self._greet(guest)
            await self._serve(guest)
        except (ConnectionClosed, TimeoutError):
            _log.info("%s has gone", guest.remote_address)
        except DataError as error:
            await self._tell(guest, Ack(re=0, ok=False, words=str(error)))
        finally:
            self._guests.discard(guest)

    def _refusal(self, hello: object) -> str:
        if not isinstance(hello, Hello):
            return "the first message is hello"
        if hello.version != VERSION:
            return f"version {hello.version} is not spoken here, only {VERSION}"
        if self._token is not None and not hmac.compare_digest((hello.token or "").encode(), self._token.encode()):
            return "the token is not accepted"
        return ""

    async def _greet(self, guest: ServerConnection) -> None:
        await self._desk.freshen()
        await self._push()
        welcome = Welcome(
            site=self._desk.site.site.name, lock_step=self._desk.lock_step, refresh_s=self._desk.refresh_s, seq=self._seq - 1
        )
        # No await between the two and joining the guests: a push in between would be missed or doubled.
        broadcast((guest,), encode(welcome), text=True)
        broadcast((guest,), encode(self._points(self._desk.snapshot, self._desk.snapshot.readings)), text=True)
        self._guests.add(guest)

    async def _serve(self, guest: ServerConnection) -> None:
        expected = 1
        async for text in guest:
            message = decode(text)
            if not isinstance(message, (Write, Advance, Beat)):
                raise DataError(f"{message.type} is not for a plant")
            if message.seq != expected:
                raise DataError(f"message {message.seq} came where {expected} was due")
            expected += 1
            await self._tell(guest, await self._answer(message))

    async def _answer(self, message: Write | Advance | Beat) -> Ack:
        try:
            if isinstance(message, Write):
                await self._write(message)
            elif isinstance(message, Advance):
                await self._advance(message)
            else:
                self._desk.beat()
        except EmsError as error:
            return Ack(re=message.seq, ok=False, words=str(error))
        return Ack(re=message.seq, ok=True)

    async def _write(self, message: Write) -> None:
        tag = self._tags.get(message.address)
        if tag is None:
            raise WriteRefusedError(f"there is no {message.address}")
        if not tag.writable:
            raise WriteRefusedError(f"{message.address} is not writable")
        value, fault = in_units(message.value, tag)
        if value is None or fault or not _fits(message.value, tag.type):
            raise WriteRefusedError(f"{message.address}: {fault or f'{message.value!r} is not {tag.type.value}'}")
        now = self._desk.snapshot.time if self._desk.lock_step else wall.now()
        if message.expires is not None and now > message.expires:
            raise WriteRefusedError(f"{message.address}: expired")
        await self._desk.write(tag.name, value)
        await self._desk.freshen()
        await self._push()

    async def _advance(self, message: Advance) -> None:
        if not self._desk.lock_step:
            raise WriteRefusedError("this plant keeps its own time")
        await self._desk.advance_to(message.until)
        await self._push()

    async def _tell(self, guest: ServerConnection, ack: Ack) -> None:
        await guest.send(encode(ack), text=True)


def _fits(value: WireValue, wanted: ValueType) -> bool:
    """Whether a JSON value has the type of a tag; a whole number may be written without a point."""
    if wanted is ValueType.BOOLEAN:
        return isinstance(value, bool)
    if wanted is ValueType.TEXT:
        return isinstance(value, str)
    if isinstance(value, (bool, str)):
        return False
    return wanted is ValueType.FLOAT or float(value).is_integer()


def _point(reading: Reading, address: str, tag: Tag) -> Point:
    value = carried(reading.value, tag)
    quality = Quality.BAD if value is None else reading.quality
    return Point(address=address, value=value, quality=quality, time=reading.time, words=reading.words)
