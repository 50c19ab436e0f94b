"""The site's models at work: `ems forecast train|predict|accuracy`, `ems health train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ems.options import JsonOption, SiteOption, UntilOption, WhoOption, as_of, opened

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.accuracy import Watch
    from ems.config import LoadedSite
    from ems.console import Parts
    from ems.historian import Historian
    from ems.registry import ModelRecord
    from ems.training import TrainingReport
    from plant.table import Table

TargetsOption = Annotated[list[str] | None, typer.Option("--target", help="Tag; may be repeated; every target if not given.")]
One = Callable[["LoadedSite", "Historian", str, "Table", datetime, "Parts"], "TrainingReport"]


def mount(app: typer.Typer) -> None:
    """Add the site's commands to `ems forecast` and `ems health`."""
    forecast, health = _group(app, "forecast"), _group(app, "health")
    forecast.command("train", epilog="Example: ems forecast train --target site_load --model random_forest")(train)
    forecast.command("predict", epilog="Example: ems forecast predict --since 2026-07-01 --until 2026-07-08")(predict)
    forecast.command("accuracy", epilog="Example: ems forecast accuracy --days 2")(accuracy)
    health.command("train", epilog="Example: ems health train --site site.toml")(train_health)


def _group(app: typer.Typer, name: str) -> typer.Typer:
    """The sub-application of a name, which another file has made."""
    return next(group.typer_instance for group in app.registered_groups if group.name == name and group.typer_instance)


# Training


def train(
    target: TargetsOption = None,
    model: Annotated[str | None, typer.Option(help="File of forecasting/models; as the site file says if not given.")] = None,
    until: UntilOption = None,
    who: WhoOption = "ems",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train forecasters on the site's history, measure them, and register them as pending (or as the site's rule says)."""
    from ems.training import train_forecaster

    def one(loaded: LoadedSite, historian: Historian, name: str, table: Table, now: datetime, shown: Parts) -> TrainingReport:
        return train_forecaster(loaded, historian, name, table, now, model=model, who=who, say=shown.say)

    with opened(site) as (loaded, historian):
        reports = _trained(loaded, historian, _targets(loaded, target), one, until)
    _answer(reports, as_json)


def train_health(until: UntilOption = None, who: WhoOption = "ems", site: SiteOption = None, as_json: JsonOption = False) -> None:
    """Train the site's health models, measure their false alarms, and register them as pending (or as the site's rule says)."""
    from ems.training import train_health as train_monitor

    def one(loaded: LoadedSite, historian: Historian, _: str, table: Table, now: datetime, shown: Parts) -> TrainingReport:
        return train_monitor(loaded, historian, table, now, who=who, say=shown.say)

    with opened(site) as (loaded, historian):
        reports = _trained(loaded, historian, ["health"], one, until)
    _answer(reports, as_json)


def _targets(loaded: LoadedSite, wanted: Sequence[str] | None) -> Sequence[str]:
    from ems.forecasts import targets
    from ems.site import unit_of
    from plant.errors import NotFoundError

    known = targets(loaded.site)
    for name in wanted or ():
        if name not in unit_of(loaded.site):
            raise NotFoundError(f"{name!r} is no tag of this site; it forecasts {', '.join(known) or 'nothing'}")
    if not wanted and not known:
        raise NotFoundError(f"{loaded.file}: no service has a demand and [limits] names no load: there is nothing to forecast")
    return wanted or known


def _trained(loaded: LoadedSite, historian: Historian, names: Sequence[str], one: One, until: str | None) -> list[TrainingReport]:
    from connectors.wall import now
    from ems import console
    from ems.registry import registry_of
    from ems.training import history_of, training_lease

    reports = []
    stop = as_of(loaded, historian, until)
    with training_lease(historian, registry_of(loaded, historian), now()) as hold, console.parts("training", len(names)) as shown:
        table = history_of(loaded.site, historian, stop)
        for name in names:
            hold(now())
            shown.begin(f"training {name}")
            reports.append(one(loaded, historian, name, table, now(), shown))
            shown.done()
    return reports


def _cells(model: ModelRecord) -> tuple[str, str, str, str]:
    mae = model.metric("mae")
    return model.id, model.algorithm, "–" if mae is None else f"{mae:.3g}", model.state.value


def _answer(reports: Sequence[TrainingReport], as_json: bool) -> None:
    from ems import console
    from ems.registry import State
    from ems.wording import counted
    from plant.errors import EmsError, RefusedError

    table = console.table("Training", "name", "model", "algorithm", "MAE", "state", "s", "words")
    for report in reports:
        model, took = report.model, sum(step.seconds for step in report.steps)
        cells = ("–", "–", "–", "failed") if model is None else _cells(model)
        table.add_row(report.name, *cells, f"{took:.1f}", "" if report.ok and model else report.words)
    waiting = [report.model.id for report in reports if report.model is not None and report.model.state is State.PENDING]
    words = f"nothing is used before a person says so: ems models approve {waiting[0]}" if waiting else ""
    words += f" (and {counted(len(waiting) - 1, 'other')})" if len(waiting) > 1 else ""
    console.emit({"models": reports}, as_json, (table,), words)
    wrong = [report for report in reports if not report.ok]
    if wrong:
        kind = EmsError if any(report.model is None for report in wrong) else RefusedError
        raise kind("; ".join(f"{report.name}: {report.words}" for report in wrong))


# Forecasting


def predict(
    target: TargetsOption = None,
    since: Annotated[str | None, typer.Option(help="First issue time; with it, one every --every until --until.")] = None,
    until: UntilOption = None,
    every: Annotated[str, typer.Option(help="Distance of issue times.")] = "24h",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Issue forecasts with every model that runs, as they would have been at their issue times, and keep them."""
    from collections import Counter

    from ems import console
    from ems.serving import issue
    from ems.wording import counted

    with opened(site) as (loaded, historian):
        names, times = _targets(loaded, target), _issue_times(loaded, historian, since, until, every)
        made = []
        with console.parts("forecasting", len(names)) as shown:
            for name in names:
                shown.begin(f"forecasting {name}")
                fresh = issue(loaded, historian, name, times, say=shown.say)
                shown.say(f"{name}: {counted(len(fresh), 'forecast')}")
                shown.done()
                made += fresh
    counts = Counter(each.model for each in made)
    newest = [each for each in made if each.forecast.made_at == times[-1]]
    words = "\n".join(f"{model}: {counted(count, 'forecast')}" for model, count in counts.items())
    console.emit({"forecasts": counts, "last": newest}, as_json, words=words)


