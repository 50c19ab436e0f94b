"""Explaining from the journal: commands of the rule table, a person's, one that gives an asset back, and nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anomaly.monitor import HealthMonitor
from ems.config import LoadedSite
from ems.explain import explain
from ems.historian import Historian
from ems.runs import run
from ems.site import build
from plant.errors import NotFoundError
from plant.orders import Action, Command, Reason, Request
from tests.connectors.tank_plant import START, TankPlant
from tests.ems.small import small_site

HOUR = 3600.0


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    with Historian(f"sqlite:///{tmp_path / 'tank.sqlite'}") as made:
        yield made


def lived(historian: Historian, **control: object) -> None:
    site = small_site(**control)
    loaded = LoadedSite(site=site, folder=Path(), file=Path("site.toml"))
    run(build(loaded, historian, TankPlant(), {}, HealthMonitor(site, {})), for_s=HOUR)


def test_a_command_of_the_rule_table_says_where_it_flips(historian: Historian) -> None:
    lived(historian)
    command = next(item for item in historian.records("command", Command) if item.action is not Action.RELEASE)
    found = explain(historian, command.id)
    assert found.command == command
    assert found.alternatives == ()
    assert {flip.what for flip in found.flips} >= {"low limit of tank", "high limit of tank"}
    words = found.words("Europe/Berlin")
    assert f"why         {command.reason.value}: " in words
    assert "otherwise   low limit of tank" in words


def test_a_command_of_the_optimum_has_an_alternative(historian: Historian) -> None:
    lived(historian, strategy="optimal")
    commands = [item for item in historian.records("command", Command) if item.action is not Action.RELEASE]
    found = explain(historian, commands[0].id)
    assert found.plan.strategy == "optimal"
    assert found.alternatives
    assert found.flips
    assert "rejected" in found.words("UTC")


def test_the_newest_plan_is_explained_without_an_id_and_what_gave_back_has_no_plan(historian: Historian) -> None:
    with pytest.raises(NotFoundError, match="no plan yet"):
        explain(historian, None)
    lived(historian)
    assert explain(historian, None).command is None
    last = historian.records("command", Command)[-1]
    assert last.action is Action.RELEASE
    with pytest.raises(NotFoundError, match="belongs to no plan"):
        explain(historian, last.id)


def test_a_persons_command_has_no_reasons_but_their_own(historian: Historian) -> None:
    wish = Request(id="q-1", who="shift leader", time=START, wish="command", asset="pump", action=Action.STARTUP, words="test run")
    historian.file_request(wish)
    lived(historian)
    asked = [item for item in historian.records("command", Command) if item.reason is Reason.OPERATOR]
    found = explain(historian, asked[0].id)
    assert (found.flips, found.alternatives, found.conflicts) == ((), (), ())
    assert "test run" in found.words("UTC")
