from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ems.execute import Gate, Written, judge, release_command, same, writes_of
from plant.assets import Mode
from plant.errors import NotConnectedError
from plant.orders import Action, Bound, Command, Outcome, OutcomeKind, Reason
from plant.situation import Lock
from plant.tags import Quality
from tests.connectors.tank_plant import START, TankPlant
from tests.ems.small import order, small_site

SITE = small_site()
PUMP = SITE.asset("pump")


def gate(plant: TankPlant, too_soon: Callable[[Command], str | None] = lambda _: None) -> Gate:
    return Gate(SITE, plant, plant.read, too_soon)


def ends(plant: TankPlant, command: Command) -> Outcome:
    """Send a command and wait for how it ends."""
    door, found = gate(plant), []
    sent = door.send(command)
    if isinstance(sent, Outcome):
        return sent
    door.confirm([sent], lambda _, outcome: found.append(outcome))
    assert len(found) == 1
    return found[0]


def test_the_set_point_goes_first_and_the_order_last() -> None:
    plant = TankPlant()
    outcome = ends(plant, order(Action.OPTIMIZE, 0.8, power_kw=5.0 * 0.8**3))
    assert [tag for _, tag, _ in plant.writes] == ["pump.speed_order", "pump.command"]
    assert outcome.kind is OutcomeKind.CONFIRMED
    assert outcome.setpoint_read == 0.8
    assert outcome.running_read is True


def test_startup_runs_at_the_nominal_set_point() -> None:
    assert [write.value for write in writes_of(PUMP, order(Action.STARTUP))] == [1.0, "STARTUP"]
    assert [write.tag for write in writes_of(PUMP, order(Action.SHUTDOWN))] == ["pump.command"]


def test_release_writes_what_the_site_file_says() -> None:
    plant = TankPlant()
    ends(plant, order(Action.STARTUP))
    released = ends(plant, release_command("pump", plant.now(), 300.0, Reason.SAFETY, "end"))
    assert released.kind is OutcomeKind.CONFIRMED
    assert plant.written["pump.command"] == "AUTO"


def test_a_plant_that_echoes_and_does_nothing_is_no_effect() -> None:
    plant = TankPlant()
    plant.bad["pump.running"] = (Quality.GOOD, False)
    plant.bad["pump.power"] = (Quality.GOOD, 0.0)
    outcome = ends(plant, order(Action.STARTUP, power_kw=5.0))
    assert outcome.kind is OutcomeKind.NO_EFFECT
    assert "state reads stopped" in outcome.words
    assert "power reads 0.0 kW" in outcome.words


def test_power_must_agree_too() -> None:
    plant = TankPlant()
    plant.bad["pump.power"] = (Quality.GOOD, 0.1)
    assert ends(plant, order(Action.STARTUP, power_kw=5.0)).kind is OutcomeKind.NO_EFFECT


def test_what_cannot_be_read_back_is_unconfirmed() -> None:
    plant = TankPlant()
    plant.bad["pump.running"] = (Quality.BAD, None)
    outcome = ends(plant, order(Action.STARTUP))
    assert outcome.kind is OutcomeKind.UNCONFIRMED
    assert "pump.running" in outcome.words


def test_a_refused_write_is_refused_and_an_expired_one_expires() -> None:
    plant = TankPlant()
    bad = replace(SITE.asset("pump"), orders=replace(PUMP.orders, startup="FLY", shutdown="FLY"))
    site = replace(SITE, assets=(bad,))
    refused = Gate(site, plant, plant.read, lambda _: None).send(order(Action.SHUTDOWN))
    assert isinstance(refused, Outcome)
    assert refused.kind is OutcomeKind.REFUSED
    in_part = Gate(site, plant, plant.read, lambda _: None).send(order(Action.STARTUP))
    assert isinstance(in_part, Written)
    assert not in_part.held
    plant.time = START + timedelta(hours=1)
    expired = gate(plant).send(order(Action.STARTUP))
    assert isinstance(expired, Outcome)
    assert expired.kind is OutcomeKind.EXPIRED
    assert plant.writes == [(START, "pump.speed_order", 1.0)]


def test_a_connection_lost_while_writing_ends_by_what_is_read() -> None:
    plant = TankPlant()

    def lose() -> None:
        if plant.writes:
            plant.before_write = lambda: None
            raise NotConnectedError("gone")

    plant.before_write = lose
    outcome = ends(plant, order(Action.OPTIMIZE, 0.7))
    assert outcome.kind is OutcomeKind.UNCONFIRMED
    assert "connection lost" in outcome.words


@pytest.mark.parametrize(
    ("tag", "value", "words"),
    [("pump.lamp", False, "permit"), ("pump.lamp", None, "cannot be read")],
)
def test_a_permit_withdrawn_between_plan_and_write(tag: str, value: bool | None, words: str) -> None:
    plant = TankPlant()
    plant.bad[tag] = (Quality.BAD if value is None else Quality.GOOD, value)
    pump = replace(PUMP, tags=replace(PUMP.tags, permit_start=tag))
    door = Gate(replace(SITE, assets=(pump,)), plant, plant.read, lambda _: None)
    refusal = door.refusal(order(Action.STARTUP), None, Mode.CONTROL, (), by_person=False)
    assert refusal is not None
    assert words in refusal


def test_the_door_checks_mode_lock_expiry_bounds_and_times() -> None:
    plant = TankPlant()
    start = order(Action.STARTUP)

    def refusal(
        mode: Mode = Mode.CONTROL, bounds: tuple[Bound, ...] = (), person: bool = False, lock: Lock | None = None
    ) -> str | None:
        return gate(plant).refusal(start, lock, mode, bounds, person)

    assert refusal() is None
    assert refusal(Mode.SHADOW) == "mode is SHADOW"
    assert refusal(Mode.ADVISE) == "mode is ADVISE"
    assert refusal(Mode.ADVISE, person=True) is None
    assert refusal(lock=Lock(asset="pump", who="fitter", why="seal", since=START)) == "locked by fitter: seal"
    assert "verdict holds" in str(refusal(bounds=(Bound(tag="tank.level", low=3.5, high=5.0),)))
    assert gate(plant, lambda _: "too soon").refusal(start, None, Mode.CONTROL, (), False) == "too soon"
    plant.time = START + timedelta(hours=1)
    assert "expired" in str(refusal())


def test_may_stop_false_is_never_stopped() -> None:
    plant = TankPlant()
    door = Gate(replace(SITE, assets=(replace(PUMP, may_stop=False),)), plant, plant.read, lambda _: None)
    assert "may not be stopped" in str(door.refusal(order(Action.SHUTDOWN), None, Mode.CONTROL, (), False))


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(1.0, 1.005, True), (1.0, 1.2, False), ("auto", "AUTO", True), (None, 1.0, False)]
)
def test_same(one: float | str | None, other: float | str | None, expected: bool) -> None:
    assert same(one, other) is expected


def test_release_is_judged_by_its_own_writes() -> None:
    plant = TankPlant()
    plant.written["pump.command"] = "STARTUP"
    released = release_command("pump", START, 300.0, Reason.SAFETY, "end")
    assert judge(PUMP, Written(command=released, at=START), plant.read()).kind is OutcomeKind.NO_EFFECT
