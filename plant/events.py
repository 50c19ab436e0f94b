"""What happened, what needs a person, and what a person said (ISA-18.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from plant.assets import Mode


class Priority(StrEnum):
    """ISA-18.2 alarm priorities."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    URGENT = "URGENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened once."""

    id: str
    time: datetime
    kind: str
    """One word, for example `started`, `external_setpoint`, `connection_lost`, `mode_lowered`, `cycle_failed`."""
    asset: str | None
    words: str
    cause: str = ""
    consequence: str = ""
    advice: str = ""


class AlarmState(StrEnum):
    """ISA-18.2 states of an alarm."""

    UNACKNOWLEDGED = "UNACKNOWLEDGED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RETURNED_UNACKNOWLEDGED = "RETURNED_UNACKNOWLEDGED"
    NORMAL = "NORMAL"
    SHELVED = "SHELVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A condition that needs a response in time."""

    id: str
    """The same for the whole life of one alarm: hash of rule, asset and the time it was raised."""
    rule: str
    asset: str | None
    priority: Priority
    state: AlarmState
    raised_at: datetime
    changed_at: datetime
    words: str
    cause: str = ""
    consequence: str = ""
    advice: str = ""
    shelved_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person's word on a command that waits in ADVISE."""

    command_id: str
    who: str
    time: datetime
    approved: bool
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChange:
    """A mode raised by a person or lowered by the product."""

    asset: str
    mode: Mode
    who: str
    """A person, or `ems`."""
    time: datetime
    words: str = ""


class MaintenanceKind(StrEnum):
    """Work after which a machine is another one: how it ran before says nothing of how it should run."""

    COMMISSIONING = "COMMISSIONING"
    OVERHAUL = "OVERHAUL"
    WITHDRAWN = "WITHDRAWN"
    """No work: the entry of this asset and time was a mistake, and never counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """An entry of the maintenance log."""

    asset: str
    kind: MaintenanceKind
    who: str
    time: datetime
    """When the work was done: what is healthy is learned from here on."""
    words: str = ""
