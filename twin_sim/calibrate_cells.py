"""What telemetry shows of machines that share a main: medians per combination, set-points and head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plant.assets import Asset, Store
from plant.errors import DataError
from plant.site import Site
from plant.table import Floats, Table

Booleans = npt.NDArray[np.bool_]

END_SHARE = 0.005
"""Share of a store's range within which it counts as full or empty: flow into it is then no longer the pumps' own."""
SHUT_OFF_SHARE = 0.35
"""Flows below this share of a combination's median are near shut-off, where meters mean nothing."""
HEAD_BINS = 3
SETPOINT_GRID = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The medians of rows with the same machines running at the same set-points and a similar head."""

    running: tuple[int, ...]
    """Indices into the group's assets."""
    setpoints: Floats
    """One per asset of the group, nominal where it stands still; shape (assets,)."""
    head_level: float
    """Level of the target store less that of the source store."""
    output_per_h: float
    own_per_h: Floats
    """Metered output per asset, NaN where it has no meter; shape (assets,)."""
    power_kw: Floats
    """Per asset; shape (assets,)."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The telemetry of a group as arrays over the rows of a table."""

    assets: tuple[Asset, ...]
    target: Store | None
    source: Store | None
    running: Booleans
    """Shape (rows, assets)."""
    setpoints: Floats
    """Shape (rows, assets); nominal where the plant tells none."""
    nominal: Floats
    """Shape (assets,)."""
    own_per_h: Floats
    """Shape (rows, assets); NaN where an asset has no meter."""
    power_kw: Floats
    """Shape (rows, assets)."""
    head_level: Floats
    """Shape (rows,)."""
    usable: Booleans
    """Rows in which all that is needed is there and no store is at its end; shape (rows,)."""

    @property
    def output_per_h(self) -> Floats:
        """Output of the whole group; shape (rows,)."""
        return np.asarray(np.nansum(np.where(self.running, self.own_per_h, 0.0), axis=1))

    @property
    def metered(self) -> tuple[bool, ...]:
        """Per asset: whether its output has a meter."""
        return tuple(asset.tags.output is not None for asset in self.assets)


def store_of(site: Site, name: str | None, service: str | None) -> Store | None:
    """The store that an asset fills or draws from: the named one, else the only one of the service."""
    return site.store(name) if name is not None else site.store_of(service)


def observe(site: Site, assets: Sequence[Asset], table: Table) -> Observed:
    """The telemetry of assets that share a store.

    Raises
    ------
    DataError
        If an asset tells neither power nor running state, or a column is missing; the text names them.
    """
    rows = len(table)
    power = np.column_stack([_power(asset, table, rows) for asset in assets])
    running = np.column_stack([_running(asset, table, power[:, i]) for i, asset in enumerate(assets)])
    nominal = np.array([1.0 if asset.life.setpoint_nominal is None else asset.life.setpoint_nominal for asset in assets])
    setpoints = np.column_stack([_setpoints(asset, table, nominal[i], rows) for i, asset in enumerate(assets)])
    own = np.column_stack([_column(table, asset.tags.output, rows) for asset in assets])
    target = store_of(site, assets[0].into, assets[0].produces)
    source = store_of(site, assets[0].out_of, assets[0].consumes)
    target_level, target_ok = _level(target, table, rows, full_is_end=True)
    source_level, source_ok = _level(source, table, rows, full_is_end=False)
    metered = np.array([asset.tags.output is not None for asset in assets])
    complete = (
        np.all(np.isfinite(own[:, metered]), axis=1) & np.all(np.isfinite(power), axis=1) & np.all(np.isfinite(setpoints), axis=1)
    )
    return Observed(
        assets=tuple(assets),
        target=target,
        source=source,
        running=running,
        setpoints=setpoints,
        nominal=nominal,
        own_per_h=own,
        power_kw=power,
        head_level=target_level - source_level,
        usable=complete & target_ok & source_ok,
    )


