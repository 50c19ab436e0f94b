"""The web as a process of its own, and what it refuses."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from ems import web
from ems.config import load
from plant.errors import ConfigError, NotConnectedError

SITE = """
[site]
name = "hall"
simulated = true

[connection]
endpoint = "opc.tcp://127.0.0.1:4840"
namespace = "urn:hall"

[tariff]
energy = { kind = "flat", per_kwh = 0.2 }

[control]
mode = "SHADOW"

[[tags]]
name = "lamp.power"
unit = "kW"
address = "s=Lamp.Power"

[[assets]]
name = "lamp"
kind = "load"
spec = { power_kw = 5.0 }
tags = { power = "lamp.power" }
local_control = { kind = "always" }
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(SITE, encoding="utf-8")
    return file


def test_runs_as_a_process_for_as_long_as_wanted(site: Path) -> None:
    with web.running(site) as served:
        assert httpx.get(f"{served.url}/healthz").json() == {"ok": True, "site": "hall", "last_row": 0, "words": ""}
        assert httpx.get(f"{served.url}/").headers["content-type"].startswith("text/html")
        assert httpx.get(f"{served.url}/api/v1/plan").status_code == 404
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{served.url}/healthz")
    with pytest.raises(ProcessLookupError):
        os.kill(served.pid, 0)


def test_a_site_that_is_wrong_ends_it_with_its_words(tmp_path: Path) -> None:
    with pytest.raises(NotConnectedError, match="ended at once with code 2"), web.running(tmp_path / "none.toml"):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.7", "plant.example"])
def test_listens_on_this_machine_only(site: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="no log-in"):
        web.serve(load(site), host, 8050)


def test_a_taken_port_is_named(site: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(NotConnectedError, match=f"127.0.0.1:{port} cannot be served"):
            web.serve(load(site), "127.0.0.1", port)


def test_help_has_an_example() -> None:
    from ems.cli import app
    from ems.commands import serve

    serve.mount(app)
    said = CliRunner().invoke(app, ["serve", "--help"]).output
    assert "Example" in said
    assert "--port" in said
