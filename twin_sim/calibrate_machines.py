"""Single machines: power and output as their kind has it, with the size that telemetry shows."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np

from plant.assets import Asset
from plant.errors import ConfigError, DataError
from plant.mirror import Credibility
from plant.physics import Conditions
from plant.ports import AssetModel
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate_cells import Booleans
from twin_sim.calibration import Learned, LearnedAsset
from twin_sim.model import kind_of

STEP_S = 900.0
RUNS_SHARE = 0.3
"""Without a running tag a machine runs above this share of its highest power."""
LEAST_ROWS = 8
GIVES_SHARE = 0.3
"""A machine gives where its meter shows more than this share of what the site file promises."""
TOO_FAR = 3.0
"""A machine that is so many times larger or smaller than stated is not the one that the site file means."""
SCATTERED = 0.15
"""Scatter of measured over stated above which a machine without a running tag may have run in part of its readings."""
WHOLE = 0.999
"""A running tag above this says that a machine ran all through a row, below the rest of it that it stood."""
Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Measured over stated."""

    factor: float
    spread: float
    """Standard deviation of the ratio from row to row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineLaw:
    """Power and output of one machine as its kind has them, with the size that was measured."""

    asset: Asset
    power: Ratio
    """While it runs."""
    output: Ratio | None
    """None where nobody meters it."""
    standby_kw: float
    rows: int
    told: bool
    """Whether a running tag says when it works, or nobody meters what it gives."""

    @property
    def ratios(self) -> tuple[Ratio, ...]:
        """Of power, and of output where it is metered."""
        return (self.power,) if self.output is None else (self.power, self.output)

    @property
    def doubts(self) -> str:
        """Why this is hardly the machine that the site file means; empty where it may be."""
        if not all(1.0 / TOO_FAR < ratio.factor < TOO_FAR for ratio in self.ratios):
            off = " and ".join(f"{ratio.factor:.3g}" for ratio in self.ratios)
            return f"{off} times the site file's {'power' if self.output is None else 'power and output'}; check units and meters"
        scatter = max(ratio.spread / ratio.factor for ratio in self.ratios)
        if not self.told and scatter > SCATTERED:
            return f"its readings scatter by {scatter:.0%} as if it ran in part of them; a running tag would tell when it works"
        return ""


def metered(site: Site) -> tuple[Asset, ...]:
    """Machines with meters of their own for power and output."""
    return tuple(asset for asset in site.assets if asset.tags.power is not None and asset.tags.output is not None)


def machine_law(site: Site, asset: Asset, table: Table) -> MachineLaw | None:
    """Measured over stated power and output of a machine, and what it draws while it stands still; None where it never ran.

    None, too, for kinds whose power does not simply grow with one of their numbers.
    """
    power, (stated, promised) = table.columns[asset.tags.power or ""], stated_work(site, asset, table)
    rows, resting = works(site, asset, table), _steady(asset, table, on=False) & np.isfinite(power)
    if rows.sum() < LEAST_ROWS or not sizes(kind_of(asset)):
        return None
    given = table.columns.get(asset.tags.output or "")
    return MachineLaw(
        asset=asset,
        power=_ratio(power[rows], stated[rows]),
        output=None if given is None else _ratio(given[rows], promised[rows]),
        standby_kw=max(0.0, float(np.median(power[resting]))) if resting.any() else 0.0,
        rows=int(rows.sum()),
        told=given is None or asset.tags.running in table.columns,
    )


def works(site: Site, asset: Asset, table: Table) -> Booleans:
    """Rows in which a machine is at work.

    A machine that starts draws before it gives: where its output is metered only rows count in which it gives and (rows may be
    means) ran all through.
    """
    power, (stated, promised) = table.columns[asset.tags.power or ""], stated_work(site, asset, table)
    rows = runs(asset, table) & np.isfinite(power) & (stated > 0.0)
    given = table.columns.get(asset.tags.output or "")
    if given is not None:
        rows &= gives(given, promised) & _steady(asset, table, on=True)
    return np.asarray(rows)


def gives(given: Floats, promised: Floats) -> Booleans:
    """Rows in which a meter shows a fair part of what the site file promises."""
    return np.asarray((promised != 0.0) & (np.abs(given) > GIVES_SHARE * np.abs(promised)))


def _steady(asset: Asset, table: Table, *, on: bool) -> Booleans:
    """Rows in which a machine ran, or stood, all through; without a running tag those in the midst of others."""
    column = table.columns.get(asset.tags.running or "")
    if column is not None:
        return np.asarray(column >= WHOLE) if on else np.asarray(column <= 1.0 - WHOLE)
    state = np.asarray(runs(asset, table) == on)
    steady: Booleans = state.copy()
    steady[1:] &= state[:-1]
    steady[:-1] &= state[1:]
    return steady


def _ratio(measured: Floats, stated: Floats) -> Ratio:
    return Ratio(factor=float(measured.sum() / stated.sum()), spread=float((measured / stated).std()))


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
    """CV(RMSE) and NMBE of a machine's power over the rows of a table in which it works; None where it does not."""
    power, (stated, _) = table.columns[law.asset.tags.power or ""], stated_work(site, law.asset, table)
    rows = works(site, law.asset, table)
    if not rows.any() or power[rows].mean() <= 0.0:
        return None
    actual, error = power[rows], stated[rows] * law.power.factor - power[rows]
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
    """Rated and standby power, and rated output where it is metered, in the words of a calibration; nothing that cannot be."""
    kind, name = kind_of(law.asset), law.asset.name
    if law.doubts:
        return LearnedAsset(asset=name, words=f"{name}: {law.doubts}; nothing was learned")
    own = sizes(kind)
    exponents = np.array([scales[: len(law.ratios)] for scales in own.values()], dtype=np.float64).T
    inverse = np.linalg.pinv(exponents)
    shares = inverse @ np.log([ratio.factor for ratio in law.ratios])
    spreads = np.sqrt(inverse**2 @ np.square([ratio.spread / ratio.factor for ratio in law.ratios]))
    found = tuple(
        _learned(number, float(getattr(kind, number)) * float(np.exp(share)), Z95 * float(spread), law.rows)
        for number, share, spread, scales in zip(own, shares, spreads, exponents.T, strict=True)
        if scales.any()
    )
    try:
        kind_of(law.asset, {item.name: item.value for item in found})
    except ConfigError as error:
        return LearnedAsset(asset=name, words=f"{name}: its meters would make {error}; check them; nothing was learned")
    return LearnedAsset(asset=name, parameters=(*found, _learned("standby_kw", law.standby_kw, 0.0, law.rows)))


