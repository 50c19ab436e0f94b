"""The WebSocket client on its bad days."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlparse

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from connectors import wall
from connectors.certificates import make_pair
from connectors.messages import Ack, Hello, Points, Welcome, Write, decode, encode
from connectors.plants.websocket import Websocket
from connectors.serve.desk import Desk
from connectors.serve.websocket import WebsocketServer
from plant.errors import ConfigError, NotConnectedError, WriteRefusedError
from plant.site import Security, Site
from plant.tags import Quality, Tag
from tests.connectors.hose import Hose
from tests.connectors.patience import BRIEF_S, eventually
from tests.connectors.tank_plant import START, TAGS, TankPlant, tank_site

STEP = timedelta(minutes=15)
TOKEN = "only for this test"


@pytest.fixture
def tank() -> TankPlant:
    return TankPlant()


@pytest.fixture
def served(tank: TankPlant) -> Iterator[WebsocketServer]:
    with Desk(tank, tank_site("ws://127.0.0.1:0"), lock_step=True) as desk, WebsocketServer(desk, "ws://127.0.0.1:0") as server:
        yield server


@pytest.fixture
def hose(served: WebsocketServer) -> Iterator[Hose]:
    with Hose(urlparse(served.endpoint).port or 0) as hose:
        yield hose


def site_at(endpoint: str | int, **more: object) -> Site:
    url = endpoint if isinstance(endpoint, str) else f"ws://127.0.0.1:{endpoint}"
    return tank_site(url, kind="websocket", **more)  # type: ignore[arg-type]


def reads(plant: Websocket) -> bool:
    try:
        return plant.read().number("tank.level") is not None
    except NotConnectedError:
        return False


class TestConnecting:
    def test_an_endpoint_that_refuses(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        with pytest.raises(NotConnectedError, match="cannot be reached"), Websocket(site_at(port), Path()):
            pass

    def test_an_endpoint_that_never_answers(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            begin = time.monotonic()
            with pytest.raises(NotConnectedError), Websocket(site_at(deaf.getsockname()[1], timeout_s=BRIEF_S), Path()):
                pass
            assert time.monotonic() - begin < 3.0

    def test_an_endpoint_of_another_kind(self) -> None:
        with pytest.raises(ConfigError, match=r"connection\.endpoint"):
            Websocket(site_at("opc.tcp://127.0.0.1:4840"), Path())

    def test_a_plant_with_its_own_time_where_lock_step_is_expected(self, tank: TankPlant) -> None:
        site = tank_site("ws://127.0.0.1:0", lock_step=False)
        with (
            Desk(tank, site, lock_step=False) as desk,
            WebsocketServer(desk, "ws://127.0.0.1:0") as server,
            pytest.raises(ConfigError, match="not in lock-step"),
            Websocket(site_at(server.endpoint), Path()),
        ):
            pass

    def test_the_token_decides(self, tank: TankPlant, monkeypatch: pytest.MonkeyPatch) -> None:
        site = site_at("ws://127.0.0.1:0")
        with Desk(tank, site, lock_step=True) as desk, WebsocketServer(desk, "ws://127.0.0.1:0", TOKEN) as server:
            secured = site_at(server.endpoint, security=Security(token_env="TANK_TOKEN"))
            with pytest.raises(ConfigError, match="TANK_TOKEN"):
                Websocket(secured, Path())
            for wrong in ("something else", TOKEN + " ", "ö"):
                monkeypatch.setenv("TANK_TOKEN", wrong)
                with pytest.raises(NotConnectedError, match="token is not accepted"), Websocket(secured, Path()):
                    pass
            with pytest.raises(NotConnectedError, match="token is not accepted"), Websocket(site_at(server.endpoint), Path()):
                pass
            monkeypatch.setenv("TANK_TOKEN", TOKEN)
            with Websocket(secured, Path()) as plant:
                assert reads(plant)

    def test_tls_accepts_the_named_server_only(self, tmp_path: Path) -> None:
        for name in ("plant", "stranger"):
            make_pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key", "urn:test:plant")
        with Forgetful(tmp_path / "plant.pem", tmp_path / "plant.key") as port:
            named = site_at(f"wss://127.0.0.1:{port}", lock_step=False, security=Security(server_certificate="plant.pem"))
            with Websocket(named, tmp_path) as plant:
                assert len(plant.read().readings) == len(TAGS)
            for security in (Security(server_certificate="stranger.pem"), Security()):
                other = site_at(f"wss://127.0.0.1:{port}", lock_step=False, security=security)
                with pytest.raises(NotConnectedError, match=r"(?i)certificate"), Websocket(other, tmp_path):
                    pass


class TestReading:
    def test_a_tag_that_the_plant_does_not_have_is_bad(self, served: WebsocketServer) -> None:
        ghost = Tag(name="ghost", unit="1", address="s=Works.Ghost")
        with Websocket(site_at(served.endpoint, tags=(*TAGS, ghost)), Path()) as plant:
            snapshot = plant.read()
        found = {reading.tag: reading for reading in snapshot.readings}
        assert found["ghost"].quality is Quality.BAD
        assert "s=Works.Ghost" in found["ghost"].words
        assert all(found[tag.name].quality is Quality.GOOD for tag in TAGS)

    def test_not_a_number_arrives_as_bad(self, tank: TankPlant, served: WebsocketServer) -> None:
        tank.bad = {"tank.level": (Quality.GOOD, float("nan"))}
        with Websocket(site_at(served.endpoint), Path()) as plant:
            plant.wait_until(START + STEP)
            level = plant.read().find("tank.level")
        assert level is not None
        assert level.quality is Quality.BAD
        assert level.value is None

    def test_what_others_wrote_is_pushed(self, tank: TankPlant, served: WebsocketServer) -> None:
        with Websocket(site_at(served.endpoint), Path()) as one, Websocket(site_at(served.endpoint), Path()) as other:
            one.write("pump.lamp", True)
            assert eventually(lambda: other.read().truth("pump.lamp") is True)


class TestWriting:
    def test_a_write_without_answer_is_not_known_and_not_repeated(self, hose: Hose, tank: TankPlant) -> None:
        with Websocket(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            hose.squeeze()
            with pytest.raises(NotConnectedError, match="not known whether"):
                plant.write("pump.command", "STARTUP")
            with pytest.raises(NotConnectedError, match="not connected"):
                plant.write("pump.command", "SHUTDOWN")
            hose.release()
            assert eventually(lambda: reads(plant))
            assert tank.writes == []

    def test_the_plant_itself_refuses_what_expired_on_the_way(self, tank: TankPlant, served: WebsocketServer) -> None:
        with raw_session(served) as link:
            link.send(encode(Write(seq=1, address="s=Works.Pump.Lamp", value=True, expires=START - STEP)), text=True)
            while not isinstance(answer := decode(link.recv()), Ack):
                pass
        assert (answer.ok, answer.re) == (False, 1)
        assert "expired" in answer.words
        assert tank.writes == []

    @pytest.mark.parametrize("numbers", [(2,), (1, 1), (1, 3)])
    def test_messages_out_of_order_end_the_session(
        self, served: WebsocketServer, tank: TankPlant, numbers: tuple[int, ...]
    ) -> None:
        with raw_session(served) as link:
            for number in numbers:
                link.send(encode(Write(seq=number, address="s=Works.Pump.Lamp", value=True)), text=True)
            while not isinstance(answer := decode(link.recv()), Ack) or answer.re != 0:
                pass
        assert "was due" in answer.words
        assert len(tank.writes) == len(numbers) - 1

    @pytest.mark.parametrize("text", ["", "{}", "[1]", '{"type":"write","seq":1}', '{"type":"shout"}', '{"type":"snapshot"}'])
    def test_what_is_no_message_ends_the_session(self, served: WebsocketServer, tank: TankPlant, text: str) -> None:
        with raw_session(served) as link:
            link.send(text)
            while not isinstance(answer := decode(link.recv()), Ack):
                pass
        assert answer.re == 0
        assert not answer.ok
        assert tank.writes == []


class TestLosing:
    def test_a_black_hole_is_noticed_and_left(self, hose: Hose) -> None:
        with Websocket(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            hose.squeeze()
            assert eventually(lambda: not reads(plant))
            hose.release()
            assert eventually(lambda: reads(plant))

    def test_a_step_survives_a_cut(self, hose: Hose, tank: TankPlant) -> None:
        with Websocket(site_at(hose.port), Path()) as plant:
            hose.refuse(True)
            hose.cut()
            threading.Timer(0.6, hose.refuse, (False,)).start()
            assert plant.wait_until(START + STEP)
            assert plant.now() == START + STEP == tank.time

    def test_a_cut_in_the_middle_of_a_long_step_moves_once(self, hose: Hose, tank: TankPlant) -> None:
        """The plant is still on its way when the client is back and asks again."""
        live = tank.wait_until
        tank.wait_until = lambda time: (wall.pause(1.0), live(time))[1]  # type: ignore[method-assign, func-returns-value]
        with Websocket(site_at(hose.port), Path()) as plant:
            threading.Timer(0.2, hose.cut).start()
            assert plant.wait_until(START + STEP)
            assert plant.now() == START + STEP == tank.time
            assert plant.read().time == START + STEP

    def test_leaving_while_nobody_answers_ends(self, hose: Hose) -> None:
        begin = time.monotonic()
        with Websocket(site_at(hose.port, timeout_s=BRIEF_S), Path()) as plant:
            plant.write("pump.command", "STARTUP")
            hose.squeeze()
        assert time.monotonic() - begin < 6.0

    def test_a_server_that_vanishes_and_returns(self, tank: TankPlant) -> None:
        site = tank_site("ws://127.0.0.1:0")
        with Desk(tank, site, lock_step=True) as desk:
            with WebsocketServer(desk, "ws://127.0.0.1:0") as first:
                endpoint = first.endpoint
                plant = Websocket(site_at(endpoint, timeout_s=BRIEF_S), Path())
                plant.__enter__()
            with pytest.raises(NotConnectedError):
                plant.write("pump.command", "STARTUP")
            with WebsocketServer(desk, endpoint):
                assert eventually(lambda: reads(plant))
                plant.write("pump.command", "STARTUP")
                plant.__exit__(None, None, None)
        assert [value for _, _, value in tank.writes] == ["STARTUP", "AUTO"]

    def test_a_gap_in_the_numbers_ends_the_session(self) -> None:
        """A snapshot that was lost must not go unnoticed."""
        with Forgetful() as port:
            live = site_at(port, lock_step=False)
            with Websocket(live, Path()) as plant:
                assert eventually(lambda: "where 2 was due" in plant._stream._lost)


@contextmanager
def raw_session(served: WebsocketServer) -> Iterator[ClientConnection]:
    """A session that speaks by hand, already welcomed."""
    with connect(served.endpoint, compression=None, proxy=None) as link:
        link.send(encode(Hello()), text=True)
        assert isinstance(decode(link.recv()), Welcome)
        assert isinstance(decode(link.recv()), Points)
        yield link


class Forgetful:
    """Sends snapshot 1, then 3."""

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self._tls = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate, key)

    def __enter__(self) -> int:
        self._server: Server = serve(self._host, "127.0.0.1", 0, compression=None, ssl=self._tls)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return int(self._server.socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    def _host(self, guest: ServerConnection) -> None:
        guest.recv()
        points = Points(seq=1, time=wall.now(), ended=False, beat=1, points=())
        guest.send(encode(Welcome(site="tank", lock_step=False, refresh_s=1.0, seq=0)), text=True)
        guest.send(encode(points), text=True)
        guest.send(encode(replace(points, seq=3)), text=True)
        guest.close()


def test_a_live_plant_that_falls_silent_is_lost(tank: TankPlant) -> None:
    with Silent() as port, Websocket(site_at(port, lock_step=False), Path()) as plant:
        assert eventually(lambda: not reads(plant))


class Silent(Forgetful):
    """Says nothing more after its first snapshot."""

    def _host(self, guest: ServerConnection) -> None:
        guest.recv()
        guest.send(encode(Welcome(site="tank", lock_step=False, refresh_s=0.1, seq=0)), text=True)
        guest.send(encode(Points(seq=1, time=wall.now(), ended=False, beat=1, points=())), text=True)
        for _ in guest:
            pass


def test_a_protected_tag_is_refused_here_and_there(served: WebsocketServer) -> None:
    bold = tuple(replace(tag, writable=True) if tag.name == "tank.level" else tag for tag in TAGS)
    with Websocket(site_at(served.endpoint, tags=bold), Path()) as plant, pytest.raises(WriteRefusedError, match="not writable"):
        plant.write("tank.level", 2.0)
