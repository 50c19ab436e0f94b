"""Machines whose output nobody meters: their power as their kind has it, with the size that telemetry shows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np

from plant.assets import Asset
from plant.errors import DataError
from plant.kinds import find
from plant.mirror import Credibility
from plant.physics import Conditions
from plant.ports import AssetModel
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate_cells import Booleans
from twin_sim.calibration import Learned, LearnedAsset

STEP_S = 900.0
RUNS_SHARE = 0.3
"""Without a running tag a machine runs above this share of its highest power."""
LEAST_ROWS = 8
Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLaw:
    """Power of one machine as its kind has it, with the size that was measured."""

    asset: Asset
    factor: float
    """Measured over stated power while it runs."""
    spread: float
    """Standard deviation of that ratio."""
    standby_kw: float
    rows: int


def machine_law(site: Site, asset: Asset, table: Table) -> MachineLaw | None:
    """Measured over stated power of a machine, and what it draws while it stands still; None where it never ran.

    None, too, for kinds whose power does not simply grow with their rating.
    """
    power, (stated, _) = table.columns[asset.tags.power or ""], stated_work(site, asset, table)
    running = runs(asset, table)
    rows = running & np.isfinite(power) & (stated > 0.0)
    if rows.sum() < LEAST_ROWS or not _proportional(asset):
        return None
    ratio = power[rows] / stated[rows]
    resting = ~running & np.isfinite(power)
    return MachineLaw(
        asset=asset,
        factor=float(power[rows].sum() / stated[rows].sum()),
        spread=float(ratio.std()),
        standby_kw=float(np.median(power[resting])) if resting.any() else 0.0,
        rows=int(rows.sum()),
    )


def runs(asset: Asset, table: Table) -> Booleans:
    """Whether a machine runs in each row, by its own tag, else by its power."""
    column = table.columns.get(asset.tags.running or "")
    if column is not None:
        return np.asarray(column >= 0.5)
    power = table.columns[asset.tags.power or ""]
    return np.asarray(power > RUNS_SHARE * np.nanmax(power, initial=0.0))


def stated_work(site: Site, asset: Asset, table: Table) -> tuple[Floats, Floats]:
    """Power and output per hour of a machine, were it running in every row, with the site file's numbers."""
    kind = kind_of(asset)
    column = table.columns.get(asset.tags.setpoint or "")
    nominal = 1.0 if asset.life.setpoint_nominal is None else asset.life.setpoint_nominal
    setpoint = np.full(len(table), nominal) if column is None else np.where(np.isfinite(column), column, nominal)
    store = next((item for item in site.stores if item.name == fed(site, asset)), None)
    outdoor = table.columns.get(site.limits.outdoor or "")
    level = None if store is None else table.columns.get(store.level)
    working = kind.running(
        setpoint, Conditions(level=0.0 if level is None else level, outdoor=Conditions().outdoor if outdoor is None else outdoor)
    )
    wide = len(table)
    return np.array(np.broadcast_to(working.power_kw, wide)), np.array(np.broadcast_to(working.output_per_h, wide))


def believed(law: MachineLaw, site: Site, table: Table, time: datetime, bound: float) -> Credibility | None:
    """CV(RMSE) and NMBE of a machine's power over the rows of a table in which it runs; None where it does not."""
    power, (stated, _) = table.columns[law.asset.tags.power or ""], stated_work(site, law.asset, table)
    rows = runs(law.asset, table) & np.isfinite(power)
    if not rows.any():
        return None
    actual, error = power[rows], stated[rows] * law.factor - power[rows]
    mean = float(actual.mean())
    cv = float(np.sqrt(np.mean(error**2))) / mean
    return Credibility(
        asset=law.asset.name,
        time=time,
        samples=int(rows.sum()),
        cv_rmse=round(cv, 5),
        nmbe=round(float(error.mean()) / mean, 5),
        ok=cv <= bound,
    )


def learned_machine(law: MachineLaw) -> LearnedAsset:
    """Rated and standby power in the words of a calibration."""
    rated = float(getattr(kind_of(law.asset), "power_kw", 0.0))
    power = Learned(
        name="power_kw",
        value=round(rated * law.factor, 4),
        low=round(rated * (law.factor - Z95 * law.spread), 4),
        high=round(rated * (law.factor + Z95 * law.spread), 4),
        unit="kW",
        samples=law.rows,
    )
    standby = Learned(
        name="standby_kw",
        value=round(law.standby_kw, 4),
        low=round(law.standby_kw, 4),
        high=round(law.standby_kw, 4),
        unit="kW",
        samples=law.rows,
    )
    return LearnedAsset(asset=law.asset.name, parameters=(power, standby))


def kind_of(asset: Asset) -> AssetModel:
    """The physics of an asset with the site file's numbers."""
    return cast(AssetModel, find("twin_sim.assets", asset.kind)(**asset.spec))


def _proportional(asset: Asset) -> bool:
    """Whether twice the rating draws twice the power at any set-point, so that one factor tells the size."""
    kind = cast(Any, kind_of(asset))
    if not any(item.name == "power_kw" for item in dataclasses.fields(kind)):
        return False
    twice = dataclasses.replace(kind, power_kw=2.0 * kind.power_kw)
    one, two = (np.asarray(each.running(0.7, Conditions()).power_kw, dtype=np.float64) for each in (kind, twice))
    return bool(np.allclose(two, 2.0 * one, rtol=1e-9))


def even_times(table: Table) -> Table:
    """The table at the quarters of every hour: readings in between are drawn as straight lines, running states hold.

    Raises
    ------
    DataError
        If the table has no rows.
    """
    if not len(table):
        raise DataError("a table without rows cannot be calibrated with")
    step = np.timedelta64(round(STEP_S * 1e6), "us")
    first = table.times[0] - (table.times[0].astype(np.int64) % step.astype(np.int64)).astype("timedelta64[us]")
    times = first + step * np.arange(int((table.times[-1] - first) // step) + 1)
    return Table(times=times, columns={name: _at(table.times, column, times) for name, column in table.columns.items()})


def _at(times: Any, column: Floats, wanted: Any) -> Floats:
    known = np.flatnonzero(np.isfinite(column))
    if not known.size:
        return np.full(wanted.size, np.nan)
    here = (times[known] - times[0]).astype(np.float64)
    return np.asarray(np.interp((wanted - times[0]).astype(np.float64), here, column[known]))


def fed(site: Site, asset: Asset) -> str | None:
    """Store that an asset feeds; None = none."""
    return _name_of(site, asset.into, asset.produces)


def drawn(site: Site, asset: Asset) -> str | None:
    """Store that an asset draws from; None = an endless source."""
    return _name_of(site, asset.out_of, asset.consumes)


def _name_of(site: Site, stated: str | None, service: str | None) -> str | None:
    if stated is not None or service is None:
        return stated
    only = site.store_of(service)
    return None if only is None else only.name