def cells(observed: Observed) -> tuple[Cell, ...]:
    """Medians per combination, set-points (to 0.01) and third of the head's range; machines near shut-off left out."""
    total = observed.output_per_h
    kept = observed.usable & observed.running.any(axis=1) & (total > 0.05 * max(float(np.nanmax(total, initial=0.0)), 1e-9))
    if not kept.any():
        return ()
    edges = np.quantile(observed.head_level[kept], np.linspace(0, 1, HEAD_BINS + 1)[1:-1])
    head_bin = np.digitize(observed.head_level, edges)
    setpoints = np.where(observed.running, np.round(observed.setpoints / SETPOINT_GRID) * SETPOINT_GRID, observed.nominal)
    keys = np.column_stack([observed.running.astype(float), setpoints, head_bin.astype(float)])
    found: list[Cell] = []
    for key in np.unique(keys[kept], axis=0):
        rows = kept & np.all(keys == key, axis=1)
        rows &= total > SHUT_OFF_SHARE * np.median(total[rows])
        found.append(_cell(observed, rows, setpoints[rows][0]))
    typical = {
        running: max(cell.output_per_h for cell in found if cell.running == running) for running in {c.running for c in found}
    }
    return tuple(cell for cell in found if cell.output_per_h > SHUT_OFF_SHARE * typical[cell.running])


def stalled(observed: Observed, found: tuple[Cell, ...]) -> dict[tuple[int, ...], Floats]:
    """Per combination the highest set-point at which each machine was seen near shut-off, below nominal.

    A pump that hardly delivers against its head at some hours is not to be planned at that speed at any hour: there its
    power is whatever the meter says. Zero where it never was; shape (assets,) each.
    """
    total = observed.output_per_h
    floors: dict[tuple[int, ...], Floats] = {}
    for combination in {cell.running for cell in found}:
        typical = max(cell.output_per_h for cell in found if cell.running == combination)
        members = np.zeros(len(observed.assets), dtype=np.bool_)
        members[list(combination)] = True
        rows = observed.usable & np.all(observed.running == members, axis=1) & (total < SHUT_OFF_SHARE * typical)
        slow = rows[:, None] & (observed.setpoints < observed.nominal - SETPOINT_GRID / 2)
        floors[combination] = np.max(np.where(slow, observed.setpoints, 0.0), axis=0, initial=0.0)
    return floors


def _cell(observed: Observed, rows: Booleans, setpoints: Floats) -> Cell:
    return Cell(
        running=tuple(int(i) for i in np.flatnonzero(observed.running[rows][0])),
        setpoints=np.asarray(setpoints, dtype=np.float64),
        head_level=float(np.median(observed.head_level[rows])),
        output_per_h=float(np.median(observed.output_per_h[rows])),
        own_per_h=np.asarray(np.median(observed.own_per_h[rows], axis=0)),
        power_kw=np.asarray(np.median(observed.power_kw[rows], axis=0)),
        rows=int(rows.sum()),
    )


def _column(table: Table, tag: str | None, rows: int) -> Floats:
    if tag is None:
        return np.full(rows, np.nan)
    if tag not in table.columns:
        raise DataError(f"the history has no column {tag!r}; it has {', '.join(sorted(table.columns))}")
    return table.columns[tag]


def _power(asset: Asset, table: Table, rows: int) -> Floats:
    if asset.tags.power is None:
        raise DataError(f"asset {asset.name!r} has no power tag: its curve cannot be learned")
    return _column(table, asset.tags.power, rows)


def _running(asset: Asset, table: Table, power_kw: Floats) -> Booleans:
    if asset.tags.running is not None and asset.tags.running in table.columns:
        return np.asarray(table.columns[asset.tags.running] >= 0.5)
    return np.asarray(power_kw > 0.05 * np.nanmax(power_kw, initial=0.0))


def _setpoints(asset: Asset, table: Table, nominal: float, rows: int) -> Floats:
    if asset.tags.setpoint is None or asset.tags.setpoint not in table.columns:
        return np.full(rows, nominal)
    return table.columns[asset.tags.setpoint]


def _level(store: Store | None, table: Table, rows: int, *, full_is_end: bool) -> tuple[Floats, Booleans]:
    if store is None:
        return np.zeros(rows), np.ones(rows, dtype=np.bool_)
    level = _column(table, store.level, rows)
    margin = END_SHARE * (store.top - store.bottom)
    inside = level < store.top - margin if full_is_end else level > store.bottom + margin
    return level, np.asarray(np.isfinite(level) & inside)
