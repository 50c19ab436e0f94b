"""Assets, stores, permits and limits as a snapshot shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from ems.standing import Standing
from plant.assets import Asset, Mode
from plant.mirror import Credibility
from plant.orders import Action, Command
from plant.ports import instant64
from plant.site import Site
from plant.situation import AssetState, Limit, Permit, StoreState
from plant.table import Table
from plant.tags import Quality, Snapshot
from plant.times import utc


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Assets and stores as they are now."""

    assets: tuple[AssetState, ...]
    stores: tuple[StoreState, ...]


def observe(
    site: Site,
    snapshot: Snapshot,
    history: Table,
    standings: Mapping[str, Standing],
    mode_of: Callable[[str], Mode],
    credibility: tuple[Credibility, ...],
) -> Observed:
    """Read assets and stores off a snapshot.

    Parameters
    ----------
    history
        Running tags of the last days, from the historian: starts used today and the time of the last change.
    standings
        Last orders, modes and locks by asset.
    mode_of
        How far the product may go with an asset now.
    credibility
        Agreement of twin and plant, for the words.
    """
    doubted = {item.asset: item.words for item in credibility if not item.ok}
    stores = tuple(_store_state(store.name, store.level, snapshot) for store in site.stores)
    unknown = {state.store for state in stores if not state.good}
    states = []
    for asset in site.assets:
        bad = _what_is_bad(site, asset, snapshot, unknown)
        states.append(
            replace(
                _asset_state(site, asset, snapshot, history),
                mode=mode_of(asset.name),
                released=standings[asset.name].released,
                good=not bad,
                words=f"not readable: {bad}" if bad else doubted.get(asset.name, ""),
            )
        )
    return Observed(assets=tuple(states), stores=stores)


def _store_state(name: str, level: str, snapshot: Snapshot) -> StoreState:
    reading = snapshot.find(level)
    return StoreState(store=name, level=snapshot.number(level), good=reading is not None and reading.quality is Quality.GOOD)


def stores_of(site: Site, asset: Asset) -> set[str]:
    """Names of the stores an asset fills or draws from."""
    filled = asset.into or getattr(site.store_of(asset.produces), "name", None)
    drawn = asset.out_of or getattr(site.store_of(asset.consumes), "name", None)
    return {name for name in (filled, drawn) if name}


def _what_is_bad(site: Site, asset: Asset, snapshot: Snapshot, unknown: set[str]) -> str:
    """Which readings that control needs are not good; empty if none."""
    tags = asset.tags
    wanted = [tag for tag in (tags.running, tags.power, tags.setpoint) if tag]
    bad = [tag for tag in wanted if (reading := snapshot.find(tag)) is None or reading.quality is Quality.BAD]
    return ", ".join([*bad, *sorted(stores_of(site, asset) & unknown)])


def _asset_state(site: Site, asset: Asset, snapshot: Snapshot, history: Table) -> AssetState:
    """What the plant and the historian tell of an asset."""
    tags = asset.tags
    running = snapshot.truth(tags.running) if tags.running else None
    starts, since = life_today(site, history, tags.running, snapshot.time, running)
    return AssetState(
        asset=asset.name,
        running=running,
        since=since,
        setpoint=snapshot.number(tags.setpoint) if tags.setpoint else None,
        power_kw=snapshot.number(tags.power) if tags.power else None,
        starts_today=starts,
        mode=site.control.mode,
        permit=permit(asset, snapshot),
    )


def permit(asset: Asset, snapshot: Snapshot) -> Permit:
    """What the plant and the site file allow now; a permit that cannot be read is none."""

    def allowed(tag: str | None, unread: bool) -> bool:
        value = snapshot.truth(tag) if tag else None
        return unread if tag and value is None else (True if value is None else value)

    return Permit(
        start=asset.may_start and allowed(asset.tags.permit_start, False),
        stop=asset.may_stop and allowed(asset.tags.permit_stop, False),
        remote=allowed(asset.tags.remote, False),
        tripped=bool(asset.tags.tripped and snapshot.truth(asset.tags.tripped) is not False),
    )


def life_today(
    site: Site, history: Table, running_tag: str | None, now: datetime, running: bool | None
) -> tuple[int, datetime | None]:
    """Starts since local midnight and the time of the last change of the running state (None = longer than remembered)."""
    column = history.columns.get(running_tag) if running_tag else None
    if column is None or running is None:
        return 0, None
    zone = ZoneInfo(site.site.timezone)
    midnight = instant64(utc(now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)))
    known = np.flatnonzero(np.isfinite(column))
    on = np.append(column[known] >= 0.5, running)
    times = np.append(history.times[known], instant64(now))
    changes = np.flatnonzero(on[1:] != on[:-1]) + 1
    starts = int(np.count_nonzero(on[changes] & (times[changes] >= midnight)))
    if not changes.size:
        return starts, None
    microseconds = int((times[changes[-1]] - np.datetime64(0, "us")).astype(np.int64))
    return starts, datetime.fromtimestamp(microseconds / 1e6, tz=now.tzinfo)


def limits_of(site: Site) -> tuple[Limit, ...]:
    """The site file's limits as records."""
    found = []
    if site.limits.import_kw is not None:
        found.append(Limit(name="import_kw", high=site.limits.import_kw))
    if site.limits.import_target_kw is not None:
        target_price = site.limits.import_target_price or 0.0
        found.append(Limit(name="import_kw", high=site.limits.import_target_kw, price=target_price))
    if site.limits.export_kw is not None:
        found.append(Limit(name="export_kw", high=site.limits.export_kw))
    for asset in site.assets:
        starts = asset.life.max_starts_per_day or site.limits.starts_per_asset_day
        if starts is not None:
            found.append(Limit(name="starts_per_day", high=float(starts), asset=asset.name))
    return tuple(found)


def too_soon(site: Site, history: Table, command: Command, now: datetime) -> str | None:
    """Why the machine's own times forbid a start or stop now; None if they do not."""
    asset = site.asset(command.asset)
    column = history.columns.get(asset.tags.running) if asset.tags.running else None
    known = column[np.isfinite(column)] if column is not None else np.zeros(0)
    if command.action is Action.RELEASE or not known.size:
        return None
    running, wanted = bool(known[-1] >= 0.5), command.action is not Action.SHUTDOWN
    if running is wanted:
        return None
    starts, since = life_today(site, history, asset.tags.running, now, running)
    minimum_s = asset.life.min_up_s if running else asset.life.min_down_s
    if since is not None and (now - since).total_seconds() < minimum_s:
        return f"{'running' if running else 'standing'} since {since:%H:%M:%S}: it may not change for {minimum_s:g} s"
    most = asset.life.max_starts_per_day or site.limits.starts_per_asset_day
    if wanted and most is not None and starts >= most:
        return f"its {most} starts of today are used"
    return None
