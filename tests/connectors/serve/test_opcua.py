"""A served plant on OPC UA as others see it: folders, types, rights, security; clients that nobody here wrote."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asyncua import Client, ua
from opcua import Client as OtherClient
from opcua import Server as OtherServer
from opcua import ua as other_ua

from connectors.certificates import make_pair
from connectors.plants.opcua import Opcua
from connectors.security import CLIENT_URI
from connectors.serve.desk import Desk
from connectors.serve.doors import door_of
from connectors.serve.opcua import OpcuaServer
from connectors.serve.wires import Wires
from plant.errors import ConfigError, NotConnectedError
from plant.site import LockStep, Security, Site
from plant.tags import Tag, ValueType
from tests.connectors.tank_plant import NAMESPACE, START, TAGS, TankPlant, tank_site

pytestmark = pytest.mark.xdist_group("opcua-server")  # its servers take seconds to start: one worker for all of them

ANY = "opc.tcp://127.0.0.1:0"


@pytest.fixture(scope="module")
def works() -> Iterator[tuple[TankPlant, str]]:
    tank = TankPlant()
    with Desk(tank, tank_site(ANY), lock_step=True) as desk, OpcuaServer(desk, ANY) as server:
        yield tank, server.endpoint


class TestAsOthersSeeIt:
    """Through asyncua's bare client."""

    def test_folders_types_and_rights(self, works: tuple[TankPlant, str]) -> None:
        async def look() -> None:
            async with Client(works[1]) as client:
                index = await client.get_namespace_index(NAMESPACE)
                pump = await client.nodes.objects.get_child([f"{index}:Works", f"{index}:Pump"])
                names = {(await child.read_browse_name()).Name for child in await pump.get_children()}
                assert {"Power", "Running", "Speed", "Starts", "Command", "SpeedOrder", "Limit", "Lamp"} == names
                for tag, kind in (
                    ("Power", ua.VariantType.Double),
                    ("Limit", ua.VariantType.Int64),
                    ("Lamp", ua.VariantType.Boolean),
                ):
                    node = await pump.get_child(f"{index}:{tag}")
                    assert await node.read_data_type_as_variant_type() is kind
                    writable = ua.AccessLevel.CurrentWrite in await node.get_access_level()
                    assert writable is (tag != "Power")
                    assert writable is (ua.AccessLevel.CurrentWrite in await node.get_user_access_level())
                power = client.get_node(f"ns={index};s=Works.Pump.Power")
                assert (await power.read_description()).Text == "pump.power, kW"

        asyncio.run(look())

    @pytest.mark.parametrize(
        ("node", "value", "status"),
        [
            ("Works.Pump.Lamp", ua.Variant(1, ua.VariantType.Int32), "BadTypeMismatch"),
            ("Works.Pump.SpeedOrder", ua.Variant(0.9, ua.VariantType.Float), "BadTypeMismatch"),
            ("Works.Pump.SpeedOrder", ua.Variant([0.9], ua.VariantType.Double), "BadTypeMismatch"),
            ("Works.Pump.SpeedOrder", ua.Variant(float("nan"), ua.VariantType.Double), "BadOutOfRange"),
            ("Works.Pump.Command", ua.Variant("DANCE", ua.VariantType.String), "BadRequestNotAllowed"),
            ("Works.Tank.Level", ua.Variant(1.0, ua.VariantType.Double), "BadUserAccessDenied"),
            ("Works.Clock", ua.Variant(1.0, ua.VariantType.Double), "BadUserAccessDenied"),
            ("Works.Advance", ua.Variant(-1.0, ua.VariantType.Double), "BadOutOfRange"),
            ("Works.Advance", ua.Variant(float("inf"), ua.VariantType.Double), "BadOutOfRange"),
        ],
    )
    def test_what_is_not_allowed_says_why(self, works: tuple[TankPlant, str], node: str, value: ua.Variant, status: str) -> None:
        async def attempt() -> None:
            async with Client(works[1]) as client:
                index = await client.get_namespace_index(NAMESPACE)
                await client.get_node(f"ns={index};s={node}").write_value(ua.DataValue(value))

        before = works[0].time, len(works[0].writes)
        with pytest.raises(ua.UaStatusCodeError, match=status):
            asyncio.run(attempt())
        assert (works[0].time, len(works[0].writes)) == before

    def test_a_subscription_is_told_of_what_happens(self, works: tuple[TankPlant, str]) -> None:
        heard: list[object] = []

        class Ear:
            def datachange_notification(self, node: object, value: object, data: object) -> None:
                heard.append(value)

        async def listen() -> None:
            async with Client(works[1]) as client:
                index = await client.get_namespace_index(NAMESPACE)
                ear = await client.create_subscription(20, Ear())
                await ear.subscribe_data_change(client.get_node(f"ns={index};s=Works.Clock"))
                await client.get_node(f"ns={index};s=Works.Advance").write_value(900.0)
                for _ in range(100):
                    await asyncio.sleep(0.02)
                    if len(heard) >= 2:
                        return

        asyncio.run(listen())
        assert heard[-1] == (works[0].time - START).total_seconds()


