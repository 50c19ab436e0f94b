"""The physics against closed forms and against scipy's own integrator, written here anew."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from plant.physics import Conditions
from tests.twin_sim.little import START, drivers, site
from twin_sim.assets.battery import Battery
from twin_sim.assets.compressor import Compressor
from twin_sim.assets.fan import Fan
from twin_sim.assets.heat_pump import HeatPump
from twin_sim.assets.pump import Pump
from twin_sim.model import SiteModel
from twin_sim.state import MachineState, TwinState
from twin_sim.twin import Twin


@pytest.mark.parametrize("speed", [0.75, 0.9, 1.0, 1.05])
@pytest.mark.parametrize("static", [0.0, 0.3, 0.5])
def test_pump_runs_where_its_curve_meets_the_system(speed: float, static: float) -> None:
    working = Pump(flow_per_h=80.0, power_kw=22.0, static_share=static).running(speed, Conditions())
    flow = brentq(lambda q: 1.25 * speed**2 - 0.25 * q**2 - (static + (1 - static) * q**2), 0.0, 3.0)
    head = static + (1 - static) * flow**2
    relative = flow / speed
    efficiency = 2 * relative - relative**2
    assert float(np.asarray(working.output_per_h)) == pytest.approx(80.0 * flow, rel=1e-9)
    assert float(np.asarray(working.power_kw)) == pytest.approx(22.0 * flow * head / efficiency, rel=1e-9)


def test_pump_without_static_head_obeys_the_affinity_laws() -> None:
    pump = Pump(flow_per_h=100.0, power_kw=10.0, static_share=0.0)
    half, full = pump.running(0.5, Conditions()), pump.running(1.0, Conditions())
    assert float(np.asarray(half.output_per_h)) == pytest.approx(float(np.asarray(full.output_per_h)) / 2)
    assert float(np.asarray(half.power_kw)) == pytest.approx(float(np.asarray(full.power_kw)) / 8)


def test_fan_power_goes_with_the_cube() -> None:
    fan = Fan(flow_per_h=1000.0, power_kw=8.0, drive_share=0.0)
    assert float(np.asarray(fan.running(0.5, Conditions()).power_kw)) == pytest.approx(1.0)


@pytest.mark.parametrize("outdoor", [-10.0, 1.0, 7.0, 15.0])
def test_heat_pump_is_a_share_of_carnot(outdoor: float) -> None:
    machine = HeatPump(power_kw=10.0, cop=3.2, rated_outdoor_c=7.0, supply_c=40.0, defrost_share=0.0, part_load_gain=0.0)

    def carnot(air: float) -> float:
        return 313.15 / (40.0 - air + 5.0)

    working = machine.running(1.0, Conditions(outdoor=outdoor))
    assert float(np.asarray(working.output_per_h)) == pytest.approx(10.0 * 3.2 * carnot(outdoor) / carnot(7.0), rel=1e-9)


def test_frost_costs_heat_around_freezing_only() -> None:
    dry = HeatPump(power_kw=10.0, cop=3.2, defrost_share=0.0)
    frosty = HeatPump(power_kw=10.0, cop=3.2, defrost_share=0.1)
    ratio = [float(np.asarray(frosty.coefficient(t))) / float(np.asarray(dry.coefficient(t))) for t in (-15.0, 1.0, 20.0)]
    assert ratio[1] < ratio[0] - 0.05
    assert ratio[1] < ratio[2] - 0.05


def test_compressor_power_follows_isentropic_work() -> None:
    machine = Compressor(flow_per_h=500.0, power_kw=50.0, rated_bar=7.5, no_load_share=0.0)
    low, rated = (float(np.asarray(machine.running(1.0, Conditions(level=bar)).power_kw)) for bar in (6.0, 7.5))
    work = ((7.013 / 1.013) ** 0.286 - 1) / ((8.513 / 1.013) ** 0.286 - 1)
    assert rated == pytest.approx(50.0)
    assert low == pytest.approx(50.0 * (0.25 + 0.75 * work), rel=1e-9)


def test_battery_loses_both_ways() -> None:
    battery = Battery(power_kw=50.0, efficiency=0.9)
    into, out = battery.running(20.0, Conditions()), battery.running(-20.0, Conditions())
    assert float(np.asarray(into.output_per_h)) == pytest.approx(18.0)
    assert float(np.asarray(out.output_per_h)) == pytest.approx(-20.0 / 0.9)
    assert float(np.asarray(battery.running(90.0, Conditions()).power_kw)) == pytest.approx(50.0)


def test_room_cools_and_heats_as_an_rc_zone() -> None:
    """Heating held on for three hours, then off for three: against Radau on the same differential equation."""
    model = SiteModel(site())
    state = TwinState(machines=(("battery", MachineState(running=True)),), levels=(("room", 20.0), ("receiver", 7.3)))
    twin = Twin(model, drivers(outdoor_c=-3.0), start=START, state=state, tick_s=60.0)
    twin.write("heating.command", "STARTUP")
    found = []
    for hour in range(1, 7):
        if hour == 4:
            twin.write("heating.command", "SHUTDOWN")
        twin.wait_until(START + timedelta(hours=hour))
        found.append(twin.read().number("room"))
    heat = float(np.asarray(model.kind("heating").running(1.0, Conditions(outdoor=-3.0)).output_per_h))
    steps = [
        solve_ivp(
            lambda _t, y, q=q: [(q - 0.9 * (y[0] + 3.0)) / 8.0],
            (0, 3),
            [y0],
            method="Radau",
            rtol=1e-10,
            atol=1e-10,
            t_eval=[1, 2, 3],
        )
        for q, y0 in ((heat, 20.0),)
    ]
    warm = steps[0].y[0].tolist()
    cold = solve_ivp(lambda _t, y: [(0.0 - 0.9 * (y[0] + 3.0)) / 8.0], (0, 3), [warm[-1]], method="Radau", rtol=1e-10, atol=1e-10,
                     t_eval=[1, 2, 3])  # fmt: skip
    assert found == pytest.approx([*warm, *cold.y[0].tolist()], abs=1e-5)


def test_receiver_fills_by_its_balance() -> None:
    model = SiteModel(site())
    twin = Twin(model, drivers(air=120.0), start=START, state=TwinState(levels=(("receiver", 6.9),)), tick_s=60.0)
    twin.write("lead.command", "STARTUP")
    twin.write("lag.command", "SHUTDOWN")
    twin.wait_until(START + timedelta(hours=1))
    assert twin.read().number("bar") == pytest.approx(6.9 + (300.0 - 120.0) / 150.0, abs=1e-9)
