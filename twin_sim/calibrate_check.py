"""How well what was learned foretells telemetry that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np

from plant.assets import Store
from plant.mirror import Credibility
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate_cells import observe
from twin_sim.calibrate_groups import GroupLaw
from twin_sim.calibrate_machines import MachineLaw, drawn, fed, gives, stated_work
from twin_sim.calibrate_stores import metered_net_per_h
from twin_sim.calibration import LevelCheck

HORIZON_S = 86400.0
EVERY_S = 3600.0


def credibility(law: GroupLaw, site: Site, table: Table, time: datetime, bound: float) -> tuple[Credibility, ...]:
    """CV(RMSE) and NMBE of the power of each machine over the rows in which it runs (ASHRAE Guideline 14)."""
    observed = observe(site, law.observed.assets, table)
    running = observed.running.astype(np.float64)
    _, power = law.predict(running, observed.setpoints, observed.head_level)
    found = []
    for i, asset in enumerate(observed.assets):
        rows = observed.usable & observed.running[:, i] & np.isfinite(power[:, i])
        if not rows.any():
            continue
        actual, expected = observed.power_kw[rows, i], power[rows, i]
        mean = float(actual.mean())
        if mean <= 0:
            continue
        cv = float(np.sqrt(np.mean((expected - actual) ** 2))) / mean
        found.append(
            Credibility(
                asset=asset.name,
                time=time,
                samples=int(rows.sum()),
                cv_rmse=round(cv, 5),
                nmbe=round(float((expected - actual).mean()) / mean, 5),
                ok=cv <= bound,
            )
        )
    return tuple(found)


def level_checks(
    laws: Sequence[GroupLaw], alone: Sequence[MachineLaw], site: Site, table: Table, sizes: Mapping[str, float]
) -> tuple[LevelCheck, ...]:
    """Error of levels a day ahead: who runs and what is drawn are told, what the machines move is the law's.

    Demand is what the balance of the metered flows says; the error is therefore that of the learned flows, carried through
    all stores that feed each other, with the levels that the law itself foretells. Stores that a machine without a law
    fills or empties are left out.
    """
    known = {asset.name for law in laws for asset in law.observed.assets} | {law.asset.name for law in alone}
    strange = {store for asset in site.assets if asset.name not in known for store in (fed(site, asset), drawn(site, asset))}
    stores = [store for store in site.stores if store.level in table.columns and store.name in sizes.keys() - strange]
    given = [(law.asset, _given(law, site, table)) for law in alone]
    step_h = table.step_s / 3600.0
    steps, stride = round(HORIZON_S / table.step_s), round(EVERY_S / table.step_s)
    if step_h <= 0 or len(table) <= steps:
        return ()
    origins = np.arange(0, len(table) - steps, stride)
    level = {store.name: table.columns[store.level][origins].copy() for store in stores}
    demand = {store.name: _demand(site, store, table, sizes[store.name]) for store in stores}
    seen = [observe(site, law.observed.assets, table) for law in laws]
    for k in range(steps):
        rows = origins + k
        net = {store.name: -demand[store.name][rows] for store in stores}
        for law, observed in zip(laws, seen, strict=True):
            target, source = observed.target, observed.source
            head = _of(level, target, len(origins)) - _of(level, source, len(origins))
            output, _ = law.predict(observed.running[rows].astype(np.float64), observed.setpoints[rows], head)
            if target is not None and target.name in net:
                net[target.name] += output
            if source is not None and source.name in net:
                net[source.name] -= output
        for asset, output in given:
            into, out_of = fed(site, asset), drawn(site, asset)
            if into in net:
                net[into] += output[rows]
            if out_of in net:
                net[out_of] -= output[rows]
        for store in stores:
            moved = level[store.name] + net[store.name] * step_h / sizes[store.name]
            level[store.name] = np.clip(moved, store.bottom, store.top)
    return tuple(_check(store, level[store.name], table.columns[store.level][origins + steps]) for store in stores)


def _given(law: MachineLaw, site: Site, table: Table) -> Floats:
    """Output per hour of a machine by its law while it gives; shape (rows,)."""
    _, stated = stated_work(site, law.asset, table)
    at_work = gives(table.columns[law.asset.tags.output or ""], stated)
    return np.where(at_work, stated * (1.0 if law.output is None else law.output.factor), 0.0)


def _of(level: Mapping[str, Floats], store: Store | None, count: int) -> Floats:
    return np.zeros(count) if store is None or store.name not in level else level[store.name]


def _demand(site: Site, store: Store, table: Table, size: float) -> Floats:
    """What leaves a store unmetered, per hour, so that the metered balance closes; shape (rows,)."""
    net = metered_net_per_h(site, store, table)
    stored = np.diff(table.columns[store.level], append=table.columns[store.level][-1]) * size / (table.step_s / 3600.0)
    return np.asarray(np.nan_to_num(net - stored))


def _check(store: Store, foretold: Floats, actual: Floats) -> LevelCheck:
    known = np.isfinite(actual) & np.isfinite(foretold)
    rmse = float(np.sqrt(np.mean((foretold[known] - actual[known]) ** 2))) if known.any() else 0.0
    return LevelCheck(
        store=store.name,
        horizon_s=HORIZON_S,
        origins=int(known.sum()),
        rmse_level=round(rmse, 5),
        range_share=round(rmse / (store.top - store.bottom), 5),
    )
