"""The twin of the synthetic works, bare and behind loopback OPC UA and WebSocket: the wire must be invisible."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from connectors.plants.opcua import Opcua
from connectors.plants.websocket import Websocket
from connectors.serve.desk import Desk
from connectors.serve.opcua import OpcuaServer
from connectors.serve.websocket import WebsocketServer
from datasets.works import course, write_prices
from ems.config import load
from plant.ports import Plant
from plant.site import Site
from plant.tags import Reading
from twin_sim.drivers import Drivers, from_table
from twin_sim.model import SiteModel
from twin_sim.twin import Twin

pytestmark = pytest.mark.xdist_group("twin-on-wires")  # its servers take seconds to start: one worker for all of them

START = datetime(2026, 3, 2, tzinfo=UTC)
STEP = timedelta(minutes=15)
STEPS = 24


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Drivers]:
    folder = tmp_path_factory.mktemp("works")
    made = course(5, START, 1.0)
    write_prices(folder / "prices.csv", made.tags)
    (folder / "site.toml").write_text(files("ems.templates").joinpath("works.toml").read_text())
    drivers = from_table(made.tags)
    losses = {name: column[:, None] for name, column in made.losses.columns.items()}
    return load(folder / "site.toml").site, replace(drivers, losses=losses)


def twin(works: tuple[Site, Drivers]) -> Twin:
    site, drivers = works
    return Twin(SiteModel(site, None), drivers, start=START, seed=5, mismatch=0.1, noise=True)


def lived(plant: Plant, site: Site) -> list[dict[str, tuple[object, ...]]]:
    """Six hours with orders of all kinds."""
    day = []
    asset = next(asset for asset in site.assets if asset.tags.command and asset.tags.setpoint_write and asset.life.setpoint_nominal)
    assert asset.tags.command is not None
    assert asset.tags.setpoint_write is not None
    assert asset.life.setpoint_nominal is not None
    for step in range(1, STEPS + 1):
        if step == 3:
            plant.write(asset.tags.setpoint_write, 0.9 * asset.life.setpoint_nominal)
            plant.write(asset.tags.command, asset.orders.optimize)
        if step == 12:
            plant.write(asset.tags.command, asset.orders.shutdown)
        if step == 18:
            for write in asset.release:
                plant.write(write.tag, write.value)
        assert plant.wait_until(START + step * STEP)
        day.append({reading.tag: told(reading) for reading in plant.read().readings})
    return day


def told(reading: Reading) -> tuple[object, ...]:
    """What a reading says, but for the words: OPC UA has no room for them."""
    value = round(reading.value, 9) if isinstance(reading.value, float) else reading.value
    return value, reading.quality, reading.time


def behind_opcua(plant: Twin, site: Site, stack: ExitStack) -> Plant:
    desk = stack.enter_context(Desk(plant, site, lock_step=True))
    server = stack.enter_context(OpcuaServer(desk, "opc.tcp://127.0.0.1:0"))
    return stack.enter_context(Opcua(at(site, "opcua", server.endpoint), Path()))


def behind_websocket(plant: Twin, site: Site, stack: ExitStack) -> Plant:
    desk = stack.enter_context(Desk(plant, site, lock_step=True))
    server = stack.enter_context(WebsocketServer(desk, "ws://127.0.0.1:0"))
    return stack.enter_context(Websocket(at(site, "websocket", server.endpoint), Path()))


def at(site: Site, kind: str, endpoint: str) -> Site:
    return replace(site, connection=replace(site.connection, kind=kind, endpoint=endpoint, endpoint_env=None))


@pytest.fixture(scope="module")
def bare(works: tuple[Site, Drivers]) -> tuple[list[dict[str, tuple[object, ...]]], float]:
    plant = twin(works)
    return lived(plant, works[0]), plant.report().energy_kwh


@pytest.mark.parametrize("wire", [behind_opcua, behind_websocket], ids=lambda wire: wire.__name__)
def test_the_wire_is_invisible(works: tuple[Site, Drivers], bare: tuple[object, float], wire: object) -> None:
    plant = twin(works)
    with ExitStack() as stack:
        seen = lived(wire(plant, works[0], stack), works[0])  # type: ignore[operator]
        energy_kwh = plant.report().energy_kwh
    assert seen == bare[0]
    assert energy_kwh == bare[1]
