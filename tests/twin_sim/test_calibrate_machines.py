"""Machines with meters of their own: their sizes are learned, and what was not seen is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from datasets import works
from datasets.repair import resample
from ems.config import load
from ems.demo import drivers_of
from plant.kinds import find
from plant.physics import Conditions
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate import calibrate
from twin_sim.calibrate_machines import sizes
from twin_sim.calibration import Calibration
from twin_sim.history import past_life
from twin_sim.mismatch import differing
from twin_sim.model import SiteModel

START = datetime(2026, 1, 5, tzinfo=UTC)
SEED, OFF = 4, 0.1
POWER = "power_kw"
SEEN = ("line", "hvac_office", "hvac_hall", "compressor_1", "server_cooling", "pump")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder: Path = tmp_path_factory.mktemp("works")
    template = resources.files("ems") / "templates" / "works.toml"
    (folder / "site.toml").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    works.write_prices(folder / "prices.csv", works.course(SEED, START, 2.0).tags)
    return load(folder / "site.toml").site


@pytest.fixture(scope="module")
def history(site: Site) -> Table:
    """Ten days of a works that is not what its site file says, with noisy meters."""
    driven = drivers_of(works.course(SEED, START, 12.0, fouling_from=datetime(2026, 3, 1, tzinfo=UTC)))
    return past_life(SiteModel(site), driven, start=START, days=10.0, step_s=900.0, seed=SEED, mismatch=OFF).telemetry


@pytest.fixture(scope="module")
def learned(site: Site, history: Table) -> Calibration:
    return calibrate(site, history)


@pytest.mark.parametrize("name", SEEN)
def test_power_and_output_are_those_of_the_plant(site: Site, learned: Calibration, name: str) -> None:
    plant, stated, found = differing(SiteModel(site), SEED, OFF).kind(name), SiteModel(site).kind(name), learned.of_asset(name)
    assert set(found) == {*plant.uncertain, "standby_kw"}
    for number in plant.uncertain:
        true = getattr(plant, number)
        assert found[number] == pytest.approx(true, rel=0.01)
        assert abs(found[number] - true) < abs(getattr(stated, number) - true)
        (item,) = (
            item for machine in learned.assets if machine.asset == name for item in machine.parameters if item.name == number
        )
        assert item.low < true < item.high


def test_the_twin_takes_what_was_learned(site: Site, learned: Calibration) -> None:
    kind = SiteModel(site, learned).kind("compressor_1")
    assert getattr(kind, POWER) == learned.of_asset("compressor_1")["power_kw"]


def test_it_is_judged_on_what_it_has_not_seen(learned: Calibration) -> None:
    held = {item.asset: item for item in learned.credibility}
    assert set(held) == set(SEEN)
    assert all(item.cv_rmse < 0.02 and item.samples > 20 for item in held.values())
    checks = {item.store: item.range_share for item in learned.level_checks}
    assert {"warehouse", "tower", "office", "hall", "server_room"} <= set(checks)
    assert max(checks.values()) < 0.02


def test_a_few_hours_at_another_setpoint_do_not_spoil_what_weeks_have_shown(site: Site, history: Table) -> None:
    """The pump lifts against a static head: its flow falls faster than its speed, and a curve through that is far off."""
    plant = differing(SiteModel(site), SEED, OFF).kind("pump")
    flow, power = history.columns["pump.m3_h"].copy(), history.columns["pump.power_kw"].copy()
    speed = history.columns["pump.setpoint"].copy()
    slow = np.flatnonzero(flow > 1.0)[-25:]
    working = plant.running(0.7, Conditions())
    speed[slow], flow[slow], power[slow] = 0.7, working.output_per_h, working.power_kw
    changed = {**history.columns, "pump.setpoint": speed, "pump.m3_h": flow, "pump.power_kw": power}
    found = calibrate(site, Table(times=history.times, columns=changed)).of_asset("pump")
    assert found["flow_per_h"] == pytest.approx(plant.flow_per_h, rel=0.02)
    assert found[POWER] == pytest.approx(plant.power_kw, rel=0.02)


def test_who_never_ran_keeps_its_numbers_and_is_named(site: Site, learned: Calibration) -> None:
    assert learned.of_asset("compressor_2") == {}
    assert any(words.startswith("compressor_2 keeps the site file's power and output: it runs") for words in learned.words)
    assert "receiver" not in {item.store for item in learned.level_checks}, "a store with an unknown inflow cannot be foretold"


def test_a_machine_of_another_size_is_doubted(site: Site, history: Table) -> None:
    wrong = {**history.columns, "line.power_kw": history.columns["line.power_kw"] * 1000.0}
    found = calibrate(site, Table(times=history.times, columns=wrong))
    assert found.of_asset("line") == {}
    (words,) = (words for words in found.words if words.startswith("line: "))
    assert "check units and meters" in words
    assert "line" not in {item.asset for item in found.credibility}, "nothing is judged of which nothing was learned"


def test_store_sizes_are_not_off_by_the_reading_in_which_the_switch_falls(site: Site, history: Table) -> None:
    opened = replace(
        site,
        stores=tuple(replace(store, size_per_level=None) if store.name in {"tower", "hall"} else store for store in site.stores),
    )
    true = {store.name: store.size_per_level for store in differing(SiteModel(site), SEED, OFF).stores}
    found = calibrate(opened, history)
    for name in ("tower", "hall"):
        assert found.of_store(name)["size_per_level"] == pytest.approx(true[name], rel=0.05)


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("compressor", {"flow_per_h": 500.0, "power_kw": 50.0}, {"flow_per_h": (0, 1), "power_kw": (1, 0)}),
        ("heat_pump", {"power_kw": 10.0, "cop": 3.0}, {"power_kw": (1, 1), "cop": (0, 1)}),
        ("production_line", {"rate_per_h": 100.0, "power_kw": 50.0}, {"rate_per_h": (0, 1), "power_kw": (1, 0)}),
        ("furnace", {"power_kw": 100.0, "efficiency": 0.8}, {"power_kw": (1, 1), "efficiency": (0, 1)}),
        ("battery", {"power_kw": 50.0}, {}),
    ],
)
def test_what_scales_power_and_output(kind: str, spec: dict[str, float], expected: dict[str, tuple[int, int]]) -> None:
    assert sizes(find("twin_sim.assets", kind)(**spec)) == expected


def changed(table: Table, **columns: Floats) -> Table:
    return Table(
        times=table.times, columns={**table.columns, **{name.replace("__", "."): column for name, column in columns.items()}}
    )


def test_a_machine_that_never_ran_is_named(site: Site, history: Table) -> None:
    nothing = np.zeros(len(history))
    found = calibrate(site, changed(history, line__power_kw=nothing, line__running=nothing, line__pieces_per_h=nothing))
    assert any(words.startswith("line keeps the site file's") for words in found.words)


def test_a_dead_power_meter_costs_only_its_own_machine(site: Site, history: Table) -> None:
    found = calibrate(site, changed(history, line__power_kw=np.zeros(len(history))))
    assert found.of_asset("line") == {}
    assert found.of_asset("compressor_1")


def test_a_meter_that_is_missing_is_named(site: Site, history: Table) -> None:
    columns = {name: column for name, column in history.columns.items() if name != "line.pieces_per_h"}
    found = calibrate(site, Table(times=history.times, columns=columns))
    assert any("the history has no column 'line.pieces_per_h'" in words for words in found.words)


def test_what_no_machine_can_be_is_not_learned(site: Site, history: Table) -> None:
    """A heat meter that shows less heat than the power that makes it."""
    found = calibrate(site, changed(history, hvac_hall__heat_kw=history.columns["hvac_hall.heat_kw"] / 2.9))
    assert found.of_asset("hvac_hall") == {} or found.of_asset("hvac_hall")["cop"] > 1.0
    offset = calibrate(site, changed(history, hvac_hall__power_kw=history.columns["hvac_hall.power_kw"] - 0.6))
    assert offset.of_asset("hvac_hall")["standby_kw"] == 0.0
    SiteModel(site, offset)
    SiteModel(site, found)


def test_one_odd_reading_spoils_nothing(site: Site, history: Table, learned: Calibration) -> None:
    setpoint, given = history.columns["line.setpoint"].copy(), history.columns["line.pieces_per_h"].copy()
    rows = np.flatnonzero(history.columns["line.running"] >= 1.0)[:2]
    setpoint[rows], given[rows] = 0.0, 0.001
    found = calibrate(site, changed(history, line__setpoint=setpoint, line__pieces_per_h=given))
    assert found.of_asset("line")["power_kw"] == pytest.approx(learned.of_asset("line")["power_kw"], rel=0.01)
    assert all(np.isfinite([item.low, item.high]).all() for machine in found.assets for item in machine.parameters)


@pytest.mark.parametrize("tagged", [True, False])
def test_means_of_an_hour_tell_the_same(site: Site, history: Table, tagged: bool) -> None:
    """Hours in which a machine ran only in part are no measure of its size."""
    hourly = resample(history, 3600.0)
    names = set(hourly.columns) if tagged else {name for name in hourly.columns if not name.endswith(".running")}
    found = calibrate(site, hourly.only(*names))
    plant = differing(SiteModel(site), SEED, OFF)
    for name in ("line", "hvac_hall"):
        if found.of_asset(name):
            assert found.of_asset(name)["power_kw"] == pytest.approx(getattr(plant.kind(name), POWER), rel=0.05)
            assert found.of_asset(name)["standby_kw"] < 6.0
    assert found.of_asset("line")
