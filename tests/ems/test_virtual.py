"""Virtual tags: a sum is a sum, a balance gives back the demand it was made of, and what is unknown says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ems.historian import Historian
from ems.virtual import VirtualTags, derive
from plant.assets import Flow
from plant.site import Site
from plant.table import Table
from plant.tags import Quality, Reading, Snapshot
from tests.ems.waterworks import loaded

T0 = datetime(2026, 3, 1, tzinfo=UTC)
STEP_S = 900
AREA_M2 = 80.0


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return loaded(tmp_path).site


def history(rows: int = 200, seed: int = 1) -> tuple[Table, np.ndarray]:
    """A tower whose level follows from flows and a demand; row i holds what happened until then."""
    random = np.random.default_rng(seed)
    demand = random.uniform(20, 60, rows)
    flows = [random.choice([0.0, 90.0], rows), random.choice([0.0, 60.0], rows)]
    change = (flows[0] + flows[1] - demand) * STEP_S / 3600 / AREA_M2
    change[0] = 0.0
    powers = [random.uniform(0, 30, rows) for _ in range(2)]
    columns = {
        "pump_1_flow": flows[0], "pump_2_flow": flows[1], "tower_level": 3.0 + np.cumsum(change),
        "pump_1_power": powers[0], "pump_2_power": powers[1], "site_power": powers[0] + powers[1] + 7.0,
    }  # fmt: skip
    times = np.datetime64(T0.replace(tzinfo=None), "us") + np.arange(rows) * np.timedelta64(STEP_S, "s")
    return Table(times=times, columns=columns), demand


def test_a_balance_gives_back_the_demand(site: Site) -> None:
    table, demand = history()
    whole = VirtualTags(site).extend_table(table)
    np.testing.assert_allclose(whole.columns["water_demand"][1:], demand[1:], rtol=1e-9)
    assert np.isnan(whole.columns["water_demand"][0])
    np.testing.assert_allclose(whole.columns["base_load"], 7.0)


def test_noise_of_the_level_cancels(site: Site) -> None:
    table, demand = history(2000)
    noisy = {**table.columns, "tower_level": table.columns["tower_level"] + np.random.default_rng(5).normal(0, 0.2, 2000)}
    found = VirtualTags(site).extend_table(Table(times=table.times, columns=noisy)).columns["water_demand"]
    assert np.nanmin(found) < 0
    assert np.nanmean(found) == pytest.approx(demand.mean(), rel=0.02)


def test_losses_and_free_flows_are_no_demand(site: Site) -> None:
    table, demand = history()
    tower = replace(site.stores[0], loss_a=2.0, loss_b=0.5)
    cellar = replace(tower, name="cellar", level="site_power")
    virtual = VirtualTags(site, stores=(tower, cellar), flows=(Flow(source="tower", target="cellar", a_per_h=3.0, b_per_h=0.1),))
    found = virtual.extend_table(table).columns["water_demand"]
    level = table.columns["tower_level"]
    expected = demand - (2.0 + 0.5 * level) - (3.0 + 0.1 * (level - table.columns["site_power"]))
    np.testing.assert_allclose(found[1:], expected[1:], rtol=1e-9)


def test_a_gap_is_unknown_not_zero(site: Site) -> None:
    table, _ = history()
    times = table.times.copy()
    times[100:] += np.timedelta64(6, "h")
    level = table.columns["tower_level"].copy()
    level[50] = np.nan
    found = (
        VirtualTags(site).extend_table(Table(times=times, columns={**table.columns, "tower_level": level})).columns["water_demand"]
    )
    assert np.flatnonzero(np.isnan(found)).tolist() == [0, 50, 51, 100]


def snapshots(table: Table) -> list[Snapshot]:
    return [
        Snapshot(
            time=T0 + timedelta(seconds=STEP_S * row),
            readings=tuple(
                Reading(tag=name, time=T0 + timedelta(seconds=STEP_S * row), value=float(column[row]))
                for name, column in table.columns.items()
            ),
        )
        for row in range(len(table))
    ]


def test_live_and_history_agree(site: Site) -> None:
    table, _ = history(20)
    live, whole = VirtualTags(site), VirtualTags(site).extend_table(table)
    for row, snapshot in enumerate(snapshots(table)):
        extended = live.extend(snapshot)
        assert extended.readings[: len(snapshot.readings)] == snapshot.readings
        for name in ("water_demand", "base_load"):
            number = extended.number(name)
            assert (np.nan if number is None else number) == pytest.approx(whole.columns[name][row], nan_ok=True)


def test_what_is_unknown_says_why(site: Site) -> None:
    table, _ = history(3)
    first, second, third = snapshots(table)
    live = VirtualTags(site)
    reading = live.extend(first).find("water_demand")
    assert reading is not None
    assert (reading.value, reading.quality) == (None, Quality.BAD)
    assert "no earlier reading" in reading.words
    without = Snapshot(time=second.time, readings=tuple(each for each in second.readings if each.tag != "pump_1_flow"))
    reading = live.extend(without).find("water_demand")
    assert reading is not None
    assert reading.words == "unknown without pump_1_flow"
    doubtful = tuple(replace(each, quality=Quality.UNCERTAIN) if each.tag == "pump_1_power" else each for each in third.readings)
    reading = live.extend(Snapshot(time=third.time, readings=doubtful)).find("base_load")
    assert reading is not None
    assert (reading.quality, reading.words) == (Quality.UNCERTAIN, "made of uncertain pump_1_power")
    unlearned = VirtualTags(site, stores=(replace(site.stores[0], size_per_level=None),), previous=first)
    reading = unlearned.extend(second).find("water_demand")
    assert reading is not None
    assert "calibrate" in reading.words


def test_after_a_restart_the_balance_is_known(site: Site) -> None:
    first, second = snapshots(history(2)[0])
    assert VirtualTags(site).extend(second).number("water_demand") is None
    assert VirtualTags(site, previous=first).extend(second).number("water_demand") is not None


def test_low_and_high_hold(site: Site) -> None:
    table, _ = history(10)
    bounded = tuple(replace(tag, high=6.9) if tag.name == "base_load" else tag for tag in site.virtual_tags)
    assert np.isnan(VirtualTags(replace(site, virtual_tags=bounded)).extend_table(table).columns["base_load"]).all()


def test_stored_readings_are_derived_anew(site: Site) -> None:
    table, demand = history(50)
    with Historian("sqlite://") as historian:
        historian.write_table(table)
        derive(historian, VirtualTags(site, stores=(replace(site.stores[0], size_per_level=1.0),)), site)
        assert derive(historian, VirtualTags(site), site) == 49 + 50
        np.testing.assert_allclose(historian.table(["water_demand"]).columns["water_demand"], demand[1:], rtol=1e-9)
