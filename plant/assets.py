"""Machines, services and stores as a site file states them.

One sentence covers them all: an asset turns electricity (and perhaps a service) into a service; stores hold it; demand
draws from it. A pump that lifts from tank to tank, a heat pump into a zone, a compressor into a receiver and a line into
a piece counter are that sentence with other units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Mode(StrEnum):
    """How far the product may go with an asset; raised by a person, lowered automatically."""

    OBSERVE = "OBSERVE"
    SHADOW = "SHADOW"
    ADVISE = "ADVISE"
    CONTROL = "CONTROL"

    @property
    def rank(self) -> int:
        """0 for OBSERVE to 3 for CONTROL."""
        return list(Mode).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Something the works needs, in any unit."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    unit: str
    """kWh, m3, Nm3, t, pieces; rates are this unit per hour."""
    demand: str | None = None
    """Tag (often a virtual one: the balance of the store) of the demand in unit per hour; None = nobody draws."""
    unserved_price: float = field(default=10.0, metadata={"ge": 0})
    """Cost of one unit not served, in the site's currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A tank, receiver, building zone, warehouse or battery.

    Its level is what the plant measures (m, bar, °C, kWh); `size_per_level` turns it into the service's unit (the area
    of a tank in m2, Nm3 per bar, kWh per K).
    """

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    service: str
    level: str
    """Tag of the level."""
    unit: str
    size_per_level: float | None = field(default=None, metadata={"gt": 0})
    """Service units per unit of level; None = learned by calibration."""
    bottom: float
    """Physical lower end."""
    top: float
    """Physical upper end."""
    low: float
    """Lowest level the operators accept."""
    high: float
    """Highest level the operators accept."""
    loss_a: float = 0.0
    """Constant loss, service units per hour."""
    loss_b: float = 0.0
    """Loss per hour and unit of (level − ambient), service units."""
    ambient: str | None = None
    """Tag of what the store loses to (outdoor temperature); None = 0."""
    low_price: float = field(default=1.0, metadata={"ge": 0})
    """Cost per hour and unit of level outside low..high: what discomfort or danger costs."""
    end_level: float | None = None
    """Level wanted back at the end of a day; None = the last level is only valued."""
    end_price: float | None = None
    """Value of one service unit left at the end; None = what it costs to make at the mean tariff."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Stores that are to hold so much together at the end of a day, whichever of them holds it."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    stores: tuple[str, ...]
    end_content: float = field(metadata={"gt": 0})
    """What they hold above their bottoms at the end of a day, service units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Transport between two stores that nobody commands, for example by gravity."""

    __pydantic_config__ = {"extra": "forbid"}

    source: str
    target: str
    a_per_h: float | None = None
    """Flow at equal levels, source service units per hour; None = learned."""
    b_per_h: float | None = None
    """Additional flow per unit of (source level − target level); None = learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetTags:
    """Names of the tags that an asset has; what is None the plant does not offer."""

    __pydantic_config__ = {"extra": "forbid"}

    power: str | None = None
    """Active power, kW."""
    running: str | None = None
    """Measured running state."""
    output: str | None = None
    """Measured output, service units per hour."""
    setpoint: str | None = None
    """Set-point as the machine reports it."""
    command: str | None = None
    """Where an order is written."""
    setpoint_write: str | None = None
    """Where a set-point is written; None = not adjustable."""
    permit_start: str | None = None
    permit_stop: str | None = None
    remote: str | None = None
    tripped: str | None = None
    sensors: tuple[str, ...] = ()
    """Further sensors that tell the machine's health."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelTrigger:
    """Local control by a level: start at one, stop at the other. Below/above decide which way it acts.

    `start < stop` fills a store (pump, compressor, heating); `start > stop` empties it (cooling, drainage).
    """

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["level"]
    store: str
    start: float
    stop: float
    setpoint: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleControl:
    """Local control by the clock: on during local hours of the named days, else off."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["schedule"]
    on: tuple[str, ...]
    """For example `Mon-Fri 06:00-22:00`."""
    setpoint: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysControl:
    """Local control that keeps the machine running."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["always"]
    setpoint: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfConsumptionControl:
    """A battery's own control: charge what PV gives beyond the site's need, discharge into the need."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: Literal["self_consumption"]


LocalControl = LevelTrigger | ScheduleControl | AlwaysControl | SelfConsumptionControl


@dataclass(frozen=True, slots=True, kw_only=True)
class TagWrite:
    """One value for one tag."""

    __pydantic_config__ = {"extra": "forbid"}

    tag: str
    value: bool | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """The values that the plant expects in an asset's command tag."""

    __pydantic_config__ = {"extra": "forbid"}

    startup: bool | float | str = "STARTUP"
    shutdown: bool | float | str = "SHUTDOWN"
    optimize: bool | float | str = "OPTIMIZE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Limits on starting, stopping and running of one machine."""

    __pydantic_config__ = {"extra": "forbid"}

    min_up_s: float = field(default=0.0, metadata={"ge": 0})
    min_down_s: float = field(default=0.0, metadata={"ge": 0})
    startup_s: float = field(default=0.0, metadata={"ge": 0})
    """From the order to the first output; energy is drawn, nothing is made."""
    shutdown_s: float = field(default=0.0, metadata={"ge": 0})
    start_cost: float = field(default=0.0, metadata={"ge": 0})
    """Wear of one start in the site's currency."""
    start_energy_kwh: float = field(default=0.0, metadata={"ge": 0})
    wear_per_h: float = field(default=0.0, metadata={"ge": 0})
    """Cost of one running hour besides energy."""
    max_starts_per_day: int | None = field(default=None, metadata={"ge": 1})
    ramp_per_h: float | None = field(default=None, metadata={"gt": 0})
    """Largest change of output per hour; None = at once."""
    setpoint_low: float | None = None
    setpoint_high: float | None = None
    setpoint_nominal: float | None = None
    """Where STARTUP runs it; None = not adjustable, or the machine keeps its last one."""
    setpoint_step: float | None = field(default=None, metadata={"gt": 0})
    mtbf_h: float | None = field(default=None, metadata={"gt": 0})
    """Mean time between failures when as new; None = does not fail."""
    repair_h: float = field(default=8.0, metadata={"gt": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One machine of the site."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    kind: str
    """File of `twin_sim/assets`, or a dotted module of the customer's own."""
    path: str = ""
    """ISA-95 path below the site: area/work centre/work unit."""
    produces: str | None = None
    """Service that the output feeds; None = the power itself is the purpose (lighting)."""
    into: str | None = None
    """Store that the output enters; None = the only store of the service, or straight to the demand."""
    consumes: str | None = None
    """Service that it draws from."""
    out_of: str | None = None
    """Store that it draws from; None = the only store of the consumed service, or an endless source."""
    spec: dict[str, Any] = field(default_factory=dict)
    """Fields of the kind; checked against it at the door."""
    tags: AssetTags = field(default_factory=AssetTags)
    life: Life = field(default_factory=Life)
    may_start: bool = True
    may_stop: bool = True
    needs: tuple[str, ...] = ()
    """Assets that must run while this one runs."""
    local_control: LocalControl | None = field(default=None, metadata={"discriminator": "kind"})
    orders: Orders = field(default_factory=Orders)
    release: tuple[TagWrite, ...] = ()
    """The writes that give it back to local control; empty = it cannot be given back."""
    safe_state: tuple[TagWrite, ...] = ()
    """The writes that make it safe where there is no local control."""
    on_bad_data: Literal["release", "hold", "safe_state"] = "release"
    consequence: float = field(default=0.0, metadata={"ge": 0})
    """Cost of an unplanned failure, in the site's currency."""
    readback_s: float = field(default=60.0, metadata={"gt": 0})
    """How long set-point, state and power may take to agree with a command."""
    power_tolerance: float = field(default=0.5, metadata={"gt": 0})
    """Accepted deviation of measured from expected power, as a share of the expected."""
    ready_by: str | None = None
    """Local time of day by which its store must be inside its limits (optimal start)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Assets whose output depends on who else runs: pumps on one main, compressors on one header."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    assets: tuple[str, ...]
    at_least: int = field(default=0, metadata={"ge": 0})
    """Redundancy: so many must be running or ready."""
    at_most: int | None = field(default=None, metadata={"ge": 1})
    shared_curves: bool = True
    """True: curves are learned and used per combination; False: only the counts above bind them."""
