"""A site as its site file states it: what is built from it, everybody shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from plant.assets import Asset, Flow, Group, Inventory, Mode, Service, Store
from plant.feeds import PriceFeed, WeatherFeed
from plant.tags import Tag
from plant.tariff import PriceSource, Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which site it is."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str = field(metadata={"pattern": r"^[A-Za-z0-9_-]+$"})
    path: str = ""
    """ISA-95: enterprise/site/area."""
    timezone: str = "UTC"
    country: str | None = None
    """ISO 3166 code, for public holidays."""
    currency: str = field(default="EUR", metadata={"pattern": r"^[A-Z]{3}$"})
    latitude: float | None = field(default=None, metadata={"ge": -90, "le": 90})
    longitude: float | None = field(default=None, metadata={"ge": -180, "le": 180})
    simulated: bool = False
    """True: nothing real hangs on it; modes above SHADOW need no heartbeat."""
    shutdown_days: tuple[str, ...] = ()
    """Local dates (YYYY-MM-DD) on which the works stands still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStep:
    """A plant whose clock is told to advance."""

    __pydantic_config__ = {"extra": "forbid"}

    clock: str
    """Address of the plant's clock: seconds since `epoch`, or a DateTime."""
    epoch: datetime
    """The UTC instant of clock 0."""
    advance: str
    """Address to write the seconds to advance to; reads 0 again once the plant has moved."""
    done: str | None = None
    """Address that is true when the plant has ended."""
    timeout_s: float = field(default=120.0, metadata={"gt": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Signs of life both ways."""

    __pydantic_config__ = {"extra": "forbid"}

    write: str
    """Address of the counter that this product raises."""
    read: str | None = None
    """Address of the counter that the plant raises."""
    every_s: float = field(default=5.0, metadata={"gt": 0})
    missed: int = field(default=3, metadata={"ge": 1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """OPC UA security of the connection; file names are relative to the site file, secrets come from the environment."""

    __pydantic_config__ = {"extra": "forbid"}

    policy: Literal["none", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = "none"
    mode: Literal["sign", "sign_and_encrypt"] = "sign_and_encrypt"
    certificate: str | None = None
    private_key: str | None = None
    server_certificate: str | None = None
    user: str | None = None
    password_env: str | None = None
    """Name of the environment variable that holds the password."""
    token_env: str | None = None
    """Name of the environment variable that holds the WebSocket token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the plant is reached."""

    __pydantic_config__ = {"extra": "forbid"}

    kind: str = "opcua"
    """File of `connectors/plants`, or a dotted module of the customer's own."""
    endpoint: str
    endpoint_env: str | None = "EMS_ENDPOINT"
    """An environment variable that, when set, replaces the endpoint."""
    namespace: str = ""
    """Namespace URI of addresses that name none."""
    security: Security = field(default_factory=Security)
    lock_step: LockStep | None = None
    heartbeat: Heartbeat | None = None
    timeout_s: float = field(default=10.0, metadata={"gt": 0})


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTag:
    """A tag that is calculated from others at every reading."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    unit: str
    kind: Literal["sum", "difference", "balance"]
    """`difference`: the first minus all others. `balance`: the demand of a service from its store's balance."""
    tags: tuple[str, ...] = ()
    """For sum and difference; for balance all inflows, in service units per hour."""
    outflows: tuple[str, ...] = ()
    """For balance: metered outflows, in service units per hour."""
    store: str | None = None
    """For balance: the store; demand = inflow − outflow − change of content."""
    switch_share: float | None = field(default=None, metadata={"gt": 0})
    """For balance: where the metered flow changed by more than this share of the larger since the last reading the balance
    is unknown, because the plant does not say when in between it changed. None = the newer flow held all the time."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLimits:
    """Limits of the site as a whole."""

    __pydantic_config__ = {"extra": "forbid"}

    import_kw: float | None = field(default=None, metadata={"gt": 0})
    export_kw: float | None = field(default=None, metadata={"ge": 0})
    import_target_kw: float | None = field(default=None, metadata={"gt": 0})
    """Import that plans stay below unless staying below costs more than `import_target_price`."""
    import_target_price: float | None = field(default=None, metadata={"gt": 0})
    """Cost of a kW above the target for an hour, in the site's currency."""
    starts_per_asset_day: int | None = field(default=None, metadata={"ge": 1})
    power: str | None = None
    """Tag of the site's import power, kW; None = the sum of the assets' powers."""
    load: str | None = None
    """Tag (often virtual) of the power that nobody commands, kW; None = none."""
    outdoor: str | None = None
    """Tag of the outdoor temperature, °C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPrice:
    """An asset with a bill of its own."""

    __pydantic_config__ = {"extra": "forbid"}

    assets: tuple[str, ...]
    price: PriceSource = field(metadata={"discriminator": "kind"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """How the site is controlled."""

    __pydantic_config__ = {"extra": "forbid"}

    every_s: float = field(default=900.0, metadata={"gt": 0})
    """Time between two cycles."""
    look_s: float | None = field(default=None, metadata={"gt": 0})
    """Time between two looks for what cannot wait for the next cycle; none = 5 s, with a plant in lock-step a metering window."""
    step_s: float = field(default=900.0, metadata={"gt": 0})
    horizon_s: float = field(default=86400.0, metadata={"gt": 0})
    strategy: str = "optimal"
    mode: Mode = Mode.SHADOW
    """Highest mode of the site; an asset may be lower."""
    futures: int = field(default=50, metadata={"ge": 1})
    seed: int = 0
    tail_s: float = field(default=14400.0, metadata={"ge": 0})
    """How long the rehearsal watches after the horizon's commands."""
    rehearsal_s: float = field(default=86400.0, metadata={"gt": 0})
    accepted_share: float = field(default=0.05, metadata={"ge": 0, "le": 1})
    """Share of futures in which a soft rule may be broken beyond doing nothing."""
    release_after: int = field(default=3, metadata={"ge": 1})
    """Cycles that fail in a row before everything is given back to local control."""
    expires_s: float = field(default=300.0, metadata={"gt": 0})
    """Life of a command."""
    work_limit: int = field(default=20000, metadata={"ge": 1})
    """Simplex iterations that a plan may take."""
    time_limit_s: float = field(default=20.0, metadata={"gt": 0})
    """Wall-clock guard beyond the work limit."""
    cv_rmse_bound: float = field(default=0.5, metadata={"gt": 0})
    """Twin and plant must agree better than this for CONTROL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Where readings and decisions are kept."""

    __pydantic_config__ = {"extra": "forbid"}

    url: str | None = None
    """SQLAlchemy URL; None = SQLite file `NAME.sqlite` beside the site file."""
    url_env: str | None = "EMS_DATABASE"
    """An environment variable that, when set, replaces the URL."""
    models: str = "models"
    """Folder of model files, relative to the site file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What a model must reach to be used."""

    __pydantic_config__ = {"extra": "forbid"}

    metric: Literal["mae", "rmse", "wape", "mape", "mase", "nmse", "pinball", "coverage80", "false_alarms_per_month"]
    most: float | None = None
    least: float | None = None
    target: str | None = None
    """Tag that it is for; None = every target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When `ems worker` does what."""

    __pydantic_config__ = {"extra": "forbid"}

    train_at: str | None = "02:00"
    """Local time of day; None = never by itself."""
    forecast_every_s: float | None = field(default=None, metadata={"gt": 0})
    """None = the control step."""
    accuracy_every_s: float = field(default=3600.0, metadata={"gt": 0})
    retention_at: str = "03:30"
    """Local time of day at which old readings are removed."""
    retention_days: int | None = field(default=None, metadata={"ge": 1})
    """Readings older than this are removed; None = kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """Models of forecasting and health."""

    __pydantic_config__ = {"extra": "forbid"}

    forecaster: str = "auto"
    """File of `forecasting/models`, or `auto` for the champion by backtest."""
    detector: str = "isolation_forest"
    history_days: int = field(default=60, metadata={"ge": 1})
    thresholds: tuple[Threshold, ...] = ()
    """A model that misses one is rejected."""
    approval: Literal["person", "rule"] = "person"
    """`rule`: a model that meets the thresholds is approved without a person."""
    trial_days: float = field(default=7.0, metadata={"gt": 0})
    """With `approval = "rule"`: how long a challenger runs in the shadow before it is promoted or rejected by its error."""
    test_share: float = field(default=0.2, metadata={"gt": 0, "lt": 1})
    """Share of the history, at its end, that a new model is measured on."""
    worst_ratio: float = field(default=2.0, metadata={"gt": 1})
    """Recent error over the promised one from which a model counts as degraded."""
    schedule: Schedule = field(default_factory=Schedule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A whole site."""

    __pydantic_config__ = {"extra": "forbid"}

    site: Identity
    connection: Connection
    tariff: Tariff
    tags: tuple[Tag, ...]
    virtual_tags: tuple[VirtualTag, ...] = ()
    services: tuple[Service, ...] = ()
    stores: tuple[Store, ...] = ()
    inventories: tuple[Inventory, ...] = ()
    flows: tuple[Flow, ...] = ()
    assets: tuple[Asset, ...]
    groups: tuple[Group, ...] = ()
    asset_prices: tuple[AssetPrice, ...] = ()
    limits: SiteLimits = field(default_factory=SiteLimits)
    control: Control = field(default_factory=Control)
    storage: Storage = field(default_factory=Storage)
    learning: Learning = field(default_factory=Learning)
    weather: WeatherFeed | None = None
    """None = no weather service is asked."""
    prices: PriceFeed | None = None
    """None = nobody fetches prices."""

    def asset(self, name: str) -> Asset:
        """The asset of a name; KeyError if there is none."""
        return next_named(self.assets, name)

    def store(self, name: str) -> Store:
        """The store of a name; KeyError if there is none."""
        return next_named(self.stores, name)

    def service(self, name: str) -> Service:
        """The service of a name; KeyError if there is none."""
        return next_named(self.services, name)

    def tag(self, name: str) -> Tag:
        """The measured tag of a name; KeyError if there is none."""
        return next_named(self.tags, name)

    def store_of(self, service: str | None) -> Store | None:
        """The only store of a service; None if it has none or several."""
        found = [store for store in self.stores if store.service == service]
        return found[0] if len(found) == 1 else None


Named = TypeVar("Named", Asset, Store, Service, Tag)


def next_named(items: tuple[Named, ...], name: str) -> Named:
    """The item of a name; KeyError if there is none."""
    for item in items:
        if item.name == name:
            return item
    raise KeyError(name)
