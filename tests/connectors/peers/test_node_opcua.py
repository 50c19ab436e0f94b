"""node-opcua, an OPC UA stack of another family, against our server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from connectors.serve.desk import Desk
from connectors.serve.opcua import OpcuaServer
from tests.connectors.tank_plant import NAMESPACE, TankPlant, tank_site

HERE = Path(__file__).parent


def test_node_opcua_drives_our_server() -> None:
    tank = TankPlant()
    site = tank_site("opc.tcp://127.0.0.1:0")
    with Desk(tank, site, lock_step=True) as desk, OpcuaServer(desk, "opc.tcp://127.0.0.1:0") as server:
        done = subprocess.run(
            ["node", HERE / "drive.js", server.endpoint, NAMESPACE], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr
    seen = json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))
    assert set(seen["folders"]) >= {"Power", "Running", "Speed", "Command"}
    assert seen["writes"] == {
        "speed": "Good",
        "command": "Good",
        "dance": "BadRequestNotAllowed",
        "wrongType": "BadTypeMismatch",
        "readOnly": "BadUserAccessDenied",
        "advance": "Good",
    }
    assert seen["Clock"] == {"status": "Good", "type": "Double", "value": seen["before"] + 900.0}
    assert seen["Pump.Running"] == {"status": "Good", "type": "Boolean", "value": True}
    assert seen["Pump.Speed"]["value"] == 0.75
    assert seen["Pump.Power"]["value"] == pytest.approx(5000.0 * 0.75**3)
    assert seen["Ghost"]["status"] == "BadNodeIdUnknown"
    assert [value for _, _, value in tank.writes] == [0.75, "STARTUP"]
