"""Made-up sites with their situations, seeded: what benches measure and tests try strategies on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from plant.assets import Asset, AssetTags, LevelTrigger, Life, Mode, Service, Store, TagWrite
from plant.envelopes import Envelope, Point, Regime
from plant.series import Forecast, Series
from plant.site import Connection, Control, Identity, Site, SiteLimits
from plant.situation import AssetState, Limit, Permit, Situation, StoreState
from plant.table import Floats
from plant.tags import Snapshot, Tag
from plant.tariff import FlatPrice, Prices, Tariff

START = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
NIGHT_PRICE, DAY_PRICE, EVENING_PRICE = 0.12, 0.22, 0.34


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A made-up site and what is so at one instant of it."""

    site: Site
    situation: Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One made-up machine."""

    asset: Asset
    envelope: Envelope
    state: AssetState


def works(assets: int, steps: int = 96, *, step_s: float = 900.0, seed: int = 0, shift: int = 0) -> Made:
    """A works of producers in fives around buffers, with one battery, a demand charge and an import limit.

    Parameters
    ----------
    assets
        Number of producers besides the battery.
    steps, step_s
        Horizon.
    seed
        Draws machines, demand and the state at the start.
    shift
        So many steps later, with demand and price moved on and slightly changed: the same works one re-plan later.
    """
    rng = np.random.default_rng(seed)
    groups = max(1, assets // 5)
    machines = [producer(rng, f"m{i}", f"s{i % groups}", f"q{i % groups}") for i in range(assets)]
    capacity = np.zeros(groups)
    for i, machine in enumerate(machines):
        capacity[i % groups] += machine.envelope.regimes[0].points[-1].output_per_h
    services = [Service(name=f"q{g}", unit="m3", demand=f"q{g}_demand", unserved_price=20.0) for g in range(groups)]
    stores = [buffer(f"s{g}", f"q{g}", 2.5 * float(capacity[g])) for g in range(groups)]
    later = np.random.default_rng([seed, shift])
    demand = [0.55 * capacity[g] * _shape(steps, step_s, shift, rng.uniform(0, 2)) for g in range(groups)]
    demand = [values * (1.0 + 0.01 * shift * later.standard_normal(steps).clip(-2, 2)) for values in demand]
    levels = [float(rng.uniform(45, 70)) for _ in stores]
    machines.append(battery(50.0 * groups))
    services.append(Service(name="held", unit="kWh", unserved_price=5.0))
    stores.append(
        Store(
            name="cells", service="held", level="cells_level", unit="kWh", size_per_level=1.0,
            bottom=0.0, top=100.0 * groups, low=5.0 * groups, high=95.0 * groups,
        )
    )  # fmt: skip
    levels.append(40.0 * groups)
    site = made_site(tuple(machines), tuple(services), tuple(stores))
    total = sum(sum(machine.envelope.regimes[0].points[-1].power_kw) for machine in machines)
    situation = made_situation(
        site, machines, levels, {f"q{g}_demand": demand[g] for g in range(groups)},
        prices=made_prices(steps, step_s, shift, peak_so_far_kw=0.4 * total, demand_charge_per_kw=0.5),
        load=0.1 * total * _shape(steps, step_s, shift, 1.0), limits=(Limit(name="import_kw", high=0.9 * total),),
        step_s=step_s, start=START + timedelta(seconds=shift * step_s), seed=seed,
    )  # fmt: skip
    return Made(site=site, situation=situation)


def _shape(steps: int, step_s: float, shift: int, phase: float) -> Floats:
    hours = (np.arange(steps) + shift) * step_s / 3600.0
    return np.asarray(1.0 + 0.35 * np.sin(2 * np.pi * (hours - 6.0 + phase) / 24.0))


def producer(rng: np.random.Generator, name: str, store: str, service: str) -> Machine:
    """A machine with a convex curve of three points, minimum times, a ramp and a cost per start."""
    power = float(rng.uniform(20, 120))
    per_kwh = float(rng.uniform(0.8, 1.2))
    shares = ((0.5, 0.44), (1.0, 1.0))
    points = tuple(
        Point(setpoints=(share,), output_per_h=power * per_kwh * share, power_kw=(power * draw,)) for share, draw in shares
    )
    life = Life(
        min_up_s=3600.0, min_down_s=2700.0, start_cost=float(rng.uniform(0.5, 2.0)), wear_per_h=0.1,
        ramp_per_h=2.0 * power * per_kwh, setpoint_low=0.5, setpoint_high=1.0, setpoint_nominal=1.0,
    )  # fmt: skip
    running = bool(rng.uniform() < 0.5)
    asset = Asset(
        name=name, kind="pump", produces=service, into=store, life=life, tags=tags_of(name),
        local_control=LevelTrigger(kind="level", store=store, start=30.0, stop=80.0),
        release=(TagWrite(tag=f"{name}_command", value="AUTO"),),
    )  # fmt: skip
    envelope = Envelope(
        assets=(name,), lives=(life,), regimes=(Regime(name=name, running=(name,), points=points),), service=service, store=store
    )  # fmt: skip
    return Machine(asset=asset, envelope=envelope, state=state_of(name, running=running, setpoint=1.0 if running else None))


def battery(power_kw: float, name: str = "battery", store: str = "cells", service: str = "held") -> Machine:
    """A battery: charging and discharging are regimes of their own."""
    life = Life(setpoint_low=-power_kw, setpoint_high=power_kw)
    charge = tuple(Point(setpoints=(p,), output_per_h=0.95 * p, power_kw=(p,)) for p in (0.0, power_kw))
    discharge = tuple(Point(setpoints=(-p,), output_per_h=-p / 0.95, power_kw=(-p,)) for p in (0.0, power_kw))
    regimes = (
        Regime(name="charge", running=(name,), points=charge),
        Regime(name="discharge", running=(name,), points=discharge),
    )
    asset = Asset(
        name=name, kind="battery", produces=service, into=store, life=life, tags=tags_of(name),
        release=(TagWrite(tag=f"{name}_command", value="AUTO"),),
    )  # fmt: skip
    envelope = Envelope(assets=(name,), lives=(life,), regimes=regimes, service=service, store=store)
    return Machine(asset=asset, envelope=envelope, state=state_of(name, running=False, setpoint=0.0))


def buffer(name: str, service: str, size: float) -> Store:
    """A store whose level is a percentage of its size."""
    return Store(
        name=name, service=service, level=f"{name}_level", unit="%", size_per_level=size / 100.0,
        bottom=0.0, top=100.0, low=20.0, high=90.0, low_price=1.0,
    )  # fmt: skip


def tags_of(name: str) -> AssetTags:
    """Tags in the manner of a plant that offers everything."""
    return AssetTags(
        power=f"{name}_power", running=f"{name}_running", setpoint=f"{name}_setpoint",
        command=f"{name}_command", setpoint_write=f"{name}_setpoint_write",
    )  # fmt: skip


def state_of(
    name: str,
    *,
    running: bool | None,
    setpoint: float | None = None,
    since: datetime | None = None,
    mode: Mode = Mode.CONTROL,
    permit: Permit | None = None,
    starts_today: int = 0,
) -> AssetState:
    """The state of a machine that holds an order of ours."""
    return AssetState(
        asset=name, running=running, since=since, setpoint=setpoint, power_kw=None, starts_today=starts_today,
        mode=mode, permit=permit or Permit(), released=False,
    )  # fmt: skip


def made_site(machines: tuple[Machine, ...], services: tuple[Service, ...], stores: tuple[Store, ...]) -> Site:
    """The site file that such machines would have."""
    return Site(
        site=Identity(name="made", simulated=True),
        connection=Connection(endpoint="opc.tcp://127.0.0.1:4840"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=DAY_PRICE)),
        tags=tuple(Tag(name=store.level, unit=store.unit) for store in stores),
        services=services,
        stores=stores,
        assets=tuple(machine.asset for machine in machines),
        limits=SiteLimits(),
        control=Control(mode=Mode.CONTROL),
    )


def made_prices(
    steps: int, step_s: float, shift: int = 0, *, demand_charge_per_kw: float = 0.0, peak_so_far_kw: float = 0.0
) -> Prices:
    """Cheap nights, dear evenings; export earns little."""
    start = START + timedelta(seconds=shift * step_s)
    hours = [((start + timedelta(seconds=i * step_s)).hour) for i in range(steps)]
    energy = [NIGHT_PRICE if hour < 7 else EVENING_PRICE if 17 <= hour < 21 else DAY_PRICE for hour in hours]
    return Prices(
        energy=Series(start=start, step_s=step_s, values=tuple(energy), unit="EUR/kWh"),
        export=Series(start=start, step_s=step_s, values=(0.05,) * steps, unit="EUR/kWh"),
        demand_charge_per_kw=demand_charge_per_kw,
        peak_so_far_kw=peak_so_far_kw,
    )


def forecast_of(target: str, start: datetime, step_s: float, values: Floats, unit: str = "m3/h", band: float = 0.05) -> Forecast:
    """A forecast with a band of ± a share."""

    def series(factor: float) -> Series:
        return Series(start=start, step_s=step_s, values=tuple(float(value) * factor for value in values), unit=unit)

    low, high = (1.0 - band, 1.0 + band) if float(np.min(values)) >= 0.0 else (1.0, 1.0)
    return Forecast(target=target, made_at=start, model_id="made", p10=series(low), p50=series(1.0), p90=series(high))


def made_situation(
    site: Site,
    machines: list[Machine],
    levels: list[float],
    demand: dict[str, Floats],
    *,
    prices: Prices,
    load: Floats,
    limits: tuple[Limit, ...] = (),
    step_s: float,
    start: datetime,
    seed: int = 0,
) -> Situation:
    """All that a strategy may look at."""
    return Situation(
        id=f"situation-{seed}-{start:%Y%m%dT%H%M}",
        site=site.site.name,
        time=start,
        step_s=step_s,
        steps=len(load),
        snapshot=Snapshot(time=start, readings=()),
        assets=tuple(machine.state for machine in machines),
        stores=tuple(StoreState(store=store.name, level=level) for store, level in zip(site.stores, levels, strict=True)),
        envelopes=tuple(machine.envelope for machine in machines),
        store_specs=site.stores,
        flows=site.flows,
        services=site.services,
        jobs=(),
        load_target="load",
        forecasts=(
            forecast_of("load", start, step_s, load, "kW"),
            *(forecast_of(target, start, step_s, values) for target, values in demand.items()),
        ),
        ambient=(),
        health=(),
        credibility=(),
        prices=prices,
        limits=limits,
        locks=(),
        previous=None,
        seed=seed,
        versions=(),
    )
