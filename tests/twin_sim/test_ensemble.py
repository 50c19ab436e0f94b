"""Life under one clock: located changes, minimum times, starts, failures, machines on one store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.twin_sim.little import START, drivers, site
from twin_sim.drivers import Drivers, Failure
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Layout
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.state import MachineState, TwinState

STATE = TwinState(machines=(("battery", MachineState(running=True)),), levels=(("room", 20.8), ("receiver", 7.3), ("cells", 5.0)))


def lived(
    tick_s: float, *, given: Drivers | None = None, futures: int = 1, days: float = 1.0, state: TwinState = STATE, **life: float
) -> tuple[Ensemble, Recorder]:
    layout = Layout(SiteModel(site(**life)), with_loads=True)
    recorder = Recorder(round(days * 86400 / tick_s), 1, layout.real, futures)
    ensemble = Ensemble(
        layout, given or drivers(), futures=futures, start=START, tick_s=tick_s, state=state, base="load", recorder=recorder,
        audited=True,
    )  # fmt: skip
    ensemble.run(days * 86400)
    return ensemble, recorder


def kwh(recorder: Recorder, tick_s: float) -> float:
    return float(recorder.kw.sum()) * tick_s / 3600.0


def test_a_quarter_hour_is_as_exact_as_a_minute() -> None:
    energies = [kwh(lived(tick_s)[1], tick_s) for tick_s in (900.0, 300.0, 60.0)]
    assert energies[0] == pytest.approx(energies[2], rel=2e-3)
    assert energies[1] == pytest.approx(energies[2], rel=1e-3)


def test_every_future_is_what_it_would_be_alone() -> None:
    rng = np.random.default_rng(4)
    many = drivers()
    tags = {**many.tags, "air": 180.0 + 40.0 * rng.standard_normal((192, 5))}
    together, _ = lived(900.0, given=replace(many, tags=tags), futures=5)
    for future in range(5):
        alone, _ = lived(900.0, given=replace(many, tags={**tags, "air": tags["air"][:, [future]]}))
        assert np.array_equal(together.level[:3, future], alone.level[:3, 0])
        assert np.array_equal(together.starts[:, future], alone.starts[:, 0])


def test_lag_stays_off_while_lead_carries_the_demand() -> None:
    ensemble, _ = lived(900.0)
    layout = ensemble.layout
    assert ensemble.starts[layout.index["lead"], 0] > 0
    assert ensemble.starts[layout.index["lag"], 0] == 0


def test_lag_helps_when_lead_is_out_of_order_and_the_lead_returns() -> None:
    failure = Failure(asset="lead", future=0, at=START + timedelta(hours=2), until=START + timedelta(hours=10))
    ensemble, recorder = lived(300.0, given=replace(drivers(), failures=(failure,)))
    layout = ensemble.layout
    assert ensemble.starts[layout.index["lag"], 0] > 0
    assert not ensemble.failed.any()
    assert float(recorder.level[:, layout.store_names.index("receiver"), 0].min()) > 6.0


def test_minimum_times_hold_between_any_two_changes() -> None:
    ensemble, _ = lived(300.0, min_up_s=3600.0, min_down_s=2400.0, days=0.01)
    row, changes, was = ensemble.layout.index["heating"], [], False
    for minute in range(20, 1440, 5):
        ensemble.run(minute * 60.0)
        on = bool(ensemble.on[row, 0])
        if on != was:
            changes.append((float(ensemble.since_s[row, 0]), on))
            was = on
    assert len(changes) > 4
    for (begin, on), (end, _) in pairwise(changes):
        assert end - begin >= (3600.0 if on else 2400.0) - 1e-6


def test_start_energy_is_drawn_once_per_start() -> None:
    free, recorder_free = lived(300.0)
    dear, recorder = lived(300.0, start_energy_kwh=2.0)
    row = free.layout.index["heating"]
    starts = int(dear.starts[row, 0])
    assert starts == int(free.starts[row, 0])
    assert kwh(recorder, 300.0) - kwh(recorder_free, 300.0) == pytest.approx(2.0 * starts, rel=1e-6)


def test_warming_up_gives_nothing_yet() -> None:
    state = replace(STATE, levels=(("room", 19.5), ("receiver", 7.3), ("cells", 5.0)))
    ensemble, _ = lived(300.0, startup_s=1800.0, start_energy_kwh=3.0, state=state, days=0.02)
    row = ensemble.layout.index["heating"]
    assert bool(ensemble.on[row, 0])
    assert not bool(ensemble.producing[row, 0])
    assert float(ensemble.power[row, 0]) == pytest.approx(6.0)
    ensemble.run(2400.0)
    assert bool(ensemble.producing[row, 0])


def test_battery_stays_inside_its_limits_and_takes_surplus_only() -> None:
    sunny = drivers(load_kw=-60.0)
    ensemble, recorder = lived(300.0, given=sunny)
    cells = recorder.level[:, ensemble.layout.store_names.index("cells"), 0]
    assert float(cells.max()) == pytest.approx(45.0, abs=1e-6)
    assert float(cells.min()) >= 5.0 - 1e-9


def test_an_empty_store_serves_nothing_and_says_how_much() -> None:
    both = tuple(Failure(asset=name, future=0, at=START, until=START + timedelta(days=2)) for name in ("lead", "lag"))
    ensemble, _ = lived(300.0, given=replace(drivers(), failures=both))
    row = ensemble.layout.store_names.index("receiver")
    held = (7.3 - 4.0) * 150.0
    assert float(ensemble.unserved[row, 0]) == pytest.approx(24 * 180.0 - held, rel=1e-6)
