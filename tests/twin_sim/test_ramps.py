"""A machine that states a ramp goes to its set-point no faster, gives what it books, and does as a plan expects of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from plant.assets import Life, ScheduleControl
from plant.orders import Course, Plan
from plant.series import Series
from plant.site import Site
from plant.table import Floats
from tests.contracts.plantlet import START, drivers_of, rate_of, site_of
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Layout
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.ramps import ramps_of
from twin_sim.script import of_plan
from twin_sim.state import MachineState, TwinState
from twin_sim.twin import Twin

KINDS = ("boiler", "chiller", "compressor", "fan", "furnace", "heat_pump", "production_line", "pump")
LOW, HIGH = 0.75, 1.0


def ramped(kind: str, ramp_per_h: float | None, *, local: bool = False, startup_s: float = 0.0) -> Site:
    life = Life(setpoint_low=LOW, setpoint_high=HIGH, setpoint_nominal=HIGH, ramp_per_h=ramp_per_h, startup_s=startup_s)
    return site_of(kind, local=local, life=life)


def outputs(site: Site, kind: str, tick_s: float, *, until_h: float = 3.0, stop_h: float = 2.0) -> tuple[Floats, Ensemble]:
    """Output of every tick of a machine that is started at full set-point and stopped later."""
    model = SiteModel(site)
    layout = Layout(model, with_loads=True)
    ensemble = Ensemble(
        layout, drivers_of(kind, demand_share=0.0, outdoor_c=15.0), futures=1, start=START, tick_s=tick_s, audited=True,
        state=TwinState(levels=(("store", 20.0),)), recorder=Recorder(round(until_h * 3600 / tick_s), 1, layout.real, 1),
    )  # fmt: skip
    ensemble.order(0, True, HIGH)
    shown = []
    for tick in range(round(until_h * 3600 / tick_s)):
        if tick == round(stop_h * 3600 / tick_s):
            ensemble.order(0, False, None)
        ensemble.run((tick + 1) * tick_s)
        shown.append(float(ensemble.output[0, 0]))
    return np.array(shown), ensemble


@pytest.mark.parametrize("kind", KINDS)
def test_no_faster_than_it_may_and_down_before_it_stops(kind: str) -> None:
    ramp = abs(rate_of(kind))
    given, _ = outputs(ramped(kind, ramp), kind, 60.0)
    free, _ = outputs(ramped(kind, None), kind, 60.0)
    most, least = np.abs(free).max(), np.abs(given[np.abs(given) > 0]).min()
    assert np.abs(given).max() == pytest.approx(most)
    inside = np.flatnonzero((np.abs(given[1:]) > 0) & (np.abs(given[:-1]) > 0))
    assert np.abs(np.diff(np.abs(given)))[inside].max() <= ramp / 60.0 * (1 + 1e-3)
    assert np.abs(given)[np.flatnonzero(given)[-1]] == pytest.approx(least, abs=1.5 * ramp / 60.0)
    minutes_up = int(np.argmax(np.abs(given) >= 0.999 * most))
    assert minutes_up == pytest.approx((most - least) / ramp * 60.0, abs=2)
    stopped = np.flatnonzero(given)[-1] - 120
    assert stopped == pytest.approx((most - least) / ramp * 60.0, abs=2)


@pytest.mark.parametrize("kind", KINDS)
def test_energy_balance_closes_on_the_way(kind: str) -> None:
    _, ensemble = outputs(ramped(kind, abs(rate_of(kind)), startup_s=300.0), kind, 60.0)
    audit = ensemble.audited_until_now()
    held = float((ensemble.level[0, 0] - 20.0) * ensemble.layout.size[0, 0])
    balance = float(audit.made.sum()) + float(ensemble.unserved[0, 0]) - float(ensemble.wasted[0, 0])
    assert balance == pytest.approx(held, rel=1e-6, abs=1e-6)
    recorder = ensemble.recorder
    assert recorder is not None
    assert float(recorder.kw.sum()) / 60.0 == pytest.approx(float(audit.energy_kwh.sum()), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_length_of_a_tick_matters_little(kind: str) -> None:
    energies = []
    for tick_s in (300.0, 150.0):
        _, ensemble = outputs(ramped(kind, abs(rate_of(kind))), kind, tick_s, until_h=24.0, stop_h=20.0)
        energies.append(float(ensemble.audited_until_now().energy_kwh.sum()))
    assert energies[0] == pytest.approx(energies[1], rel=0.005)


@pytest.mark.parametrize("kind", KINDS)
def test_a_plan_inside_its_ramp_is_lived_through_as_planned(kind: str) -> None:
    """Quarter hours that a plan may ask for (from nothing to the lowest point, then by the ramp) come true to a quarter of one."""
    ramp = abs(rate_of(kind))
    site = ramped(kind, ramp)
    model = SiteModel(site)
    (envelope,) = model.envelopes(START, 900.0, 16, (), (), (), ())
    points = envelope.regimes[0].points
    setpoints, rates = (np.array([point.setpoints[0] for point in points]), np.abs([point.output_per_h for point in points]))
    wanted = [min(rates[0] + ramp / 4.0 * step, rates[-1]) for step in range(6)]
    asked = np.interp(wanted, rates, setpoints)
    series = [Series(start=START, step_s=900.0, values=tuple(float(v) for v in values), unit="1") for values in (np.ones(6), asked)]
    course = Course(asset="machine", on=series[0], setpoint=series[1], power_kw=series[0])
    plan = Plan(id="p", made_at=START, until=START + timedelta(hours=1.5), strategy="test", commands=(), courses=(course,))
    ends = []
    for each in (model, SiteModel(ramped(kind, None))):
        layout = Layout(each, with_loads=True)
        script = replace(of_plan(plan, layout, slice(0, 1), steps=6, step_s=900.0), guarded=False)
        drivers = drivers_of(kind, demand_share=0.0, outdoor_c=15.0)
        ensemble = Ensemble(layout, drivers, futures=1, start=START, tick_s=60.0, state=TwinState(), scripts=(script,))
        shown = []
        for step in range(6):
            ensemble.run((step + 1) * 900.0)
            shown.append(abs(float(ensemble.output[0, 0])))
        ends.append(shown)
    assert ends[0] == pytest.approx(ends[1], abs=0.02 * ramp)


def test_without_a_ramp_nothing_is_kept_apart() -> None:
    for kind in KINDS:
        layout = Layout(SiteModel(ramped(kind, None)), with_loads=True)
        assert ramps_of(layout) is None
        ensemble = Ensemble(layout, drivers_of(kind), futures=2, start=START, tick_s=300.0, state=TwinState())
        assert ensemble.reached is ensemble.setpoint


def test_a_ramp_that_never_binds_changes_nothing() -> None:
    free, _ = outputs(ramped("pump", None), "pump", 300.0)
    wide, _ = outputs(ramped("pump", 1e6), "pump", 300.0)
    assert free[2:23] == pytest.approx(wide[2:23])


def test_batteries_and_machines_with_one_operating_point_have_none() -> None:
    fixed = site_of("pump", life=Life(setpoint_low=1.0, setpoint_high=1.0, ramp_per_h=1.0))
    assert ramps_of(Layout(SiteModel(fixed), with_loads=True)) is None
    battery = site_of("battery", life=Life(setpoint_low=-10.0, setpoint_high=10.0, ramp_per_h=1.0))
    assert ramps_of(Layout(SiteModel(battery), with_loads=True)) is None


def test_a_running_machine_begins_where_it_is_told_and_local_control_ramps_too() -> None:
    site = ramped("pump", rate_of("pump"), local=True)
    state = TwinState(machines=(("machine", MachineState(running=True, setpoint=0.8)),), levels=(("store", 20.0),))
    twin = Twin(SiteModel(site), drivers_of("pump"), start=START, state=state)
    twin.wait_until(START + timedelta(minutes=1))
    assert twin.ensemble.reached[0, 0] == pytest.approx(0.8, abs=0.02)
    scheduled = replace(
        site,
        assets=tuple(replace(asset, local_control=ScheduleControl(kind="schedule", on=("01:00-02:00",))) for asset in site.assets),
    )
    twin = Twin(SiteModel(scheduled), drivers_of("pump"), start=START)
    shown = []
    for minute in range(180):
        twin.wait_until(START + timedelta(minutes=minute + 1))
        shown.append(float(twin.ensemble.output[0, 0]))
    assert np.abs(np.diff(shown))[70:110].max() <= rate_of("pump") / 60.0 * 1.001
    assert shown[170] == 0.0
    assert shown[121] > 0.0
