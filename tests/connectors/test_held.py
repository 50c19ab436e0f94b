"""Who follows our orders."""

from __future__ import annotations

from connectors.held import Held
from plant.assets import TagWrite
from tests.connectors.tank_plant import tank_site


def test_only_what_was_written_to_is_given_back() -> None:
    held = Held(tank_site("opc.tcp://h:1"))
    assert held.assets() == ()
    held.note("pump.lamp", True)
    assert held.assets() == (), "a lamp is no order"
    held.note("pump.speed_order", 0.8)
    held.note("pump.command", "OPTIMIZE")
    assert held.assets() == ("pump",)
    assert held.writes("pump") == (TagWrite(tag="pump.command", value="AUTO"),)


def test_a_release_ends_it_and_an_order_begins_it_again() -> None:
    held = Held(tank_site("opc.tcp://h:1"))
    held.note("pump.command", "STARTUP")
    held.note("pump.command", "AUTO")
    assert held.assets() == ()
    held.note("pump.speed_order", 0.8)
    assert held.assets() == ("pump",)
    held.forget("pump")
    assert held.assets() == ()
