"""The smallest site around one asset of any kind: one store that it feeds, one tag of each sort."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from plant.assets import Asset, AssetTags, LevelTrigger, Life, LocalControl, Service, Store
from plant.kinds import find
from plant.physics import Conditions
from plant.ports import AssetModel
from plant.site import Connection, Control, Identity, Site, SiteLimits
from plant.tags import Tag, ValueType
from plant.tariff import FlatPrice, Tariff
from twin_sim.drivers import Drivers

START = datetime(2026, 3, 2, tzinfo=UTC)


def spec_of(kind: str) -> dict[str, Any]:
    """A spec with every field that has no default: 3 where the bound is 1 (coefficients), else 10."""
    made: dict[str, Any] = {}
    for item in dataclasses.fields(find("twin_sim.assets", kind)):
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING:
            made[item.name] = 3.0 if item.metadata.get("gt") == 1 else 10.0
        elif item.name in {"flow_per_h", "power_kw"}:
            made[item.name] = 10.0
    return made


def model_of(kind: str) -> AssetModel:
    return cast(AssetModel, find("twin_sim.assets", kind)(**spec_of(kind)))


def top_setpoint(kind: str) -> float:
    return 10.0 if kind == "battery" else 1.0


def rate_of(kind: str) -> float:
    """Output at full set-point under mild conditions."""
    return float(np.asarray(model_of(kind).running(top_setpoint(kind), Conditions(level=20.0)).output_per_h))


def site_of(kind: str, *, local: bool = True, loss_b: float = 0.0, life: Life | None = None) -> Site:
    """One asset that keeps one store between its triggers; its demand is 40 % of what the asset can give."""
    rate = rate_of(kind)
    feeds = rate != 0.0
    size = max(abs(rate), 1.0) / 4.0
    start, stop = (18.0, 22.0) if rate > 0 else (22.0, 18.0)
    control: LocalControl | None = LevelTrigger(kind="level", store="store", start=start, stop=stop) if feeds and local else None
    if kind == "battery":
        control = None
    top = top_setpoint(kind)
    asset = Asset(
        name="machine",
        kind=kind,
        produces="service" if feeds else None,
        spec=spec_of(kind),
        life=life or Life(setpoint_low=-top if kind == "battery" else 0.4 * top, setpoint_high=top, setpoint_nominal=top),
        local_control=control,
        tags=AssetTags(
            power="power", running="running", output="output", command="command", setpoint="setpoint", setpoint_write="write"
        ),
    )
    tags = [("level", "u", False), ("power", "kW", False), ("output", "u/h", False), ("setpoint", "1", False), ("write", "1", True)]
    tags += [("demand", "u/h", False), ("outdoor", "°C", False)]
    return Site(
        site=Identity(name="plantlet", simulated=True),
        connection=Connection(endpoint="none"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.2)),
        tags=(
            *(Tag(name=name, unit=unit, writable=writable) for name, unit, writable in tags),
            Tag(name="running", unit="1", type=ValueType.BOOLEAN),
            Tag(name="command", unit="1", type=ValueType.TEXT, writable=True),
        ),
        services=(Service(name="service", unit="u", demand="demand"),),
        stores=(
            Store(
                name="store", service="service", level="level", unit="u", size_per_level=size, bottom=-50.0, top=90.0,
                low=15.0, high=25.0, loss_b=loss_b, ambient="outdoor" if loss_b else None,
            ),
        ),
        assets=(asset,),
        limits=SiteLimits(outdoor="outdoor"),
        control=Control(),
    )  # fmt: skip


def drivers_of(kind: str, *, demand_share: float = 0.4, outdoor_c: float = 10.0, days: int = 2) -> Drivers:
    steps = 96 * days
    demand = rate_of(kind) * demand_share
    return Drivers(
        start=START, step_s=900.0, tags={"demand": np.full((steps, 1), demand), "outdoor": np.full((steps, 1), outdoor_c)}
    )