class TestBuilding:
    def test_large_folders_are_split_and_addresses_stay(self) -> None:
        tags = tuple(Tag(name=f"t{i}", unit="1", address=f"s=Works.T{i}") for i in range(450))
        with Desk(TankPlant(), tank_site(ANY, tags=tags), lock_step=True) as desk, OpcuaServer(desk, ANY) as server:

            async def look() -> list[int]:
                async with Client(server.endpoint) as client:
                    index = await client.get_namespace_index(NAMESPACE)
                    assert (await client.get_node(f"ns={index};s=Works.T449").read_browse_name()).Name == "T449"
                    works = await client.nodes.objects.get_child(f"{index}:Works")
                    pages = [child for child in await works.get_children() if await child.read_node_class() is ua.NodeClass.Object]
                    return [len(await page.get_children()) for page in pages]

            assert asyncio.run(look()) == [200, 200, 53], "and clock, advance, done"

    def test_two_tags_with_one_address(self) -> None:
        twice = (*TAGS, Tag(name="again", unit="m", address="s=Works.Tank.Level"))
        with (
            Desk(TankPlant(), tank_site(ANY, tags=twice), lock_step=True) as desk,
            pytest.raises(ConfigError, match=r"again and tank\.level have the same address"),
        ):
            OpcuaServer(desk, ANY)

    def test_lock_step_needs_its_addresses(self) -> None:
        site = tank_site(ANY, lock_step=False)
        with Desk(TankPlant(), site, lock_step=True) as desk, pytest.raises(ConfigError, match=r"connection\.lock_step"):
            OpcuaServer(desk, ANY)

    @pytest.mark.parametrize("endpoint", ["opc.tcp://", "udp://127.0.0.1:1", "nonsense"])
    def test_an_endpoint_that_is_none(self, endpoint: str) -> None:
        with Desk(TankPlant(), tank_site(ANY), lock_step=True) as desk, pytest.raises(ConfigError, match="endpoint"):
            Wires(desk, [endpoint], Path())

    def test_a_port_that_is_taken(self, works: tuple[TankPlant, str]) -> None:
        with (
            Desk(TankPlant(), tank_site(ANY), lock_step=True) as desk,
            pytest.raises(NotConnectedError, match="cannot be listened on"),
            OpcuaServer(desk, works[1]),
        ):
            pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ems", "stranger"):
        make_pair(folder / f"{name}.der", folder / f"{name}.key", CLIENT_URI)
    return folder


@pytest.fixture(scope="module")
def security() -> Security:
    return Security(
        policy="Basic256Sha256",
        certificate="ems.der",
        private_key="ems.key",
        server_certificate="plant.der",
        user="ems",
        password_env="TANK_PASSWORD",
    )


@pytest.fixture(scope="module")
def endpoint(folder: Path, security: Security) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TANK_PASSWORD", "right")
        door = door_of(security, folder)
    assert (folder / "plant.key").stat().st_mode & 0o077 == 0, "a key is its owner's only"
    tank = TankPlant()
    with Desk(tank, tank_site(ANY), lock_step=True) as desk, OpcuaServer(desk, ANY, door) as server:
        yield server.endpoint


