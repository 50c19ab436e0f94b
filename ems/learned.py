"""Forecasters and health monitor of a site, learned from its own history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime

from anomaly.monitor import HealthMonitor
from datasets.repair import resample
from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian
from ems.outlook import Outlook, outlook_of
from ems.serving import served_forecasters, served_learners
from ems.site import learning_span, unit_of
from forecasting.weathered import Weathered
from plant.errors import DataError
from plant.kinds import find
from plant.ports import Forecaster
from plant.site import Site
from plant.table import Table

QUICK = "extra_trees"
"""What learns at the start of a run where no model has been approved: `auto` takes its time in `ems forecast train`."""


def learned(
    loaded: LoadedSite, historian: Historian, say: Callable[[str], None] = lambda _: None, beside: Executor | None = None
) -> tuple[Mapping[str, Forecaster], HealthMonitor]:
    """The approved models of a site; what has none is learned now, quickly, from its history.

    Parameters
    ----------
    say
        Told what is being learned, and why something could not be.
    beside
        Another process, which learns to forecast while this one learns what healthy looks like.
    """
    site = loaded.site
    span = historian.span()
    if span is None:
        say("the historian is empty: forecasts stay flat and health is unknown until there is history")
        return {}, HealthMonitor(site, {})
    start, until = learning_span(site, span[1])
    names = tuple(tag.name for tag in site.tags) + tuple(tag.name for tag in site.virtual_tags)
    table = resample(historian.table(names, start), site.control.step_s)
    serving = served_forecasters(loaded, historian, say)
    outlook = outlook_of(historian.database, site)
    history = table if outlook is None else outlook.joined(table)
    asked = None if beside is None else beside.submit(forecasters, site, history, serving)
    learners = served_learners(loaded, historian, say)
    health = HealthMonitor(site, learners) if learners else monitor(site, table, until, say)
    found, words = forecasters(site, history, serving) if asked is None else asked.result()
    for line in words:
        say(line)
    return found, health


def forecasters(site: Site, table: Table, serving: Mapping[str, Forecaster]) -> tuple[dict[str, Forecaster], tuple[str, ...]]:
    """A forecaster per target: the serving one, else one learned now, where it can be learned; and what was learned, in words."""
    found, words = dict(serving), []
    units, known = unit_of(site), Outlook.known(table)
    kind = QUICK if site.learning.forecaster == "auto" else site.learning.forecaster
    for target in (name for name in targets(site) if name not in serving):
        try:
            found[target] = forecaster(site, kind, table, target, units[target], known)
            words.append(f"learned to forecast {target}")
        except DataError as error:
            words.append(f"{target} stays flat: {error}")
    return found, tuple(words)


def forecaster(site: Site, kind: str, table: Table, target: str, unit: str, known: tuple[str, ...] = ()) -> Forecaster:
    """One fitted forecaster; where columns will be known ahead, with one beside it that does without them.

    Raises
    ------
    DataError
        If there is too little to learn from.
    """

    def fitted(columns: tuple[str, ...]) -> Forecaster:
        made: Forecaster = find("forecasting.models", kind)(
            timezone=site.site.timezone,
            country=site.site.country,
            shutdown_days=site.site.shutdown_days,
            seed=site.control.seed,
            horizon_s=site.control.horizon_s,
            any_time=True,
            unit=unit,
            known=columns,
        )
        return made.fit(table, target)

    return Weathered(fitted(known), fitted(()), known) if known else fitted(())


def monitor(site: Site, table: Table, until: datetime, say: Callable[[str], None]) -> HealthMonitor:
    """Detectors of all assets."""
    say(f"learning what healthy looks like, until {until:%d %b %Y}")
    return HealthMonitor.fit(site, table, seed=site.control.seed, kind=find("anomaly.detectors", site.learning.detector))
