"""Rooms whose sizes and losses the site file leaves open are learned from temperatures and power alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ems.config import load
from plant.assets import Asset, AssetTags, Flow, ScheduleControl, Service, Store
from plant.site import Connection, Identity, Site, SiteLimits
from plant.table import Floats, Table
from plant.tariff import FlatPrice, Tariff
from twin_sim.calibrate import calibrate
from twin_sim.calibrate_heat import nets
from twin_sim.calibrate_machines import even_times
from twin_sim.calibration import Calibration
from twin_sim.drivers import Drivers
from twin_sim.model import SiteModel
from twin_sim.state import TwinState
from twin_sim.twin import Twin

START = datetime(2026, 3, 2, tzinfo=UTC)
TRUE_KW, STATED_KW, STANDBY_KW = 1.7, 2.0, 0.02
WATER, ROOMS, PASSES, LOSES = 0.6, 12.0, 0.2, 0.15
RICHMOND = Path(__file__).parents[2] / "benchmarks" / "richmond" / "site.toml"


def house(*, known: bool) -> Site:
    """Water that a heat pump heats and that heats the rooms; with its true numbers, or with what a site file would say."""
    pump = {"power_kw": TRUE_KW if known else STATED_KW, "cop": 3.5, "standby_kw": STANDBY_KW if known else 0.0}
    stores = (
        Store(
            name="water", service="hot_water", level="water", unit="°C", bottom=5, top=90, low=15, high=60,
            size_per_level=WATER if known else None,
        ),
        Store(
            name="rooms", service="heat", level="rooms", unit="°C", bottom=0, top=40, low=17, high=23,
            size_per_level=ROOMS if known else None, loss_b=LOSES if known else 0.0, ambient="outdoor",
        ),
    )  # fmt: skip
    flow = Flow(source="water", target="rooms", a_per_h=0.0, b_per_h=PASSES) if known else Flow(source="water", target="rooms")
    return Site(
        site=Identity(name="house", simulated=True),
        connection=Connection(endpoint="none"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.2)),
        tags=(),
        services=(Service(name="hot_water", unit="kWh"), Service(name="heat", unit="kWh")),
        stores=stores,
        flows=(flow,),
        assets=(
            Asset(
                name="pump", kind="heat_pump", produces="hot_water", into="water", spec=pump, tags=AssetTags(power="kw"),
                local_control=ScheduleControl(kind="schedule", on=("04:30-09:00", "17:00-19:30")),
            ),
        ),
        limits=SiteLimits(outdoor="outdoor"),
    )  # fmt: skip


def lived(days: float, noise_k: float = 0.05) -> Table:
    """What the house shows while its clock runs it."""
    rows = round(days * 96)
    hour = np.arange(rows) / 4.0
    outdoor = 5.0 + 6.0 * np.sin((hour - 9.0) / 24.0 * 2.0 * np.pi)
    drivers = Drivers(start=START, step_s=900.0, tags={"outdoor": outdoor[:, None]})
    twin = Twin(SiteModel(house(known=True)), drivers, start=START, state=TwinState(levels=(("water", 22.0), ("rooms", 19.5))))
    shown: list[tuple[float, float, float]] = []
    for row in range(rows):
        twin.wait_until(START + timedelta(minutes=15 * row))
        cells = twin.ensemble
        twin.ensemble.settle()
        shown.append((float(cells.power[0, 0]), float(cells.level[0, 0]), float(cells.level[1, 0])))
    power, water, rooms = np.array(shown).T
    rng = np.random.default_rng(3)
    times = np.datetime64(START.replace(tzinfo=None), "us") + np.timedelta64(900_000_000, "us") * np.arange(rows)
    columns: dict[str, Floats] = {
        "kw": power * (1.0 + 0.02 * rng.standard_normal(rows)),
        "water": water + noise_k * rng.standard_normal(rows),
        "rooms": rooms + noise_k * rng.standard_normal(rows),
        "outdoor": outdoor,
    }
    return Table(times=times, columns=columns)


@pytest.fixture(scope="module")
def learned() -> Calibration:
    return calibrate(house(known=False), lived(4.0))


def test_finds_sizes_losses_and_transport(learned: Calibration) -> None:
    assert learned.of_store("water")["size_per_level"] == pytest.approx(WATER, rel=0.1)
    assert learned.of_store("rooms") == pytest.approx({"size_per_level": ROOMS, "loss_b": LOSES}, rel=0.1)
    assert learned.of_flow("water", "rooms")["b_per_h"] == pytest.approx(PASSES, rel=0.1)
    assert learned.of_asset("pump") == pytest.approx({"power_kw": TRUE_KW, "standby_kw": STANDBY_KW}, rel=0.05)
    for found in learned.stores:
        assert all(item.identified and item.low < item.value < item.high for item in found.parameters)


def test_says_what_a_history_without_a_heat_meter_cannot_tell(learned: Calibration) -> None:
    assert any("coefficient of performance of pump is the site file's" in words for words in learned.words)
    (held,) = learned.credibility
    assert held.asset == "pump"
    assert held.ok


def test_the_learned_house_foretells_a_day_it_has_not_seen(learned: Calibration) -> None:
    all_of_it = lived(5.0, noise_k=0.0)
    start = START + timedelta(days=4)
    first = 4 * 96
    levels = tuple((name, float(all_of_it.columns[name][first])) for name in ("water", "rooms"))
    drivers = Drivers(start=START, step_s=900.0, tags={"outdoor": all_of_it.columns["outdoor"][:, None]})
    twin = Twin(SiteModel(house(known=False), learned), drivers, start=start, state=TwinState(levels=levels))
    off = []
    for row in range(96):
        twin.wait_until(start + timedelta(minutes=15 * row))
        off.append(float(twin.ensemble.level[1, 0]) - all_of_it.columns["rooms"][first + row])
    assert np.sqrt(np.mean(np.square(off))) < 0.1


def test_says_when_the_pump_never_ran() -> None:
    quiet = lived(3.0)
    silent = Table(times=quiet.times, columns={**quiet.columns, "kw": np.zeros(len(quiet))})
    found = calibrate(house(known=False), silent)
    assert not found.stores
    assert any("nothing that heats them was seen running" in words for words in found.words)


def test_says_which_reading_is_missing() -> None:
    seen = lived(3.0)
    found = calibrate(house(known=False), seen.only("kw", "water", "rooms"))
    assert any("no column outdoor" in words for words in found.words)


def test_what_a_site_file_states_stays() -> None:
    """Nothing is searched for where sizes are stated, or where meters tell them otherwise."""
    assert nets(house(known=True)) == ()
    assert len(nets(house(known=False))) == 1
    assert nets(load(RICHMOND).site) == ()
    metered = house(known=False)
    pump = replace(metered.assets[0], tags=AssetTags(power="kw", output="heat_kw"))
    assert nets(replace(metered, assets=(pump,))) == ()


def test_ragged_readings_come_at_the_quarters_of_the_hour() -> None:
    at = np.array(["2026-03-02T00:05", "2026-03-02T00:20", "2026-03-02T00:50"], dtype="datetime64[us]")
    even = even_times(Table(times=at, columns={"x": np.array([1.0, np.nan, 4.0])}))
    assert even.times[0] == np.datetime64("2026-03-02T00:00", "us")
    assert even.columns["x"] == pytest.approx([1.0, 1.0 + 3.0 * 10 / 45, 1.0 + 3.0 * 25 / 45, 1.0 + 3.0 * 40 / 45])
