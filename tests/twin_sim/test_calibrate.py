"""Calibration learns what a simulated main really does, at set-points it was never shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from plant.assets import Asset, AssetTags, Flow, Group, Life, Service, Store
from plant.errors import DataError
from plant.site import Connection, Identity, Site
from plant.table import Table
from plant.tags import Tag
from plant.tariff import FlatPrice, Tariff
from twin_sim.calibrate import calibrate
from twin_sim.calibrate_cells import cells, observe, stalled
from twin_sim.calibrate_groups import groups_of
from twin_sim.calibrate_main import Main
from twin_sim.calibrate_stores import learn_flow, learn_store
from twin_sim.calibration import Calibration

STEP_S = 300.0
TRUTH = Main(
    lift=(True, True, False),
    shut_off=np.array([1.0, 1.0, 0.3]),
    droop=np.array([0.3, 0.3, 0.1]),
    static=0.85,
    per_level=0.009,
    friction=0.06,
    flow_scale_per_h=150.0,
    head_reference_level=2.0,
)


def pump(name: str, *, metered: bool = True, adjustable: bool = True) -> Asset:
    return Asset(
        name=name,
        kind="pump",
        produces="water",
        into="tank",
        tags=AssetTags(
            power=f"{name}.power",
            running=f"{name}.running",
            output=f"{name}.flow" if metered else None,
            setpoint=f"{name}.speed",
            setpoint_write=f"{name}.speed" if adjustable else None,
        ),
        life=Life(setpoint_low=0.5, setpoint_high=1.05, setpoint_nominal=1.0),
    )


def site(*assets: Asset, size: float | None = 400.0, flows: tuple[Flow, ...] = ()) -> Site:
    stores = [
        Store(name="tank", service="water", level="tank.level", unit="m", size_per_level=size, bottom=0, top=4, low=1, high=3)
    ]
    services = [Service(name="water", unit="m3", demand="demand")]
    if flows:
        stores.append(
            Store(name="below", service="more", level="below.level", unit="m", size_per_level=50, bottom=0, top=3, low=1, high=2)
        )
        services.append(Service(name="more", unit="m3"))
    return Site(
        site=Identity(name="main"),
        connection=Connection(endpoint="opc.tcp://127.0.0.1:1"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.1)),
        tags=tuple(Tag(name=name, unit="1") for name in ("tank.level",)),
        services=tuple(services),
        stores=tuple(stores),
        flows=flows,
        assets=assets,
        groups=(Group(name="main", assets=tuple(asset.name for asset in assets)),) if len(assets) > 1 else (),
    )


def telemetry(
    combinations: list[tuple[tuple[int, int, int], tuple[float, float, float]]], *, seed: int = 0, rows: int = 1800
) -> Table:
    """Rows in which the combinations take turns of two hours, with 0.5 % of noise."""
    noise = np.random.default_rng(seed)
    turn = (np.arange(rows) // 24) % len(combinations)
    running = np.array([combinations[k][0] for k in turn], dtype=float)
    speeds = np.array([combinations[k][1] for k in turn])
    level, flow, own = np.full(rows, 2.0), np.zeros(rows), np.zeros((rows, 3))
    demand = 95.0 + 25.0 * np.sin(np.arange(rows) * STEP_S / 86400 * 2 * np.pi)
    for row in range(rows):
        if row:
            level[row] = np.clip(level[row - 1] + (flow[row - 1] - demand[row - 1]) * STEP_S / 3600 / 400.0, 0.5, 3.5)
        total, each = TRUTH.flows(running[row : row + 1], speeds[row : row + 1], level[row : row + 1])
        flow[row], own[row] = total[0], each[0]
    measured = own * (1 + 0.005 * noise.standard_normal(own.shape))
    power = running * speeds**3 * (20.0 + 0.25 * own / speeds) * np.array([1.0, 1.0, 0.3])
    columns = {"tank.level": level}
    for i, name in enumerate("abc"):
        columns |= {
            f"{name}.power": power[:, i],
            f"{name}.flow": measured[:, i],
            f"{name}.running": running[:, i],
            f"{name}.speed": speeds[:, i],
        }
    times = np.datetime64("2026-01-01T00:00:00", "us") + (np.arange(rows) * STEP_S * 1e6).astype("timedelta64[us]")
    return Table(times=times, columns=columns)


USUAL = [((0, 0, 0), (1.0, 1.0, 1.0)), ((1, 0, 0), (1.0, 1.0, 1.0)), ((1, 0, 1), (1.0, 1.0, 1.0)), ((1, 1, 1), (1.0, 1.0, 1.0))]
TESTS = [((1, 0, 1), (0.95, 1.0, 1.0)), ((1, 0, 1), (1.0, 1.0, 0.95)), ((1, 0, 0), (1.05, 1.0, 1.0))]


@pytest.fixture(scope="module")
def tested() -> Calibration:
    """A main whose pumps were step-tested, learned from 5,000 rows."""
    return calibrate(site(pump("a"), pump("b"), pump("c", metered=False)), telemetry(USUAL + TESTS, rows=5000))


def test_speeds_never_shown_are_foretold_from_step_tests(tested: Calibration) -> None:
    (group,) = tested.groups
    regime = next(regime for regime in group.regimes if regime.name == "a+c")
    assert min(point.setpoints[1] for point in regime.points) <= 0.75
    for point in regime.points:
        speeds = np.array([[point.setpoints[0], 1.0, point.setpoints[1]]])
        truth, _ = TRUTH.flows(np.array([[1.0, 0.0, 1.0]]), speeds, np.array([2.0]))
        assert point.output_per_h == pytest.approx(truth[0], rel=0.08)


def test_points_are_a_convex_curve_and_local_control_keeps_its_own(tested: Calibration) -> None:
    for regime in tested.groups[0].regimes:
        outputs = [point.output_per_h for point in regime.points]
        powers = [sum(point.power_kw) for point in regime.points]
        assert outputs == sorted(outputs)
        slopes = np.diff(powers) / np.diff(outputs)
        assert np.all(np.diff(slopes) > -1e-6)
    nominal = [r for r in tested.groups[0].regimes if any(set(point.setpoints) == {1.0} for point in r.points)]
    assert {regime.running for regime in nominal} == {("a",), ("a", "c"), ("a", "b", "c")}


def test_without_a_step_test_a_pump_stays_at_its_nominal_speed() -> None:
    learned = calibrate(site(pump("a"), pump("b"), pump("c", metered=False)), telemetry(USUAL))
    assert all(set(point.setpoints) == {1.0} for regime in learned.groups[0].regimes for point in regime.points)
    assert any("another speed" in words for words in learned.words)


def test_judged_on_rows_it_has_not_learned_from(tested: Calibration) -> None:
    assert {found.asset for found in tested.credibility} == {"a", "b", "c"}
    assert all(found.cv_rmse < 0.03 and found.ok for found in tested.credibility)
    (check,) = tested.level_checks
    assert check.origins > 0
    assert check.range_share < 0.06


def test_a_wrong_history_is_not_believed() -> None:
    table = telemetry(USUAL + TESTS)
    late = len(table) * 9 // 10
    power = table.columns["a.power"].copy()
    power[late:] *= 2.5
    learned = calibrate(
        site(pump("a"), pump("b"), pump("c", metered=False)), replace(table, columns={**table.columns, "a.power": power})
    )
    assert not next(found for found in learned.credibility if found.asset == "a").ok


def test_size_of_a_store_from_switches() -> None:
    unsized = site(pump("a"), pump("b"), pump("c", metered=False), size=None)
    (size,) = learn_store(unsized, unsized.store("tank"), telemetry(USUAL + TESTS, rows=5000)).parameters
    assert size.value == pytest.approx(400.0, rel=0.05)
    assert size.low < size.value < size.high


def test_a_stated_size_stays(tested: Calibration) -> None:
    assert tested.stores[0].parameters == ()
    assert "400" in tested.stores[0].words


def test_free_flow_between_stores() -> None:
    table = telemetry(USUAL + TESTS)
    rows, level = len(table), table.columns["tank.level"]
    below = np.full(rows, 1.5)
    for row in range(1, rows):
        poured = 2.0 + 3.0 * (level[row - 1] - below[row - 1])
        below[row] = below[row - 1] + poured * STEP_S / 3600 / 50.0 if below[row - 1] < 2.8 else 0.5
    table = replace(table, columns={**table.columns, "below.level": below})
    made = site(pump("a"), pump("b"), pump("c", metered=False), flows=(Flow(source="tank", target="below"),))
    flow = learn_flow(made, made.flows[0], table, {"tank": 400.0, "below": 50.0})
    values = {item.name: item for item in flow.parameters}
    assert values["b_per_h"].value == pytest.approx(3.0, rel=0.25)


def test_one_pump_is_a_group_of_its_own() -> None:
    made = site(pump("a"))
    assert [(name, [asset.name for asset in assets]) for name, assets in groups_of(made)] == [("a", ["a"])]


def test_calibration_says_when_it_was_made_of_what(tested: Calibration) -> None:
    assert tested.start == datetime(2026, 1, 1, tzinfo=UTC)
    assert tested.site == "main"


def test_too_short_a_history_is_refused() -> None:
    with pytest.raises(DataError, match="at least"):
        calibrate(site(pump("a")), telemetry(USUAL, rows=50))


def test_a_missing_column_is_named() -> None:
    table = telemetry(USUAL)
    columns = {name: column for name, column in table.columns.items() if name != "a.power"}
    with pytest.raises(DataError, match=r"a\.power"):
        calibrate(site(pump("a")), replace(table, columns=columns))


def test_a_speed_seen_near_shut_off_is_not_planned() -> None:
    stalls = [((1, 0, 0), (0.95, 1.0, 1.0))]
    table = telemetry([USUAL[0], USUAL[1], ((1, 0, 0), (1.05, 1.0, 1.0)), *stalls])
    slow = (table.columns["a.speed"] < 1.0) & (np.arange(len(table)) % 2 == 0)
    flow = np.where(slow, 0.1 * table.columns["a.flow"], table.columns["a.flow"])
    observed = observe(site(pump("a")), [pump("a")], replace(table, columns={**table.columns, "a.flow": flow}))
    assert stalled(observed, cells(observed))[(0,)][0] == pytest.approx(0.95)
    unharmed = observe(site(pump("a")), [pump("a")], table)
    assert stalled(unharmed, cells(unharmed))[(0,)][0] == 0.0
