"""The desk between wires and plant: order, time and the watchdog."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.plants.websocket import Websocket
from connectors.serve.desk import Desk
from connectors.serve.websocket import WebsocketServer
from plant.errors import WriteRefusedError
from plant.tags import Quality
from tests.connectors.patience import eventually
from tests.connectors.tank_plant import START, TankPlant, tank_site


class LiveTank(TankPlant):
    """Its time runs with the wall's, from now on."""

    def reset(self) -> None:
        from connectors import wall

        super().reset()
        self.time = wall.now()


@pytest.fixture
def live() -> Iterator[tuple[LiveTank, Desk, WebsocketServer]]:
    tank = LiveTank()
    site = tank_site("ws://127.0.0.1:0", lock_step=False, heartbeat=True)
    with Desk(tank, site, lock_step=False) as desk, WebsocketServer(desk, "ws://127.0.0.1:0") as server:
        yield tank, desk, server


def client(server: WebsocketServer) -> Websocket:
    return Websocket(tank_site(server.endpoint, kind="websocket", lock_step=False, heartbeat=True), Path())


def test_a_controller_that_beats_keeps_its_plant(live: tuple[LiveTank, Desk, WebsocketServer]) -> None:
    tank, desk, server = live
    with client(server) as plant:
        plant.write("pump.command", "STARTUP")
        assert eventually(lambda: desk.received.beats > 8), "0.1 s apart: well beyond three missed"
        assert tank.written["pump.command"] == "STARTUP"
        assert desk.received.releases == 0
        assert plant.beats_sent >= desk.received.beats


def test_three_missed_beats_give_the_plant_back(live: tuple[LiveTank, Desk, WebsocketServer]) -> None:
    tank, desk, server = live
    with client(server) as plant:
        plant.write("pump.command", "STARTUP")
        plant._pulse._idle_s = 0.0  # type: ignore[union-attr]  # the loop above hangs
        assert eventually(lambda: tank.written["pump.command"] == "AUTO")
        assert desk.received.releases == 1
        writes = len(tank.writes)
        time.sleep(0.5)  # noqa: TID251 - longer than another three beats
        assert len(tank.writes) == writes, "given back once, not every three beats"


def test_a_plant_that_stops_beating_is_not_believed(live: tuple[LiveTank, Desk, WebsocketServer]) -> None:
    _, desk, server = live
    with client(server) as plant:
        assert plant.read().find("tank.level").quality is Quality.GOOD  # type: ignore[union-attr]
        desk._leaving.set()  # the plant behind the wire stands still, the wire answers
        assert eventually(lambda: plant.read().find("tank.level").quality is Quality.BAD)  # type: ignore[union-attr]


def test_in_lock_step_advances_without_a_beat_count_as_missed() -> None:
    tank = TankPlant()
    site = tank_site("ws://h:1", heartbeat=True)

    async def story() -> list[object]:
        seen: list[object] = []
        await desk.write("pump.command", "STARTUP")
        for beats in (True, False, False, True, False, False, False, False):
            if beats:
                desk.beat()
            await desk.advance(900.0)
            seen.append(tank.written["pump.command"])
        return seen

    with Desk(tank, site, lock_step=True) as desk:
        assert asyncio.run(story()) == ["STARTUP"] * 6 + ["AUTO"] * 2
        assert desk.received.releases == 1
        assert desk.received.advances == 8


def test_without_a_heartbeat_in_the_site_file_nobody_watches() -> None:
    tank = TankPlant()

    async def story() -> None:
        await desk.write("pump.command", "STARTUP")
        for _ in range(6):
            await desk.advance(900.0)

    with Desk(tank, tank_site("ws://h:1"), lock_step=True) as desk:
        asyncio.run(story())
        assert tank.written["pump.command"] == "STARTUP"


def test_what_came_in_is_counted() -> None:
    tank = TankPlant()

    async def story() -> None:
        for order in ("STARTUP", "STARTUP", "SHUTDOWN"):
            await desk.write("pump.command", order)
        await desk.write("pump.speed_order", 0.7)
        with pytest.raises(WriteRefusedError):
            await desk.write("pump.command", "DANCE")

    with Desk(tank, tank_site("ws://h:1"), lock_step=True) as desk:
        asyncio.run(story())
    assert desk.received.orders == {"STARTUP": 2, "SHUTDOWN": 1}
    assert desk.received.writes == {"pump.command": 3, "pump.speed_order": 1}
    assert desk.received.refused == 1


def test_a_plant_that_breaks_is_not_served_on() -> None:
    class Broken(TankPlant):
        def wait_until(self, time: object) -> bool:
            raise ArithmeticError("the tank burst")

    with Desk(Broken(), tank_site("ws://h:1"), lock_step=True) as desk:
        with pytest.raises(ArithmeticError):
            asyncio.run(desk.advance(900.0))
        with pytest.raises(ArithmeticError):
            desk.wait(0.0)


def test_the_wall_paces_a_plant_that_has_no_time_of_its_own() -> None:
    tank = TankPlant()
    with Desk(tank, tank_site("ws://h:1", lock_step=False), lock_step=False, refresh_s=0.05):
        begin = time.monotonic()
        assert eventually(lambda: (tank.time - START).total_seconds() >= 0.5)
        assert 0.3 < time.monotonic() - begin < 5.0
