"""The health of a site's machines: models shared by kind, baselines of their own, and clear words where nothing is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from anomaly.detectors.t2q import T2q
from anomaly.machines import machine
from anomaly.monitor import HealthMonitor
from plant.assets import Asset, AssetTags, Service
from plant.errors import DataError
from plant.site import Connection, Identity, Site, SiteLimits
from plant.table import Floats, Table
from plant.tags import Tag
from plant.tariff import FlatPrice, Tariff
from tests.anomaly.blower import Fault, rows_of, table

DAY = 96
LEARN, ROWS = 40 * DAY, 50 * DAY
PARTS = ("power", "flow", "bearing_c", "vibration", "speed")


def _asset(name: str) -> Asset:
    tags = AssetTags(
        power=f"{name}.power", output=f"{name}.flow", setpoint=f"{name}.speed", sensors=(f"{name}.bearing_c", f"{name}.vibration"),
    )  # fmt: skip
    return Asset(name=name, kind="blower", produces="air", tags=tags)


def _site(*assets: Asset) -> Site:
    names = ["outdoor", *(f"{asset.name}.{part}" for asset in assets for part in PARTS)]
    return Site(
        site=Identity(name="hall"),
        connection=Connection(endpoint="opc.tcp://127.0.0.1:4840"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.2)),
        tags=tuple(Tag(name=name, unit="1") for name in names),
        services=(Service(name="air", unit="Nm3"),),
        assets=assets,
        limits=SiteLimits(outdoor="outdoor"),
    )


def _readings(*machines: tuple[str, int, tuple[Fault, ...]], rows: int = ROWS) -> Table:
    columns: dict[str, Floats] = {}
    for name, seed, faults in machines:
        made = table(seed, rows, faults=faults)
        columns |= {f"{name}.{part}": made.columns[part] for part in PARTS}
        columns["outdoor"] = made.columns["outdoor"]
    return Table(times=made.times, columns=columns)


ILL = (Fault("bearing_c", 15.0, LEARN + 2 * DAY, DAY),)
SITE = _site(_asset("one"), _asset("two"))


@pytest.fixture(scope="module")
def readings() -> Table:
    return _readings(("one", 5, ()), ("two", 5, ILL))


@pytest.fixture(scope="module")
def monitor(readings: Table) -> HealthMonitor:
    return HealthMonitor.fit(SITE, rows_of(readings, 0, LEARN), kind=T2q)


def test_the_ill_machine_is_named_with_its_tag_and_what_was_expected(monitor: HealthMonitor, readings: Table) -> None:
    on = np.flatnonzero(readings.columns["two.speed"] > 0)
    stop = int(on[on < ROWS - 1][-1]) + 1
    well, ill = monitor.observe(rows_of(readings, stop - 3 * DAY, stop))
    assert (well.asset, ill.asset) == ("one", "two")
    assert well.score is not None
    assert ill.score is not None
    assert well.score > 0.8 > ill.score + 0.2
    assert not well.alarm
    assert ill.alarm
    assert ill.drivers[0].tag == "two.bearing_c"
    assert ill.drivers[0].actual - ill.drivers[0].expected == pytest.approx(15.0 * 0.4, abs=1.0)


def test_machines_of_one_kind_share_a_model(monitor: HealthMonitor) -> None:
    assert monitor.learners["one"] is monitor.learners["two"]


def test_a_machine_that_was_never_seen_has_no_score_and_says_so(readings: Table) -> None:
    site = _site(_asset("one"), _asset("two"), _asset("three"))
    one, _, three = HealthMonitor.fit(site, rows_of(readings, 0, LEARN), kind=T2q).observe(rows_of(readings, LEARN, LEARN + 50))
    assert one.score is not None
    assert three.score is None
    assert "only 0.0 days" in three.words


def test_nothing_learned_yet_is_said(readings: Table) -> None:
    found = HealthMonitor(SITE, {}).observe(rows_of(readings, 0, 5))
    assert [health.score for health in found] == [None, None]
    assert all("nothing was learned yet" in health.words for health in found)


def test_an_empty_window_is_refused(monitor: HealthMonitor, readings: Table) -> None:
    with pytest.raises(DataError, match="empty"):
        monitor.observe(rows_of(readings, 0, 0))


def test_a_set_point_never_seen_is_not_judged(monitor: HealthMonitor, readings: Table) -> None:
    window = rows_of(readings, LEARN, LEARN + DAY)
    far = {**window.columns, "one.speed": np.where(window.columns["one.speed"] > 0, 3.0, 3.0)}
    one, _ = monitor.observe(Table(times=window.times, columns=far))
    assert one.score is None
    assert "outside of what the baseline was learned from" in one.words


def test_after_an_overhaul_only_what_follows_is_the_baseline() -> None:
    shifted = _readings(("one", 5, (Fault("vibration", 20.0, 20 * DAY),)), rows=ROWS)
    overhaul = datetime(2025, 1, 21, tzinfo=UTC)
    history, window = rows_of(shifted, 0, LEARN), rows_of(shifted, LEARN, ROWS)
    site = _site(_asset("one"))
    (after,) = HealthMonitor.fit(site, history, kind=T2q, since={"one": overhaul}).observe(window)
    assert after.score is not None
    assert after.score > 0.85
    assert not after.alarm


def test_in_a_run_the_baseline_begins_anew_waits_for_a_week_and_grows() -> None:
    begin, day = 20 * DAY, np.datetime64("2025-01-21", "us")
    shifted = _readings(("one", 5, (Fault("vibration", 20.0, begin),)), rows=ROWS)
    monitor = HealthMonitor.fit(_site(_asset("one")), rows_of(shifted, 0, begin), kind=T2q)
    (worn,) = monitor.observe(rows_of(shifted, 0, begin + 3 * DAY))
    assert worn.alarm
    monitor.renew("one", datetime(2025, 1, 21, tzinfo=UTC))
    (waiting,) = monitor.observe(rows_of(shifted, 0, begin + 3 * DAY))
    assert (waiting.score, waiting.alarm, waiting.trip) == (None, False, False)
    assert "only 3.0 days of readings since the work of 21 Jan 2025" in waiting.words
    (young,) = monitor.observe(rows_of(shifted, 0, begin + 8 * DAY))
    assert young.score is not None
    assert not young.alarm
    assert monitor.learners["one"].baseline("one").begin == day
    monitor.observe(rows_of(shifted, 0, begin + 12 * DAY))
    assert round(monitor.learners["one"].baseline("one").days) == 8
    monitor.observe(rows_of(shifted, 0, begin + 16 * DAY))
    assert round(monitor.learners["one"].baseline("one").days) == 16


def test_two_weeks_are_needed_for_a_trip() -> None:
    ill = _readings(("one", 5, (Fault("vibration", 60.0, 30 * DAY),)))
    trips = {}
    for days in (10, 25):
        monitor = HealthMonitor.fit(_site(_asset("one")), rows_of(ill, (30 - days) * DAY, 30 * DAY), kind=T2q)
        trips[days] = any(monitor.observe(rows_of(ill, 28 * DAY, stop))[0].trip for stop in range(31 * DAY, 34 * DAY, 12))
    assert trips == {10: False, 25: True}


def test_a_lone_reading_with_nothing_to_explain_it_is_no_machine() -> None:
    lamp = Asset(name="lamp", kind="load", tags=AssetTags(power="one.power"))
    assert machine(SITE, lamp) is None
    pv = Asset(name="pv", kind="pv", tags=AssetTags(power="one.power", sensors=("one.bearing_c",)))
    found = machine(SITE, pv)
    assert found is not None
    assert ("power", "one.power") in found.context
    assert found.power is None
    with_setpoint = machine(SITE, replace(_asset("one"), produces=None))
    assert with_setpoint is not None
    assert dict(with_setpoint.context)["setpoint"] == "one.speed"
