"""A site of one tank and one pump, complete enough to be controlled, and a plant of it in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from plant.assets import Life, Mode, Service, Store
from plant.orders import Action, Command, Reason
from plant.site import Control, Site, VirtualTag
from plant.times import after
from tests.connectors.tank_plant import START, tank_site


def small_site(**control: object) -> Site:
    """The tank with a service, a store and a demand known from its balance."""
    site = tank_site("opc.tcp://127.0.0.1:1")
    pump = replace(
        site.assets[0],
        produces="water",
        into="tank",
        spec={"flow_per_h": 0.9, "power_kw": 5.0},
        life=Life(setpoint_low=0.5, setpoint_high=1.1, setpoint_nominal=1.0, min_up_s=900.0, max_starts_per_day=6),
        readback_s=120.0,
    )
    tank = Store(
        name="tank", service="water", level="tank.level", unit="m", size_per_level=1.0, bottom=0.0, top=5.0, low=1.0, high=4.5
    )
    settings = {
        "mode": Mode.CONTROL,
        "strategy": "threshold",
        "futures": 5,
        "horizon_s": 6 * 3600.0,
        "rehearsal_s": 6 * 3600.0,
        **control,
    }
    return replace(
        site,
        assets=(pump,),
        services=(Service(name="water", unit="m3", demand="demand"),),
        stores=(tank,),
        virtual_tags=(VirtualTag(name="demand", unit="m3/h", kind="balance", tags=("pump.flow",), store="tank"),),
        control=Control(**settings),  # type: ignore[arg-type]  # the fields of Control, given by tests
    )


def order(action: Action, setpoint: float | None = None, *, at: datetime = START, power_kw: float | None = None) -> Command:
    """A command to the pump."""
    return Command(
        id=f"c-{action.value}-{setpoint}-{at:%H%M}",
        asset="pump",
        action=action,
        setpoint=setpoint,
        at=at,
        expires=after(at, 300.0),
        reason=Reason.PRICE_LOW,
        words="cheap",
        expected_power_kw=power_kw,
    )
