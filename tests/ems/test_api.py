"""REST over a day of journal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from ems import api
from ems.config import historian_url
from ems.historian import Historian
from plant.orders import Command
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
    server = FastAPI()
    server.include_router(api.router(works.loaded(tmp_path_factory.mktemp("site")), historian))
    return TestClient(server)


def test_site_shows_states_and_stores(client: TestClient) -> None:
    found = client.get("/api/v1/site").json()
    assert found["currency"] == "EUR"
    assert {asset["asset"] for asset in found["assets"]} == {machine.name for machine in works.MACHINES}
    assert {store["store"] for store in found["stores"]} == set(works.STORES)


def test_kpi_adds_up_and_compares_the_same_spans(client: TestClient) -> None:
    found = client.get("/api/v1/kpi").json()
    assert len(found["spans"]) == CYCLES - 1
    assert found["total"]["cost"] == pytest.approx(sum(span["cost"] for span in found["spans"]))
    assert found["saving"] == pytest.approx(found["total_nothing"]["cost"] - found["total"]["cost"])
    some = client.get("/api/v1/kpi", params={"since": found["spans"][10]["start"]}).json()
    assert len(some["spans"]) == CYCLES - 11


def test_commands_come_newest_first_with_their_ends(client: TestClient, historian: Historian) -> None:
    found = client.get("/api/v1/commands").json()
    journalled = historian.records("command", Command)
    assert [item["command"]["id"] for item in found] == [command.id for command in reversed(journalled)]
    assert all(item["outcome"]["command_id"] == item["command"]["id"] for item in found)
    battery = client.get("/api/v1/commands", params={"asset": "battery", "limit": 1}).json()
    assert [item["command"]["asset"] for item in battery] == ["battery"]


def test_plan_has_its_verdict_and_refused_ones_are_listed(client: TestClient) -> None:
    newest = client.get("/api/v1/plan").json()
    assert newest["verdict"]["plan_id"] == newest["plan"]["id"]
    assert any(not item["verdict"]["ok"] for item in client.get("/api/v1/plans").json())


def test_readings_keep_gaps_and_units(client: TestClient) -> None:
    query = {"tag": ["battery.level", "base.power"], "since": "2026-03-09T06:00:00Z", "until": "2026-03-09T07:00:00Z"}
    found = client.get("/api/v1/readings", params=query).json()
    assert len(found["times"]) == len(found["columns"][0]["values"]) > 4
    assert [column["tag"] for column in found["columns"]] == ["battery.level", "base.power"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/readings?tag=battery.level&since=2026-03-09T06:00:00", 422),
        ("/api/v1/commands?limit=0", 422),
        ("/api/v1/kpi?since=yesterday", 422),
    ],
)
def test_wrong_questions_are_told(client: TestClient, path: str, status: int) -> None:
    assert client.get(path).status_code == status


@pytest.mark.parametrize("name", ["latest", "forecasts", "health", "alarms", "events"])
def test_everything_else_answers(client: TestClient, name: str) -> None:
    answer = client.get(f"/api/v1/{name}")
    assert answer.status_code == 200
    assert answer.json()
