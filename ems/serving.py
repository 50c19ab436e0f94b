"""Models at work: the registry's forecasters and health models loaded, and forecasts issued by all that run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from anomaly.learner import Learner
from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian
from ems.issued import Issued, IssuedForecasts
from ems.outlook import Outlook, outlook_of
from ems.registry import ModelRecord, Registry, State, registry_of
from ems.site import unit_of
from plant.errors import EmsError, NotFoundError, RefusedError
from plant.ports import Forecaster, instant64
from plant.series import Forecast
from plant.table import Table
from plant.times import steps_between, utc

Say = Callable[[str], None]
_MEMORY = timedelta(days=70)
"""History that a forecast looks back on."""


def served_forecasters(loaded: LoadedSite, historian: Historian, say: Say = lambda _: None) -> dict[str, Forecaster]:
    """The serving forecaster of every target that has one; a model that must not be loaded is left out and said."""
    registry = registry_of(loaded, historian)
    found: dict[str, Forecaster] = {}
    for target in targets(loaded.site):
        record = registry.serving(f"forecast/{target}")
        model = None if record is None else _loaded(registry, record, say)
        if isinstance(model, Forecaster):
            found[target] = model
    return found


@dataclass(frozen=True, slots=True)
class _Registered:
    """A model whose forecasts carry its id in the registry."""

    id: str
    model: Forecaster

    @property
    def known(self) -> tuple[str, ...]:
        """Columns that the model wants to know ahead."""
        return tuple(getattr(self.model, "known", ()))

    def fit(self, history: Table, target: str) -> Self:
        return replace(self, model=self.model.fit(history, target))

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        return replace(self.model.predict(history, known_future, start, steps), model_id=self.id)


class CurrentForecasters(Mapping[str, Forecaster]):
    """The forecasters of a run that goes on while models change: whoever serves now, looked up whenever one is asked for.

    Parameters
    ----------
    registry
        Of the site.
    learned
        By target: what serves where the registry has none that may be loaded.
    say
        Told when another model comes to serve, and why one must not be loaded.
    """

    def __init__(self, registry: Registry, learned: Mapping[str, Forecaster], say: Say = lambda _: None) -> None:
        self._registry, self._learned, self._say = registry, learned, say
        self._now: dict[str, tuple[str, Forecaster | None]] = {}

    def __getitem__(self, target: str) -> Forecaster:
        record = self._registry.serving(f"forecast/{target}")
        if record is None:
            return self._learned[target]
        before, model = self._now.get(target, ("", self._learned.get(target)))
        if record.id != before:
            found = _loaded(self._registry, record, self._say)
            model = _Registered(record.id, found) if isinstance(found, Forecaster) else model
            self._now[target] = (record.id, model)
            if isinstance(found, Forecaster) and before:
                self._say(f"{record.id} forecasts {target} from now on")
        if model is None:
            raise KeyError(target)
        return model

    def __iter__(self) -> Iterator[str]:
        return iter(self._learned)

    def __len__(self) -> int:
        return len(self._learned)


def served_learners(loaded: LoadedSite, historian: Historian, say: Say = lambda _: None) -> dict[str, Learner]:
    """The serving health models by asset; empty if none serve."""
    registry = registry_of(loaded, historian)
    record = registry.serving(f"health/{loaded.site.site.name}")
    model = None if record is None else _loaded(registry, record, say)
    if not isinstance(model, dict):
        return {}
    return {str(asset): learner for asset, learner in model.items() if isinstance(learner, Learner)}


def _loaded(registry: Registry, record: ModelRecord, say: Say) -> object:
    try:
        return registry.load(record.id)
    except RefusedError as error:
        say(str(error))
        return None


def running(registry: Registry, target: str) -> list[ModelRecord]:
    """The models whose forecasts are made: the serving one, and approved ones in its shadow."""
    name = f"forecast/{target}"
    return [*registry.models(name, State.SERVING), *registry.models(name, State.APPROVED)]


def issue(
    loaded: LoadedSite,
    historian: Historian,
    target: str,
    times: list[datetime],
    *,
    model: str | None = None,
    say: Say = lambda _: None,
) -> list[Issued]:
    """Forecast a target at issue times with every model that runs (or one), keep the forecasts, and return them.

    Each forecast knows only readings before its issue time, so times that lie behind replay what would have been said.

    Raises
    ------
    NotFoundError
        If no model runs for the target.
    RefusedError
        If none of them may be loaded (changed file, other versions).
    """
    registry = registry_of(loaded, historian)
    records = [registry.get(model)] if model else running(registry, target)
    if not records:
        raise NotFoundError(f"no model runs for {target!r}: train one (`ems forecast train`) and approve it (`ems models approve`)")
    made: list[Issued] = []
    instants = [utc(time) for time in times]
    history, outlook = _history(loaded, historian, instants), outlook_of(historian.database, loaded.site)
    history = history if outlook is None else outlook.joined(history)
    usable = [(record, found) for record in records if isinstance(found := _loaded(registry, record, say), Forecaster)]
    if not usable:
        raise RefusedError(f"none of the {len(records)} models of {target!r} may be loaded: train one anew (`ems forecast train`)")
    for record, forecaster in usable:
        made += [each for time in instants if (each := _one(loaded, record, forecaster, history, outlook, target, time, say))]
    IssuedForecasts(historian.database).add(made)
    return made


def _one(
    loaded: LoadedSite,
    record: ModelRecord,
    forecaster: Forecaster,
    history: Table,
    outlook: Outlook | None,
    target: str,
    time: datetime,
    say: Say,
) -> Issued | None:
    control = loaded.site.control
    steps = steps_between(time, time + timedelta(seconds=control.horizon_s), control.step_s)
    known = history.before(instant64(time))
    ahead = None if outlook is None else outlook.ahead(time, control.step_s, steps)
    # a Series refuses NaN with a ValueError: a model that gives no number is no reason to leave the other targets out
    try:
        forecast = forecaster.predict(known, None if ahead is None else ahead.table, time, steps)
    except (EmsError, ValueError) as error:
        say(f"{record.id} at {time.isoformat()}: {error}")
        return None
    forecast = forecast if ahead is None else ahead.told(forecast, forecaster)
    unit = unit_of(loaded.site)[target]
    p10, p50, p90 = (replace(series, unit=unit) for series in (forecast.p10, forecast.p50, forecast.p90))
    return Issued(model=record.id, forecast=replace(forecast, model_id=record.id, p10=p10, p50=p50, p90=p90))


def _history(loaded: LoadedSite, historian: Historian, times: list[datetime]) -> Table:
    from datasets.repair import resample

    site = loaded.site
    names = [tag.name for tag in site.tags] + [tag.name for tag in site.virtual_tags]
    table = historian.table(names, min(times) - _MEMORY, max(times))
    if len(table) < 2:
        raise NotFoundError(f"no readings in the {_MEMORY.days} days before {min(times).isoformat()}")
    return resample(table, site.control.step_s)
