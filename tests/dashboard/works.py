"""A small works with a day behind it: the records that a controller would have journalled, made by a few lines of physics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ems.config import LoadedSite
from plant.assets import Asset, AssetTags, Life, Mode, Service, Store, TagWrite
from plant.site import Connection, Control, Identity, LockStep, Site, SiteLimits, Storage
from plant.tags import Tag
from plant.tariff import Band, Tariff, TimeOfUsePrice

STEP = timedelta(minutes=15)
READ = timedelta(minutes=5)
BEGIN = datetime(2026, 3, 9, 6, 0, tzinfo=UTC)
HORIZON = 96
LIMIT_KW = 420.0


@dataclass(frozen=True)
class Machine:
    name: str
    kind: str
    kw: float
    path: str
    hours: tuple[int, int]
    setpoint: float | None = None
    unit: str = ""
    store: str | None = None
    score: float = 0.97


MACHINES = (
    Machine("production_line", "production_line", 95.0, "hall_1/forming", (6, 22), 0.9, "1", score=0.94),
    Machine("heavy_press", "load", 60.0, "hall_1/forming", (7, 19), score=0.88),
    Machine("compressor_1", "compressor", 45.0, "utilities/air", (5, 23), 0.85, "1", "air_receiver", 0.46),
    Machine("compressor_2", "compressor", 45.0, "utilities/air", (8, 17), 0.7, "1", "air_receiver", 0.93),
    Machine("hvac_office", "heat_pump", 28.0, "offices/climate", (6, 20), 0.6, "1", "office_zone"),
    Machine("hvac_hall", "heat_pump", 40.0, "hall_1/climate", (5, 21), 0.7, "1", "hall_zone"),
    Machine("pump_motors", "pump", 22.0, "utilities/water", (0, 24), 0.8, "1", score=0.90),
    Machine("server_cooling", "heat_pump", 18.0, "offices/it", (0, 24)),
    Machine("conveyor", "load", 15.0, "hall_1/logistics", (6, 22)),
    Machine("lighting", "load", 24.0, "hall_1/light", (6, 22)),
    Machine("battery", "battery", 60.0, "utilities/grid", (0, 24), 0.0, "kW", "battery"),
    Machine("pv", "pv", -90.0, "utilities/grid", (7, 18)),
)


TARIFF = Tariff(
    energy=TimeOfUsePrice(
        kind="time_of_use",
        bands=(
            Band(hours="00:00-06:00", per_kwh=0.11),
            Band(hours="06:00-10:00", per_kwh=0.29),
            Band(hours="17:00-21:00", per_kwh=0.34),
        ),
        otherwise_per_kwh=0.19,
    ),
    demand_charge_per_kw=9.5,
)


def site(mode: Mode = Mode.CONTROL, lock_step: bool = True, database: str | None = None) -> Site:
    """The works as a record."""
    tags = [
        tag
        for machine in MACHINES
        for tag in (
            Tag(name=f"{machine.name}.power", unit="kW"),
            Tag(name=f"{machine.name}.running", unit="1"),
            *([Tag(name=f"{machine.name}.setpoint", unit=machine.unit)] if machine.setpoint is not None else []),
            *([Tag(name=f"{machine.name}.bearing", unit="°C")] if machine.kind in {"compressor", "pump"} else []),
        )
    ]
    levels = (("air_receiver", "bar"), ("office_zone", "°C"), ("hall_zone", "°C"), ("battery", "kWh"))
    return Site(
        site=Identity(name="works", path="Northfield/Works_2", timezone="Europe/Berlin", country="DE", simulated=True),
        connection=Connection(
            endpoint="opc.tcp://127.0.0.1:4840",
            lock_step=LockStep(clock="s=Clock", epoch=BEGIN, advance="s=Advance") if lock_step else None,
        ),
        tariff=TARIFF,
        tags=(*tags, *(Tag(name=f"{name}.level", unit=unit) for name, unit in levels), Tag(name="base.power", unit="kW")),
        services=(Service(name="air", unit="Nm3"), Service(name="heat", unit="kWh"), Service(name="charge", unit="kWh")),
        stores=(
            Store(name="air_receiver", service="air", level="air_receiver.level", unit="bar", bottom=5, top=10, low=6.5, high=8.5),
            Store(name="office_zone", service="heat", level="office_zone.level", unit="°C", bottom=5, top=40, low=19.5, high=23),
            Store(name="hall_zone", service="heat", level="hall_zone.level", unit="°C", bottom=5, top=40, low=16, high=20),
            Store(name="battery", service="charge", level="battery.level", unit="kWh", bottom=0, top=240, low=24, high=216),
        ),
        assets=tuple(_asset(machine) for machine in MACHINES),
        limits=SiteLimits(import_kw=LIMIT_KW, load="base.power"),
        control=Control(mode=mode),
        storage=Storage(url=database, url_env=None),
    )


def _asset(machine: Machine) -> Asset:
    name = machine.name
    sensors = (f"{name}.bearing",) if machine.kind in {"compressor", "pump"} else ()
    return Asset(
        name=name,
        kind=machine.kind,
        path=machine.path,
        into=machine.store,
        tags=AssetTags(
            power=f"{name}.power",
            running=f"{name}.running",
            setpoint=f"{name}.setpoint" if machine.setpoint is not None else None,
            command=f"{name}.command",
            setpoint_write=f"{name}.setpoint" if machine.setpoint is not None else None,
            sensors=sensors,
        ),
        life=Life(setpoint_nominal=machine.setpoint),
        release=(TagWrite(tag=f"{name}.command", value="AUTO"),),
    )


def loaded(folder: Path, mode: Mode = Mode.CONTROL, *, lock_step: bool = True) -> LoadedSite:
    """The works with a database of its own."""
    database = f"sqlite:///{folder / 'works.sqlite'}"
    return LoadedSite(site=site(mode, lock_step, database), folder=folder, file=folder / "site.toml")


def hour_of(time: datetime) -> float:
    local = time + timedelta(hours=1)
    return local.hour + local.minute / 60


def price(time: datetime) -> float:
    hour = hour_of(time)
    return 0.11 if hour < 6 else 0.29 if hour < 10 else 0.34 if 17 <= hour < 21 else 0.19


def intended(machine: Machine, time: datetime) -> tuple[bool, float | None]:
    """What the plan does: shifts what it may out of the dear hours."""
    hour = hour_of(time)
    on = machine.hours[0] <= hour < machine.hours[1]
    if machine.name == "compressor_2":
        on = on and not 12 <= hour < 14
    if machine.name == "hvac_hall":
        on = 3 <= hour < 9 or 11 <= hour < 17
    if machine.name == "hvac_office":
        on = 4.5 <= hour < 9 or 10 <= hour < 17
    if machine.name == "battery":
        kw = 45.0 if hour < 5 else -55.0 if 17 <= hour < 20.5 else -30.0 if 7 <= hour < 9 else 20.0 if 11 <= hour < 15 else 0.0
        return kw != 0.0, kw
    return on, machine.setpoint


def drawn_kw(machine: Machine, time: datetime) -> float:
    """Power by plan, without noise."""
    on, setpoint = intended(machine, time)
    if not on:
        return 0.0
    if machine.name == "battery":
        return setpoint or 0.0
    if machine.name == "pv":
        return machine.kw * max(0.0, float(np.sin(np.pi * (hour_of(time) - 7) / 11)))
    return machine.kw * (0.25 + 0.75 * setpoint if setpoint is not None else 1.0)


def alone_kw(machine: Machine, time: datetime) -> float:
    """Power under local control: by its hours, the battery idle."""
    if machine.name == "battery":
        return 0.0
    if machine.name == "pv":
        return drawn_kw(machine, time)
    hour = hour_of(time)
    return machine.kw * 0.94 if machine.hours[0] <= hour < machine.hours[1] else machine.kw * 0.12 * (machine.kind == "compressor")


def base_kw(time: datetime) -> float:
    hour = hour_of(time)
    return 42.0 + 26.0 * float(np.exp(-(((hour - 11.5) / 4.2) ** 2)))


def level(store: str, time: datetime) -> float:
    hour = hour_of(time)
    if store == "air_receiver":
        return 7.5 + 0.55 * float(np.sin(hour * 2.3)) + 0.25 * float(np.sin(hour * 7.1))
    if store == "office_zone":
        return 21.1 + 1.0 * float(np.sin((hour - 5) / 24 * 2 * np.pi)) + 0.35 * float(np.sin(hour * 1.7))
    if store == "hall_zone":
        return 17.9 + 1.1 * float(np.sin((hour - 6) / 24 * 2 * np.pi)) + 0.3 * float(np.sin(hour * 1.3))
    return 118.0 + 74.0 * float(np.sin((hour + 1) / 24 * 2 * np.pi))


STORES = ("air_receiver", "office_zone", "hall_zone", "battery")
