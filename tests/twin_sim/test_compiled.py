"""What is compiled and what NumPy does in its place: one plan lived through by both."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from plant.assets import LevelTrigger
from plant.site import AssetPrice
from plant.tariff import FlatPrice
from tests.twin_sim.little import plan
from tests.twin_sim.test_rehearsal import bottled
from twin_sim import script, switching
from twin_sim.model import SiteModel
from twin_sim.rehearsal import Lived, live

COMPILED = pytest.mark.skipif(
    switching.rounds is None or script.compiled is None, reason="twin_sim was not compiled when this was installed"
)
PARTS = [pytest.param(switching, "rounds", id="rounds"), pytest.param(script, "compiled", id="orders")]
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
    if seed:  # one that blows off where a level is high, and a bill of its own
        off = LevelTrigger(kind="level", store="receiver", start=7.6, stop=7.0)
        assets = (*assets[:-1], replace(assets[-1], local_control=off, produces=None, into=None))
        of = replace(of, asset_prices=(AssetPrice(assets=("lag",), price=FlatPrice(kind="flat", per_kwh=0.2)),))
    of = replace(of, assets=assets)
    rng = np.random.default_rng(seed)
    courses = {name: rng.random(48) < 0.6 for name in ("heating", "lead", "lag", "booster")}
    return live(plan(courses, {"lead": 0.7, "lag": 0.9}), now, SiteModel(of))


@COMPILED
@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES.keys())
@pytest.mark.parametrize(("where", "part"), PARTS)
def test_with_and_without_what_is_compiled_every_bit_is_the_same(
    where: ModuleType, part: str, life: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(2):
        compiled = day(life, seed)
        with monkeypatch.context() as patched:
            patched.setattr(where, part, None)
            same = day(life, seed)
        for name in ("kw", "level"):
            assert getattr(compiled.recorder, name).tobytes() == getattr(same.recorder, name).tobytes()
        for name in ("on", "released", "setpoint", "starts", "since_s", "power", "output", "intake", "gain", "bill_kw", "unserved"):
            assert getattr(compiled.ensemble, name).tobytes() == getattr(same.ensemble, name).tobytes(), name
        assert compiled.ensemble.starts.any()


@COMPILED
def test_what_is_compiled_refuses_another_number_of_arrays() -> None:
    assert switching.rounds is not None
    assert script.compiled is not None
    one = np.zeros(3)
    with pytest.raises(ValueError, match="arrays are needed"):
        switching.rounds.change((one,), 1, 1, 1, 0, 0.0, 900.0, 1e-12, False, False)
    with pytest.raises(ValueError, match="arrays are needed"):
        script.compiled.look_ahead((one,), (1, 1, 1, 1, 0, 1))
    with pytest.raises(ValueError, match="arrays are needed"):
        script.compiled.order((one,), (1, 1, 1, 1, 0, 1), one == 0.0, one.astype(np.int8), one)
