"""The static rules of a site's own machines, and everything that holds at a site now and needs a person."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly.alarms import Condition, of_episode, of_health
from anomaly.defaults import HeatPumpLimits, MachineLimits, heat_pump, machine
from anomaly.features import renamed
from anomaly.rules import Rule, standing
from plant.assets import Asset, Store
from plant.health import Health
from plant.site import Site
from plant.table import Table

_MARGIN_SHARE = 0.25
"""A store is too cold or too hot beyond its operating limits by this share of the band between them."""


def rules_of(site: Site, asset: Asset) -> tuple[tuple[Rule, ...], dict[str, str]]:
    """An asset's rules by its kind and what the site file states, and which tag plays which part in them."""
    rated = asset.spec.get("power_kw", asset.spec.get("rated_kw"))
    if asset.tags.power is None or not isinstance(rated, (int, float)) or rated <= 0:
        return (), {}
    parts = {"power": asset.tags.power}
    if asset.kind != "heat_pump":
        return machine(MachineLimits(rated_kw=float(rated))), parts
    if site.limits.outdoor is not None:
        parts["outdoor"] = site.limits.outdoor
    for part in ("voltage", "supply", "return"):
        found = next((tag for tag in asset.tags.sensors if part in tag), None)
        if found is not None:
            parts[part] = found
    store = _store(site, asset)
    limits = HeatPumpLimits(rated_kw=float(rated))
    if store is not None:
        margin = _MARGIN_SHARE * (store.high - store.low)
        parts["tank"] = store.level
        limits = HeatPumpLimits(rated_kw=float(rated), tank_cold_c=store.low - margin, tank_hot_c=store.high + margin)
    known = set(parts)
    return tuple(rule for rule in heat_pump(limits) if known.issuperset(rule.parts) and _fits(asset, rule)), parts


def conditions(site: Site, readings: Table, healths: Sequence[Health]) -> tuple[Condition, ...]:
    """All broken rules and health alarms at the last row of the readings, for `anomaly.alarms.updated`."""
    found = [condition for health in healths if (condition := of_health(health)) is not None]
    for asset in site.assets:
        rules, parts = rules_of(site, asset)
        if rules and len(readings):
            found.extend(of_episode(episode) for episode in standing(rules, renamed(readings, parts), asset.name))
    return tuple(found)


def _store(site: Site, asset: Asset) -> Store | None:
    if asset.into is not None:
        return site.store(asset.into)
    return site.store_of(asset.produces) if asset.produces is not None else None


def _fits(asset: Asset, rule: Rule) -> bool:
    """A machine that cools has its supply colder than its return by design."""
    return not (asset.spec.get("cooling") and rule.name == "supply_colder_than_return")
