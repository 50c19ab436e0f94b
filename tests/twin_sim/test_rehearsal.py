"""Plans lived through before they are carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from plant.assets import AssetTags, LevelTrigger, Service, Store, TagWrite
from plant.mirror import Credibility
from plant.orders import Plan
from plant.site import Site
from plant.situation import Situation, StoreState
from plant.tags import Quality, Reading, Snapshot, Tag
from tests.twin_sim.little import START, drivers, plan, series, site, situation
from twin_sim.drivers import at_steps
from twin_sim.ensemble import Ensemble
from twin_sim.figures import quantile, window_means
from twin_sim.futures import draw
from twin_sim.model import SiteModel
from twin_sim.rehearsal import live, rehearse
from twin_sim.rules import judge
from twin_sim.script import Script
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


def test_draws_depend_on_their_seed_alone_whatever_was_drawn_before() -> None:
    of = site()
    model, now = SiteModel(of), situation(of, band=5.0)
    first = draw(now, model, futures=30, steps=48, seed=3).tags["load"]
    other = draw(now, model, futures=30, steps=48, seed=4).tags["load"]
    again = draw(now, model, futures=30, steps=48, seed=3).tags["load"]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_columns_hold_the_same_futures_again() -> None:
    of = site(mtbf_h=40.0)
    model, now = SiteModel(of), situation(of, band=5.0)
    once = draw(now, model, futures=30, steps=48, seed=3)
    again = draw(now, model, futures=30, steps=48, seed=3, columns=70)
    assert np.array_equal(again.tags["load"], np.concatenate([once.tags["load"]] * 2 + [once.tags["load"][:, :10]], axis=1))
    assert once.failures
    assert [failure.at for failure in again.failures if failure.future >= 60] == [
        failure.at for failure in once.failures if failure.future < 10
    ]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.35, 0.5, 0.95, 1.0])
def test_quantile_is_that_of_numpy_to_the_last_bit(share: float) -> None:
    rng = np.random.default_rng(2)
    for size in (1, 2, 3, 50, 200):
        values = rng.normal(50.0, 20.0, size)
        assert quantile(values, share) == float(np.quantile(values, share))


@pytest.mark.parametrize("offset", [-5, 0, 3, 60])
def test_a_series_at_its_own_steps_is_what_resampling_gives(offset: int) -> None:
    made = series(np.arange(48) * 1.5)
    begin = START + timedelta(seconds=offset * made.step_s)
    assert tuple(at_steps(made, begin, made.step_s, 50).tolist()) == made.resampled(begin, made.step_s, 50)
    assert tuple(at_steps(made, begin, 600.0, 50).tolist()) == made.resampled(begin, 600.0, 50)


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


def test_a_charging_battery_leaves_room_for_its_own_standby_under_the_contract() -> None:
    of = site(import_kw=96.0)
    of = replace(of, assets=(*of.assets[:-1], replace(of.assets[-1], spec={"power_kw": 20.0, "standby_kw": 0.4})))
    now = situation(of, load=np.full(48, 40.0), running=("lead",))
    charging = plan({"battery": np.ones(48)}, {"battery": 20.0})
    lived = live(charging, now, SiteModel(of))
    total = lived.recorder.kw.sum(axis=1)[4:48, lived.plan]
    assert float(total.max()) == pytest.approx(96.0, abs=1e-6)
    assert "import_kw" not in {violation.rule for violation in rehearse(charging, now, SiteModel(of)).violations}


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


@pytest.mark.parametrize(("gone_min", "tick_s"), [(10, 900.0), (5, 900.0), (5, 300.0), (0, 900.0), (0, 300.0)])
def test_the_open_metering_window_takes_its_share_of_a_tick(gone_min: int, tick_s: float) -> None:
    """600 kW before a situation that begins inside a window, then one more kW every quarter of an hour."""
    of = situation(site())
    opened = START - timedelta(minutes=gone_min)
    of = replace(of, prices=replace(of.prices, open_window_start=opened, open_window_kwh=600.0 * gone_min / 60.0))
    minutes = np.arange(int(3600 / tick_s)) * tick_s // 900.0
    total = np.broadcast_to(minutes, (2, minutes.size))
    means = window_means(total, SimpleNamespace(tick_s=tick_s), of)  # type: ignore[arg-type]  # nothing else is looked at
    by_minute = np.concatenate([np.full(gone_min, 600.0), np.repeat(np.arange(4.0), 15)])
    whole = by_minute[: by_minute.size // 15 * 15].reshape(-1, 15).mean(axis=1)
    np.testing.assert_allclose(means, np.broadcast_to(whole, (2, whole.size)), atol=1e-9)


def patient_site() -> Site:
    """A contract of 85 kW, and compressors that local control leaves alone for hours."""
    of = site(import_kw=85.0)
    late = LevelTrigger(kind="level", store="receiver", start=4.5, stop=5.0)
    return replace(of, assets=tuple(replace(a, local_control=late) if a.kind == "compressor" else a for a in of.assets))


def starting_lead(of: Site, *, load_now: float | None = None, misses: float = 0.0) -> tuple[Plan, Situation]:
    """One compressor is started, 32 kW beside a load that is forecast at 20 kW."""
    readings = () if load_now is None else (Reading(tag="load", time=START, value=load_now, quality=Quality.GOOD),)
    now = situation(of)
    believed = Credibility(asset="lead", time=START, samples=50, cv_rmse=misses, nmbe=-misses, ok=True)
    now = replace(now, snapshot=Snapshot(time=START, readings=readings), credibility=(believed,))
    made = plan({"lead": np.ones(48), "lag": np.zeros(48), "heating": np.zeros(48)})
    lead = replace(made.courses[0], power_kw=series(np.full(48, 32.0)))
    return replace(made, courses=(lead, *made.courses[1:])), now


@pytest.mark.parametrize(
    ("seen", "words"), [({"load_now": 60.0}, "import_kw"), ({"misses": 0.4}, "13 of them for what the twin misses")]
)
def test_a_load_that_is_seen_and_what_the_twin_misses_count_towards_the_contract(seen: dict[str, float], words: str) -> None:
    of = patient_site()
    model = SiteModel(of)
    assert rehearse(*starting_lead(of), model).ok
    verdict = rehearse(*starting_lead(of, **seen), model)
    assert [violation.rule for violation in verdict.violations if violation.share > 0.2]
    assert words in verdict.violations[0].words


def test_a_load_that_is_seen_lasts_for_one_step() -> None:
    of = patient_site()
    model = SiteModel(of)
    made, now = starting_lead(of, load_now=60.0)
    found = [item for item in judge(now, model, live(made, now, model)) if item.refuses]
    assert {item.violation.rule for item in found} == {"import_kw"}
    assert {item.violation.time for item in found} == {START}


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


def bottled(size_per_level: float, flow_per_h: float) -> tuple[Site, Situation]:
    """The little works with a booster that draws from the receiver into a bottle which its own control would fill at once."""
    of, now = site(futures=10), situation(site(futures=10))
    names = ("booster.kw", "booster.running", "booster.setpoint", "booster.command", "booster.write", "bottle")
    booster = replace(
        next(asset for asset in of.assets if asset.name == "lag"), name="booster", kind="pump", produces="bottled", into="bottle",
        consumes="air", out_of="receiver", spec={"flow_per_h": flow_per_h, "power_kw": 5.0},
        tags=AssetTags(power=names[0], running=names[1], setpoint=names[2], command=names[3], setpoint_write=names[4]),
        release=(TagWrite(tag="booster.command", value="AUTO"),),
        local_control=LevelTrigger(kind="level", store="bottle", start=6.0, stop=8.0),
    )  # fmt: skip
    bottle = Store(
        name="bottle", service="bottled", level="bottle", unit="bar", size_per_level=size_per_level, bottom=0.0, top=10.0, low=1.0,
        high=9.0,
    )  # fmt: skip
    of = replace(
        of, tags=(*of.tags, *(Tag(name=name, unit="1") for name in names)), assets=(*of.assets, booster),
        services=(*of.services, Service(name="bottled", unit="Nm3")), stores=(*of.stores, bottle),
    )  # fmt: skip
    state = replace(next(item for item in now.assets if item.asset == "lag"), asset="booster")
    stores = (*now.stores, StoreState(store="bottle", level=4.0))
    return of, replace(now, assets=(*now.assets, state), stores=stores, store_specs=SiteModel(of).stores, services=of.services)


@pytest.mark.parametrize("ordered", [0.0, 1.0])
def test_what_draws_from_a_store_that_runs_low_rests(ordered: float) -> None:
    of, now = bottled(size_per_level=400.0, flow_per_h=100.0)
    never = {"lead": np.zeros(48), "lag": np.zeros(48), "booster": np.where(HOURS < 3.0, 0.0, ordered)}
    lived = live(plan(never), now, SiteModel(of))
    followed = round(lived.followed_s / lived.tick_s)
    receiver, bottle = (lived.recorder.level[:, row, lived.plan] for row in (1, 3))
    assert float(receiver[:followed].min()) > 5.8
    assert float(lived.recorder.level[:followed, 3, lived.nothing].max()) > 6.0, "its own control would have filled the bottle"
    if ordered:
        assert 4.0 < float(bottle[:followed].max()) < 6.0, "it rests while the receiver recovers, then follows the plan"
    else:
        assert float(np.ptp(bottle[:followed])) == 0.0
    assert float(bottle[-1].min()) > float(bottle[followed - 1].max()), "given back at the end of the plan"


def test_orders_that_stand_need_not_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    of, now = bottled(size_per_level=400.0, flow_per_h=100.0)
    slow = tuple(replace(asset, life=replace(asset.life, min_up_s=1800.0, min_down_s=2400.0)) for asset in of.assets)
    model, given = SiteModel(replace(of, assets=slow)), Script._give

    def anew(script: Script, ensemble: Ensemble, step: int) -> None:
        script._given = -1
        given(script, ensemble, step)

    for seed in range(4):
        rng = np.random.default_rng(seed)
        made = plan({name: rng.random(48) < 0.6 for name in ("heating", "lead", "lag", "booster")}, {"lead": 0.7, "lag": 0.9})
        once = live(made, now, model).recorder
        with monkeypatch.context() as patched:
            patched.setattr(Script, "_give", anew)
            again = live(made, now, model).recorder
        assert np.allclose(once.kw, again.kw, rtol=0.0, atol=1e-9)
        assert np.allclose(once.level, again.level, rtol=0.0, atol=1e-9)


def test_what_local_control_does_after_the_plan_is_judged_by_the_ends_of_stores_alone() -> None:
    of, now = bottled(size_per_level=130.0, flow_per_h=900.0)
    waits = plan({"booster": np.zeros(48)})
    lived = live(waits, now, SiteModel(of))
    followed = round(lived.followed_s / lived.tick_s)
    receiver = lived.recorder.level[:, 1, lived.plan]
    assert float(receiver[followed:].min()) < 6.0 <= float(receiver[:followed].min())
    assert rehearse(waits, now, SiteModel(of)).ok
