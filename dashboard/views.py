"""What a page shows, as records: queries make them, figures and pages draw them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plant.assets import Mode
from plant.events import Alarm
from plant.health import Health, Severity
from plant.kpi import Kpi
from plant.orders import Action, Command, Course, Outcome, Plan, Verdict
from plant.series import Series
from plant.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """Whether anything moved: what a browser is told every second."""

    last: int
    """Number of the newest journal row; 0 = the journal is empty."""
    time: datetime | None
    """The plant's time of that row."""
    quiet_s: float
    """How long this process has not seen the journal move."""
    fault: str = ""
    """Why the historian cannot be read; empty if it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFigures:
    """The Overview's tiles."""

    load_kw: float | None
    limit_kw: float | None
    """Import limit of the site."""
    peak_kw: float | None
    """Highest window mean of the billing period."""
    today: Kpi | None
    """Local day until now."""
    nothing: Kpi | None
    """The same time under local control, as if we had never connected."""
    whole: Kpi | None
    """All that the journal holds."""
    whole_nothing: Kpi | None
    weakest: Health | None
    """The asset in the worst health."""
    running: int
    assets: int

    @property
    def saving(self) -> float | None:
        """Cost avoided today; negative = it cost more."""
        return None if self.today is None or self.nothing is None else self.nothing.cost - self.today.cost

    @property
    def whole_saving(self) -> float | None:
        """Cost avoided over all that the journal holds."""
        return None if self.whole is None or self.whole_nothing is None else self.whole_nothing.cost - self.whole.cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """What is expected, with the band that should hold 80 % of what comes."""

    p10: Series
    p50: Series
    p90: Series


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerView:
    """The site's power: 24 h past and the horizon ahead."""

    now: datetime
    start: datetime
    end: datetime
    past: Table
    """Column `load`, kW."""
    nothing: Table | None
    """Column `load`, kW: mean import power of each cycle under local control."""
    expected: Band | None
    """Planned power of the assets plus the forecast of the load that nobody commands, kW."""
    unplanned: str = ""
    """Why nothing is expected; empty if something is."""
    price: Series | None
    """Import price over the past and the horizon."""
    limit_kw: float | None
    peak_kw: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreView:
    """One store: measured level and the plan's."""

    name: str
    unit: str
    level: float | None
    past: Table
    """Column `level`."""
    planned: Series | None
    bottom: float
    top: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change that a plan intends for later; decided anew at every cycle."""

    asset: str
    at: datetime
    action: Action
    setpoint: float | None = None
    power_kw: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command with its end."""

    command: Command
    outcome: Outcome | None
    """None while it is under way or waits for a person."""
    cycle: str
    number: int
    """Number of its journal row."""
    decided: str = ""
    """What a person said of it; empty if nobody had to."""
    waits: bool = False
    """True while a person may still approve or reject it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRow:
    """One asset now."""

    name: str
    kind: str
    path: str
    running: bool | None
    since: datetime | None
    power_kw: float | None
    setpoint: float | None
    setpoint_unit: str
    mode: Mode
    released: bool
    good: bool
    words: str
    score: float | None
    severity: Severity | None
    health_alarm: bool
    starts_today: int
    last: Order | None
    coming: Step | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of the first page."""

    now: datetime | None
    """The plant's time of the newest situation; None = no cycle has been recorded."""
    figures: KeyFigures
    power: PowerView | None
    stores: tuple[StoreView, ...]
    assets: tuple[AssetRow, ...]
    orders: tuple[Order, ...]
    """Newest first."""
    coming: tuple[Step, ...]
    """Soonest first."""
    alarms: tuple[Alarm, ...]
    """Those that need a person, most urgent first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan with what living through it showed."""

    plan: Plan
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One tag over the past day."""

    tag: str
    unit: str
    past: Table
    """Column `value`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetView:
    """All of one asset's page."""

    now: datetime
    start: datetime
    end: datetime
    row: AssetRow
    power: Trace | None
    setpoint: Trace | None
    sensors: tuple[Trace, ...]
    course: Course | None
    """What the newest plan intends for it."""
    health: Health | None
    orders: tuple[Order, ...]
    """Newest first."""
    may_start: bool
    may_stop: bool
    remote: bool
    tripped: bool
    lock: str
    """Who locked it and why; empty if nobody did."""
