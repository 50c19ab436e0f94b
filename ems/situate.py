"""From a snapshot and what is remembered to the Situation that a strategy may look at."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ems.memory import Memory
from ems.observe import limits_of, observe
from ems.site import Works
from plant.identity import content_id
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.site import Site
from plant.situation import Situation
from plant.tags import Snapshot
from plant.times import floor
from twin_sim.mirror import mirror

MIRRORED = timedelta(days=2)
"""How far back twin and plant are compared."""
CURTAILED = 0.01
"""A set-point so much below the highest holds PV back."""


def situate(works: Works, memory: Memory, snapshot: Snapshot) -> Situation:
    """All that a decision may look at, under the hash of its content."""
    site, control = works.site, works.site.control
    start, steps = floor(snapshot.time, control.step_s), round(control.horizon_s / control.step_s)
    table = memory.history.table()
    forecasts = works.forecasts.issue(table, start, control.step_s, steps, held_back(site, snapshot))
    ambient = ambient_of(site, forecasts)
    health = works.monitor.observe(table)
    credibility = mirror(works.model, table.since(instant64(snapshot.time - MIRRORED))).credibility
    memory.believe(credibility)
    seen = observe(site, snapshot, table, memory.standings, memory.mode_of, credibility)
    made = Situation(
        id="",
        site=site.site.name,
        time=snapshot.time,
        step_s=control.step_s,
        steps=steps,
        snapshot=snapshot,
        assets=seen.assets,
        stores=seen.stores,
        envelopes=works.model.envelopes(start, control.step_s, steps, seen.assets, forecasts, ambient, health),
        store_specs=works.model.stores,
        flows=works.model.flows,
        services=site.services,
        jobs=(),
        load_target=site.limits.load,
        forecasts=forecasts,
        ambient=ambient,
        health=health,
        credibility=credibility,
        prices=works.billing.prices(table, start, control.step_s, steps, site.limits.power, snapshot.time),
        limits=limits_of(site),
        locks=tuple(standing.lock for standing in memory.standings.values() if standing.lock is not None),
        previous=memory.previous,
        seed=control.seed,
        versions=works.versions,
    )
    return replace(made, id=content_id("s", made))


def held_back(site: Site, snapshot: Snapshot) -> frozenset[str]:
    """Power tags of PV that does not give now what the sun would allow."""
    found = set()
    for asset in site.assets:
        setpoint = snapshot.number(asset.tags.setpoint) if asset.tags.setpoint else None
        running = snapshot.truth(asset.tags.running) if asset.tags.running else None
        high = asset.life.setpoint_high
        curtailed = setpoint is not None and high is not None and setpoint < high - CURTAILED * abs(high)
        if asset.kind == "pv" and asset.tags.power and (curtailed or running is False):
            found.add(asset.tags.power)
    return frozenset(found)


def ambient_of(site: Site, forecasts: tuple[Forecast, ...]) -> tuple[tuple[str, Series], ...]:
    """The weather and other drivers that stores lose to, as expected."""
    names = {store.ambient for store in site.stores} | {site.limits.outdoor}
    return tuple((forecast.target, forecast.p50) for forecast in forecasts if forecast.target in names)
