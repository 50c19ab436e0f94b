from ems.standing import Standing, rebuilt
from ems.watch import noticed
from plant.assets import Mode
from plant.events import ModeChange
from plant.orders import Action, Outcome, OutcomeKind
from plant.situation import Lock
from tests.connectors.tank_plant import START, TankPlant
from tests.ems.small import order, small_site

PUMP = small_site().asset("pump")
TOLD = Standing(asset="pump", order=order(Action.OPTIMIZE, 0.8), confirmed=True)


def plant_told() -> TankPlant:
    plant = TankPlant()
    plant.written |= {"pump.command": "OPTIMIZE", "pump.speed_order": 0.8}
    return plant


def test_nothing_is_noticed_while_the_plant_shows_what_we_wrote() -> None:
    assert noticed(PUMP, TOLD, plant_told().read(), contact_was_lost=False) is None
    assert noticed(PUMP, Standing(asset="pump"), TankPlant().read(), contact_was_lost=False) is None


def test_a_human_who_changes_a_set_point_sends_the_asset_to_observe() -> None:
    plant = plant_told()
    plant.written["pump.speed_order"] = 1.0
    found = noticed(PUMP, TOLD, plant.read(), contact_was_lost=False)
    assert found is not None
    assert found.mode is not None
    assert found.mode.mode is Mode.OBSERVE
    assert found.alarm is not None
    assert "pump.speed_order reads 1.0, we wrote 0.8" in found.alarm.words
    assert not found.given_back


def test_a_human_who_selects_local_control_has_it() -> None:
    plant = plant_told()
    plant.written["pump.command"] = "AUTO"
    found = noticed(PUMP, TOLD, plant.read(), contact_was_lost=False)
    assert found is not None
    assert found.mode is not None
    assert found.given_back


def test_after_lost_contact_the_watchdog_is_no_human() -> None:
    plant = plant_told()
    plant.written["pump.command"] = "AUTO"
    found = noticed(PUMP, TOLD, plant.read(), contact_was_lost=True)
    assert found is not None
    assert found.mode is None
    assert found.given_back


def test_standings_are_rebuilt_from_the_journal() -> None:
    first, second = order(Action.STARTUP), order(Action.OPTIMIZE, 0.7)
    ended = [
        Outcome(command_id=first.id, kind=OutcomeKind.CONFIRMED, time=START),
        Outcome(command_id=second.id, kind=OutcomeKind.REFUSED, time=START),
    ]
    lock = Lock(asset="pump", who="shift", why="oil", since=START)
    unlock = Lock(asset="pump", who="shift", why="", since=START, until=START)
    mode = ModeChange(asset="pump", mode=Mode.SHADOW, who="shift", time=START)
    found = rebuilt(["pump"], [first, second], ended, [mode], [lock])["pump"]
    assert found.order == first
    assert found.lock == lock
    assert found.effective(Mode.CONTROL) is Mode.SHADOW
    assert found.effective(Mode.OBSERVE) is Mode.OBSERVE
    assert rebuilt(["pump"], [], [], [], [lock, unlock])["pump"].lock is None
