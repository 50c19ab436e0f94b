"""Wires: write → read back, a step in lock-step, a snapshot, and fan-out, each beside the bare library in the same run."""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ems.bench.frame import Bench, Row, limit_row, ratio_row
from plant.site import Connection, Identity, LockStep, Site
from plant.tags import Reading, Snapshot, Tag, Value
from plant.tariff import FlatPrice, Tariff

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

TAGS_OF_A_STEP = 60
TAGS_OF_A_SNAPSHOT = 1000
GUESTS = 200
STEP = timedelta(minutes=15)
START = datetime(2026, 1, 1, tzinfo=UTC)
LEVER = "lever"


def gauges_site(endpoint: str, kind: str, count: int, lock_step: bool = True) -> Site:
    """The site of a plant with so many gauges."""
    tags = tuple(Tag(name=f"gauge_{i}", unit="kW", address=f"s=Bench.Rack{i // 50}.Gauge{i}") for i in range(count))
    lever = Tag(name=LEVER, unit="1", address="s=Bench.Lever", writable=True)
    steps = LockStep(clock="s=Bench.Clock", epoch=START, advance="s=Bench.Advance")
    connection = Connection(
        kind=kind, endpoint=endpoint, endpoint_env=None, namespace="urn:twin-ems:bench", lock_step=steps if lock_step else None
    )
    return Site(
        site=Identity(name="bench", simulated=True),
        connection=connection,
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.1)),
        tags=(*tags, lever),
        assets=(),
    )


