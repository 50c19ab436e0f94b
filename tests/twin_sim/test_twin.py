"""The twin as a plant: orders, readings, its own account."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plant.errors import NotFoundError, WriteRefusedError
from plant.tags import Quality
from tests.twin_sim.little import START, drivers, series, site
from twin_sim.history import past_life
from twin_sim.mirror import mirror
from twin_sim.model import SiteModel
from twin_sim.state import MachineState, TwinState
from twin_sim.twin import Twin

STATE = TwinState(machines=(("battery", MachineState(running=True)),), levels=(("room", 20.8), ("receiver", 7.3), ("cells", 5.0)))


def twin(**more: object) -> Twin:
    return Twin(SiteModel(site()), drivers(), start=START, state=STATE, **more)  # type: ignore[arg-type]


def test_reads_every_tag_before_the_first_minute() -> None:
    snapshot = twin().read()
    assert {reading.tag for reading in snapshot.readings} == {tag.name for tag in site().tags}
    assert not [reading.tag for reading in snapshot.readings if reading.quality is Quality.BAD]
    assert snapshot.number("total") == pytest.approx(20.0)


def test_setpoint_first_order_last() -> None:
    plant = twin()
    plant.write("lead.write", 0.6)
    assert plant.read().truth("lead.running") is False
    plant.write("lead.command", "OPTIMIZE")
    plant.wait_until(START + timedelta(minutes=2))
    shown = plant.read()
    assert shown.truth("lead.running") is True
    assert shown.number("lead.setpoint") == pytest.approx(0.6)
    assert [(order.asset, order.value) for order in plant.orders] == [("lead", 0.6), ("lead", "OPTIMIZE")]


def test_release_gives_back_to_local_control() -> None:
    plant = twin()
    plant.write("lead.command", "SHUTDOWN")
    plant.write("lag.command", "SHUTDOWN")
    plant.wait_until(START + timedelta(hours=2))
    assert (plant.read().number("bar") or 0.0) < 6.5
    plant.write("lead.command", "AUTO")
    plant.wait_until(START + timedelta(hours=4))
    assert plant.read().truth("lead.running") is True
    assert (plant.read().number("bar") or 0.0) > 6.5


def test_leaving_releases_everything() -> None:
    plant = twin()
    with plant:
        plant.write("lead.command", "SHUTDOWN")
    assert bool(plant.ensemble.released.all())


@pytest.mark.parametrize(
    ("tag", "value", "error"),
    [("nothing", 1.0, NotFoundError), ("room", 20.0, WriteRefusedError), ("lead.command", "FLY", WriteRefusedError)],
)
def test_refuses_what_it_does_not_know(tag: str, value: float | str, error: type[Exception]) -> None:
    with pytest.raises(error):
        twin().write(tag, value)


def test_refuses_what_has_expired() -> None:
    plant = twin()
    plant.wait_until(START + timedelta(minutes=10))
    with pytest.raises(WriteRefusedError, match="expired"):
        plant.write("lead.command", "STARTUP", expires=START + timedelta(minutes=5))


def test_ends_when_told() -> None:
    plant = twin(end=START + timedelta(hours=1))
    assert plant.wait_until(START + timedelta(minutes=30))
    assert not plant.wait_until(START + timedelta(hours=5))
    assert plant.now() == START + timedelta(hours=1)


def test_its_account_agrees_with_its_readings() -> None:
    plant = twin()
    total = 0.0
    for minute in range(1, 241):
        plant.wait_until(START + timedelta(minutes=minute))
        total += (plant.read().number("total") or 0.0) / 60.0
    found = plant.report(series([0.1] * 48))
    assert found.energy_kwh == pytest.approx(total, rel=0.01)
    assert found.energy_cost == pytest.approx(0.1 * found.energy_kwh, rel=1e-9)
    assert found.served_share == pytest.approx(1.0, abs=1e-3)
    assert found.starts == sum(count for _, count in found.starts_by_asset)


def test_another_seed_is_another_plant_and_the_same_seed_the_same() -> None:
    def after(seed: int) -> float | None:
        plant = twin(seed=seed, mismatch=0.1, noise=True)
        plant.wait_until(START + timedelta(hours=3))
        return plant.read().number("room")

    assert after(1) == after(1)
    assert after(1) != after(2)


def test_history_ends_where_a_run_may_begin() -> None:
    model = SiteModel(site())
    past = past_life(model, drivers(days=4), start=START, days=3.0, seed=2, mismatch=0.1, noise=False, tick_s=60.0)
    assert len(past.telemetry) == 3 * 96
    begins = Twin(model, drivers(days=4), start=START + timedelta(days=3), seed=2, mismatch=0.1, state=past.state)
    step = past.telemetry.columns["room"][-1] - (begins.read().number("room") or 0.0)
    assert abs(float(step)) < 1.0


def test_mirror_believes_its_own_plant_and_not_another() -> None:
    model = SiteModel(site())
    same = past_life(model, drivers(days=4), start=START, days=3.0, noise=False).telemetry
    found = {item.asset: item for item in mirror(model, same).credibility}
    assert found["lead"].samples > 20
    assert found["lead"].cv_rmse < 0.02
    other = {name: (2.0 * column if name == "lead.kw" else column) for name, column in same.columns.items()}
    doubted = {item.asset: item for item in mirror(model, type(same)(times=same.times, columns=other)).credibility}
    assert not doubted["lead"].ok or doubted["lead"].cv_rmse > 0.4
    assert doubted["lead"].nmbe < -0.3