def _issue_times(loaded: LoadedSite, historian: Historian, since: str | None, until: str | None, every: str) -> list[datetime]:
    """From `since`, one every `every` before `until`; without `since`, `until` alone."""
    from datetime import timedelta

    from plant.errors import ConfigError
    from plant.times import duration_s

    try:
        step = timedelta(seconds=duration_s(every))
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from error
    if not step:
        raise ConfigError(f"--every {every}: must be longer than nothing")
    stop = as_of(loaded, historian, until)
    if since is None:
        return [stop]
    first = as_of(loaded, historian, since, "--since")
    if first >= stop:
        raise ConfigError(f"--since {since} is not before {stop.isoformat()}, where the forecasts were to end")
    return [first + number * step for number in range(-((first - stop) // step))]


def accuracy(
    target: TargetsOption = None,
    until: UntilOption = None,
    days: Annotated[float, typer.Option(help="Issue times of the last so many days.")] = 2.0,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure issued forecasts against what came; an alarm is left for every serving model that is worse than promised.

    As promised means: the mean error of the last days stays below `learning.worst_ratio` times the one that was measured before
    the model was accepted. Fewer than 24 values that have come are too few to judge by.
    """
    from datetime import timedelta

    from ems import console
    from ems.accuracy import raise_alarms, watch
    from ems.registry import registry_of
    from ems.serving import running

    with opened(site) as (loaded, historian):
        stop, registry = as_of(loaded, historian, until), registry_of(loaded, historian)
        records = [record for name in _targets(loaded, target) for record in running(registry, name)]
        found = [watch(loaded, historian, record, stop - timedelta(days=days), stop) for record in records]
        alarms = raise_alarms(historian, found, stop)
    words = (
        "\n".join(f"{each.model}: {each.judged}" for each in found)
        if found
        else "no model runs: `ems forecast train`, then `ems models approve`"
    )
    console.emit({"models": found, "alarms": alarms}, as_json, (accuracy_table(found),), words)


def accuracy_table(found: Sequence[Watch]) -> RichTable:
    """Issued forecasts against what came, one row per model."""
    from ems.console import table

    columns = ("model", "state", "target", "forecasts", "MAE", "promised", "bias", "skill", "80 % band", "words")
    shown = table("Forecasts against what came", *columns)
    for each in found:
        score = each.overall
        numbers = (score.mae, each.expected_mae, each.bias, each.skill, score.coverage80)
        cells = ("–" if number is None else f"{number:.3g}" for number in numbers)
        shown.add_row(each.model, each.state.value, each.target, str(each.forecasts), *cells, each.words)
    return shown
