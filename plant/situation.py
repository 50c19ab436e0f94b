"""All that a decision may look at. What is not in a Situation cannot have influenced the decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from plant.assets import Flow, Mode, Service, Store
from plant.envelopes import Envelope, Job
from plant.health import Health
from plant.mirror import Credibility
from plant.orders import Plan
from plant.series import Forecast, Series
from plant.tags import Snapshot
from plant.tariff import Prices

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A person's word that nothing is to be written to an asset (lock-out, maintenance)."""

    asset: str
    who: str
    why: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What the plant and the site file allow for an asset now; None = the plant did not say."""

    start: bool = True
    stop: bool = True
    remote: bool = True
    """The selector at the machine stands on remote."""
    tripped: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit that holds for the site or an asset over the horizon."""

    name: str
    """`import_kw`, `export_kw` or `starts_per_day`."""
    high: float
    asset: str | None = None
    """None = the whole site."""
    start: datetime | None = None
    end: datetime | None = None
    """None = from now on, until further notice."""
    price: float | None = None
    """Cost per unit beyond it and hour; None = hard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetState:
    """One asset now, with what it has used up today."""

    asset: str
    running: bool | None
    """Measured; None = unknown."""
    since: datetime | None
    """When the running state last changed; None = longer than remembered."""
    setpoint: float | None
    """Read back, not asked."""
    power_kw: float | None
    starts_today: int
    mode: Mode
    permit: Permit
    released: bool = True
    """True while local control runs it; False from our first accepted command on."""
    good: bool = True
    """False when a reading that control needs is bad; the words say which."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """One store now."""

    store: str
    level: float | None
    """In the store's level unit; None = not known."""
    good: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """The input of a strategy."""

    id: str
    site: str
    time: datetime
    step_s: float
    steps: int
    snapshot: Snapshot
    assets: tuple[AssetState, ...]
    stores: tuple[StoreState, ...]
    envelopes: tuple[Envelope, ...]
    store_specs: tuple[Store, ...]
    """As the site file states them, with what calibration learned filled in: `size_per_level` is never None here."""
    flows: tuple[Flow, ...]
    """With learned numbers filled in."""
    services: tuple[Service, ...]
    """The demand of each is the forecast whose target is its `demand`."""
    jobs: tuple[Job, ...]
    load_target: str | None
    """Forecast of the site's power that nobody commands, kW."""
    forecasts: tuple[Forecast, ...]
    ambient: tuple[tuple[str, Series], ...]
    """Weather and other drivers by tag name."""
    health: tuple[Health, ...]
    credibility: tuple[Credibility, ...]
    prices: Prices
    limits: tuple[Limit, ...]
    locks: tuple[Lock, ...]
    previous: Plan | None
    """The plan in force: shifted, it is the warm start."""
    seed: int
    versions: tuple[tuple[str, str], ...]
    """Library and model versions that the decision depends on."""

    def state(self, asset: str) -> AssetState:
        """The state of an asset; KeyError if the site has none of that name."""
        return _named(self.assets, "asset", asset)

    def store(self, name: str) -> StoreState:
        """The state of a store; KeyError if the site has none of that name."""
        return _named(self.stores, "store", name)

    def envelope(self, asset: str) -> Envelope | None:
        """The envelope that an asset belongs to; None if it cannot be commanded."""
        return next((envelope for envelope in self.envelopes if asset in envelope.assets), None)

    def forecast(self, target: str) -> Forecast | None:
        """The forecast of a target; None if there is none."""
        return next((forecast for forecast in self.forecasts if forecast.target == target), None)


def _named(items: tuple[Item, ...], key: str, name: str) -> Item:
    for item in items:
        if getattr(item, key) == name:
            return item
    raise KeyError(name)
