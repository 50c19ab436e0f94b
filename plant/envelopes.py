"""What a strategy knows of machines: where they can run, what that takes and gives, how they start and stop."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from plant.assets import Life
from plant.series import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One operating point of the assets that run together."""

    setpoints: tuple[float, ...]
    """One per running asset, in the order of the regime."""
    output_per_h: float
    """Into the produced service; negative where a machine takes out (cooling, discharge)."""
    power_kw: tuple[float, ...]
    """One per running asset; negative = generation."""
    input_per_h: float = 0.0
    """Drawn from the consumed service."""
    second_output_per_h: float = 0.0
    """Into the second service (heat recovered, condensate)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """A combination of running assets with its curve: any point between two neighbouring points can be run.

    One point alone is an on/off machine. Where a curve must not be cut across (battery: charging and discharging),
    each straight piece is a regime of its own with the same running assets.
    """

    name: str
    running: tuple[str, ...]
    points: tuple[Point, ...]

    def __post_init__(self) -> None:
        for point in self.points:
            if len(point.setpoints) != len(self.running) or len(point.power_kw) != len(self.running):
                raise ValueError(f"regime {self.name}: a point needs one set-point and one power per running asset")
        if not self.points:
            raise ValueError(f"regime {self.name} has no points")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One machine, or machines whose curves depend on each other, over the horizon."""

    assets: tuple[str, ...]
    lives: tuple[Life, ...]
    """One per asset, in the same order."""
    regimes: tuple[Regime, ...]
    """All combinations that may run; none running is always one and not listed."""
    service: str | None
    """Service of the output; None = no service, the power itself is the purpose."""
    store: str | None
    """Store that the output enters; None = straight to the service's demand."""
    input_store: str | None = None
    second_store: str | None = None
    off_power_kw: tuple[float, ...] = ()
    """Standby power per asset; empty = none."""
    power_factor: Series | None = None
    """Multiplies the power of every point over time (1/COP relative to the points' own conditions; PV availability)."""
    output_factor: Series | None = None
    """Multiplies the output of every point over time (COP, yield)."""
    may_start: tuple[bool, ...] = ()
    """Per asset; empty = all may."""
    may_stop: tuple[bool, ...] = ()
    """Per asset; empty = all may."""
    must_run: tuple[Series | None, ...] = ()
    """Per asset: 1 where it has to run (production plan, schedule), 0 where free; empty or None = free."""
    needs: tuple[tuple[str, str], ...] = ()
    """(asset, other): the first runs only while the other does."""
    at_least: int = 0
    at_most: int | None = None
    earliest_change: tuple[datetime | None, ...] = ()
    """Per asset: no start or stop before (minimum times already running, maintenance)."""
    risk_per_h: tuple[float, ...] = ()
    """Per asset: failure probability per running hour × consequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A batch to be run once on one asset."""

    name: str
    asset: str
    power_kw: Series
    """Profile from its start; the start time in it is not meaningful."""
    earliest: datetime
    due: datetime
    value: float
    """Lost if it is not finished by then."""
