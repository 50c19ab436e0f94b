"""What comes from outside, by the rows of a layout."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from plant.assets import ScheduleControl
from plant.hours import local_hours
from tests.twin_sim.little import START, drivers, site
from twin_sim import outside
from twin_sim.drivers import Drivers
from twin_sim.layout import Layout
from twin_sim.model import SiteModel
from twin_sim.outside import Outside


@pytest.mark.parametrize("compiled", [True, False])
def test_what_levels_gain_from_outside_depends_on_the_step_alone(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where of neighbours that lose to the same temperature only one has a constant loss."""
    if not compiled:
        monkeypatch.setattr(outside, "ticks", None)
    of = site()
    room = of.stores[0]
    rooms = tuple(replace(room, name=f"room {number}", loss_a=loss) for number, loss in enumerate((0.0, 0.5, 0.0)))
    of = replace(of, assets=of.assets[1:], stores=(*rooms, *of.stores[1:]))
    made = Outside(Layout(SiteModel(of), with_loads=True), drivers(), 1, None)
    bias, shape = np.zeros((6, 1)), (6, 1)
    made.begin(np.full(shape, 0.9), np.full(shape, 0.1), bias)
    seen = []
    for step in (3, 4, 3):
        made.bias(step)
        seen.append(bias.copy())
    assert np.array_equal(seen[0], seen[2])
    assert seen[0][1, 0] == pytest.approx(seen[0][0, 0] - 0.05)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "UTC"])
def test_schedules_hold_by_the_clock_on_the_wall_through_both_its_changes(zone: str) -> None:
    """What was seen last is kept until the next edge, but not across a change of the clock."""
    of = site()
    spans = (("00:30-02:30", "22:00-24:00"), ("02:00-03:00",))
    assets = tuple(
        replace(asset, local_control=ScheduleControl(kind="schedule", on=on)) for asset, on in zip(of.assets, spans, strict=False)
    )
    of = replace(of, assets=(*assets, *of.assets[2:]), site=replace(of.site, timezone=zone, shutdown_days=("2026-03-28",)))
    for begin in (datetime(2026, 3, 27, tzinfo=UTC), datetime(2026, 10, 23, tzinfo=UTC), datetime(2026, 4, 3, tzinfo=UTC)):
        made = Outside(Layout(SiteModel(of), with_loads=True), drivers(), 1, None)
        for number in range(4 * 144):
            time = begin + timedelta(minutes=10 * number)
            local = time.astimezone(ZoneInfo(zone))
            opened = local.date() != date(2026, 3, 28)
            held = [opened and any(local_hours(text).holds(local) for text in own.on) for _, own in made.layout.schedules]
            assert made.scheduled(time)[:, 0].tolist() == held, time


def test_what_drives_need_not_be_writable_or_contiguous() -> None:
    given = drivers()
    tags = {name: np.asfortranarray(np.repeat(column, 3, axis=1)) for name, column in given.tags.items()}
    for column in tags.values():
        column.flags.writeable = False
    made = Outside(
        Layout(SiteModel(site()), with_loads=True), Drivers(start=START, step_s=900.0, tags=tags), 3, "load"
    )  # fmt: skip
    bias = np.zeros((4, 3))
    made.begin(np.full((4, 1), 0.9), np.full((4, 1), 0.1), bias)
    made.bias(5)
    assert np.array_equal(made.base_kw(5), np.full(3, 20.0))
    assert np.array_equal(bias[1], np.full(3, -18.0))
