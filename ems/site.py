"""The only place that builds things: from a loaded site to everything a run needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ems.config import LoadedSite
from ems.decide import rungs_below
from ems.forecasts import SiteForecasts, targets
from ems.historian import Historian
from ems.outlook import outlook_of
from ems.prices import Billing
from ems.virtual import VirtualTags
from plant.assets import Mode
from plant.errors import ConfigError
from plant.kinds import find
from plant.ports import Forecaster, Plant, Strategy
from plant.site import Site
from plant.tags import Snapshot
from twin_sim.calibration import Calibration
from twin_sim.model import SiteModel

if TYPE_CHECKING:
    from anomaly.monitor import HealthMonitor

LIBRARIES = ("highspy", "numpy", "pyomo", "scikit-learn", "scipy", "simpy", "twin-ems")


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """What a run is made of."""

    site: Site
    folder: Path
    historian: Historian
    plant: Plant
    virtual: VirtualTags
    model: SiteModel
    strategy: Strategy
    fallbacks: tuple[tuple[str, Strategy], ...]
    forecasts: SiteForecasts
    monitor: HealthMonitor
    billing: Billing
    versions: tuple[tuple[str, str], ...]
    rehearsal: bool = True
    """False only to show what rehearsal prevents."""

    def read(self) -> Snapshot:
        """The plant at one instant, virtual tags filled in."""
        return self.virtual.extend(self.plant.read())


def plant_of(loaded: LoadedSite) -> Plant:
    """The plant behind the site's connection, not yet entered."""
    made = find("connectors.plants", loaded.site.connection.kind)(loaded.site, loaded.folder)
    if not isinstance(made, Plant):
        raise ConfigError(f"{loaded.file}: connection.kind {loaded.site.connection.kind!r} is not a plant")
    return made


def strategy_of(site: Site) -> Strategy:
    """The strategy that the site file names."""
    return cast(Strategy, find("policy.strategies", site.control.strategy)(site))


def calibration_of(historian: Historian) -> Calibration | None:
    """The newest calibration in the journal; None if there was none."""
    found = historian.records("calibration", Calibration, newest_first=True, limit=1)
    return found[0] if found else None


def unit_of(site: Site) -> Mapping[str, str]:
    """Unit of every tag, virtual ones included."""
    return {tag.name: tag.unit for tag in site.tags} | {tag.name: tag.unit for tag in site.virtual_tags}


def versions() -> tuple[tuple[str, str], ...]:
    """Versions of what a decision depends on."""
    return tuple((name, metadata.version(name)) for name in LIBRARIES)


def build(
    loaded: LoadedSite,
    historian: Historian,
    plant: Plant,
    forecasters: Mapping[str, Forecaster],
    monitor: HealthMonitor,
    *,
    rehearsal: bool = True,
) -> Works:
    """Everything a run needs.

    Parameters
    ----------
    forecasters
        Fitted, by target; targets without one get a flat forecast that says so.
    monitor
        Fitted detectors of the assets.

    Raises
    ------
    ConfigError
        If the site may not be controlled as it asks: no heartbeat, or an asset that could not be given back.
    """
    site = loaded.site
    units = unit_of(site)
    historian.register(units)
    model = SiteModel(site, calibration_of(historian))
    return Works(
        site=site,
        folder=loaded.folder,
        historian=historian,
        plant=plant,
        virtual=VirtualTags(
            site, stores=model.stores, flows=model.flows, previous=historian.latest() if historian.span() else None
        ),
        model=model,
        strategy=strategy_of(site),
        fallbacks=rungs_below(site),
        forecasts=SiteForecasts(
            forecasters,
            {name: units[name] for name in targets(site)},
            outlook_of(historian.database, site),
            site.site.timezone,
        ),
        monitor=monitor,
        billing=Billing(site, loaded.folder),
        versions=versions(),
        rehearsal=rehearsal,
    )


def in_mode(loaded: LoadedSite, mode: Mode | None) -> LoadedSite:
    """The same site in another mode; None = as its file says."""
    if mode is None:
        return loaded
    return replace(loaded, site=replace(loaded.site, control=replace(loaded.site.control, mode=mode)))


def learning_span(site: Site, now: datetime) -> tuple[datetime, datetime]:
    """From when to when models learn."""
    return now - timedelta(days=site.learning.history_days), now
