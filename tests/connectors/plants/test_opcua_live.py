"""A live OPC UA plant: its time is the wall's, and both sides show that they live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from connectors import wall
from connectors.plants.opcua import Opcua
from connectors.serve.desk import Desk
from connectors.serve.opcua import OpcuaServer
from plant.site import Site
from plant.tags import Quality
from tests.connectors.patience import eventually
from tests.connectors.tank_plant import TAGS, TankPlant, tank_site

pytestmark = pytest.mark.xdist_group("opcua-live")  # its servers take seconds to start: one worker for all of them


class LiveTank(TankPlant):
    def reset(self) -> None:
        super().reset()
        self.time = wall.now()


@pytest.fixture(scope="module")
def works() -> Iterator[tuple[LiveTank, Desk, str]]:
    tank = LiveTank()
    site = tank_site("opc.tcp://127.0.0.1:0", lock_step=False, heartbeat=True)
    with Desk(tank, site, lock_step=False) as desk, OpcuaServer(desk, "opc.tcp://127.0.0.1:0") as server:
        yield tank, desk, server.endpoint


def site_at(endpoint: str, **more: object) -> Site:
    return tank_site(endpoint, lock_step=False, heartbeat=True, **more)  # type: ignore[arg-type]


def test_readings_are_as_fresh_as_the_plant(works: tuple[LiveTank, Desk, str]) -> None:
    with Opcua(site_at(works[2]), Path()) as plant:
        begin = wall.now()
        assert plant.wait_until(begin + timedelta(seconds=0.4))
        assert plant.now() >= begin + timedelta(seconds=0.4)
        snapshot = plant.read()
    ages = [(snapshot.time - reading.time).total_seconds() for reading in snapshot.readings]
    assert max(ages) < 3.0, "source time is the plant's, not the server's start"
    assert {reading.quality for reading in snapshot.readings} == {Quality.GOOD}


def test_too_old_is_bad(works: tuple[LiveTank, Desk, str]) -> None:
    tank, _, endpoint = works
    hasty = tuple(replace(tag, max_age_s=30.0) if tag.name == "tank.level" else tag for tag in TAGS)
    lag = timedelta(minutes=1)
    tank.time -= lag
    try:
        with Opcua(site_at(endpoint, tags=hasty), Path()) as plant:
            assert eventually(lambda: plant.read().find("tank.level").quality is Quality.BAD)  # type: ignore[union-attr]
            snapshot = plant.read()
    finally:
        tank.time += lag
    assert "30 s accepted" in snapshot.find("tank.level").words  # type: ignore[union-attr]
    assert snapshot.find("pump.power").quality is Quality.GOOD  # type: ignore[union-attr]


def test_beats_go_both_ways_and_keep_the_plant(works: tuple[LiveTank, Desk, str]) -> None:
    tank, desk, endpoint = works
    with Opcua(site_at(endpoint), Path()) as plant:
        before = desk.received.beats
        plant.write("pump.command", "STARTUP")
        assert eventually(lambda: desk.received.beats > before + 8)
        assert tank.written["pump.command"] == "STARTUP"
        assert plant.beats_sent > 8
        assert not plant._pulse.plant_silent  # type: ignore[union-attr]


def test_a_loop_that_hangs_loses_the_plant(works: tuple[LiveTank, Desk, str]) -> None:
    tank, desk, endpoint = works
    before = desk.received.releases
    with Opcua(site_at(endpoint), Path()) as plant:
        plant.write("pump.command", "STARTUP")
        plant._pulse._idle_s = 0.0  # type: ignore[union-attr]
        assert eventually(lambda: tank.written["pump.command"] == "AUTO")
        assert eventually(lambda: plant.read().find("pump.command").value == "AUTO")  # type: ignore[union-attr]
    assert desk.received.releases == before + 1