class TestSecurity:
    def connected(self, endpoint: str, folder: Path, security: Security) -> float | None:
        with Opcua(tank_site(endpoint, security=security), folder) as plant:
            plant.write("pump.lamp", True)
            return plant.read().number("tank.level")

    def test_the_right_client_with_the_right_password(
        self, endpoint: str, folder: Path, security: Security, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TANK_PASSWORD", "right")
        assert self.connected(endpoint, folder, security) is not None

    def test_everybody_else_is_refused(
        self, endpoint: str, folder: Path, security: Security, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TANK_PASSWORD", "wrong")
        with pytest.raises(NotConnectedError, match="refused"):
            self.connected(endpoint, folder, security)
        monkeypatch.setenv("TANK_PASSWORD", "right")
        for other in (
            replace(security, user="somebody"),
            replace(security, user=None),
            replace(security, certificate="stranger.der", private_key="stranger.key"),
            Security(),
        ):
            with pytest.raises(NotConnectedError):
                self.connected(endpoint, folder, other)

    def test_another_server_than_the_pinned_one_is_refused(
        self, endpoint: str, folder: Path, security: Security, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TANK_PASSWORD", "right")
        with pytest.raises(NotConnectedError):
            self.connected(endpoint, folder, replace(security, server_certificate="stranger.der"))

    @pytest.mark.parametrize("key", ["certificate", "private_key", "server_certificate"])
    def test_a_file_that_is_missing_is_named(
        self, folder: Path, security: Security, key: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TANK_PASSWORD", "right")
        with pytest.raises(ConfigError, match=rf"connection\.security\.{key} = 'gone\.der'"):
            self.connected("opc.tcp://127.0.0.1:9", folder, replace(security, **{key: "gone.der"}))

    def test_a_password_that_is_not_set_is_named(self, folder: Path, security: Security) -> None:
        with pytest.raises(ConfigError, match="TANK_PASSWORD"):
            self.connected("opc.tcp://127.0.0.1:9", folder, security)


class TestPeers:
    """The other OPC UA stack for Python, on either side."""

    def test_their_client_drives_our_server(self, works: tuple[TankPlant, str]) -> None:
        client = OtherClient(works[1])
        client.connect()
        try:
            index = client.get_namespace_index(NAMESPACE)
            before = client.get_node(f"ns={index};s=Works.Clock").get_value()
            client.get_node(f"ns={index};s=Works.Pump.SpeedOrder").set_value(0.75)
            client.get_node(f"ns={index};s=Works.Pump.Command").set_value("STARTUP")
            client.get_node(f"ns={index};s=Works.Advance").set_value(900.0)
            while client.get_node(f"ns={index};s=Works.Advance").get_value() > 0:
                pass
            assert client.get_node(f"ns={index};s=Works.Clock").get_value() == before + 900.0
            assert client.get_node(f"ns={index};s=Works.Pump.Running").get_value() is True
            assert client.get_node(f"ns={index};s=Works.Pump.Speed").get_value() == 0.75
            assert client.get_node(f"ns={index};s=Works.Pump.Power").get_value() == pytest.approx(5000.0 * 0.75**3)
            with pytest.raises(other_ua.UaStatusCodeError):
                client.get_node(f"ns={index};s=Works.Tank.Level").set_value(1.0)
        finally:
            client.disconnect()

    def test_our_client_drives_their_server(self) -> None:
        with their_server() as (endpoint, nodes), Opcua(their_site(endpoint), Path()) as plant:
            snapshot = plant.read()
            assert snapshot.number("level") == 2.5
            assert snapshot.truth("running") is True
            plant.write("speed", 0.9)
            plant.write("count", 3.0)
            plant.write("order", "STARTUP")
            assert nodes["speed"].get_data_value().Value.VariantType is other_ua.VariantType.Float
            assert nodes["count"].get_data_value().Value == other_ua.Variant(3, other_ua.VariantType.Int16)
            assert nodes["order"].get_value() == "STARTUP"
            start = plant.now()
            assert start == START + timedelta(seconds=450)
            assert plant.wait_until(start), "no time has to pass"


@contextmanager
def their_server() -> Iterator[tuple[str, dict[str, object]]]:
    server = OtherServer()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([other_ua.SecurityPolicyType.NoSecurity])
    index = server.register_namespace("urn:theirs")
    folder = server.get_objects_node().add_object(f"ns={index};s=P", "P")
    kinds = other_ua.VariantType
    values = {
        "level": (2.5, kinds.Double),
        "running": (True, kinds.Boolean),
        "speed": (1.0, kinds.Float),
        "count": (0, kinds.Int16),
        "order": ("AUTO", kinds.String),
        "clock": (450.0, kinds.Double),
        "advance": (0.0, kinds.Double),
    }
    nodes = {name: folder.add_variable(f"ns={index};s=P.{name}", name, value, kind) for name, (value, kind) in values.items()}
    for name in ("speed", "count", "order", "advance"):
        nodes[name].set_writable()
    server.start()
    try:
        yield f"opc.tcp://127.0.0.1:{server.bserver.port}", nodes
    finally:
        server.stop()


def their_site(endpoint: str) -> Site:
    tags = (
        Tag(name="level", unit="m", address="s=P.level"),
        Tag(name="running", unit="1", address="s=P.running", type=ValueType.BOOLEAN),
        Tag(name="speed", unit="1", address="s=P.speed", writable=True),
        Tag(name="count", unit="1", address="s=P.count", type=ValueType.INTEGER, writable=True),
        Tag(name="order", unit="1", address="s=P.order", type=ValueType.TEXT, writable=True),
    )
    site = tank_site(endpoint, tags=tags)
    steps = LockStep(clock="s=P.clock", epoch=START, advance="s=P.advance")
    return replace(site, connection=replace(site.connection, namespace="urn:theirs", lock_step=steps))
