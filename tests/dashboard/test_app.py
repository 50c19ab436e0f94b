"""What the web answers over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from dashboard.app import build
from ems.config import historian_url
from ems.historian import Historian
from plant.errors import HistorianError
from tests.dashboard import works
from tests.dashboard.scribe import Scribe

CYCLES = 30


@pytest.fixture(scope="module")
def historian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Historian]:
    loaded = works.loaded(tmp_path_factory.mktemp("works"))
    with Historian(historian_url(loaded)) as opened:
        Scribe(loaded, opened).run(CYCLES)
        yield opened


@pytest.fixture(scope="module")
def client(historian: Historian, tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return TestClient(build(works.loaded(tmp_path_factory.mktemp("site")), historian), base_url="http://127.0.0.1")


def test_healthz_is_json(client: TestClient) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["ok"] is True
    assert answer.json()["last_row"] > CYCLES


def test_healthz_says_what_is_wrong(historian: Historian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = TestClient(build(works.loaded(tmp_path), historian), base_url="http://127.0.0.1")

    def locked(*_: object, **__: object) -> None:
        raise HistorianError("database is locked")

    monkeypatch.setattr(historian, "entries", locked)
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert "locked" in answer.json()["words"]
    assert client.get("/api/v1/commands").status_code == 503


def test_metrics_are_prometheus_text(client: TestClient) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = answer.text.splitlines()
    assert any(line.startswith('ems_commands_total{action="SHUTDOWN",outcome="CONFIRMED"}') for line in lines)
    assert any(line.startswith('ems_store_level{store="air_receiver",unit="bar"}') for line in lines)
    counted = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("ems_commands_total")]
    again = [
        float(line.rsplit(" ", 1)[1]) for line in client.get("/metrics").text.splitlines() if line.startswith("ems_commands_total")
    ]
    assert sum(counted) > 0
    assert counted == again


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/nosuch", "/api/v1/nosuch", "/static/nosuch.js"])
def test_unknown_paths_are_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/commands", "/static/ems.css", "/static/watchdog.js", "/_dash-layout"])
def test_pages_may_load_from_here_only(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "https://" not in answer.text


def test_other_names_for_this_machine_are_refused(client: TestClient) -> None:
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400


def test_openapi_names_every_address(client: TestClient) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/kpi", "/api/v1/commands", "/api/v1/plan", "/api/v1/readings"} <= set(paths)
