"""On/off machines, PV and a tank: the smallest sites on which a decision can be followed by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from plant.assets import Asset, Life, Service, Store
from plant.envelopes import Envelope, Point, Regime
from plant.series import Series
from plant.site import Site
from plant.situation import Situation
from policy.instances import START, Machine, made_prices, made_site, made_situation, state_of, tags_of

STEP_S = 3600.0


def pump(name: str, output: float, power: float, *, start_cost: float = 0.0, running: bool = False, **life: float) -> Machine:
    """An on/off machine into the tank."""
    stated = Life(start_cost=start_cost, **life)
    points = (Point(setpoints=(1.0,), output_per_h=output, power_kw=(power,)),)
    envelope = Envelope(
        assets=(name,), lives=(stated,), regimes=(Regime(name=name, running=(name,), points=points),), service="water", store="tank"
    )
    asset = Asset(name=name, kind="pump", produces="water", into="tank", life=stated, tags=tags_of(name))
    return Machine(asset=asset, envelope=envelope, state=state_of(name, running=running))


def tank(**changes: float) -> Store:
    stated = {"bottom": 0.0, "top": 200.0, "low": 20.0, "high": 180.0, "low_price": 5.0, "end_price": 0.0, **changes}
    return Store(name="tank", service="water", level="tank_level", unit="m3", size_per_level=1.0, **stated)  # type: ignore[arg-type]


def site_of(
    machines: list[Machine], demand: list[float], level: float, store: Store | None = None, **changes: object
) -> tuple[Site, Situation]:
    service = Service(name="water", unit="m3", demand="water_demand", unserved_price=20.0)
    site = made_site(tuple(machines), (service,), (store or tank(),))
    steps = len(demand)
    fields: dict[str, object] = {"prices": made_prices(steps, STEP_S), "load": np.full(steps, 5.0), **changes}
    situation = made_situation(site, machines, [level], {"water_demand": np.asarray(demand)}, step_s=STEP_S, start=START, **fields)  # type: ignore[arg-type]
    return site, situation


def pv(power: float) -> Machine:
    """Panels whose share of what is built is a factor over time."""
    life = Life(setpoint_low=0.0, setpoint_high=1.0, setpoint_nominal=1.0)
    points = tuple(Point(setpoints=(s,), output_per_h=0.0, power_kw=(-power * s,)) for s in (0.0, 1.0))
    asset = Asset(name="pv", kind="pv", life=life, tags=tags_of("pv"))
    regimes = (Regime(name="pv", running=("pv",), points=points),)
    envelope = Envelope(assets=("pv",), lives=(life,), regimes=regimes, service=None, store=None)
    return Machine(asset=asset, envelope=envelope, state=state_of("pv", running=True, setpoint=0.5))


def sunny(machine: Machine, shares: list[float]) -> Machine:
    """The same with the sun of the steps."""
    factor = Series(start=START, step_s=STEP_S, values=tuple(shares), unit="1")
    return replace(machine, envelope=replace(machine.envelope, power_factor=factor))