def _learned(name: str, value: float, within: float, rows: int) -> Learned:
    return Learned(
        name=name,
        value=float(f"{value:.6g}"),
        low=float(f"{value * (1.0 - within):.6g}"),
        high=float(f"{value * (1.0 + within):.6g}"),
        unit="kW" if name.endswith("_kw") else "per h" if name.endswith("_per_h") else "",
        samples=rows,
    )


def sizes(kind: AssetModel) -> dict[str, tuple[int, int]]:
    """Numbers of a kind that scale its power, its output or both, each with the exponents with which they do; empty if none does.

    Halving a number must multiply power and output by a whole power of one half, alike at two set-points.
    """
    found: dict[str, tuple[int, int]] = {}
    for name in kind.uncertain:
        halved = dataclasses.replace(cast(Any, kind), **{name: 0.5 * float(getattr(kind, name))})
        seen = np.array([_exponents(kind, halved, setpoint) for setpoint in (0.9, 1.0)])
        whole = np.round(seen[0])
        if np.allclose(seen, whole, atol=1e-6) and whole.any():
            found[name] = (int(whole[0]), int(whole[1]))
    return found if any(power for power, _ in found.values()) else {}


def _exponents(kind: AssetModel, halved: AssetModel, setpoint: float) -> tuple[float, float]:
    one, other = (each.running(setpoint, Conditions()) for each in (kind, halved))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.array([other.power_kw / np.float64(one.power_kw), other.output_per_h / np.float64(one.output_per_h)])
        power, output = -np.log2(ratios)
    return float(power), float(output)


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
