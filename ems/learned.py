"""Forecasters and health monitor of a site, learned from its own history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future

from anomaly.features import utc_of
from anomaly.monitor import HealthMonitor
from datasets.repair import resample
from ems.both import done_by_both
from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian
from ems.outlook import Outlook, outlook_of
from ems.serving import served_forecasters, served_learners
from ems.site import learning_span, unit_of
from forecasting.weathered import Deferred, Weathered
from plant.errors import DataError
from plant.kinds import find
from plant.ports import Forecaster
from plant.site import Site
from plant.table import Table

QUICK = "extra_trees"
"""What learns at the start of a run where no model has been approved: `auto` takes its time in `ems forecast train`."""
Learned = tuple[Forecaster | None, str]


class Learning:
    """Forecasters and health monitor of a site: the approved models; what has none is learned now, quickly, from its history.

    Parameters
    ----------
    loaded, historian
        The site and where its history is.
    say
        Told what is being learned, and why something could not be.
    beside
        Another process, which begins at once to learn to forecast. What it has not come to when `forecasters` is called is learned
        here; who learned it changes nothing.
    """

    def __init__(
        self,
        loaded: LoadedSite,
        historian: Historian,
        say: Callable[[str], None] = lambda _: None,
        beside: Executor | None = None,
    ) -> None:
        self._loaded, self._historian, self._say = loaded, historian, say
        self._readings = _readings(loaded.site, historian)
        self._history = self._readings
        self._serving: Mapping[str, Forecaster] = {}
        self._asked: dict[str, Future[Learned]] = {}
        if self._readings is None:
            say("the historian is empty: forecasts stay flat and health is unknown until there is history")
            return
        self._serving = served_forecasters(loaded, historian, say)
        outlook = outlook_of(historian.database, loaded.site)
        self._history = self._readings if outlook is None else outlook.joined(self._readings)
        if beside is not None:
            self._asked = {target: beside.submit(_learned, loaded.site, self._history, target) for target in self._wanted()}

    def monitor(self) -> HealthMonitor:
        """Detectors of all assets."""
        site = self._loaded.site
        if self._readings is None:
            return HealthMonitor(site, {})
        learners = served_learners(self._loaded, self._historian, self._say)
        return HealthMonitor(site, learners) if learners else self._detectors(site, self._readings)

    def _detectors(self, site: Site, readings: Table) -> HealthMonitor:
        self._say(f"learning what healthy looks like, until {utc_of(readings.times[-1]):%d %b %Y}")
        return HealthMonitor.fit(site, readings, seed=site.control.seed, kind=find("anomaly.detectors", site.learning.detector))

    def forecasters(self) -> Mapping[str, Forecaster]:
        """A forecaster per target: the serving one, else one learned now, where it can be learned."""
        if self._history is None:
            return {}
        site, history, found = self._loaded.site, self._history, dict(self._serving)
        made = done_by_both(self._wanted(), self._asked, lambda target: _learned(site, history, target))
        for target, (model, words) in made.items():
            self._say(words)
            if model is not None:
                found[target] = model
        return found

    def _wanted(self) -> tuple[str, ...]:
        return tuple(name for name in targets(self._loaded.site) if name not in self._serving)


def learned(
    loaded: LoadedSite, historian: Historian, say: Callable[[str], None] = lambda _: None
) -> tuple[Mapping[str, Forecaster], HealthMonitor]:
    """The forecasters and the health monitor of a site, see `Learning`."""
    learning = Learning(loaded, historian, say)
    monitor = learning.monitor()
    return learning.forecasters(), monitor


def _readings(site: Site, historian: Historian) -> Table | None:
    """What is learned from; None where nothing was ever recorded."""
    span = historian.span()
    if span is None:
        return None
    start, _ = learning_span(site, span[1])
    names = tuple(tag.name for tag in site.tags) + tuple(tag.name for tag in site.virtual_tags)
    return resample(historian.table(names, start), site.control.step_s)


def _learned(site: Site, history: Table, target: str) -> Learned:
    """What was learned of a target, if it can be learned, and words on it."""
    kind = QUICK if site.learning.forecaster == "auto" else site.learning.forecaster
    try:
        made = forecaster(site, kind, history, target, unit_of(site)[target], Outlook.known(history), at_once=False)
    except DataError as error:
        return None, f"{target} stays flat: {error}"
    return made, f"learned to forecast {target}"


def forecaster(
    site: Site, kind: str, table: Table, target: str, unit: str, known: tuple[str, ...] = (), *, at_once: bool = True
) -> Forecaster:
    """One fitted forecaster; where columns will be known ahead, with one beside it that does without them.

    Parameters
    ----------
    at_once
        False: the one that does without them learns when it is first needed.

    Raises
    ------
    DataError
        If there is too little to learn from.
    """

    def made(columns: tuple[str, ...]) -> Forecaster:
        model: Forecaster = find("forecasting.models", kind)(
            timezone=site.site.timezone,
            country=site.site.country,
            shutdown_days=site.site.shutdown_days,
            seed=site.control.seed,
            horizon_s=site.control.horizon_s,
            any_time=True,
            unit=unit,
            known=columns,
        )
        return model

    if not known:
        return made(()).fit(table, target)
    return Weathered(made(known), made(()) if at_once else Deferred(made(())), known).fit(table, target)
