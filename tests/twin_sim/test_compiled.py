"""What is compiled and what NumPy does in its place: one plan lived through by both."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from plant.assets import Flow, LevelTrigger
from plant.site import AssetPrice
from plant.tariff import FlatPrice
from tests.twin_sim.little import plan
from tests.twin_sim.test_rehearsal import bottled
from twin_sim import asking, cells, follow, futures, outside, script, switching
from twin_sim.model import SiteModel
from twin_sim.rehearsal import Lived, live

WHERE = {
    "rounds": ((switching, "rounds"),),
    "orders": ((script, "compiled"),),
    "ticks": ((cells, "ticks"), (outside, "ticks")),
    "batteries": ((follow, "batteries"),),
    "draws": ((futures, "draws"),),
    "recall": ((asking, "recall"),),
}
WHERE["all"] = tuple(place for places in WHERE.values() for place in places)
COMPILED = pytest.mark.skipif(
    any(getattr(module, name) is None for module, name in WHERE["all"]), reason="twin_sim was not compiled when this was installed"
)
ARRAYS = (
    "on", "want", "released", "setpoint", "starts", "since_s", "power", "output", "intake", "run_power", "run_output", "run_intake",
    "level", "gain", "bias", "bill_kw", "followed_kw", "unserved", "wasted",
)  # fmt: skip
LIVES = {
    "minimum times": {"min_up_s": 1800.0, "min_down_s": 2400.0},
    "failures": {"mtbf_h": 8.0, "repair_h": 2.0, "min_up_s": 1800.0},
    "slow starts": {"startup_s": 400.0, "start_energy_kwh": 2.0, "shutdown_s": 100.0, "mtbf_h": 20.0, "repair_h": 1.0},
    "starts that draw": {"start_energy_kwh": 3.0},
    "ramps": {"ramp_per_h": 200.0},
}


def day(life: dict[str, float], seed: int) -> Lived:
    of, now = bottled(size_per_level=130.0, flow_per_h=900.0)
    assets = tuple(replace(asset, life=replace(asset.life, **life)) for asset in of.assets)
    if seed == 1:  # one that blows off where a level is high, and a bill of its own
        off = LevelTrigger(kind="level", store="receiver", start=7.6, stop=7.0)
        assets = (*assets[:-1], replace(assets[-1], local_control=off, produces=None, into=None))
        of = replace(of, asset_prices=(AssetPrice(assets=("lag",), price=FlatPrice(kind="flat", per_kwh=0.2)),))
    if seed == 2:  # two batteries that are not alike on two bills, a receiver that leaks into the bottle, a room that loses
        rows = {asset.name: row for row, asset in enumerate(assets)}
        other = replace(assets[rows["battery"]], name="other", spec={"power_kw": 11.0, "efficiency": 0.9, "standby_kw": 0.3})
        state = next(item for item in now.assets if item.asset == "battery")
        assets, now = (*assets, other), replace(now, assets=(*now.assets, replace(state, asset="other")))
        of = replace(
            of, asset_prices=(AssetPrice(assets=("other", "lead"), price=FlatPrice(kind="flat", per_kwh=0.2)),),
            flows=(Flow(source="receiver", target="bottle", a_per_h=-0.2, b_per_h=0.1),),
            stores=(replace(of.stores[0], loss_a=0.5), *of.stores[1:]),
        )  # fmt: skip
    of = replace(of, assets=assets)
    rng = np.random.default_rng(seed)
    courses = {name: rng.random(48) < 0.6 for name in ("heating", "lead", "lag", "booster")}
    futures._courses.cache_clear()
    return live(plan(courses, {"lead": 0.7, "lag": 0.9}), now, SiteModel(of))


@COMPILED
@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
@pytest.mark.parametrize("places", WHERE.values(), ids=WHERE.keys())
def test_with_and_without_what_is_compiled_every_bit_is_the_same(
    places: tuple[tuple[ModuleType, str], ...], life: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(3):
        compiled = day(life, seed)
        with monkeypatch.context() as patched:
            for where, part in places:
                patched.setattr(where, part, None)
            same = day(life, seed)
        for name in ("kw", "level"):
            assert getattr(compiled.recorder, name).tobytes() == getattr(same.recorder, name).tobytes()
        for ours, theirs in zip(compiled.recorder.extremes(), same.recorder.extremes(), strict=True):
            assert ours.tobytes() == theirs.tobytes()
        for name in ARRAYS:
            assert getattr(compiled.ensemble, name).tobytes() == getattr(same.ensemble, name).tobytes(), name
        assert compiled.ensemble.starts.any()


@COMPILED
def test_what_is_compiled_refuses_arrays_that_do_not_fit() -> None:
    one = np.zeros(3)
    for hold, counts in (
        (switching.rounds.hold, (1, 1, 0, 1, 1, 900.0, 1e-12, False)),
        (script.compiled.hold, (1, 1, 1, 1, 0, 1, 1)),
        (cells.ticks.hold, (1, 1, 1, 1, 0, 0)),
        (follow.batteries.hold, (1, 1, 1, 1, True, True, False)),
    ):
        with pytest.raises(ValueError, match="arrays are needed"):
            hold((one,), *counts)
    with pytest.raises(ValueError, match="other steps or futures"):
        futures.draws.courses(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)), 5, 4, 0.9, 0.1)
    with pytest.raises(ValueError, match="other steps or futures"):
        futures.draws.drawn(np.zeros((3, 4)), np.zeros((3, 2)), np.zeros((3, 2)), one, one, one[:2])
    with pytest.raises(ValueError, match="other machines or futures"):
        asking.recall.answers(np.zeros((2, 5)), np.zeros(4), 1, np.zeros((3, 2, 4)), np.zeros((3, 2, 6)))
    with pytest.raises(ValueError, match="other stores or futures"):
        cells.ticks.terms(np.zeros((2, 3)), ((1, 3, np.ones(2), None, False),))
    with pytest.raises(ValueError, match="other stores or futures"):
        cells.ticks.terms(np.zeros((2, 3)), ((0, 1, np.ones(1), np.zeros((4, 2)), False),))


@COMPILED
def test_what_is_compiled_refuses_other_machines_futures_and_steps() -> None:
    ensemble, ticks = day({}, 0).ensemble, cells.ticks
    held, some = ensemble._held, np.zeros(7)
    with pytest.raises(ValueError, match="other machines or futures"):
        ticks.put(held, 0, 2, True, True, False, some, 0.0, None)
    with pytest.raises(IndexError, match="no machines"):
        ticks.put(held, 0, 99, True, True, False, 0.0, 0.0, None)
    with pytest.raises(ValueError, match="another length"):
        ticks.end(held, 0, ensemble.base_kw, some, None, None, None)
    with pytest.raises(ValueError, match="other futures"):
        ticks.end(held, 0, some, None, None, None, None)
    with pytest.raises(IndexError, match="no step"):
        ticks.bias(ensemble.outside._gains, 10_000)
    with pytest.raises(ValueError, match="other futures"):
        follow.batteries.follow(ensemble._followers[0]._held, 0, some, None)
    with pytest.raises(IndexError, match="no step"):
        script.compiled.order(ensemble.scripts[0]._shared_with(ensemble).held, 0, 10_000, -1)
    with pytest.raises(ValueError, match="no cells"):
        switching.rounds.change(ensemble._switches._held, 0, 0, 10**9, 0.0, False)
