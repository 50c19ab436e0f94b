"""The OPC UA client on its bad days."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlparse

import pytest

from connectors import wall
from connectors.plants.opcua import Opcua
from connectors.serve.desk import Desk
from connectors.serve.opcua import OpcuaServer
from plant.errors import ConfigError, NotConnectedError, WriteRefusedError
from plant.site import Site
from plant.tags import Quality, Tag, ValueType
from tests.connectors.hose import Hose
from tests.connectors.patience import BRIEF_S, eventually
from tests.connectors.tank_plant import START, TAGS, TankPlant, tank_site

pytestmark = pytest.mark.xdist_group("opcua-client")  # its servers take seconds to start: one worker for all of them

STEP = timedelta(minutes=15)


@pytest.fixture(scope="module")
def works() -> Iterator[tuple[TankPlant, str]]:
    """One lock-step server for the whole file."""
    tank = TankPlant()
    with (
        Desk(tank, tank_site("opc.tcp://127.0.0.1:0"), lock_step=True) as desk,
        OpcuaServer(desk, "opc.tcp://127.0.0.1:0") as server,
    ):
        yield tank, server.endpoint


@pytest.fixture
def tank(works: tuple[TankPlant, str]) -> TankPlant:
    tank = works[0]
    tank.before_write = lambda: None
    tank.writes.clear()
    return tank


@pytest.fixture
def hose(works: tuple[TankPlant, str]) -> Iterator[Hose]:
    with Hose(urlparse(works[1]).port or 0) as hose:
        yield hose


def site_at(port: int, **more: object) -> Site:
    return tank_site(f"opc.tcp://127.0.0.1:{port}", **more)  # type: ignore[arg-type]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


class TestConnecting:
    def test_an_endpoint_that_refuses(self) -> None:
        with pytest.raises(NotConnectedError, match="cannot be reached"), Opcua(site_at(free_port()), Path()):
            pass

    def test_an_endpoint_that_never_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            begin = time.monotonic()
            with (
                pytest.raises(NotConnectedError, match="in time"),
                Opcua(site_at(deaf.getsockname()[1], timeout_s=BRIEF_S), Path()),
            ):
                pass
            assert time.monotonic() - begin < 3.0

    @pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "127.0.0.1:4840", ""])
    def test_an_endpoint_that_is_none(self, endpoint: str) -> None:
        with pytest.raises(ConfigError, match=r"connection\.endpoint"):
            Opcua(tank_site(endpoint), Path())

    def test_another_plants_server(self, works: tuple[TankPlant, str]) -> None:
        site = tank_site(works[1])
        strange = replace(site, connection=replace(site.connection, namespace="urn:another:plant"))
        with pytest.raises(ConfigError, match="urn:another:plant is not on the server"), Opcua(strange, Path()):
            pass

    def test_the_environment_may_name_the_endpoint(self, works: tuple[TankPlant, str], monkeypatch: pytest.MonkeyPatch) -> None:
        site = tank_site("opc.tcp://127.0.0.1:1")
        monkeypatch.setenv("TANK", works[1])
        with Opcua(replace(site, connection=replace(site.connection, endpoint_env="TANK")), Path()) as plant:
            assert plant.read().number("tank.level") is not None


class TestReading:
    def test_a_tag_that_does_not_exist_is_bad_and_the_others_are_not(self, works: tuple[TankPlant, str]) -> None:
        ghost = Tag(name="ghost", unit="1", address="s=Works.Ghost")
        elsewhere = Tag(name="elsewhere", unit="1", address="nsu=urn:nowhere;s=X")
        with Opcua(tank_site(works[1], tags=(*TAGS, ghost, elsewhere)), Path()) as plant:
            snapshot = plant.read()
        found = {reading.tag: reading for reading in snapshot.readings}
        assert found["ghost"].quality is Quality.BAD
        assert found["ghost"].value is None
        assert "BadNodeIdUnknown" in found["ghost"].words
        assert found["elsewhere"].quality is Quality.BAD
        assert "namespace" in found["elsewhere"].words
        assert all(found[tag.name].quality is Quality.GOOD for tag in TAGS)

    def test_out_of_range_is_bad(self, works: tuple[TankPlant, str], tank: TankPlant) -> None:
        narrow = tuple(replace(tag, low=4.9) if tag.name == "tank.level" else tag for tag in TAGS)
        tank.level = 3.0
        with Opcua(tank_site(works[1], tags=narrow), Path()) as plant:
            level = plant.read().find("tank.level")
        assert level is not None
        assert level.quality is Quality.BAD
        assert "below the plausible 4.9" in level.words

    def test_a_value_of_the_wrong_type_is_bad(self, works: tuple[TankPlant, str]) -> None:
        wrong = Tag(name="wrong", unit="1", address="s=Works.Pump.Command")
        with Opcua(tank_site(works[1], tags=(wrong,)), Path()) as plant:
            reading = plant.read().readings[0]
        assert reading.quality is Quality.BAD
        assert "not a number" in reading.words

    def test_all_forms_of_address_lead_to_the_same_node(self, works: tuple[TankPlant, str]) -> None:
        forms = ("s=Works.Tank.Level", "nsu=urn:test:tank;s=Works.Tank.Level", "ns=2;s=Works.Tank.Level")
        tags = tuple(Tag(name=f"level{form}", unit="m", address=address) for form, address in enumerate(forms))
        with Opcua(tank_site(works[1], tags=tags), Path()) as plant:
            assert len({reading.value for reading in plant.read().readings}) == 1

    def test_one_request_for_all_tags(self, works: tuple[TankPlant, str], monkeypatch: pytest.MonkeyPatch) -> None:
        with Opcua(tank_site(works[1]), Path()) as plant:
            sizes: list[int] = []
            link = plant._link
            read = link.read

            async def counted(wanted: list[object]) -> object:
                sizes.append(len(wanted))
                return await read(wanted)  # type: ignore[arg-type]

            monkeypatch.setattr(link, "read", counted)
            plant.read()
            assert sizes == [len(TAGS) + 1], "all tags and the clock, at one instant"
            plant._nodes.most_per_read = 4
            sizes.clear()
            assert all(reading.quality is Quality.GOOD for reading in plant.read().readings)
            assert max(sizes) == 4, "no more than the server allows"


class TestWriting:
    def test_types_are_written_as_the_server_holds_them(self, works: tuple[TankPlant, str], tank: TankPlant) -> None:
        limit = next(tag for tag in TAGS if tag.name == "pump.limit")
        as_float = (replace(limit, type=ValueType.FLOAT),)
        with Opcua(tank_site(works[1], tags=as_float), Path()) as plant:
            plant.write("pump.limit", 4.0)
            with pytest.raises(WriteRefusedError, match="does not fit the server's Int64"):
                plant.write("pump.limit", 4.5)
        assert tank.written["pump.limit"] == 4.0

    def test_a_tag_whose_type_the_server_contradicts(self, works: tuple[TankPlant, str], tank: TankPlant) -> None:
        wrong = Tag(name="pump.command", unit="1", address="s=Works.Pump.Command", writable=True)
        with (
            Opcua(tank_site(works[1], tags=(wrong,)), Path()) as plant,
            pytest.raises(WriteRefusedError, match="the site file says float, the server holds String"),
        ):
            plant.write("pump.command", 1.0)
        assert tank.writes == []

    def test_a_node_that_the_server_protects(self, works: tuple[TankPlant, str]) -> None:
        bold = tuple(replace(tag, writable=True) if tag.name == "tank.level" else tag for tag in TAGS)
        with Opcua(tank_site(works[1], tags=bold), Path()) as plant, pytest.raises(WriteRefusedError, match="BadUserAccessDenied"):
            plant.write("tank.level", 2.0)

    def test_not_a_number_is_never_sent(self, works: tuple[TankPlant, str], tank: TankPlant) -> None:
        with Opcua(tank_site(works[1]), Path()) as plant:
            for value in (float("nan"), float("inf")):
                with pytest.raises(WriteRefusedError):
                    plant.write("pump.speed_order", value)
        assert tank.writes == []

    def test_a_write_without_answer_is_not_known_and_not_repeated(self, hose: Hose, tank: TankPlant) -> None:
        with Opcua(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            hose.squeeze()
            with pytest.raises(NotConnectedError, match="not known whether"):
                plant.write("pump.command", "STARTUP")
            with pytest.raises(NotConnectedError, match="not connected"):
                plant.write("pump.command", "SHUTDOWN")
            hose.release()
            assert eventually(lambda: reads(plant))
            assert tank.writes == [], "what the network swallowed must not come later"
            assert plant._held.assets() == ("pump",), "it may have arrived, so it is given back"

    def test_what_was_never_sent_is_never_given_back(self, hose: Hose, tank: TankPlant) -> None:
        """A person may have set the machine by hand meanwhile."""
        with Opcua(site_at(hose.port), Path()) as plant:
            hose.refuse(True)
            hose.cut()
            assert eventually(lambda: plant._link._client is None)
            with pytest.raises(NotConnectedError, match="not connected"):
                plant.write("pump.command", "STARTUP")
            hose.refuse(False)
            assert eventually(lambda: reads(plant))
        assert tank.writes == []

    def test_a_slow_refusal_is_still_a_refusal(self, works: tuple[TankPlant, str], tank: TankPlant) -> None:
        tank.before_write = lambda: time.sleep(0.2)  # noqa: TID251 - the plant is slow on purpose
        with Opcua(tank_site(works[1]), Path()) as plant, pytest.raises(WriteRefusedError, match="BadRequestNotAllowed"):
            plant.write("pump.command", "DANCE")


class TestLosing:
    def test_a_black_hole_is_noticed_and_left(self, hose: Hose) -> None:
        with Opcua(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            plant.read()
            hose.squeeze()
            begin = time.monotonic()
            with pytest.raises(NotConnectedError):
                plant.read()
            assert time.monotonic() - begin < 3.0
            hose.release()
            assert eventually(lambda: reads(plant))

    def test_an_idle_black_hole_is_noticed_without_being_asked(self, hose: Hose) -> None:
        with Opcua(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            hose.squeeze()
            assert eventually(lambda: plant._link._client is None)
            hose.release()
            assert eventually(lambda: plant._link._client is not None)

    def test_leaving_while_nobody_answers_ends(self, hose: Hose, tank: TankPlant) -> None:
        begin = time.monotonic()
        with Opcua(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            plant.write("pump.command", "STARTUP")
            hose.squeeze()
        assert time.monotonic() - begin < 6.0
        assert tank.written["pump.command"] == "STARTUP", "nothing came through: that is the watchdog's work"

    def test_leaving_during_a_short_loss_still_gives_back(self, hose: Hose, tank: TankPlant) -> None:
        with Opcua(site_at(hose.port, timeout_s=3.0), Path()) as plant:
            plant.write("pump.command", "STARTUP")
            hose.cut()
        assert tank.written["pump.command"] == "AUTO"

    def test_a_step_survives_a_cut(self, hose: Hose, tank: TankPlant) -> None:
        with Opcua(site_at(hose.port), Path()) as plant:
            start = plant.now()
            hose.refuse(True)
            hose.cut()
            threading.Timer(0.6, hose.refuse, (False,)).start()
            assert plant.wait_until(start + STEP)
            assert plant.now() == start + STEP == tank.time, "moved once, not twice"

    def test_a_cut_in_the_middle_of_a_long_step_moves_once(
        self, hose: Hose, tank: TankPlant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The plant is still on its way when the client is back and asks again."""
        live = tank.wait_until
        monkeypatch.setattr(tank, "wait_until", lambda time: (wall.pause(1.0), live(time))[1])
        with Opcua(site_at(hose.port), Path()) as plant:
            start = plant.now()
            threading.Timer(0.2, hose.cut).start()
            assert plant.wait_until(start + STEP)
            assert plant.now() == start + STEP == tank.time

    def test_a_server_that_vanishes_and_returns(self) -> None:
        port = free_port()
        endpoint = f"opc.tcp://127.0.0.1:{port}"
        tank = TankPlant()
        with Desk(tank, tank_site(endpoint), lock_step=True) as desk:
            first = OpcuaServer(desk, endpoint)
            first.__enter__()
            with ExitStack() as stack:
                plant = stack.enter_context(Opcua(site_at(port, timeout_s=BRIEF_S), Path()))
                plant.write("pump.command", "STARTUP")
                first.__exit__(None, None, None)
                with pytest.raises(NotConnectedError):
                    plant.read()
                with pytest.raises(NotConnectedError):
                    plant.write("pump.command", "SHUTDOWN", START + STEP)
                with OpcuaServer(desk, endpoint):
                    assert eventually(lambda: reads(plant))
                    assert tank.written["pump.command"] == "STARTUP", "what failed stays failed"
                    plant.write("pump.command", "SHUTDOWN")
                    assert tank.written["pump.command"] == "SHUTDOWN"
                    stack.close()
                    assert tank.written["pump.command"] == "AUTO"


@pytest.mark.parametrize("late_s", [1.0, -60.0])
def test_live_expiry_is_judged_by_the_wall(works: tuple[TankPlant, str], tank: TankPlant, late_s: float) -> None:
    with Opcua(tank_site(works[1], lock_step=False), Path()) as plant:
        assert abs((plant.now() - wall.now()).total_seconds()) < 1.0
        expires = wall.now() - timedelta(seconds=late_s)
        if late_s > 0:
            with pytest.raises(WriteRefusedError, match="expired"):
                plant.write("pump.lamp", True, expires)
        else:
            plant.write("pump.lamp", True, expires)
    assert len(tank.writes) == (0 if late_s > 0 else 1)


def reads(plant: Opcua) -> bool:
    try:
        return plant.read().number("tank.level") is not None
    except NotConnectedError:
        return False
