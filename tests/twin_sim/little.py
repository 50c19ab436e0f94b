"""A small works for the twin's tests: a heated room, two compressors on one receiver, a battery, a load that comes as forecast."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from plant.assets import Asset, AssetTags, LevelTrigger, Life, Mode, SelfConsumptionControl, Service, Store, TagWrite
from plant.orders import Action, Command, Course, Plan, Reason
from plant.series import Forecast, Series
from plant.site import Connection, Control, Identity, Site, SiteLimits
from plant.situation import AssetState, Limit, Permit, Situation, StoreState
from plant.tags import Snapshot, Tag, ValueType
from plant.tariff import FlatPrice, Prices, Tariff
from twin_sim.drivers import Drivers
from twin_sim.model import SiteModel

START = datetime(2026, 1, 13, tzinfo=UTC)
MACHINES = ("heating", "lead", "lag", "battery")


def _tags(name: str) -> AssetTags:
    return AssetTags(
        power=f"{name}.kw", running=f"{name}.running", setpoint=f"{name}.setpoint", command=f"{name}.command",
        setpoint_write=f"{name}.write",
    )  # fmt: skip


def _asset(name: str, kind: str, service: str, spec: dict[str, float], control: object, **life: float) -> Asset:
    return Asset(
        name=name, kind=kind, produces=service, spec=spec, tags=_tags(name), local_control=control,  # type: ignore[arg-type]
        life=Life(**{"setpoint_low": 0.4, "setpoint_high": 1.0, "setpoint_nominal": 1.0, **life}),  # type: ignore[arg-type]
        release=(TagWrite(tag=f"{name}.command", value="AUTO"),),
    )  # fmt: skip


def site(*, import_kw: float = 120.0, futures: int = 30, **life: float) -> Site:
    tags = [
        tag
        for name in MACHINES
        for tag in (
            Tag(name=f"{name}.kw", unit="kW"),
            Tag(name=f"{name}.running", unit="1", type=ValueType.BOOLEAN),
            Tag(name=f"{name}.setpoint", unit="1"),
            Tag(name=f"{name}.command", unit="1", type=ValueType.TEXT, writable=True),
            Tag(name=f"{name}.write", unit="1", writable=True),
        )
    ]
    plain = (("room", "°C"), ("bar", "bar"), ("cells", "kWh"), ("outdoor", "°C"), ("air", "Nm3/h"), ("load", "kW"), ("total", "kW"))
    tags += [Tag(name=name, unit=unit) for name, unit in plain]
    return Site(
        site=Identity(name="little", simulated=True),
        connection=Connection(endpoint="none"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.1)),
        tags=tuple(tags),
        services=(
            Service(name="heat", unit="kWh"),
            Service(name="air", unit="Nm3", demand="air"),
            Service(name="charge", unit="kWh", unserved_price=0.0),
        ),
        stores=(
            Store(name="room", service="heat", level="room", unit="°C", size_per_level=8.0, bottom=0.0, top=40.0, low=19.0,
                  high=23.0, loss_b=0.9, ambient="outdoor"),
            Store(name="receiver", service="air", level="bar", unit="bar", size_per_level=150.0, bottom=4.0, top=10.0, low=6.0,
                  high=8.5),
            Store(name="cells", service="charge", level="cells", unit="kWh", size_per_level=1.0, bottom=0.0, top=50.0, low=5.0,
                  high=45.0),
        ),
        assets=(
            _asset("heating", "heat_pump", "heat", {"power_kw": 18.0, "cop": 3.0},
                   LevelTrigger(kind="level", store="room", start=20.0, stop=21.5), **life),
            _asset("lead", "compressor", "air", {"flow_per_h": 300.0, "power_kw": 32.0},
                   LevelTrigger(kind="level", store="receiver", start=6.8, stop=7.8)),
            _asset("lag", "compressor", "air", {"flow_per_h": 300.0, "power_kw": 34.0},
                   LevelTrigger(kind="level", store="receiver", start=6.5, stop=7.4)),
            replace(
                _asset("battery", "battery", "charge", {"power_kw": 20.0}, SelfConsumptionControl(kind="self_consumption")),
                life=Life(setpoint_low=-20.0, setpoint_high=20.0, setpoint_nominal=0.0),
            ),
        ),
        limits=SiteLimits(import_kw=import_kw, power="total", load="load", outdoor="outdoor"),
        control=Control(futures=futures, rehearsal_s=43200.0, horizon_s=43200.0, tail_s=14400.0),
    )  # fmt: skip


def drivers(*, days: int = 2, outdoor_c: float = 0.0, air: float = 180.0, load_kw: float = 20.0) -> Drivers:
    steps = 96 * days
    values = {"outdoor": outdoor_c, "air": air, "load": load_kw}
    return Drivers(start=START, step_s=900.0, tags={name: np.full((steps, 1), value) for name, value in values.items()})


def series(values: object, start: datetime = START) -> Series:
    return Series(start=start, step_s=900.0, values=tuple(np.asarray(values, dtype=float).tolist()), unit="1")


def forecast(target: str, mid: object, band: float) -> Forecast:
    middle = np.asarray(mid, dtype=float)
    return Forecast(
        target=target, made_at=START, model_id="known", p10=series(middle - band), p50=series(middle), p90=series(middle + band)
    )  # fmt: skip


def situation(of: Site, *, load: object = None, band: float = 3.0, running: tuple[str, ...] = (), seed: int = 1) -> Situation:
    model = SiteModel(of)
    middle = np.full(48, 20.0) if load is None else np.asarray(load, dtype=float)
    price = series(np.full(48, 0.1))
    return Situation(
        id="s", site="little", time=START, step_s=900.0, steps=48, snapshot=Snapshot(time=START, readings=()),
        assets=tuple(
            AssetState(asset=name, running=name in running or name == "battery", since=None, setpoint=None, power_kw=None,
                       starts_today=0, mode=Mode.CONTROL, permit=Permit())
            for name in MACHINES
        ),
        stores=tuple(StoreState(store=name, level=level) for name, level in (("room", 20.8), ("receiver", 7.3), ("cells", 5.0))),
        envelopes=(), store_specs=model.stores, flows=(), services=of.services, jobs=(), load_target="load",
        forecasts=(forecast("load", middle, band), forecast("air", np.full(48, 180.0), 15.0),
                   forecast("outdoor", np.full(48, 0.0), 0.5)),
        ambient=(), health=(), credibility=(), prices=Prices(energy=price, export=price),
        limits=(Limit(name="import_kw", high=of.limits.import_kw or 1e9),), locks=(), previous=None, seed=seed, versions=(),
    )  # fmt: skip


def plan(on: dict[str, object], setpoint: dict[str, float] | None = None, hours: float = 12.0) -> Plan:
    """A plan with a course (48 quarter hours of 0 and 1) for each named machine, and the commands of its first step."""
    given = setpoint or {}
    commands = tuple(
        Command(
            id=f"c-{name}", asset=name, action=Action.OPTIMIZE if np.asarray(course)[0] >= 0.5 else Action.SHUTDOWN,
            setpoint=given.get(name, 1.0) if np.asarray(course)[0] >= 0.5 else None, at=START, expires=START + timedelta(minutes=5),
            reason=Reason.PRICE_LOW, words="",
        )
        for name, course in on.items()
    )  # fmt: skip
    courses = tuple(
        Course(asset=name, on=series(course), setpoint=series(np.full(48, given.get(name, 1.0))), power_kw=series(np.zeros(48)))
        for name, course in on.items()
    )
    return Plan(
        id="p", made_at=START, until=START + timedelta(hours=hours), strategy="test", commands=commands, courses=courses
    )  # fmt: skip
