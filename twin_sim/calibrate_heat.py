"""Rooms and the water that heats them: sizes, losses and transport learned from temperatures and the power of heat pumps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from scipy.optimize import least_squares

from plant.assets import Asset, Flow, Store
from plant.mirror import Credibility
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate_machines import (
    MachineLaw,
    believed,
    drawn,
    even_times,
    fed,
    learned_machine,
    machine_law,
    runs,
    stated_work,
)
from twin_sim.calibration import Learned, LearnedAsset, LearnedFlow, LearnedStore
from twin_sim.model import kind_of

PARTS = 3
"""Parts of a step in which levels are foretold."""
LEAST_ROWS = 96
PRIOR_SPREAD = 1.5
"""Of the logarithm of every number around what an even day would give: weak, it only keeps the search from wandering."""
TELLING = 4.0
"""An interval whose upper end is more than so many times its lower end tells nothing."""
Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """Stores that pass heat to one another and lose it to the air around them."""

    stores: tuple[Store, ...]
    flows: tuple[Flow, ...]
    assets: tuple[Asset, ...]
    """Machines that heat (or cool) one of them, without a meter for what they give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatLearned:
    """What was learned of one net."""

    assets: tuple[LearnedAsset, ...] = ()
    stores: tuple[LearnedStore, ...] = ()
    flows: tuple[LearnedFlow, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unknown:
    """One number to be found; all are positive and searched as logarithms."""

    owner: str
    name: str
    centre: float
    """Logarithm of what an even day would give."""
    unit: str


def nets(site: Site) -> tuple[Net, ...]:
    """Stores joined by flows whose sizes the site file leaves open, at least one of which loses heat to a known temperature.

    Stores that anything metered fills or draws from are learned from their switches instead (`calibrate_stores`).
    """
    found, seen = [], set[str]()
    for store in site.stores:
        if store.name in seen:
            continue
        names, flows = _joined(site, store)
        seen |= names
        members = tuple(other for other in site.stores if other.name in names)
        assets = tuple(asset for asset in site.assets if fed(site, asset) in names)
        metered = any(asset.tags.output is not None for asset in assets)
        taken = any(asset.consumes is not None and drawn(site, asset) in names for asset in site.assets)
        demanded = any(site.service(member.service).demand is not None for member in members)
        opened = any(member.size_per_level is None for member in members)
        lossy = any(member.ambient is not None for member in members)
        if opened and lossy and assets and not (metered or taken or demanded):
            found.append(Net(stores=members, flows=flows, assets=assets))
    return tuple(found)


def learn_net(site: Site, net: Net, table: Table) -> HeatLearned:
    """Sizes, losses and transport of a net from what its temperatures did while its machines ran.

    The levels are foretold from the first row on, without looking at them again, and the numbers are those whose foretelling
    is least off. Power is measured; the heat that goes with it is what the stated coefficient of performance makes of it, so
    sizes and losses are known relative to that coefficient.
    """
    missing = [tag for tag in _needed(site, net) if tag not in table.columns]
    even = None if missing else _even(table)
    names = ", ".join(store.name for store in net.stores)
    if even is None or len(even) < LEAST_ROWS:
        why = f"no column {', '.join(missing)}" if missing else "too few rows"
        return HeatLearned(words=(f"{names}: sizes and losses not learned: {why}",))
    laws = [law for asset in net.assets if (law := machine_law(site, asset, even)) is not None]
    if not laws:
        return HeatLearned(words=(f"{names}: sizes and losses not learned: nothing that heats them was seen running",))
    return _fitted(site, net, even, laws)


def machines_believed(site: Site, net: Net, history: Table, split: np.datetime64, time: datetime) -> tuple[Credibility, ...]:
    """How well the power of a net's machines, learned before an instant, holds after it."""
    if any(tag not in history.columns for tag in _needed(site, net)) or len(history) < 2:
        return ()
    early, late = even_times(history.before(split)), even_times(history.since(split))
    laws = [law for asset in net.assets if (law := machine_law(site, asset, early)) is not None]
    found = (believed(law, site, late, time, site.control.cv_rmse_bound) for law in laws)
    return tuple(item for item in found if item is not None)


# the search


def _fitted(site: Site, net: Net, table: Table, laws: Sequence[MachineLaw]) -> HeatLearned:
    given = _given(site, net, table, laws)
    unknowns = _unknowns(net, table, given)
    measured = np.column_stack([table.columns[store.level] for store in net.stores])
    scale = np.maximum(np.nanstd(measured, axis=0), 1e-6)
    known = np.isfinite(measured)
    course = _course(net, table, given, measured[np.argmax(known, axis=0), np.arange(len(net.stores))])
    centres = np.array([unknown.centre for unknown in unknowns])

    def off(vector: Floats) -> Floats:
        foretold = course(_numbers(unknowns, vector))
        apart = np.where(known, (foretold - measured) / scale, 0.0)
        return np.concatenate([apart.ravel(), 0.1 * (vector - centres) / PRIOR_SPREAD])

    solved = least_squares(off, centres, max_nfev=80)
    apart = np.where(known, course(_numbers(unknowns, solved.x)) - measured, np.nan)
    deviation = _deviation(np.asarray(solved.jac), apart / scale)
    return _told(net, laws, unknowns, solved.x, deviation, np.sqrt(np.nanmean(apart**2, axis=0)), int(known.any(axis=1).sum()))


def _deviation(jacobian: Floats, apart: Floats) -> Floats:
    """Standard deviations of the numbers, widened because neighbouring errors are alike."""
    variance, widened = float(np.nanmean(apart**2)), 1.0
    for column in apart.T:
        filled = np.nan_to_num(column)
        alike = float((filled[1:] * filled[:-1]).sum() / max(float((filled**2).sum()), 1e-12))
        widened = max(widened, (1.0 + alike) / max(1.0 - alike, 1e-3))
    return np.asarray(np.sqrt(np.diag(np.linalg.pinv(jacobian.T @ jacobian)) * variance * widened))


def _unknowns(net: Net, table: Table, given: Floats) -> list[_Unknown]:
    """What the site file leaves open, with what a day on which everything balances would give."""
    mean_kw = max(float(np.abs(given).sum(axis=1).mean()), 1e-3)
    found: list[_Unknown] = []

    def add(owner: str, name: str, value: float, unit: str) -> None:
        found.append(_Unknown(owner=owner, name=name, centre=float(np.log(value)), unit=unit))

    for store in net.stores:
        level = table.columns[store.level]
        if store.size_per_level is None:
            swing = max(float(np.nanmax(level) - np.nanmin(level)), 0.1)
            add(store.name, "size_per_level", mean_kw * 12.0 / swing, f"per {store.unit}")
        if store.ambient is not None and store.loss_b == 0.0:
            above = abs(float(np.nanmean(level) - np.nanmean(table.columns[store.ambient])))
            add(store.name, "loss_b", mean_kw / max(above, 1.0), f"per h and {store.unit}")
    levels = {store.name: table.columns[store.level] for store in net.stores}
    for flow in net.flows:
        if flow.a_per_h is None and flow.b_per_h is None:
            above = abs(float(np.nanmean(levels[flow.source]) - np.nanmean(levels[flow.target])))
            add(_named(flow), "b_per_h", mean_kw / max(above, 1.0), "per h and unit of level")
    return found


def _numbers(unknowns: Sequence[_Unknown], vector: Floats) -> dict[tuple[str, str], float]:
    return {(unknown.owner, unknown.name): float(np.exp(value)) for unknown, value in zip(unknowns, vector.tolist(), strict=True)}


def _course(net: Net, table: Table, given: Floats, first: Floats) -> Callable[[Mapping[tuple[str, str], float]], Floats]:
    """How the levels go from the first row on; shape (rows, stores)."""
    rows, count = len(table), len(net.stores)
    index = {store.name: number for number, store in enumerate(net.stores)}
    ambient = np.column_stack(
        [table.columns[store.ambient] if store.ambient is not None else np.zeros(rows) for store in net.stores]
    )
    hours = table.step_s / 3600.0 / PARTS

    def foretold(numbers: Mapping[tuple[str, str], float]) -> Floats:
        size = [numbers.get((store.name, "size_per_level"), store.size_per_level or 1.0) for store in net.stores]
        slope = [numbers.get((store.name, "loss_b"), store.loss_b) for store in net.stores]
        constant = [store.loss_a for store in net.stores]
        flows = [
            (
                index[flow.source],
                index[flow.target],
                flow.a_per_h or 0.0,
                numbers.get((_named(flow), "b_per_h"), flow.b_per_h or 0.0),
            )
            for flow in net.flows
        ]
        keeps = [float(np.exp(-b * hours / c)) for b, c in zip(slope, size, strict=True)]
        per_rate = [hours / c if b * hours / c < 1e-9 else (1.0 - k) / b for b, c, k in zip(slope, size, keeps, strict=True)]
        level, course = first.tolist(), np.empty((rows, count))
        heat, around = given.tolist(), ambient.tolist()
        for row in range(rows):
            course[row] = level
            for _ in range(PARTS):
                net_in = [heat[row][i] - constant[i] for i in range(count)]
                for source, target, a, b in flows:
                    moved = max(a + b * (level[source] - level[target]), 0.0)
                    net_in[source] -= moved
                    net_in[target] += moved
                level = [
                    around[row][i] + (level[i] - around[row][i]) * keeps[i] + net_in[i] * per_rate[i]
                    if slope[i] > 0
                    else level[i] + net_in[i] * per_rate[i]
                    for i in range(count)
                ]
        return course

    return foretold


def _given(site: Site, net: Net, table: Table, laws: Sequence[MachineLaw]) -> Floats:
    """Heat per hour into each store, from measured power and the stated coefficient; shape (rows, stores)."""
    given = np.zeros((len(table), len(net.stores)))
    index = {store.name: number for number, store in enumerate(net.stores)}
    for law in laws:
        stated, output = stated_work(site, law.asset, table)
        power = table.columns[law.asset.tags.power or ""]
        share = np.where(runs(law.asset, table) & (stated > 0), np.nan_to_num(power) / np.where(stated > 0, stated, 1.0), 0.0)
        given[:, index[fed(site, law.asset) or ""]] += output * share
    return given


# in the words of a calibration


def _told(
    net: Net, laws: Sequence[MachineLaw], unknowns: Sequence[_Unknown], vector: Floats, deviation: Floats, rms: Floats, rows: int
) -> HeatLearned:
    words, kept = [], dict[str, list[Learned]]()
    for unknown, value, error in zip(unknowns, vector.tolist(), deviation.tolist(), strict=True):
        item = _item(unknown, value, error, rows)
        if not item.identified:
            words.append(
                f"{unknown.name} of {unknown.owner} is only known to lie between {item.low:.3g} and {item.high:.3g}: "
                "some hours at full power and then a night without would tell"
            )
        kept.setdefault(unknown.owner, []).append(item)
    for law in laws:
        words.append(
            f"coefficient of performance of {law.asset.name} is the site file's: without a heat meter sizes and losses hold "
            "relative to it"
        )
    off = ", ".join(f"{store.name} {value:.2g} {store.unit}" for store, value in zip(net.stores, rms.tolist(), strict=True))
    words.append(f"levels foretold over the whole history from its first row are off by (root mean square) {off}")
    return HeatLearned(
        assets=tuple(learned_machine(law) for law in laws),
        stores=tuple(LearnedStore(store=store.name, parameters=tuple(kept.get(store.name, ()))) for store in net.stores),
        flows=tuple(
            LearnedFlow(source=flow.source, target=flow.target, parameters=tuple(kept.get(_named(flow), ()))) for flow in net.flows
        ),
        words=tuple(words),
    )


def _item(unknown: _Unknown, value: float, error: float, rows: int) -> Learned:
    middle, low, high = (float(np.exp(end)) for end in (value, value - Z95 * error, value + Z95 * error))
    return Learned(
        name=unknown.name,
        value=round(middle, 6),
        low=round(low, 6),
        high=round(high, 6),
        unit=unknown.unit,
        samples=rows,
        identified=high <= TELLING * low,
    )


def _even(table: Table) -> Table | None:
    return even_times(table) if len(table) > 1 else None


def _needed(site: Site, net: Net) -> list[str]:
    tags = [store.level for store in net.stores] + [store.ambient for store in net.stores if store.ambient is not None]
    outdoor = site.limits.outdoor
    if outdoor is not None and any("outdoor" in kind_of(asset).depends_on for asset in net.assets):
        tags.append(outdoor)
    return list(dict.fromkeys([*tags, *(asset.tags.power or f"power of {asset.name}" for asset in net.assets)]))


def _joined(site: Site, store: Store) -> tuple[set[str], tuple[Flow, ...]]:
    names = {store.name}
    for _ in site.stores:
        for flow in site.flows:
            if names & {flow.source, flow.target}:
                names |= {flow.source, flow.target}
    return names, tuple(flow for flow in site.flows if flow.source in names)


def _named(flow: Flow) -> str:
    return f"{flow.source} to {flow.target}"
