"""The site's own twin as a plant to be served: what drives it comes from a file, or from the last days of the historian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from ems.config import LoadedSite, historian_url
from ems.forecasts import targets
from ems.historian import Historian
from ems.prices import Billing
from ems.site import calibration_of
from plant.errors import ConfigError, DataError, NotFoundError
from plant.identity import canonical
from plant.ports import instant64
from plant.series import Series
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibration import Calibration
from twin_sim.drivers import Drivers, as_table, from_table
from twin_sim.model import SiteModel
from twin_sim.state import TwinState
from twin_sim.twin import Twin

LOSS, HEALTH = "loss:", "health:"
"""Prefixes of columns that no tag shows: losses of stores (units per hour), health of assets (0..1)."""
LEAST_DAYS = 2.0


def write_drivers(file: Path, tags: Table, losses: Table, health: Table) -> None:
    """Write what drives a served plant, one row per step."""
    columns = dict(tags.columns)
    columns |= {LOSS + name: column for name, column in losses.columns.items()}
    columns |= {HEALTH + name: column for name, column in health.columns.items()}
    pd.DataFrame(columns, index=pd.DatetimeIndex(tags.times, name="time", tz="UTC")).to_parquet(file)


def read_drivers(file: Path) -> Drivers:
    """Read what drives a served plant.

    Raises
    ------
    NotFoundError
        If there is no such file.
    ConfigError
        If the file cannot be read, has no time index, or a column holds no number.
    """
    if not file.is_file():
        raise NotFoundError(f"--drivers {file}: no such file")
    try:
        frame = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: drivers cannot be read ({error}); they are a Parquet file with a UTC index `time`") from error
    if not isinstance(frame.index, pd.DatetimeIndex) or frame.index.tz is None:
        raise ConfigError(f"{file}: the index must be times with a zone")
    times = frame.index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")
    try:
        columns = {str(name): np.asarray(frame[name], dtype=np.float64) for name in frame.columns}
        found = from_table(Table(times=times, columns=columns))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    return _split(found)


def _split(found: Drivers) -> Drivers:
    def named(prefix: str) -> Mapping[str, Floats]:
        return {name.removeprefix(prefix): column for name, column in found.tags.items() if name.startswith(prefix)}

    tags = {name: column for name, column in found.tags.items() if not name.startswith((LOSS, HEALTH))}
    return replace(found, tags=tags, losses=named(LOSS), health=named(HEALTH))


def write_state(file: Path, state: TwinState) -> None:
    """Write where a served plant begins."""
    file.write_text(canonical(state), encoding="utf-8")


def read_state(file: Path) -> TwinState:
    """Read where a served plant begins.

    Raises
    ------
    NotFoundError
        If there is no such file.
    ConfigError
        If the file cannot be read or is not a state.
    """
    if not file.is_file():
        raise NotFoundError(f"--state {file}: no such file")
    try:
        return TypeAdapter(TwinState).validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"{file}: not the state of a plant ({error})") from error


def recorded_drivers(loaded: LoadedSite, start: datetime, days: float) -> Drivers:
    """The historian's last whole days, repeated from `start` on.

    Raises
    ------
    DataError
        If the historian holds less than two days.
    """
    site = loaded.site
    with Historian(historian_url(loaded)) as historian:
        table = historian.table(driving(site), step_s=site.control.step_s)
    per_day = round(86400.0 / site.control.step_s)
    whole = len(table) // per_day * per_day
    if whole < LEAST_DAYS * per_day:
        raise DataError(f"the historian of {site.site.name} holds less than two days: import readings, or give --drivers FILE")
    rows = np.arange(round(days * per_day)) % whole + len(table) - whole
    step = np.timedelta64(round(site.control.step_s * 1e6), "us")
    times = instant64(start) + np.arange(rows.size) * step
    return from_table(
        Table(times=times, columns={name: column[rows] for name, column in table.columns.items() if np.isfinite(column).any()})
    )


def driving(site: Site) -> tuple[str, ...]:
    """Tags that drive a twin: what is forecast, the powers that nobody commands, and prices shown by the plant."""
    powers = [asset.tags.power for asset in site.assets if asset.tags.command is None]
    return tuple(dict.fromkeys(name for name in (*targets(site), *powers) if name))


def served_twin(
    loaded: LoadedSite,
    drivers: Drivers,
    *,
    start: datetime,
    end: datetime | None,
    seed: int,
    mismatch: float,
    state: TwinState | None = None,
    as_stated: bool = False,
) -> Twin:
    """The site's twin as a plant: physics off by up to ± `mismatch`, noisy readings, both from `seed`.

    Parameters
    ----------
    as_stated
        Off from what the site file states; else from what calibration made of it.
    """
    model = SiteModel(loaded.site, None if as_stated else _calibration(loaded))
    return Twin(model, drivers, start=start, end=end, seed=seed, mismatch=mismatch, noise=mismatch > 0, state=state)


def _calibration(loaded: LoadedSite) -> Calibration | None:
    with Historian(historian_url(loaded)) as historian:
        return calibration_of(historian)


def served_prices(loaded: LoadedSite, drivers: Drivers, start: datetime, end: datetime) -> tuple[Series, Series]:
    """Import and export prices over a served plant's life."""
    site, history = loaded.site, as_table(drivers)
    steps = max(1, round((end - start).total_seconds() / drivers.step_s))
    times = [start + timedelta(seconds=drivers.step_s * i) for i in range(steps)]
    billing, unit = Billing(site, loaded.folder), f"{site.site.currency}/kWh"
    imported, exported = (billing.values(source, times, history) for source in (site.tariff.energy, site.tariff.export))
    return (
        Series(start=start, step_s=drivers.step_s, values=imported, unit=unit),
        Series(start=start, step_s=drivers.step_s, values=exported, unit=unit),
    )


def span_of(drivers: Drivers) -> tuple[datetime, datetime]:
    """First and last instant that drivers cover."""
    return drivers.start, drivers.start + timedelta(seconds=drivers.step_s * drivers.steps)
