"""The reference of the twin's rows: one SimPy process per machine, every minute, in plain Python numbers."""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import simpy

from plant.assets import LevelTrigger, ScheduleControl
from plant.hours import local_hours
from twin_sim.drivers import Drivers
from twin_sim.model import SiteModel

MINUTE_S = 60.0
BENCHES: tuple[Any, ...] = ()


class NaiveSite:
    """A site unpacked into plain numbers, so that the reference is not slowed down by records."""

    def __init__(self, model: SiteModel, drivers: Drivers) -> None:
        self.columns = {name: column[:, 0].tolist() for name, column in drivers.tags.items()}
        self.outdoor = self.columns["outdoor"]
        self.stores = {store.name: store for store in model.stores}
        self.machines = []
        for asset in model.site.assets:
            self.machines.append((asset, model.kind(asset.name), model.into(asset)))
        self.demands = {store.name: self.columns.get(f"{store.service}.demand", [0.0] * drivers.steps) for store in model.stores}
        self.start_minute = 0


def naive_day(site: NaiveSite) -> float:
    """Energy of one day in kWh: machines look every minute, stores move every minute."""
    environment = simpy.Environment()
    world: dict[str, Any] = {
        "level": {name: (store.low + store.high) / 2.0 for name, store in site.stores.items()},
        "inflow": dict.fromkeys(site.stores, 0.0),
        "kw": [0.0] * len(site.machines),
        "kwh": 0.0,
    }
    batteries = []
    for number, (asset, kind, store) in enumerate(site.machines):
        if asset.kind == "battery":
            batteries.append((number, kind, store))
        else:
            environment.process(_machine(environment, site, world, number, asset, kind, store))
    environment.process(_site(environment, site, world, batteries))
    environment.run(until=86400.0)
    return float(world["kwh"])


def _machine(
    environment: simpy.Environment, site: NaiveSite, world: dict[str, Any], number: int, asset: Any, kind: Any, store: str | None
) -> Generator[Any, None, None]:
    control, on, free_s = asset.local_control, False, -1e9
    level, inflow, kw = world["level"], world["inflow"], world["kw"]
    hours = local_hours(control.on[0]) if isinstance(control, ScheduleControl) else None
    work = _physics(asset.kind, kind, site, asset)
    given = 0.0
    while True:
        now_s = environment.now
        if isinstance(control, LevelTrigger):
            here = level[control.store]
            want = True if here < control.start else (False if here > control.stop else on)
        else:
            minute = int(now_s // 60) % 1440
            want = hours is not None and (hours.begin_min <= minute < hours.end_min)
        if want != on and now_s >= free_s:
            on, free_s = want, now_s + (asset.life.min_up_s if want else asset.life.min_down_s)
        power, output = work(int(now_s // 900.0), level[store] if store else 0.0) if on else (0.0, 0.0)
        kw[number] = power
        if store is not None:
            inflow[store] += output - given
            given = output
        yield environment.timeout(MINUTE_S)


def _physics(name: str, kind: Any, site: NaiveSite, asset: Any) -> Any:
    """The kind's equations at its nominal set-point, in plain numbers."""
    if name == "heat_pump":
        useful, rated = kind.supply_c + 273.15, kind.supply_c - kind.rated_outdoor_c + 5.0
        share = kind.cop / (useful / max(rated, 12.0))

        def frost(outdoor: float) -> float:
            return 1.0 - float(kind.defrost_share) * math.exp(-(((outdoor - 1.0) / 3.5) ** 2))

        rated_frost = frost(kind.rated_outdoor_c)

        def heat_pump(step: int, _level: float) -> tuple[float, float]:
            outdoor = site.outdoor[step]
            cop = share * useful / max(kind.supply_c - outdoor + 5.0, 12.0) * frost(outdoor) / rated_frost
            return kind.power_kw, kind.power_kw * cop

        return heat_pump
    if name == "compressor":
        rated = ((kind.rated_bar + 1.013) / 1.013) ** 0.286 - 1.0

        def compressor(_step: int, level: float) -> tuple[float, float]:
            work = (((max(level, 0.0) + 1.013) / 1.013) ** 0.286 - 1.0) / rated
            return kind.power_kw * (0.25 + 0.75 * work), kind.flow_per_h

        return compressor
    if name == "pv":
        column = site.columns[asset.tags.power]
        return lambda step, _level: (column[step], 0.0)
    at_nominal = kind.running(1.0, _still())
    power, output = float(np.asarray(at_nominal.power_kw)), float(np.asarray(at_nominal.output_per_h))
    return lambda _step, _level: (power, output)


def _still() -> Any:
    from plant.physics import Conditions

    return Conditions()


def _site(
    environment: simpy.Environment, site: NaiveSite, world: dict[str, Any], batteries: list[Any]
) -> Generator[Any, None, None]:
    """Batteries, stores and the meter, after the machines of each minute."""
    level, inflow, kw, hours = world["level"], world["inflow"], world["kw"], MINUTE_S / 3600.0
    total_kw = sum(kind.power_kw for _, kind, _ in batteries)
    while True:
        step = min(int(environment.now // 900.0), 95)
        need = sum(kw) - sum(kw[number] for number, _, _ in batteries)
        charge: dict[str, float] = {}
        for number, kind, store in batteries:
            held = site.stores[store]
            wanted = -need * kind.power_kw / total_kw
            part = kind.power_kw / total_kw
            room = max((held.high - level[store]) * held.size_per_level / hours / kind.efficiency * part, 0.0)
            left = max((level[store] - held.low) * held.size_per_level / hours * kind.efficiency * part, 0.0)
            power = max(min(wanted, room, kind.power_kw), -left, -kind.power_kw)
            kw[number] = power
            charge[store] = charge.get(store, 0.0) + (power * kind.efficiency if power > 0 else power / kind.efficiency)
        world["kwh"] += sum(kw) * hours
        for name, store in site.stores.items():
            ambient = site.outdoor[step] if store.ambient else 0.0
            loss = store.loss_b * (level[name] - ambient)
            level[name] += (inflow[name] + charge.get(name, 0.0) - site.demands[name][step] - loss) * hours / store.size_per_level
        yield environment.timeout(MINUTE_S)
