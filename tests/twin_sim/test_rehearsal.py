"""Plans lived through before they are carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from plant.orders import Plan
from tests.twin_sim.little import START, drivers, plan, series, site, situation
from twin_sim.futures import draw
from twin_sim.model import SiteModel
from twin_sim.rehearsal import live, rehearse
from twin_sim.state import MachineState, TwinState
from twin_sim.twin import Twin

HOURS = np.arange(48) / 4.0
EVENING = np.where((HOURS >= 5.0) & (HOURS < 7.5), 62.0, 20.0)


def evening_site() -> tuple[SiteModel, object]:
    """A contract of 128 kW: heating, lead compressor and the evening's load fit under it, both compressors do not."""
    of = site(import_kw=128.0, futures=40)
    return SiteModel(of), of


def test_the_same_plan_in_the_same_situation_has_the_same_verdict() -> None:
    of = site()
    made = plan({"heating": (HOURS % 2) < 1})
    assert rehearse(made, situation(of), SiteModel(of)) == rehearse(made, situation(of), SiteModel(of))


def test_plan_and_doing_nothing_live_through_the_same_draws() -> None:
    of = site()
    empty = Plan(id="p", made_at=START, until=START + timedelta(hours=12), strategy="hold", commands=())
    lived = live(empty, situation(of), SiteModel(of))
    assert np.array_equal(lived.recorder.kw[:, :, lived.plan], lived.recorder.kw[:, :, lived.nothing])
    assert np.array_equal(lived.recorder.level[:, :, lived.plan], lived.recorder.level[:, :, lived.nothing])


def test_draws_fill_the_band_they_were_forecast_with() -> None:
    of = site()
    drawn = draw(situation(of, band=5.0), SiteModel(of), futures=4000, steps=48, seed=3).tags["load"]
    below, above = float((drawn < 15.0).mean()), float((drawn > 25.0).mean())
    assert below == pytest.approx(0.1, abs=0.015)
    assert above == pytest.approx(0.1, abs=0.015)
    one_step = np.corrcoef(drawn[10], drawn[11])[0, 1]
    far = np.corrcoef(drawn[2], drawn[40])[0, 1]
    assert one_step > 0.85
    assert abs(far) < 0.15


def test_a_harmless_plan_passes() -> None:
    of = site()
    verdict = rehearse(plan({"heating": (HOURS % 3) < 1.5}), situation(of), SiteModel(of))
    assert verdict.ok, verdict.words
    assert {spread.key for spread in verdict.expected} >= {"energy_kwh", "cost", "demand_peak_kw", "served_share", "starts"}
    assert all(spread.p5 <= spread.p50 <= spread.p95 for spread in (*verdict.expected, *verdict.nothing))


def test_a_store_that_would_run_out_is_taken_back_by_local_control() -> None:
    of = site()
    never = plan({"lead": np.zeros(48), "lag": np.zeros(48)})
    lived = live(never, situation(of), SiteModel(of))
    levels = lived.recorder.level[:, 1, lived.plan]
    assert float(levels.min()) > 5.5
    assert float(lived.ensemble.unserved[:, lived.plan].sum()) == 0.0


def test_a_pause_whose_rebound_breaks_the_evening_peak_is_refused_and_the_plant_shows_why() -> None:
    """Both compressors and the heating rest through the afternoon; when the evening's load comes they all want to run."""
    model, of = evening_site()
    now = situation(of, load=EVENING, band=4.0, running=("lead",))
    rest = np.where(HOURS < 5.0, 0.0, 1.0)
    pause = plan({"heating": rest, "lead": rest, "lag": rest})
    verdict = rehearse(pause, now, model)
    assert not verdict.ok
    assert "import_kw" in {violation.rule for violation in verdict.violations}
    assert {s.key: s.p50 for s in verdict.expected}["demand_peak_kw"] > 128.0
    assert verdict.worst is not None
    assert max(verdict.worst.power_kw.values) > 128.0 >= max(verdict.worst.nothing_kw.values)
    for seed in (1, 2):
        broken = [plant_peak(model, pause, seed, told=told) for told in (False, True)]
        assert broken[0] <= 128.0 < broken[1]


def plant_peak(model: SiteModel, followed: Plan, seed: int, *, told: bool) -> float:
    """Highest quarter hour of a plant that is off by up to 5 %, told the plan step by step or left alone."""
    outside = drivers()
    outside = replace(outside, tags={**outside.tags, "load": np.append(EVENING, np.full(144, 20.0))[:, None]})
    state = TwinState(
        machines=(("lead", MachineState(running=True)), ("battery", MachineState(running=True))),
        levels=(("room", 20.8), ("receiver", 7.3), ("cells", 5.0)),
    )
    twin = Twin(model, outside, start=START, seed=seed, mismatch=0.05, noise=True, state=state)
    for step in range(40):
        twin.wait_until(START + timedelta(minutes=15 * step))
        for course in followed.courses if told else ():
            twin.write(f"{course.asset}.command", "STARTUP" if course.on.values[step] >= 0.5 else "SHUTDOWN")
    return twin.report(series(np.full(48, 0.1))).demand_peak_kw


def test_losing_contact_after_the_first_commands_is_lived_through_too() -> None:
    of = site()
    lived = live(plan({"heating": np.zeros(48)}), situation(of), SiteModel(of))
    assert lived.lost >= 1
    row = lived.ensemble.layout.index["heating"]
    assert lived.ensemble.released[row, lived.cut_off].all()
    assert lived.ensemble.starts[row, lived.cut_off].min() >= 1


def test_verdict_says_for_which_levels_it_holds() -> None:
    of = site()
    verdict = rehearse(plan({"heating": np.ones(48)}), situation(of), SiteModel(of))
    bounds = {bound.tag: bound for bound in verdict.valid_while}
    assert bounds["room"].low < 20.8 < bounds["room"].high
