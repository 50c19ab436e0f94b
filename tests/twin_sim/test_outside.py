"""What comes from outside, by the rows of a layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

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
