"""Any plant on OPC UA, with the addresses of its site file."""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self, cast
from urllib.parse import urlparse

from asyncua import ua
from asyncua.common.callback import CallbackType
from asyncua.server.address_space import AddressSpace
from asyncua.server.server import Server
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

from connectors import variants
from connectors.judge import carried, in_units
from connectors.loop import LoopThread, quieten
from connectors.serve.access import Door, guard
from connectors.serve.desk import Desk
from connectors.serve.gate import Accept, Gate, Slot
from connectors.serve.layout import ADVANCE, BEAT, CLOCK, DONE, PLANT_BEAT, own_tags, variables_of
from connectors.serve.space import Space
from plant.errors import ConfigError, EmsError, NotConnectedError, NotFoundError
from plant.tags import Quality, Snapshot, Tag, ValueType

_log = logging.getLogger(__name__)
_ANSWER_WITHIN_S = 0.05
_ZERO: dict[ValueType, bool | float | int | str] = {
    ValueType.FLOAT: 0.0,
    ValueType.INTEGER: 0,
    ValueType.BOOLEAN: False,
    ValueType.TEXT: "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    id: ua.NodeId
    tag: Tag


class OpcuaServer:
    """Serves a desk's plant on OPC UA (a context manager).

    Parameters
    ----------
    desk
        An open desk.
    endpoint
        `opc.tcp://host:port/path`; port 0 takes a free one, see `endpoint`.
    door
        Certificate, key, user and password; None = open to everybody who can reach the port.
    """

    def __init__(self, desk: Desk, endpoint: str, door: Door | None = None) -> None:
        if urlparse(endpoint).scheme != "opc.tcp" or not urlparse(endpoint).hostname:
            raise ConfigError(f"endpoint {endpoint!r}: write for example opc.tcp://127.0.0.1:4840")
        if desk.lock_step and desk.site.connection.lock_step is None:
            raise ConfigError("lock-step needs connection.lock_step in the site file: clock, epoch and advance")
        self._desk = desk
        self._site = desk.site
        self._asked = endpoint
        self._door = door
        self._own_tags = own_tags(desk.site.connection, desk.lock_step)
        self._variables = variables_of(desk.site, self._own_tags)
        self._thread = LoopThread("opcua server")
        self._server: Server | None = None
        self._tags: dict[str, _Node] = {}
        self._own: dict[str, _Node] = {}
        self._shown: Snapshot | None = None
        self._step: asyncio.Task[None] | None = None
        self._beats = 0
        self._port = urlparse(endpoint).port or 0

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
                raise NotConnectedError(f"{self._asked} cannot be listened on: {error}") from error
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
        url = urlparse(self._asked)
        return f"opc.tcp://{url.hostname}:{self._port}{url.path}"

    @property
    def guests(self) -> int:
        """How many clients are connected."""
        return 0 if self._server is None or self._server.bserver is None else len(self._server.bserver.clients)

    async def _open(self) -> None:
        quieten()
        with socket.create_server((urlparse(self._asked).hostname, self._port)):
            pass  # building the address space takes seconds: rather know at once that the port is taken
        server = Server()
        self._server = server
        with _nothing_collected():
            await server.init()
        server.set_server_name("twin-ems plant")
        server.set_endpoint(self._asked)
        await guard(server, self._door)
        gate = Gate(self._space)
        server.iserver.attribute_service = gate
        await self._build(gate)
        server.iserver.callback_service.addListener(cast(str, CallbackType.PreRead), self._before_read)
        await self._show()
        await server.start()
        if server.bserver is not None:
            self._port = server.bserver.port
        loop = asyncio.get_running_loop()
        self._desk.listen(self._news)
        if not self._desk.lock_step and self._site.connection.heartbeat is not None:
            self._beating = loop.create_task(self._beat_for_life(self._site.connection.heartbeat.every_s))

    def _news(self) -> None:
        """There is a new snapshot; called in the worker's thread."""
        self._thread.start(self._show())

    async def _close(self) -> None:
        self._desk.unlisten(self._news)
        if self._step is not None:
            await asyncio.wait({self._step}, timeout=5.0)
        if self._server is not None:
            await self._server.stop()

    @property
    def _space(self) -> AddressSpace:
        assert self._server is not None
        return self._server.iserver.aspace

    async def _build(self, gate: Gate) -> None:
        assert self._server is not None
        own = self._own_tags
        tags = [*self._site.tags, *own.values()]
        ids = await Space(self._server).build(self._variables, self._desk.snapshot.time)
        nodes = [_Node(id=node, tag=tag) for node, tag in zip(ids, tags, strict=True)]
        self._tags = {node.tag.name: node for node in nodes[: len(self._site.tags)]}
        self._own = dict(zip(own, nodes[len(self._site.tags) :], strict=True))
        for node in self._tags.values():
            if node.tag.writable:
                gate.open(node.id, Slot(type=variants.TYPES[node.tag.type], accept=self._accept(node.tag)))
        if ADVANCE in self._own:
            gate.open(self._own[ADVANCE].id, Slot(type=ua.VariantType.Double, accept=self._advance, kept=False))
        if BEAT in self._own:
            gate.open(self._own[BEAT].id, Slot(type=ua.VariantType.Int64, accept=self._heard))

    def _accept(self, tag: Tag) -> Accept:
        async def accept(value: object) -> int:
            converted, fault = in_units(value, tag)
            if converted is None or fault:
                return StatusCodes.BadOutOfRange
            try:
                await self._desk.write(tag.name, converted)
            except NotFoundError:
                return StatusCodes.BadNodeIdUnknown
            except EmsError as error:
                _log.info("%s = %s refused: %s", tag.name, converted, error)
                return StatusCodes.BadRequestNotAllowed
            return StatusCodes.Good

        return accept

    async def _heard(self, value: object) -> int:
        del value
        self._desk.beat()
        return StatusCodes.Good

    async def _advance(self, value: object) -> int:
        seconds = value if isinstance(value, float) else math.nan
        if not math.isfinite(seconds) or seconds < 0.0:
            return StatusCodes.BadOutOfRange
        if self._step is not None and not self._step.done():
            return StatusCodes.BadInvalidState
        if seconds > 0.0:
            await self._set(ADVANCE, seconds)
            self._step = asyncio.create_task(self._move(seconds))
            await asyncio.wait({self._step}, timeout=_ANSWER_WITHIN_S)
        return StatusCodes.Good

    async def _move(self, seconds: float) -> None:
        """Advance, show the new readings, and only then say that it is done."""
        try:
            await self._desk.advance(seconds)
            await self._show()
        except Exception:
            _log.exception("the served plant failed")
            await self._set(ADVANCE, None)
            return
        self._beats += 1
        await self._show_beat()
        await self._set(ADVANCE, 0.0)

    async def _before_read(self, *_: object) -> None:
        await self._desk.freshen()
        await self._show()

    async def _show(self) -> None:
        """Put the newest readings into the nodes, once."""
        snapshot = self._desk.snapshot
        if snapshot is self._shown:
            return
        self._shown = snapshot
        for reading in snapshot.readings:
            node = self._tags.get(reading.tag)
            if node is not None:
                shown = variants.data_value(carried(reading.value, node.tag), node.tag.type, reading.quality, reading.time)
                await self._space.write_attribute_value(node.id, AttributeIds.Value, shown)
        steps = self._site.connection.lock_step
        if self._desk.lock_step and steps is not None:
            await self._set(CLOCK, (snapshot.time - steps.epoch).total_seconds())
            if DONE in self._own:
                await self._set(DONE, self._desk.ended)

    async def _set(self, name: str, value: bool | float | int | None) -> None:
        node = self._own[name]
        shown = variants.data_value(value, node.tag.type, Quality.GOOD, self._desk.snapshot.time)
        await self._space.write_attribute_value(node.id, AttributeIds.Value, shown)

    async def _show_beat(self) -> None:
        if PLANT_BEAT in self._own:
            await self._set(PLANT_BEAT, self._beats)

    async def _beat_for_life(self, every_s: float) -> None:
        while True:
            self._beats += 1
            await self._show_beat()
            await asyncio.sleep(every_s)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Without garbage collection: the standard address space is very many objects that all stay: 1.3 s, with it 1.9."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
