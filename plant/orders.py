"""From a wish to its effect: Request, Plan, Command, Verdict, Outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from plant.kpi import Kpi
from plant.series import Series


class Action(StrEnum):
    """What may be done to an asset."""

    STARTUP = "STARTUP"
    OPTIMIZE = "OPTIMIZE"
    SHUTDOWN = "SHUTDOWN"
    RELEASE = "RELEASE"


class Reason(StrEnum):
    """Why a command is given."""

    PRICE_LOW = "PRICE_LOW"
    PRICE_HIGH = "PRICE_HIGH"
    PEAK = "PEAK"
    STORE_LOW = "STORE_LOW"
    STORE_HIGH = "STORE_HIGH"
    DEMAND = "DEMAND"
    NO_DEMAND = "NO_DEMAND"
    HEALTH = "HEALTH"
    EFFICIENCY = "EFFICIENCY"
    LIMIT = "LIMIT"
    SCHEDULE = "SCHEDULE"
    OPERATOR = "OPERATOR"
    SAFETY = "SAFETY"
    SURPLUS = "SURPLUS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One order to one asset."""

    id: str
    asset: str
    action: Action
    setpoint: float | None = None
    """With OPTIMIZE, in the unit of the asset's set-point."""
    at: datetime
    expires: datetime
    """Never written later than this."""
    reason: Reason
    words: str
    expected_power_kw: float | None = None
    """What the asset should draw once it has followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a plan intends for one asset over its horizon."""

    asset: str
    on: Series
    """Share of the step that it runs, 0..1."""
    setpoint: Series | None
    power_kw: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCourse:
    """What a plan expects of one store: level at the start of each step, and one at the end."""

    store: str
    level: Series


class Cut(StrEnum):
    """What ended the solver's work."""

    NONE = "NONE"
    WORK = "WORK"
    TIME = "TIME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The best alternative that was not chosen."""

    words: str
    objective: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a strategy proposes: commands due now, and the course they belong to."""

    id: str
    made_at: datetime
    until: datetime
    strategy: str
    commands: tuple[Command, ...]
    """Only those due in the first step."""
    courses: tuple[Course, ...] = ()
    stores: tuple[StoreCourse, ...] = ()
    expected: Kpi | None = None
    objective: float | None = None
    bound: float | None = None
    """No plan of this model can be cheaper."""
    gap: float | None = None
    """(objective − bound) / |objective|."""
    binding: tuple[str, ...] = ()
    """Limits that shaped it, in words, most costly first."""
    rejected: Rejected | None = None
    rung: str = "best"
    """Which rung of the ladder it is: best, next, shifted, hold, release, safe_state."""
    cut: Cut = Cut.NONE
    words: str = ""
    situation: str = ""
    """Id of the Situation it was proposed for; filled in by the cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A rule that was or would be broken."""

    rule: str
    asset: str
    """Asset, store or `site`."""
    time: datetime
    found: float
    limit: float
    share: float = 1.0
    """Share of the futures in which it happens."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One figure over the futures."""

    key: str
    p5: float
    p50: float
    p95: float
    mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A tag's range within which a verdict holds."""

    tag: str
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One future as it was lived through, to be drawn."""

    future: int
    power_kw: Series
    """Of the site, following the plan."""
    nothing_kw: Series
    """The same future with nothing done."""
    stores: tuple[StoreCourse, ...]
    """Level at the end of each step, following the plan."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What living through a plan in simulation showed."""

    plan_id: str
    ok: bool
    violations: tuple[Violation, ...]
    """Those that refuse the plan; empty when ok."""
    tolerated: tuple[Violation, ...] = ()
    """Those that doing nothing would break as well, or whose share is accepted."""
    expected: tuple[Spread, ...] = ()
    """Per figure of Kpi."""
    nothing: tuple[Spread, ...] = ()
    """The same for doing nothing, on the same draws."""
    futures: int
    seed: int
    credibility: float
    """0..1, lowest of the assets commanded; 1 where no mirror has run yet."""
    valid_while: tuple[Bound, ...] = ()
    words: str = ""
    situation: str = ""
    """Id of the Situation that it was judged in: without the margins that the plan may have been made with."""
    worst: Trace | None = None
    """The future that breaks the first of the violations most; None when ok."""


class OutcomeKind(StrEnum):
    """How a command ended."""

    CONFIRMED = "CONFIRMED"
    NO_EFFECT = "NO_EFFECT"
    REFUSED = "REFUSED"
    UNCONFIRMED = "UNCONFIRMED"
    EXPIRED = "EXPIRED"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of one command; every journalled command gets exactly one."""

    command_id: str
    kind: OutcomeKind
    time: datetime
    written_at: datetime | None = None
    setpoint_read: float | None = None
    running_read: bool | None = None
    power_expected_kw: float | None = None
    power_measured_kw: float | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a person asks for."""

    id: str
    who: str
    time: datetime
    wish: str
    """`command`, `approve`, `reject`, `mode`, `lock`, `unlock`, `return`, `replan`, `ack`, `shelve`, `stop`, or what
    was done to the machine: `commissioning`, `overhaul` (`withdrawn`: that entry was a mistake)."""
    asset: str | None = None
    action: Action | None = None
    setpoint: float | None = None
    value: str | None = None
    """What the wish needs besides: a mode, a command id, an alarm id, a duration, when the work was done."""
    words: str = ""
