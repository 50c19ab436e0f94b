"""A month of a works of twenty machines: three strategies in a hundred futures, time and memory of `ems whatif`.

Usage: python benchmarks/twin/month.py [--days 30] [--futures 100] [--strategies nothing,threshold,optimal]
                                       [--every HOURS] [--step SECONDS] [--processes 1] [--no-rehearsal]

Makes the works of `ems bench twin` with three weeks of telemetry in a folder that is thrown away, asks what `ems whatif`
asks of it, and prints one line per strategy. Strategies that send nothing live all futures at once; those that plan do so
future by future, every so many hours (`--every`), as the product would.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from ems.bench.twin import START, drivers_of, site_of
from ems.config import LoadedSite, historian_url
from ems.historian import Historian
from ems.whatif import Changes, ask
from plant.assets import TagWrite
from plant.site import Site, Storage
from plant.table import Table
from plant.tags import Tag, ValueType
from plant.tariff import Band, Tariff, TimeOfUsePrice
from twin_sim.drivers import Drivers
from twin_sim.history import past_life
from twin_sim.model import SiteModel

ASSETS, PAST_DAYS = 20, 21


def works(folder: Path, step_s: float) -> LoadedSite:
    """The site, planned in steps of so long, and three weeks of its life under local control."""
    made = site_of(ASSETS, 20)
    bands = (Band(hours="06:00-22:00", per_kwh=0.24),)
    tariff = Tariff(energy=TimeOfUsePrice(kind="time_of_use", bands=bands, otherwise_per_kwh=0.12), demand_charge_per_kw=8.0)
    control = replace(made.control, step_s=step_s, horizon_s=86400.0, rehearsal_s=86400.0)
    storage = Storage(url=f"sqlite:///{folder / 'month.sqlite'}", url_env=None)
    services = tuple(replace(service, demand=None) if service.name == "charge" else service for service in made.services)
    site = replace(made, tariff=tariff, control=control, storage=storage, services=services)
    site = told(site)
    loaded = LoadedSite(site=site, folder=folder, file=folder / "site.toml")
    past = weeks(site)
    model = SiteModel(site)
    telemetry = past_life(model, past, start=past.start, days=PAST_DAYS, noise=False).telemetry
    driven = {name: column[: len(telemetry), 0] for name, column in past.tags.items()}
    table = Table(times=telemetry.times, columns={**telemetry.columns, **driven})
    with Historian(historian_url(loaded)) as historian:
        historian.write_table(table, dict.fromkeys(table.columns, "1"))
    return loaded


def told(site: Site) -> Site:
    """The same site with everything a plant of its own would show and take."""
    assets = tuple(
        replace(
            asset,
            tags=replace(asset.tags, running=f"{asset.name}.running", setpoint=f"{asset.name}.setpoint"),
            release=(TagWrite(tag=f"{asset.name}.command", value="AUTO"),),
        )
        for asset in site.assets
    )
    numbers = [store.level for store in site.stores]
    numbers += [service.demand for service in site.services if service.demand is not None]
    tags = [Tag(name=name, unit="1") for name in (*numbers, "outdoor")]
    for asset in assets:
        name = asset.name
        tags += [Tag(name=f"{name}.kw", unit="kW"), Tag(name=f"{name}.setpoint", unit="1")]
        tags += [Tag(name=f"{name}.running", unit="1", type=ValueType.BOOLEAN), Tag(name=f"{name}.write", unit="1", writable=True)]
        tags.append(Tag(name=f"{name}.command", unit="1", type=ValueType.TEXT, writable=True))
    return replace(site, tags=tuple(tags), assets=assets)


def weeks(site: Site) -> Drivers:
    """Three weeks of days drawn as those of the bench, one after the other."""
    days = drivers_of(site, PAST_DAYS)
    tags = {name: np.ascontiguousarray(column.T.reshape(-1, 1)) for name, column in days.tags.items()}
    return Drivers(start=START - timedelta(days=PAST_DAYS), step_s=900.0, tags=tags)


def peak_mb() -> float:
    """Most memory that this process, or the largest of its workers, has held."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024.0


def cpu_s() -> float:
    """CPU seconds of this process and its finished workers."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> int:
    """Ask strategy by strategy, print what each took."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--days", type=float, default=30.0)
    words.add_argument("--futures", type=int, default=100)
    words.add_argument("--strategies", default="nothing,threshold,optimal")
    words.add_argument("--every", type=float, default=24.0, help="hours between plans")
    words.add_argument("--step", type=float, default=900.0, help="seconds that a step of a plan lasts")
    words.add_argument("--processes", type=int, default=1)
    words.add_argument("--no-rehearsal", action="store_true")
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        loaded = works(Path(folder), asked.step)
        changes = Changes(every_s=asked.every * 3600.0, rehearsal=not asked.no_rehearsal)
        for strategy in asked.strategies.split(","):
            wall, used = time.monotonic(), cpu_s()
            found = ask(
                loaded, (strategy,), days=asked.days, futures=asked.futures, seed=1, changes=changes, processes=asked.processes
            )
            cost = found.strategies[strategy].kpi["cost"]
            print(
                f"{strategy}: {asked.days:g} days, {asked.futures} futures: {time.monotonic() - wall:.0f} s, "
                f"CPU {cpu_s() - used:.0f} s, most memory {peak_mb():.0f} MB; "
                f"cost {cost.mean:.0f} ({cost.p5:.0f} to {cost.p95:.0f})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
