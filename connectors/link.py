"""One OPC UA connection that is built anew, from nothing, whenever it is lost.

asyncua can reconnect by itself, but then holds requests for up to a minute and sends them afterwards: a command would
arrive long after its reason has gone. Here a request either goes out now or fails now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlparse

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from connectors.backoff import Backoff
from connectors.loop import quieten
from connectors.security import secure
from plant.errors import ConfigError, NotConnectedError
from plant.site import Security

_log = logging.getLogger(__name__)
_FAULTS = (OSError, TimeoutError, asyncio.TimeoutError, UaError)
_SESSION_MS = 600_000
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)

Prepare = Callable[[Client], Awaitable[None]]


class Link:
    """A connection for one event loop.

    Parameters
    ----------
    endpoint
        `opc.tcp://host:port/path`.
    prepare
        Awaited with every newly connected client, before anybody may use it: resolves namespaces and types.
    """

    def __init__(self, endpoint: str, security: Security, folder: Path, timeout_s: float, prepare: Prepare) -> None:
        if urlparse(endpoint).scheme != "opc.tcp" or not urlparse(endpoint).hostname:
            raise ConfigError(f"connection.endpoint = {endpoint!r}: write for example opc.tcp://127.0.0.1:4840")
        self._endpoint = endpoint
        self._security = security
        self._folder = folder
        self._timeout_s = timeout_s
        self._prepare = prepare
        self._client: Client | None = None
        self._ready = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._lost = ""
        self._closing = False

    async def open(self) -> None:
        """Connect for the first time.

        Raises
        ------
        NotConnectedError
            If the endpoint does not answer or refuses.
        ConfigError
            If the site file and the server do not fit.
        """
        quieten()
        try:
            self._take(await self._build())
        except _FAULTS as error:
            raise NotConnectedError(f"{self._endpoint} {_words(error)}") from error

    async def close(self) -> None:
        """Say goodbye if the server still listens."""
        self._closing = True
        if self._keeper is not None:
            self._keeper.cancel()
        client, self._client = self._client, None
        if client is not None:
            await self._part(client)

    async def settled(self) -> None:
        """Wait for a connection that is being built anew, no longer than the connection's time limit.

        Raises
        ------
        NotConnectedError
            If there is none by then.
        """
        if self._client is not None:
            return
        try:
            await asyncio.wait_for(self._ready.wait(), self._timeout_s)
        except TimeoutError as error:
            raise self._away() from error

    async def read(self, wanted: Sequence[ua.ReadValueId]) -> list[ua.DataValue]:
        """The answers of one Read request.

        Raises
        ------
        NotConnectedError
            If there is no connection, or no answer in time.
        """
        client = self._present()
        parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=list(wanted))
        try:
            return list(await client.uaclient.session.read(parameters))
        except _FAULTS as error:
            self._drop(client, error)
            raise NotConnectedError(f"{self._endpoint} {_words(error)}") from error

    async def write(self, node: ua.NodeId, value: ua.Variant) -> ua.StatusCode:
        """The server's answer to one write, which goes out at once or not at all.

        Raises
        ------
        NotConnectedError
            If there is no connection (nothing was sent), or no answer in time (it may have been).
        """
        client = self._present()
        wanted = ua.WriteValue(NodeId=node, AttributeId=AttributeIds.Value, Value=ua.DataValue(value))
        try:
            return (await client.uaclient.session.write(ua.WriteParameters(NodesToWrite=[wanted])))[0]
        except _FAULTS as error:
            self._drop(client, error)
            raise NotConnectedError(f"{self._endpoint} {_words(error)}: it is not known whether the write arrived") from error

    def check(self) -> None:
        """Raise NotConnectedError if there is no connection now: nothing will be sent then."""
        self._present()

    def _present(self) -> Client:
        if self._client is None:
            raise self._away()
        return self._client

    def _away(self) -> NotConnectedError:
        return NotConnectedError(f"{self._endpoint} is not connected: {self._lost or 'never was'}")

    def _take(self, client: Client) -> None:
        self._client = client
        self._ready.set()

    async def _build(self) -> Client:
        client = Client(self._endpoint, timeout=self._timeout_s, watchdog_intervall=self._timeout_s)
        client.name = client.description = "twin-ems"
        client.session_timeout = _SESSION_MS
        await secure(client, self._security, self._folder)
        try:
            await asyncio.wait_for(client.connect(), 3.0 * self._timeout_s)
        except BaseException:
            _cut(client)
            raise
        client.connection_lost_callback = lambda error: self._on_lost(client, error)
        try:
            await self._prepare(client)
        except BaseException:
            await self._part(client)
            raise
        return client

    async def _on_lost(self, client: Client, error: Exception) -> None:
        self._drop(client, error)

    def _drop(self, client: Client, error: BaseException) -> None:
        """Forget a client that failed and begin to build another one."""
        if self._client is not client:
            return
        self._client = None
        self._ready.clear()
        self._lost = _words(error)
        _log.warning("%s lost: %s", self._endpoint, self._lost)
        _cut(client)
        if not self._closing:
            self._keeper = asyncio.create_task(self._return(client))

    async def _return(self, old: Client) -> None:
        await self._part(old)
        backoff = Backoff()
        while not self._closing:
            await asyncio.sleep(backoff.next_s())
            try:
                self._take(await self._build())
            except (*_FAULTS, ConfigError) as error:
                self._lost = _words(error)
            except Exception as error:
                _log.exception("%s: a fault of the library; trying again", self._endpoint)
                self._lost = _words(error)
            else:
                _log.warning("%s connected again", self._endpoint)
                return

    async def _part(self, client: Client) -> None:
        """End a client's tasks; a server that no longer answers is not waited for."""
        with contextlib.suppress(*_FAULTS):
            await asyncio.wait_for(client.disconnect(), min(2.0, self._timeout_s))


def _cut(client: Client) -> None:
    """Close a socket so that nothing still in its buffers can reach the plant later."""
    protocol = client.uaclient.protocol
    transport = None if protocol is None else protocol.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()


def _words(error: BaseException) -> str:
    if isinstance(error, UaStatusCodeError):
        return f"refused: {ua.StatusCode(error.code).name}"
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    return f"cannot be reached: {error or type(error).__name__}"
