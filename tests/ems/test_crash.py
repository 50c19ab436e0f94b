"""kill -9 at every point of a command's life: what the journal promises afterwards, checked on the plant's side."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from connectors.serve.desk import Desk
from connectors.serve.opcua import OpcuaServer
from ems.execute import writes_of
from ems.historian import Historian
from ems.standing import SENT
from plant.orders import Command, Outcome, OutcomeKind
from tests.connectors.tank_plant import TankPlant
from tests.ems.crashing import control
from tests.ems.small import small_site

ROOT = Path(__file__).parents[2]


def orders(plant: TankPlant) -> Counter[str]:
    return Counter(str(value) for _, tag, value in plant.writes if tag == "pump.command" and value != "AUTO")


@pytest.mark.parametrize("point", ["planned", "journalled", "sent", "read_back"])
def test_after_kill_9_every_command_has_one_outcome_and_none_is_sent_again(point: str, tmp_path: Path) -> None:
    url, plant, site = f"sqlite:///{tmp_path / 'tank.sqlite'}", TankPlant(), small_site()
    with Desk(plant, site, lock_step=True) as desk, OpcuaServer(desk, "opc.tcp://127.0.0.1:0/tank") as server:
        child = subprocess.run(
            [sys.executable, "-m", "tests.ems.crashing", point, server.endpoint, url],
            cwd=ROOT,
            timeout=120,
            capture_output=True,
            text=True,
            check=False,
        )
        assert child.returncode == -signal.SIGKILL, child.stderr
        with Historian(url) as historian:
            open_commands = historian.records("command", Command)
            assert historian.records("outcome", Outcome) == []
        before = orders(plant)
        assert sum(before.values()) == (1 if point in {"sent", "read_back"} else 0)
        assert len(open_commands) == (0 if point == "planned" else 1)
        control("never", server.endpoint, url, 4.0)
        after = orders(plant)
    with Historian(url) as historian:
        commands, outcomes = historian.records("command", Command), historian.records("outcome", Outcome)
        assert historian.verify() > 0
    ended = {outcome.command_id: outcome.kind for outcome in outcomes}
    assert sorted(ended) == sorted(command.id for command in commands)
    assert len(outcomes) == len(commands)
    for command in open_commands:
        expected = {OutcomeKind.CONFIRMED, OutcomeKind.UNCONFIRMED} if before else {OutcomeKind.UNCONFIRMED, OutcomeKind.EXPIRED}
        assert ended[command.id] in expected
    old = {command.id for command in open_commands}
    fresh = Counter(
        str(writes_of(site.asset(command.asset), command)[-1].value)
        for command in commands
        if command.id not in old and ended[command.id] in SENT and command.action.value != "RELEASE"
    )
    assert after - before == fresh
