"""How kinds are asked: as seldom as their answers allow, and always with the same answers."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from ems.bench.twin import drivers_of, rehearsal_case, site_of
from plant.physics import Conditions
from twin_sim import asking
from twin_sim.asking import MOST_SETPOINTS, Ahead, Answers
from twin_sim.drivers import Drivers
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Block, Layout
from twin_sim.model import SiteModel
from twin_sim.outside import Outside
from twin_sim.rehearsal import live, rehearse

LEVEL = np.zeros((1, 1))


def blocks(assets: int = 20) -> tuple[Layout, dict[str, Block]]:
    layout = Layout(SiteModel(site_of(assets)), with_loads=True)
    return layout, {layout.assets[block.rows.start].kind: block for block in layout.blocks}


@pytest.mark.skipif(asking.recall is None, reason="twin_sim was not compiled when this was installed")
def test_what_a_kind_has_said_to_a_setpoint_is_what_it_says_again() -> None:
    _, found = blocks()
    rng = np.random.default_rng(5)
    for kind in ("pump", "production_line"):
        block = found[kind]
        answers = Answers(block, Conditions(), 40)
        for _ in range(5):
            told = rng.choice([0.4, 0.7, 0.9, 1.0], (block.rows.stop - block.rows.start, 40))
            now, same = answers.to(told), block.kind.running(told, Conditions())
            assert now is not None
            assert np.array_equal(now.power_kw, same.power_kw)
            assert np.array_equal(now.output_per_h, same.output_per_h)
            assert np.array_equal(now.input_per_h, same.input_per_h)


@pytest.mark.skipif(asking.recall is None, reason="twin_sim was not compiled when this was installed")
def test_beyond_a_number_of_setpoints_the_kind_is_asked() -> None:
    block = blocks()[1]["pump"]
    answers = Answers(block, Conditions(), 40)
    assert answers.to(np.resize(np.linspace(0.4, 1.0, MOST_SETPOINTS), (2, 40))) is not None
    assert answers.to(np.full((2, 40), 0.123)) is None
    assert answers.to(np.full((2, 40), 0.4)) is not None


@pytest.mark.parametrize(("kind", "stride"), [("pv", 1), ("heat_pump", 4)])
def test_what_is_asked_ahead_is_what_is_said_step_by_step(kind: str, stride: int) -> None:
    layout, found = blocks()
    block, outside = found[kind], Outside(layout, drivers_of(layout.model.site, 6), 6, None)
    ahead, setpoint = Ahead(block, outside, stride), 1.0
    for step in [0, 4, 8, 9, 12, 16, *range(20, 96, stride)]:
        setpoint = 0.6 if step == 40 else setpoint
        told = np.full((block.rows.stop - block.rows.start, 1), setpoint)
        now, idle = ahead.at(told, step, LEVEL)
        same = block.kind.running(told, outside.conditions(block, step, LEVEL))
        for ours, theirs in ((now.power_kw, same.power_kw), (now.output_per_h, same.output_per_h), (idle, 0.0)):
            assert np.array_equal(*np.broadcast_arrays(ours, theirs))


def test_asking_ahead_ends_where_what_drives_ends() -> None:
    layout, found = blocks()
    given = drivers_of(layout.model.site, 3)
    tags = {name: column[:90] if name == "pv_0.kw" else column for name, column in given.tags.items()}
    outside = Outside(layout, Drivers(start=given.start, step_s=given.step_s, tags=tags), 3, None)
    conditions, many = outside.ahead(found["pv"], 80, 1, 16)
    assert many == 10
    assert np.shape(conditions.availability) == (2, 30)


def test_an_ensemble_that_nobody_needs_any_more_is_gone_at_once() -> None:
    """Its arrays are used again by the next one; in a cycle they would wait for the collector."""
    plan, situation, model = rehearsal_case(10, 4)
    gc.disable()
    try:
        gone = weakref.ref(live(plan, situation, model).ensemble)
        assert gone() is None
    finally:
        gc.enable()


def test_a_clock_outlives_no_ensemble() -> None:
    layout, _ = blocks(10)
    given = drivers_of(layout.model.site, 1)
    plan, situation, model = rehearsal_case(10, 4)
    ensemble: Ensemble | None = live(plan, situation, model).ensemble
    assert ensemble is not None
    environment, at, gone = ensemble.environment, ensemble.now(), weakref.ref(ensemble)
    ensemble = None
    environment.run(until=float(environment.now) + 10_000.0)
    assert at > given.start + timedelta(hours=20)
    assert gone() is None


def test_a_plan_with_more_setpoints_than_are_kept_has_the_same_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, situation, model = rehearsal_case(10, 6)
    setpoints = tuple(np.linspace(0.4, 1.0, 96).tolist())
    courses = tuple(
        replace(course, setpoint=None if course.setpoint is None else replace(course.setpoint, values=setpoints))
        for course in plan.courses
    )
    varied = replace(plan, courses=courses)
    kept = rehearse(varied, situation, model)
    monkeypatch.setattr(asking, "recall", None)
    assert rehearse(varied, situation, model) == kept
