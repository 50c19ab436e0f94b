"""One suite for every Plant: bare, behind loopback OPC UA, behind a WebSocket. The wire must be invisible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from connectors.plants.opcua import Opcua
from connectors.plants.replay import Replay
from connectors.plants.websocket import Websocket
from connectors.serve.desk import Desk
from connectors.serve.opcua import OpcuaServer
from connectors.serve.websocket import WebsocketServer
from plant.errors import NotFoundError, WriteRefusedError
from plant.ports import Plant
from plant.tags import Quality, Snapshot
from tests.connectors.tank_plant import START, TAGS, TankPlant, tank_site

pytestmark = pytest.mark.xdist_group("plants")  # its servers take seconds to start: one worker for all of them

DAY = timedelta(days=1)
STEP = timedelta(minutes=15)


@dataclass
class Rig:
    """A tank and the Plant through which the test sees it."""

    tank: TankPlant
    plant: Plant


Connect = Callable[[], Plant]
"""Makes a Plant that is not entered yet."""


def bare(tank: TankPlant, stack: ExitStack) -> Connect:
    return lambda: tank


def behind_opcua(tank: TankPlant, stack: ExitStack) -> Connect:
    desk = stack.enter_context(Desk(tank, tank_site("opc.tcp://127.0.0.1:0"), lock_step=True))
    server = stack.enter_context(OpcuaServer(desk, "opc.tcp://127.0.0.1:0"))
    return lambda: Opcua(tank_site(server.endpoint), Path())


def behind_websocket(tank: TankPlant, stack: ExitStack) -> Connect:
    desk = stack.enter_context(Desk(tank, tank_site("ws://127.0.0.1:0"), lock_step=True))
    server = stack.enter_context(WebsocketServer(desk, "ws://127.0.0.1:0"))
    return lambda: Websocket(tank_site(server.endpoint, kind="websocket"), Path())


Kind = Callable[[TankPlant, ExitStack], Connect]
KINDS: tuple[Kind, ...] = (bare, behind_opcua, behind_websocket)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def served(request: pytest.FixtureRequest) -> Iterator[tuple[TankPlant, Connect]]:
    """A server takes seconds to build its address space, so one serves all tests of a kind."""
    tank = TankPlant()
    with ExitStack() as stack:
        yield tank, request.param(tank, stack)


@pytest.fixture
def rig(served: tuple[TankPlant, Connect]) -> Iterator[Rig]:
    tank, connect = served
    tank.reset()
    with connect() as plant:
        plant.write("pump.lamp", False)
        plant.read()
        tank.writes.clear()
        yield Rig(tank, plant)


def values(snapshot: Snapshot) -> dict[str, object]:
    return {reading.tag: (reading.value, reading.quality, reading.time) for reading in snapshot.readings}


def test_is_a_plant(rig: Rig) -> None:
    assert isinstance(rig.plant, Plant)


def test_every_tag_once_at_the_plants_time(rig: Rig) -> None:
    snapshot = rig.plant.read()
    assert [reading.tag for reading in snapshot.readings] == [tag.name for tag in TAGS]
    assert snapshot.time == rig.plant.now() == START
    assert {reading.time for reading in snapshot.readings} == {START}
    assert {reading.quality for reading in snapshot.readings} == {Quality.GOOD}


def test_types_survive(rig: Rig) -> None:
    snapshot = rig.plant.read()
    kinds = {reading.tag: type(reading.value) for reading in snapshot.readings}
    assert kinds["tank.level"] is float
    assert kinds["pump.starts"] is float
    assert kinds["pump.running"] is bool
    assert kinds["pump.lamp"] is bool
    assert kinds["pump.command"] is str


def test_waiting_moves_time_to_the_second(rig: Rig) -> None:
    for steps in range(1, 5):
        assert rig.plant.wait_until(START + steps * STEP)
        assert rig.plant.now() == START + steps * STEP
        assert rig.plant.read().time == START + steps * STEP
    assert rig.plant.wait_until(START), "a time that has passed is reached already"
    assert rig.plant.now() == START + 4 * STEP


def test_a_write_is_seen_by_the_next_reading(rig: Rig) -> None:
    rig.plant.write("pump.speed_order", 0.8)
    rig.plant.write("pump.limit", 7.0)
    rig.plant.write("pump.lamp", True)
    rig.plant.write("pump.command", "OPTIMIZE")
    snapshot = rig.plant.read()
    assert snapshot.number("pump.speed_order") == 0.8
    assert snapshot.number("pump.speed") == 0.8, "what the plant made of it, too"
    assert snapshot.number("pump.limit") == 7.0
    assert snapshot.truth("pump.lamp") is True
    assert snapshot.find("pump.command").value == "OPTIMIZE"  # type: ignore[union-attr]
    assert [(tag, value) for _, tag, value in rig.tank.writes] == [
        ("pump.speed_order", 0.8),
        ("pump.limit", 7.0),
        ("pump.lamp", True),
        ("pump.command", "OPTIMIZE"),
    ]


def test_an_order_acts(rig: Rig) -> None:
    rig.plant.write("pump.command", "STARTUP")
    assert rig.plant.wait_until(START + STEP)
    snapshot = rig.plant.read()
    assert snapshot.truth("pump.running") is True
    assert snapshot.number("pump.power") == pytest.approx(5.0)
    assert snapshot.number("pump.starts") == 1.0


def test_the_plants_refusal_comes_back(rig: Rig) -> None:
    with pytest.raises(WriteRefusedError):
        rig.plant.write("pump.command", "DANCE")
    with pytest.raises(WriteRefusedError):
        rig.plant.write("tank.level", 2.0)
    with pytest.raises(NotFoundError):
        rig.plant.write("no.such.tag", 2.0)
    assert rig.tank.writes == []


def test_an_expired_write_is_never_sent(rig: Rig) -> None:
    rig.plant.wait_until(START + STEP)
    with pytest.raises(WriteRefusedError, match="expired"):
        rig.plant.write("pump.command", "STARTUP", START)
    assert rig.tank.writes == []
    rig.plant.write("pump.command", "STARTUP", START + STEP)
    assert len(rig.tank.writes) == 1


def test_quality_and_missing_values_travel(rig: Rig) -> None:
    rig.tank.bad = {"tank.level": (Quality.BAD, None), "pump.power": (Quality.UNCERTAIN, 3.0)}
    rig.plant.wait_until(START + STEP)
    snapshot = rig.plant.read()
    level, power = snapshot.find("tank.level"), snapshot.find("pump.power")
    assert level is not None
    assert (level.quality, level.value) == (Quality.BAD, None)
    assert power is not None
    assert power.quality is Quality.UNCERTAIN
    assert power.value == pytest.approx(3.0)


def test_the_same_orders_give_the_same_day(rig: Rig) -> None:
    """Every value of every reading of a commanded day is what it is without a wire."""
    assert commanded_day(rig.plant) == commanded_day(TankPlant())


def commanded_day(plant: Plant) -> list[dict[str, object]]:
    day = []
    for step in range(1, 49):
        if step % 7 == 0:
            plant.write("pump.speed_order", 0.5 + step / 100)
            plant.write("pump.command", "OPTIMIZE")
        if step % 11 == 0:
            plant.write("pump.command", "SHUTDOWN")
        plant.wait_until(START + step * STEP)
        day.append({tag: (rounded(value), *rest) for tag, (value, *rest) in values(plant.read()).items()})  # type: ignore[misc]
    return day


def rounded(value: object) -> object:
    """Scaling to the wire's unit and back may cost the last digit."""
    return round(value, 9) if isinstance(value, float) else value


