"""Parameters of a site's twin from its telemetry, with what they are worth and what the data cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from plant.assets import Asset
from plant.errors import DataError
from plant.site import Site
from plant.table import Table
from twin_sim.calibrate_check import credibility, level_checks
from twin_sim.calibrate_groups import GroupLaw, groups_of, learn, parameters, regimes
from twin_sim.calibrate_heat import learn_net, machines_believed, nets
from twin_sim.calibrate_machines import (
    LEAST_ROWS,
    MachineLaw,
    believed,
    learned_machine,
    machine_law,
    metered,
    sizes,
)
from twin_sim.calibrate_stores import learn_flow, learn_store
from twin_sim.calibration import Calibration, LearnedStore
from twin_sim.model import kind_of

CHECK_SHARE = 0.15
"""The last part of the history, kept back for judging."""
MIN_ROWS = 200
LOOSE = 0.1
"""Relative scatter of the flow around a curve beyond which the sizes that a site file states are scaled instead."""


def calibrate(site: Site, history: Table) -> Calibration:
    """Learn what a site's machines, stores and free flows do from its telemetry.

    Curves are judged on the last 15 % of the history by a law learned from the rest; what is returned is then learned from
    all of it.

    Parameters
    ----------
    site
        The site; its tag names are the history's columns.
    history
        Telemetry in the tags' own units.

    Raises
    ------
    DataError
        If the history is too short or lacks a column that a learnable machine needs.
    """
    if len(history) < MIN_ROWS:
        raise DataError(f"the history has {len(history)} rows: calibration needs at least {MIN_ROWS}")
    split = history.times[int(len(history) * (1.0 - CHECK_SHARE))]
    early, late = history.before(split), history.since(split)
    laws, judged = _laws(site, history), _laws(site, early)
    alone, unseen = _alone(site, history, laws)
    machines = tuple(learned_machine(law) for law in alone)
    known = {machine.asset for machine in machines if machine.parameters}
    alone_judged = [law for law in _alone(site, early, judged)[0] if law.asset.name in known and not law.doubts]
    warm = nets(site)
    heated = {store.name for net in warm for store in net.stores}
    stores = tuple(learn_store(site, store, history) for store in site.stores if store.name not in heated)
    sizes = _sizes(site, stores)
    flows = tuple(
        learn_flow(site, flow, history, sizes) for flow in site.flows if {flow.source, flow.target} <= set(sizes) - heated
    )
    heat = tuple(learn_net(site, net, history) for net in warm)
    end = _instant(history.times[-1])
    return Calibration(
        site=site.site.name,
        start=_instant(history.times[0]),
        end=end,
        assets=(
            *(learned for law in laws for learned in parameters(law)),
            *(machine for machine in machines if machine.parameters),
            *(learned for found in heat for learned in found.assets),
        ),
        groups=tuple(regimes(law) for law in laws),
        stores=(*stores, *(store for found in heat for store in found.stores)),
        flows=(*flows, *(flow for found in heat for flow in found.flows)),
        credibility=(
            *(found for law in judged for found in credibility(law, site, late, end, site.control.cv_rmse_bound)),
            *(found for law in alone_judged if (found := believed(law, site, late, end, site.control.cv_rmse_bound)) is not None),
            *(found for net in warm for found in machines_believed(site, net, history, split, end)),
        ),
        level_checks=level_checks(
            judged, alone_judged, site, late, {name: size for name, size in sizes.items() if name not in heated}
        ),
        words=(
            *_words(site, laws, stores, tuple(flow.words for flow in flows)),
            *unseen,
            *(machine.words for machine in machines if machine.words),
            *(words for found in heat for words in found.words),
        ),
    )


def _laws(site: Site, table: Table) -> list[GroupLaw]:
    """Curves of groups, and of single machines that are best known by one."""
    found = (learn(site, name, assets, table) for name, assets in groups_of(site))
    return [law for law in found if law is not None and (len(law.adjustable) > 1 or _tried(law))]


def _tried(law: GroupLaw) -> bool:
    """Whether a machine was seen at other set-points and keeps to a pump's laws there, or has no sizes to learn instead."""
    (asset,) = law.observed.assets
    if asset.tags.setpoint_write is None or not sizes(kind_of(asset)):
        return True
    return law.adjustable[0] and max(law.scatter.values()) <= LOOSE


def _alone(site: Site, table: Table, laws: Sequence[GroupLaw]) -> tuple[list[MachineLaw], tuple[str, ...]]:
    """Sizes of metered machines without a curve of their own or of a group, and words on those of which nothing is known."""
    taken = {asset.name for law in laws for asset in law.observed.assets}
    taken |= {asset.name for _, assets in groups_of(site) for asset in assets if len(assets) > 1}
    found, words = [], []
    for asset in metered(site):
        missing = [tag for tag in (asset.tags.power, asset.tags.output) if tag not in table.columns]
        law = None if missing or asset.name in taken else machine_law(site, asset, table)
        if law is not None:
            found.append(law)
        elif asset.name not in taken:
            words.append(f"{asset.name} keeps the site file's power and output: {_why(asset, missing)}")
    return found, tuple(words)


def _why(asset: Asset, missing: Sequence[str | None]) -> str:
    if missing:
        return f"the history has no column {missing[0]!r}"
    if not sizes(kind_of(asset)):
        return f"no single number of a {asset.kind} scales them"
    return f"it runs and gives in fewer than {LEAST_ROWS} readings; some hours of it would tell"


def _sizes(site: Site, stores: tuple[LearnedStore, ...]) -> dict[str, float]:
    learned = {found.store: item.value for found in stores for item in found.parameters if item.name == "size_per_level"}
    return {
        store.name: store.size_per_level or learned[store.name]
        for store in site.stores
        if store.size_per_level or store.name in learned
    }


def _words(site: Site, laws: list[GroupLaw], stores: tuple[LearnedStore, ...], flows: tuple[str, ...]) -> tuple[str, ...]:
    learned = {law.name for law in laws}
    missing = [
        f"{name}: output never seen in the history, so no curve could be learned"
        for name, assets in groups_of(site)
        if name not in learned and len(assets) > 1
    ]
    tests = [words.words for law in laws for words in parameters(law) if words.words]
    open_sizes = [f"{found.store}: {found.words}" for found in stores if found.words]
    return (*missing, *tests, *open_sizes, *(words for words in flows if words))


def _instant(time: np.datetime64) -> datetime:
    return datetime.fromtimestamp(int(time.astype("datetime64[us]").astype(np.int64)) / 1e6, UTC)
