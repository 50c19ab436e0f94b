"""What telemetry tells of stores and of flows nobody commands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plant.assets import Flow, Store
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate_cells import Booleans, store_of
from twin_sim.calibration import Learned, LearnedFlow, LearnedStore

MIN_SWITCHES = 12
"""Fewer switches of the inflow than this cannot tell a store's size."""
END_SHARE = 0.01
WINDOW_ROWS = 3
"""Rows before and after a switch over which levels are compared."""
TRIMS = 4
"""Rounds of leaving out rows beyond four deviations: a tank emptied by hand is no flow."""
Z95 = 1.96


def metered_net_per_h(site: Site, store: Store, table: Table) -> Floats:
    """Metered inflow less metered outflow of a store, service units per hour; shape (rows,)."""
    net = np.zeros(len(table))
    for asset in site.assets:
        if asset.tags.output is None or asset.tags.output not in table.columns:
            continue
        flow = np.nan_to_num(table.columns[asset.tags.output])
        if store_of(site, asset.into, asset.produces) is store:
            net = net + flow
        if asset.consumes is not None and store_of(site, asset.out_of, asset.consumes) is store:
            net = net - flow
    return net


def learn_store(site: Site, store: Store, table: Table) -> LearnedStore:
    """The size of a store from how its level bends when a metered flow switches.

    Demand cannot be seen, but it does not jump when a pump does: the change of the flow over the change of the level's
    slope is the size.
    """
    if store.level not in table.columns:
        return LearnedStore(store=store.name, parameters=(), words=f"no column {store.level!r} in the history")
    sizes = _switch_sizes(store, table.columns[store.level], metered_net_per_h(site, store, table), _hours(table))
    stated = store.size_per_level
    if len(sizes) < MIN_SWITCHES:
        words = f"size of {store.name} not identified: {len(sizes)} usable switches of its metered flows, {MIN_SWITCHES} needed"
        return LearnedStore(
            store=store.name, parameters=(), words=words if stated is None else f"{words}; the site file's {stated:.4g} stays"
        )
    middle = float(np.median(sizes))
    error = 1.4826 * 1.2533 * float(np.median(np.abs(sizes - middle))) / np.sqrt(len(sizes))
    if stated is not None:
        words = f"site file says {stated:.4g}, {len(sizes)} switches say {middle:.4g}"
        return LearnedStore(store=store.name, parameters=(), words=words)
    item = Learned(
        name="size_per_level",
        value=round(middle, 6),
        low=round(middle - Z95 * error, 6),
        high=round(middle + Z95 * error, 6),
        unit=f"per {store.unit}",
        samples=len(sizes),
    )
    return LearnedStore(store=store.name, parameters=(item,))


def learn_flow(site: Site, flow: Flow, table: Table, sizes: dict[str, float]) -> LearnedFlow:
    """Terms a and b of a transport by the balance of a target that nobody else draws from unmetered."""
    source, target = site.store(flow.source), site.store(flow.target)
    service = site.service(target.service)
    if service.demand is not None or target.level not in table.columns or source.level not in table.columns:
        words = f"flow {flow.source} → {flow.target} not identified: the demand of {service.name} is not metered apart from it"
        return LearnedFlow(source=flow.source, target=flow.target, parameters=(), words=words)
    level, upper, hours = table.columns[target.level], table.columns[source.level], _hours(table)
    filled = np.diff(level) * sizes[target.name] / np.diff(hours) - metered_net_per_h(site, target, table)[:-1]
    inside = _inside(target, level)[:-1] & _inside(source, upper)[:-1] & np.isfinite(filled)
    if inside.sum() < 10 * MIN_SWITCHES:
        words = f"flow {flow.source} → {flow.target} not identified: {flow.target} is full or empty in almost all rows"
        return LearnedFlow(source=flow.source, target=flow.target, parameters=(), words=words)
    difference = (upper - level)[:-1][inside]
    design = np.column_stack([np.ones(len(difference)), difference])
    kept = np.ones(len(difference), dtype=np.bool_)
    for _ in range(TRIMS):
        solution, *_ = np.linalg.lstsq(design[kept], filled[inside][kept], rcond=None)
        noise = filled[inside] - design @ solution
        middle = float(np.median(noise))
        kept = np.abs(noise - middle) <= 4.0 * 1.4826 * float(np.median(np.abs(noise - middle))) + 1e-9
    noise = noise[kept]
    design = design[kept]
    errors = np.sqrt(np.diag(np.linalg.pinv(design.T @ design)) * float(noise.var()))
    items = tuple(
        Learned(
            name=name,
            value=float(value),
            low=float(value - Z95 * error),
            high=float(value + Z95 * error),
            unit=unit,
            samples=int(inside.sum()),
        )
        for name, value, error, unit in zip(
            ("a_per_h", "b_per_h"), solution, errors, ("per h", f"per h and {target.unit}"), strict=True
        )
    )
    return LearnedFlow(source=flow.source, target=flow.target, parameters=items)


def _hours(table: Table) -> Floats:
    return np.asarray((table.times - table.times[0]).astype("timedelta64[s]").astype(np.float64) / 3600.0)


def _inside(store: Store, level: Floats) -> Booleans:
    margin = END_SHARE * (store.top - store.bottom)
    return np.asarray((level > store.bottom + margin) & (level < store.top - margin))


def _switch_sizes(store: Store, level: Floats, net_per_h: Floats, hours: Floats) -> Floats:
    """One estimate per switch: change of metered flow over change of the level's slope."""
    if len(level) < 4 * WINDOW_ROWS:
        return np.array([])
    slope = np.diff(level) / np.diff(hours)
    flow = net_per_h[:-1]
    inside = _inside(store, level)[:-1] & _inside(store, level)[1:]
    largest = float(np.nanmax(np.abs(np.diff(flow)), initial=0.0))
    sizes: list[float] = []
    for row in _switches(flow, 0.25 * largest):
        before, after = slice(row - WINDOW_ROWS, row), slice(row + 1, row + 1 + WINDOW_ROWS)  # the switch is somewhere in between
        if row < WINDOW_ROWS or row + 1 + WINDOW_ROWS > len(slope) or not (inside[before].all() and inside[after].all()):
            continue
        if np.ptp(flow[row - WINDOW_ROWS : row + 1]) > 0.1 * largest or np.ptp(flow[after]) > 0.1 * largest:
            continue
        bend = float(slope[after].mean() - slope[before].mean())
        change = float(flow[after].mean() - flow[before].mean())
        if abs(bend) > 0 and change / bend > 0:
            sizes.append(change / bend)
    return np.array(sizes)


def _switches(flow: Floats, least: float) -> Sequence[int]:
    return [int(row) for row in np.flatnonzero(np.abs(np.diff(flow)) > least)] if least > 0 else []
