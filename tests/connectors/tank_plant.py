"""A plant of one tank and one pump in memory: the smallest thing that all wires can be tried on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from plant.assets import Asset, AssetTags, LevelTrigger, Orders, TagWrite
from plant.errors import NotFoundError, WriteRefusedError
from plant.site import Connection, Heartbeat, Identity, LockStep, Site
from plant.tags import Quality, Reading, Snapshot, Tag, Value, ValueType
from plant.tariff import FlatPrice, Tariff

START = datetime(2026, 3, 2, tzinfo=UTC)
NAMESPACE = "urn:test:tank"

TAGS = (
    Tag(name="tank.level", unit="m", address="s=Works.Tank.Level", low=0.0, high=5.0),
    Tag(name="pump.power", unit="kW", address="s=Works.Pump.Power", scale=0.001),
    Tag(name="pump.running", unit="1", address="s=Works.Pump.Running", type=ValueType.BOOLEAN),
    Tag(name="pump.speed", unit="1", address="s=Works.Pump.Speed"),
    Tag(name="pump.starts", unit="1", address="s=Works.Pump.Starts", type=ValueType.INTEGER),
    Tag(name="pump.command", unit="1", address="s=Works.Pump.Command", type=ValueType.TEXT, writable=True),
    Tag(name="pump.speed_order", unit="1", address="s=Works.Pump.SpeedOrder", low=0.5, high=1.1, writable=True),
    Tag(name="pump.limit", unit="1", address="s=Works.Pump.Limit", type=ValueType.INTEGER, writable=True),
    Tag(name="pump.lamp", unit="1", address="s=Works.Pump.Lamp", type=ValueType.BOOLEAN, writable=True),
)


class TankPlant:
    """A draining tank that a pump fills between 1 and 4 m when nobody commands it."""

    def __init__(self, *, until: datetime | None = None) -> None:
        self.until = until
        self.reset()

    def reset(self) -> None:
        self.time = START
        self.level = 3.0
        self.running = False
        self.speed = 1.0
        self.starts = 0
        self.written: dict[str, Value] = {"pump.command": "AUTO", "pump.speed_order": 1.0, "pump.limit": 10, "pump.lamp": False}
        self.writes: list[tuple[datetime, str, Value]] = []
        self.bad: dict[str, tuple[Quality, Value | None]] = {}
        self.before_write: Callable[[], None] = lambda: None
        self.released = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.written["pump.command"] = "AUTO"
        self.released = True

    def now(self) -> datetime:
        return self.time

    def wait_until(self, time: datetime) -> bool:
        while self.time < time and not self._ended():
            self._minute(min(60.0, (time - self.time).total_seconds()))
        return not self._ended()

    def read(self) -> Snapshot:
        values: dict[str, Value] = {
            "tank.level": self.level,
            "pump.power": 5.0 * self.speed**3 if self.running else 0.0,
            "pump.running": self.running,
            "pump.speed": self.speed,
            "pump.starts": float(self.starts),
            **{name: float(value) if name == "pump.limit" else value for name, value in self.written.items()},
        }
        return Snapshot(time=self.time, readings=tuple(self._reading(tag, values[tag.name]) for tag in TAGS))

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        self.before_write()
        known = next((item for item in TAGS if item.name == tag), None)
        if known is None:
            raise NotFoundError(f"there is no tag {tag!r}")
        if not known.writable:
            raise WriteRefusedError(f"{tag} is not writable")
        if expires is not None and self.time > expires:
            raise WriteRefusedError(f"{tag}: expired")
        if tag == "pump.command" and value not in ("AUTO", "STARTUP", "SHUTDOWN", "OPTIMIZE"):
            raise WriteRefusedError(f"{value!r} is no command")
        self.written[tag] = value
        self.writes.append((self.time, tag, value))
        if tag == "pump.speed_order" and isinstance(value, float):
            self.speed = value

    def _reading(self, tag: Tag, value: Value) -> Reading:
        quality, shown = self.bad.get(tag.name, (Quality.GOOD, value))
        return Reading(tag=tag.name, time=self.time, value=shown, quality=quality)

    def _ended(self) -> bool:
        return self.until is not None and self.time >= self.until

    def _minute(self, seconds: float) -> None:
        order = self.written["pump.command"]
        before = self.running
        if order == "AUTO":
            self.running = self.level < 1.0 or (self.running and self.level < 4.0)
        else:
            self.running = order != "SHUTDOWN"
        self.starts += int(self.running and not before)
        self.level += seconds / 3600.0 * ((0.9 * self.speed if self.running else 0.0) - 0.45)
        self.level = min(5.0, max(0.0, self.level))
        self.time += timedelta(seconds=seconds)


def tank_site(
    endpoint: str,
    *,
    kind: str = "opcua",
    lock_step: bool = True,
    heartbeat: bool = False,
    tags: tuple[Tag, ...] = TAGS,
    **more: object,
) -> Site:
    """The site file of the tank."""
    steps = LockStep(clock="s=Works.Clock", epoch=START, advance="s=Works.Advance", done="s=Works.Done", timeout_s=10.0)
    beat = Heartbeat(write="s=Works.BeatIn", read="s=Works.BeatOut", every_s=0.1, missed=3)
    connection = Connection(
        kind=kind,
        endpoint=endpoint,
        endpoint_env=None,
        namespace=NAMESPACE,
        lock_step=steps if lock_step else None,
        heartbeat=beat if heartbeat else None,
        **{"timeout_s": 5.0, **more},  # type: ignore[arg-type]
    )
    pump = Asset(
        name="pump",
        kind="pump",
        tags=AssetTags(
            power="pump.power",
            running="pump.running",
            setpoint="pump.speed",
            command="pump.command",
            setpoint_write="pump.speed_order",
        ),
        local_control=LevelTrigger(kind="level", store="tank", start=1.0, stop=4.0),
        orders=Orders(),
        release=(TagWrite(tag="pump.command", value="AUTO"),),
    )
    return Site(
        site=Identity(name="tank", simulated=True),
        connection=connection,
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.1)),
        tags=tags,
        assets=(pump,),
    )