class Gauges:
    """Every gauge moves with every step."""

    def __init__(self, count: int) -> None:
        self._names = [f"gauge_{i}" for i in range(count)]
        self._time = START
        self._lever = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing to give back."""

    def now(self) -> datetime:
        """The time of the last step."""
        return self._time

    def wait_until(self, time: datetime) -> bool:
        """Be there at once."""
        self._time = max(self._time, time)
        return True

    def read(self) -> Snapshot:
        """All gauges and the lever."""
        base = self._time.timestamp() % 1000.0
        gauges = [Reading(tag=name, time=self._time, value=base + i) for i, name in enumerate(self._names)]
        return Snapshot(time=self._time, readings=(*gauges, Reading(tag=LEVER, time=self._time, value=self._lever)))

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        """Move the lever."""
        del tag, expires
        self._lever = float(value)


def _host(pipe: Pipe, count: int) -> None:
    """Serve gauges in a process of their own until the pipe is closed, as a real plant would be."""
    from connectors.serve.desk import Desk
    from connectors.serve.opcua import OpcuaServer

    endpoint = "opc.tcp://127.0.0.1:0"
    with Desk(Gauges(count), gauges_site(endpoint, "opcua", count), lock_step=True) as desk, OpcuaServer(desk, endpoint) as server:
        pipe.send(server.endpoint)
        try:
            pipe.recv()
        except EOFError:
            return


@contextmanager
def _served(count: int) -> Iterator[str]:
    """The endpoint of gauges served by another process."""
    context = multiprocessing.get_context("spawn")
    near, far = context.Pipe()
    process = context.Process(target=_host, args=(far, count), daemon=True)
    process.start()
    far.close()
    try:
        yield near.recv()
    finally:
        near.close()
        process.join(10.0)
        if process.is_alive():
            process.terminate()


def _beside(ours: Callable[[], list[float]], bare: Callable[[], list[float]]) -> tuple[float, float]:
    """Median milliseconds of both, in turns; the quietest of three rounds each, for a machine that has other work too."""
    rounds = [(statistics.median(ours()) * 1e3, statistics.median(bare()) * 1e3) for _ in range(3)]
    return min(mine for mine, _ in rounds), min(theirs for _, theirs in rounds)


def write_read_back() -> tuple[Row, ...]:
    """One value written and read back."""
    from connectors.plants.opcua import Opcua

    times = 100
    with _served(0) as endpoint, Opcua(gauges_site(endpoint, "opcua", 0), Path()) as plant:

        def through_ours() -> list[float]:
            spans = []
            for i in range(times):
                begin = time.perf_counter()
                plant.write(LEVER, float(i))
                back = plant.read().number(LEVER)
                spans.append(time.perf_counter() - begin)
                assert back == float(i)
            return spans

        ours, bare = _beside(through_ours, lambda: asyncio.run(_bare_write_read_back(endpoint, times)))
    return (
        ratio_row(name="wires.write_read_back", value=ours, unit="ms", reference="asyncua alone", reference_value=bare, most=2.0),
    )


async def _bare_write_read_back(endpoint: str, times: int) -> list[float]:
    from asyncua import ua
    from asyncua.client.client import Client

    spans = []
    async with Client(endpoint, timeout=30.0, watchdog_intervall=30.0) as client:
        index = await client.get_namespace_index("urn:twin-ems:bench")
        node = client.get_node(f"ns={index};s=Bench.Lever")
        for i in range(times):
            begin = time.perf_counter()
            await node.write_value(ua.DataValue(ua.Variant(float(i), ua.VariantType.Double)))
            assert await node.read_value() == float(i)
            spans.append(time.perf_counter() - begin)
    return spans


def step() -> tuple[Row, ...]:
    """A step in lock-step: advance, wait for it, read 60 tags at one instant."""
    from connectors.plants.opcua import Opcua

    times, cpu_s = 50, []
    with _served(TAGS_OF_A_STEP) as endpoint, Opcua(gauges_site(endpoint, "opcua", TAGS_OF_A_STEP), Path()) as plant:

        def through_ours() -> list[float]:
            spans, begin_cpu = [], time.process_time()
            for _ in range(times):
                begin = time.perf_counter()
                plant.wait_until(plant.now() + STEP)
                plant.read()
                spans.append(time.perf_counter() - begin)
            cpu_s.append((time.process_time() - begin_cpu) / times)
            return spans

        ours, bare = _beside(through_ours, lambda: asyncio.run(_bare_steps(endpoint, times)))
    name = f"wires.step_{TAGS_OF_A_STEP}_tags"
    return (
        ratio_row(name=name, value=ours, unit="ms", reference="asyncua alone", reference_value=bare, most=2.0),
        limit_row(name=f"{name}_cpu", value=min(cpu_s) * 1e3, unit="ms", most=10.0),
    )


async def _bare_steps(endpoint: str, times: int) -> list[float]:
    from asyncua import ua
    from asyncua.client.client import Client
    from asyncua.ua.attribute_ids import AttributeIds

    spans = []
    async with Client(endpoint, timeout=30.0, watchdog_intervall=30.0) as client:
        index = await client.get_namespace_index("urn:twin-ems:bench")
        nodes = [client.get_node(f"ns={index};s=Bench.Rack{i // 50}.Gauge{i}").nodeid for i in range(TAGS_OF_A_STEP)]
        advance, clock = client.get_node(f"ns={index};s=Bench.Advance"), client.get_node(f"ns={index};s=Bench.Clock")
        for _ in range(times):
            begin = time.perf_counter()
            await advance.write_value(ua.DataValue(ua.Variant(STEP.total_seconds(), ua.VariantType.Double)))
            while (await client.read_values([advance, clock]))[0] > 0.0:
                await asyncio.sleep(0.001)
            assert len(await client.uaclient.read_attributes(nodes, AttributeIds.Value)) == TAGS_OF_A_STEP
            spans.append(time.perf_counter() - begin)
    return spans


def snapshot() -> tuple[Row, ...]:
    """A thousand tags at one instant, judged, beside the same Read request by the library alone."""
    from connectors.plants.opcua import Opcua

    times, count = 5, TAGS_OF_A_SNAPSHOT
    with _served(count) as endpoint, Opcua(gauges_site(endpoint, "opcua", count), Path()) as plant:

        def through_ours() -> list[float]:
            spans = []
            for _ in range(times):
                begin = time.perf_counter()
                assert len(plant.read().readings) == count + 1
                spans.append(time.perf_counter() - begin)
            return spans

        ours, bare = _beside(through_ours, lambda: asyncio.run(_bare_snapshot(endpoint, times)))
    name = f"wires.snapshot_{count}_tags"
    return (ratio_row(name=name, value=ours, unit="ms", reference="asyncua alone", reference_value=bare, most=2.0),)


async def _bare_snapshot(endpoint: str, times: int) -> list[float]:
    from asyncua.client.client import Client
    from asyncua.ua.attribute_ids import AttributeIds

    spans = []
    async with Client(endpoint, timeout=30.0, watchdog_intervall=30.0) as client:
        index = await client.get_namespace_index("urn:twin-ems:bench")
        nodes = [client.get_node(f"ns={index};s=Bench.Rack{i // 50}.Gauge{i}").nodeid for i in range(TAGS_OF_A_SNAPSHOT)]
        for _ in range(times):
            begin = time.perf_counter()
            assert len(await client.uaclient.read_attributes(nodes, AttributeIds.Value)) == TAGS_OF_A_SNAPSHOT
            spans.append(time.perf_counter() - begin)
    return spans


def fan_out() -> tuple[Row, ...]:
    """One snapshot of 200 tags to 200 clients, until the last has it, beside bare websockets sending the same bytes."""
    from connectors.messages import decode
    from connectors.serve.desk import Desk
    from connectors.serve.websocket import WebsocketServer

    count, times, heard = 200, 8, [b""]
    site = gauges_site("ws://127.0.0.1:0", "websocket", count)
    with Desk(Gauges(count), site, lock_step=True) as desk, WebsocketServer(desk, "ws://127.0.0.1:0") as server:

        async def through_ours() -> list[float]:
            async with _Audience(server.endpoint, hello=True) as audience:
                spans = [await audience.hears(desk.advance(900.0)) for _ in range(times)]
                heard[0] = audience.heard
                return spans

        ours, bare = _beside(lambda: asyncio.run(through_ours()), lambda: asyncio.run(_bare_fan_out(heard[0], times)))
    decode(heard[0])
    words = f"websockets alone, the same {len(heard[0]) / 1e3:.0f} kB"
    name = f"wires.fan_out_{GUESTS}_clients"
    return (ratio_row(name=name, value=ours, unit="ms", reference=words, reference_value=bare, most=2.0),)


async def _bare_fan_out(payload: bytes, times: int) -> list[float]:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    guests: set[ServerConnection] = set()

    async def host(guest: ServerConnection) -> None:
        guests.add(guest)
        await guest.wait_closed()

    async def send() -> None:
        broadcast(guests, payload, text=True)

    async with serve(host, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with _Audience(f"ws://127.0.0.1:{port}", hello=False) as audience:
            return [await audience.hears(send()) for _ in range(times)]


class _Audience:
    """Many clients that listen."""

    def __init__(self, endpoint: str, *, hello: bool) -> None:
        self._endpoint = endpoint
        self._hello = hello
        self._guests: list[ClientConnection] = []
        self.heard = b""

    async def __aenter__(self) -> Self:
        from websockets.asyncio.client import connect

        from connectors.messages import Hello, encode

        for _ in range(GUESTS):
            guest = await connect(self._endpoint, compression=None, proxy=None, max_size=None)
            if self._hello:
                await guest.send(encode(Hello()), text=True)
                await guest.recv(), await guest.recv()
            self._guests.append(guest)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(guest.close() for guest in self._guests))

    async def hears(self, cause: Awaitable[None]) -> float:
        """Seconds from the cause until the last of them has heard of it."""
        begin = time.perf_counter()
        await cause
        heard = await asyncio.gather(*(guest.recv(decode=False) for guest in self._guests))
        span = time.perf_counter() - begin
        self.heard = heard[-1]
        return span


BENCHES = (
    Bench(name="wires.write_read_back", run=write_read_back),
    Bench(name="wires.step", run=step),
    Bench(name="wires.snapshot", run=snapshot),
    Bench(name="wires.fan_out", run=fan_out),
)