def test_leaving_gives_back_what_was_taken(served: tuple[TankPlant, Connect]) -> None:
    tank, connect = served
    tank.reset()
    with connect() as plant:
        plant.write("pump.command", "STARTUP")
        assert tank.written["pump.command"] == "STARTUP"
    assert tank.written["pump.command"] == "AUTO"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_end_is_told(kind: Kind) -> None:
    tank = TankPlant(until=START + DAY)
    with ExitStack() as stack, kind(tank, stack)() as plant:
        assert plant.wait_until(START + DAY - STEP)
        assert not plant.wait_until(START + DAY)
        assert not plant.wait_until(START + DAY + STEP)
        assert plant.now() == START + DAY


class TestReplay:
    """A record reads like the plant it was taken from, and refuses every write."""

    @pytest.fixture
    def record(self) -> list[Snapshot]:
        tank = TankPlant()
        tank.bad = {"pump.power": (Quality.UNCERTAIN, 3.0)}
        snapshots = [tank.read()]
        for step in range(1, 9):
            tank.wait_until(START + step * STEP)
            snapshots.append(tank.read())
        return snapshots

    def test_reads_alike(self, record: list[Snapshot]) -> None:
        with Replay(tank_site("record.csv", kind="replay"), Path(), record) as plant:
            assert isinstance(plant, Plant)
            again = [plant.read()]
            while plant.wait_until(plant.now() + STEP):
                again.append(plant.read())
        assert again == record

    def test_refuses_every_write(self, record: list[Snapshot]) -> None:
        with Replay(tank_site("record.csv", kind="replay"), Path(), record) as plant:
            with pytest.raises(WriteRefusedError, match="record"):
                plant.write("pump.command", "STARTUP")
            with pytest.raises(NotFoundError):
                plant.write("no.such.tag", 1.0)
