"""One suite for every asset kind: a new file in twin_sim/assets is tested by existing."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pydantic import TypeAdapter

from plant.kinds import known
from plant.physics import Conditions
from plant.ports import AssetModel
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Layout, stacked
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.state import MachineState, TwinState
from twin_sim.twin import Twin

from .plantlet import START, drivers_of, model_of, rate_of, site_of, spec_of, top_setpoint

KINDS = known("twin_sim.assets")
CONDITIONS = Conditions(level=20.0, input_level=3.0, outdoor=5.0, health=0.9, availability=0.7, running_s=600.0)


def lived(kind: str, tick_s: float, days: float = 1.0, seed: int = 0) -> tuple[Ensemble, Recorder]:
    """A day under local control (on orders where the kind has no level to hold)."""
    model = SiteModel(site_of(kind))
    layout = Layout(model, with_loads=True)
    ticks = round(days * 86400 / tick_s)
    recorder = Recorder(ticks, 1, layout.real, 1)
    state = TwinState(machines=(("machine", MachineState(running=True)),), levels=(("store", 20.0),))
    ensemble = Ensemble(
        layout, drivers_of(kind), futures=1, start=START, tick_s=tick_s, state=state, recorder=recorder, audited=True
    )
    ensemble.run(days * 86400)
    return ensemble, recorder


@pytest.mark.parametrize("kind", KINDS)
def test_is_an_asset_model_with_checked_spec(kind: str) -> None:
    assert isinstance(model_of(kind), AssetModel)
    adapter = TypeAdapter(type(model_of(kind)))
    adapter.validate_python(spec_of(kind))
    with pytest.raises(ValueError, match="no_such_field"):
        adapter.validate_python({**spec_of(kind), "no_such_field": 1.0})


@pytest.mark.parametrize("kind", KINDS)
def test_states_where_its_equations_come_from(kind: str) -> None:
    assert "References" in (type(model_of(kind)).__doc__ or "")


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_arrays_agree(kind: str) -> None:
    model = model_of(kind)
    other = dataclasses.replace(cast(Any, model), standby_kw=0.5)
    both = stacked([model, other])
    setpoints = np.linspace(0.4, 1.0, 6) * top_setpoint(kind)
    together = both.running(np.tile(setpoints, (2, 1)), CONDITIONS)
    for column, setpoint in enumerate(setpoints.tolist()):
        for row, single in enumerate((model, other)):
            one = single.running(setpoint, CONDITIONS)
            for name in ("power_kw", "output_per_h", "input_per_h"):
                wide = np.broadcast_to(getattr(together, name), (2, 6))
                assert float(np.asarray(getattr(one, name))) == pytest.approx(float(wide[row, column]), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_is_pure(kind: str) -> None:
    model = model_of(kind)
    first, again = model.running(0.8, CONDITIONS), model.running(0.8, CONDITIONS)
    assert np.array_equal(first.power_kw, again.power_kw)
    assert np.array_equal(first.output_per_h, again.output_per_h)


@pytest.mark.parametrize("kind", KINDS)
def test_worse_health_never_gives_more_for_less(kind: str) -> None:
    model = model_of(kind)
    new, worn = (model.running(0.9, replace(CONDITIONS, health=health)) for health in (1.0, 0.4))
    gives, took = (abs(float(np.asarray(working.output_per_h))) for working in (new, worn))
    assert took <= gives + 1e-12
    if gives > 0.0:
        cost_new, cost_worn = (float(np.asarray(working.power_kw + working.input_per_h)) for working in (new, worn))
        assert cost_worn / took >= cost_new / gives - 1e-12
    else:
        assert abs(float(np.asarray(worn.power_kw))) <= abs(float(np.asarray(new.power_kw))) + 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_energy_balance_closes(kind: str) -> None:
    """What machines made, less demand and what was not served, is what the store holds more; bills are the sum of machines."""
    ensemble, recorder = lived(kind, 300.0)
    audit = ensemble.audited_until_now()
    held = float((ensemble.level[0, 0] - 20.0) * ensemble.layout.size[0, 0])
    demanded = float(ensemble.demanded_until_now()[0, 0])
    balance = float(audit.made.sum()) - demanded + float(ensemble.unserved[0, 0]) - float(ensemble.wasted[0, 0])
    scale = max(1.0, abs(demanded))
    if rate_of(kind) != 0.0:
        assert abs(balance - held) / scale < 1e-6
    billed = float(recorder.kw.sum()) * 300.0 / 3600.0
    assert billed == pytest.approx(float(audit.energy_kwh.sum()), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_halving_the_tick_changes_little(kind: str) -> None:
    energies = []
    for tick_s in (300.0, 150.0):
        _, recorder = lived(kind, tick_s, days=2.0)
        energies.append(float(recorder.kw.sum()) * tick_s / 3600.0)
    assert abs(energies[0] - energies[1]) <= 0.005 * max(abs(energies[1]), 1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_bits(kind: str) -> None:
    runs = []
    for _ in range(2):
        twin = Twin(SiteModel(site_of(kind)), drivers_of(kind), start=START, seed=5, mismatch=0.1, noise=True)
        twin.wait_until(START + timedelta(hours=9))
        runs.append(tuple((reading.tag, reading.value) for reading in twin.read().readings))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("kind", KINDS)
def test_envelope_and_twin_agree_at_steady_state(kind: str) -> None:
    """Every operating point of the envelope is where the twin goes when it is told to."""
    site = site_of(kind, local=False)
    model, drivers = SiteModel(site), drivers_of(kind, demand_share=0.0, outdoor_c=15.0)
    (envelope,) = model.envelopes(START, 900.0, 8, (), (), (), ())
    for regime in envelope.regimes:
        for point in regime.points:
            level = (("store", 20.0),)
            twin = Twin(model, drivers, start=START, state=TwinState(levels=level))
            twin.write("write", point.setpoints[0])
            twin.write("command", "OPTIMIZE")
            assert twin.wait_until(START + timedelta(minutes=2))
            shown = twin.read()
            assert shown.truth("running") is True
            expected = point.power_kw[0]
            if kind == "batch_machine":
                continue
            assert shown.number("power") == pytest.approx(expected, rel=0.02, abs=0.05)
            assert shown.number("output") == pytest.approx(point.output_per_h, rel=0.01, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_stays_inside_its_envelope(kind: str) -> None:
    site = site_of(kind)
    model = SiteModel(site)
    (envelope,) = model.envelopes(START, 900.0, 8, (), (), (), ())
    points = [point for regime in envelope.regimes for point in regime.points]
    most = max(abs(point.output_per_h) for point in points)
    ensemble, recorder = lived(kind, 300.0)
    peak = max(abs(point.power_kw[0]) for point in points)
    roof = 4.0 if kind == "batch_machine" else 1.0
    assert float(np.abs(recorder.kw).max()) <= roof * (peak + 0.1) * 1.25
    assert float(np.abs(ensemble.output).max()) <= most * 1.25 + 1e-9


def test_every_kind_is_a_file_of_its_own() -> None:
    folder = Path(__file__).parents[2] / "twin_sim" / "assets"
    assert {path.stem for path in folder.glob("*.py") if path.stem != "__init__"} == set(KINDS)
