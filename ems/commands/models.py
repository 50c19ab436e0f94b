"""`ems models …`, and what else the life of a model needs: `ems forecast train|predict|accuracy`, `ems health train`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ems.accuracy import Watch
    from ems.config import LoadedSite
    from ems.historian import Historian
    from ems.registry import ModelRecord
    from ems.training import TrainingReport

SiteOption = Annotated[Path | None, typer.Option("--site", help="Site file; EMS_SITE if not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
WhoOption = Annotated[str, typer.Option("--who", help="Who says so; goes into the model's history.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="As of this time; the last reading if not given.")]
TargetsOption = Annotated[list[str] | None, typer.Option("--target", help="Tag; may be repeated; every target if not given.")]


def mount(app: typer.Typer) -> None:
    """Register `ems models`, and the site's commands of `ems forecast` and `ems health`."""
    models = typer.Typer(no_args_is_help=True, help="Models of the site: list, look at, approve, promote, roll back.")
    models.command("list", epilog="Example: ems models list --name forecast/site_load")(list_models)
    models.command("show", epilog="Example: ems models show m-1f0c")(show)
    models.command("approve", epilog="Example: ems models approve m-1f0c --who anna")(approve)
    models.command("reject", epilog="Example: ems models reject m-1f0c --who anna --words 'trained on the outage'")(reject)
    models.command("promote", epilog="Example: ems models promote m-1f0c --who anna")(promote)
    models.command("rollback", epilog="Example: ems models rollback forecast/site_load --who anna")(rollback)
    models.command("compare", epilog="Example: ems models compare forecast/site_load --days 7")(compare)
    app.add_typer(models, name="models")
    forecast, health = _group(app, "forecast"), _group(app, "health")
    forecast.command("train", epilog="Example: ems forecast train --target site_load --model random_forest")(train)
    forecast.command("predict", epilog="Example: ems forecast predict --since 2026-07-01 --until 2026-07-08")(predict)
    forecast.command("accuracy", epilog="Example: ems forecast accuracy --days 2")(accuracy)
    health.command("train", epilog="Example: ems health train --site site.toml")(train_health)


def _group(app: typer.Typer, name: str) -> typer.Typer:
    """The sub-application of a name; made if no other file has it."""
    for group in app.registered_groups:
        if group.name == name and group.typer_instance is not None:
            return group.typer_instance
    made = typer.Typer(no_args_is_help=True)
    app.add_typer(made, name=name)
    return made


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
    from ems.forecasts import targets
    from ems.training import train_forecaster

    def each(loaded: LoadedSite, historian: Historian, now: datetime, bar: Callable[[str], None]) -> list[TrainingReport]:
        table = _history(loaded, historian, until)
        reports = []
        for name in target or targets(loaded.site):
            reports.append(train_forecaster(loaded, historian, name, table, now, model=model, who=who))
            bar(name)
        return reports

    _trained(site, len(target or ()), each, as_json)


def train_health(until: UntilOption = None, who: WhoOption = "ems", site: SiteOption = None, as_json: JsonOption = False) -> None:
    """Train the site's health models, measure their false alarms, and register them as pending (or as the site's rule says)."""
    from ems.training import train_health as train_monitor

    def each(loaded: LoadedSite, historian: Historian, now: datetime, bar: Callable[[str], None]) -> list[TrainingReport]:
        report = train_monitor(loaded, historian, _history(loaded, historian, until), now, who=who)
        bar(report.name)
        return [report]

    _trained(site, 1, each, as_json)


def _trained(site: Path | None, count: int, each: Callable[..., list[TrainingReport]], as_json: bool) -> None:
    from connectors.wall import now
    from ems import console
    from ems.config import historian_url, load
    from ems.forecasts import targets
    from ems.historian import Historian
    from ems.registry import registry_of
    from ems.training import training_lease
    from plant.errors import RefusedError

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian, console.progress() as bar:
        task = bar.add_task("training", total=count or len(targets(loaded.site)))
        with training_lease(historian, registry_of(loaded, historian), now()):
            reports = each(loaded, historian, now(), lambda name: bar.update(task, advance=1, description=f"trained {name}"))
    shown = console.table("Training", "name", "step", "", "s", "words")
    for report in reports:
        for step in report.steps:
            shown.add_row(report.name, step.name, "ok" if step.ok else "failed", f"{step.seconds:.1f}", step.words)
    console.emit({"models": reports}, as_json, (shown,), "\n".join(f"{report.name}: {report.words}" for report in reports))
    failed = [report for report in reports if not report.ok]
    if failed:
        raise RefusedError("; ".join(f"{report.name}: {report.words}" for report in failed))


def _history(loaded: LoadedSite, historian: Historian, until: str | None) -> Any:
    from ems.training import history_of

    return history_of(loaded.site, historian, _until(loaded, historian, until))


def _until(loaded: LoadedSite, historian: Historian, text: str | None) -> datetime:
    from datetime import timedelta

    from ems.columns import zone
    from ems.export import moment
    from plant.errors import DataError

    if text is not None:
        return moment(text, zone(loaded.site.site.timezone, "site.timezone"), "--until")
    span = historian.span()
    if span is None:
        raise DataError("the historian is empty: import readings first (`ems import readings`)")
    return span[1] + timedelta(seconds=loaded.site.control.step_s)


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
    from datetime import timedelta

    from ems import console
    from ems.columns import zone
    from ems.config import historian_url, load
    from ems.export import moment
    from ems.forecasts import targets
    from ems.historian import Historian
    from ems.serving import issue
    from plant.times import duration_s

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian, console.progress() as bar:
        stop = _until(loaded, historian, until)
        begin = stop if since is None else moment(since, zone(loaded.site.site.timezone, "site.timezone"), "--since")
        times = [begin]
        while since is not None and times[-1] + timedelta(seconds=duration_s(every)) < stop:
            times.append(times[-1] + timedelta(seconds=duration_s(every)))
        names = target or targets(loaded.site)
        task = bar.add_task("forecasting", total=len(names))
        made = []
        for name in names:
            made += issue(loaded, historian, name, times, say=lambda words: console.stderr.print(words, markup=False))
            bar.advance(task)
    counts: dict[str, int] = {}
    for each in made:
        counts[each.model] = counts.get(each.model, 0) + 1
    newest = [each for each in made if each.forecast.made_at == times[-1]]
    words = "\n".join(f"{model}: {count} forecasts" for model, count in counts.items())
    console.emit({"forecasts": counts, "last": newest}, as_json, words=words)


def accuracy(
    target: TargetsOption = None,
    until: UntilOption = None,
    days: Annotated[float, typer.Option(help="Issue times of the last so many days.")] = 2.0,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure issued forecasts against what came; an alarm is left for every model that has become worse than promised."""
    from ems import console
    from ems.accuracy import raise_alarms
    from ems.config import historian_url, load
    from ems.forecasts import targets
    from ems.historian import Historian

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        stop = _until(loaded, historian, until)
        found = [each for name in (target or targets(loaded.site)) for each in _watches(loaded, historian, name, stop, days)]
        alarms = raise_alarms(historian, found, stop)
    console.emit({"models": found, "alarms": alarms}, as_json, (_accuracy_table(found),), "\n".join(a.words for a in alarms))


def _watches(loaded: LoadedSite, historian: Historian, target: str, until: datetime, days: float) -> list[Watch]:
    from datetime import timedelta

    from ems.accuracy import watch
    from ems.registry import registry_of
    from ems.serving import running

    records = running(registry_of(loaded, historian), target)
    return [watch(loaded, historian, record, until - timedelta(days=days), until) for record in records]


def _accuracy_table(found: list[Watch]) -> Any:
    from ems.console import table

    shown = table(
        "Forecasts against what came", "model", "target", "forecasts", "MAE", "promised", "bias", "skill", "80 % band", "words"
    )
    for each in found:
        score = each.overall
        numbers = (score.mae, each.expected_mae, each.bias, each.skill, score.coverage80)
        cells = ("–" if number is None else f"{number:.3g}" for number in numbers)
        shown.add_row(each.model, each.target, str(each.forecasts), *cells, each.words)
    return shown


# The registry


def list_models(
    name: Annotated[str | None, typer.Option(help="Only models for this, for example forecast/site_load.")] = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List models, newest first."""
    from ems import console

    records = _with_registry(site, lambda registry: registry.models(name))
    console.emit({"models": records}, as_json, (_models_table(records),))


def _models_table(records: list[ModelRecord]) -> Any:
    from ems.console import table
    from plant.times import iso

    shown = table("Models", "id", "name", "algorithm", "state", "trained", "MAE", "80 % band", "words")
    shown.columns[0].no_wrap = True
    for each in records:
        mae, coverage = each.metric("mae"), each.metric("coverage80")
        numbers = ("–" if number is None else f"{number:.3g}" for number in (mae, coverage))
        shown.add_row(each.id, each.name, each.algorithm, each.state.value, iso(each.trained_at)[:16], *numbers, each.words)
    return shown


def show(
    model: Annotated[str, typer.Argument(help="Id, or its beginning.")], site: SiteOption = None, as_json: JsonOption = False
) -> None:
    """Show a model: what it learned from, how good it is, what it is made of, and its whole life."""
    from ems import console
    from plant.times import iso

    record, changes = _with_registry(site, lambda registry: (registry.get(model), registry.history(registry.get(model).name)))
    mine = [change for change in changes if change.model == record.id]
    facts = console.table(f"{record.id}: {record.name}", "", "")
    rows = {
        "state": f"{record.state.value} {record.words}",
        "algorithm": record.algorithm,
        "learned from": f"{iso(record.data_start)} to {iso(record.data_end)}, {record.rows} rows, {record.data_hash[:12]}…",
        "metrics": ", ".join(f"{key} {value:.4g}" for key, value in record.metrics),
        "versions": ", ".join(f"{key} {value}" for key, value in record.versions),
        "file": f"{record.file}, {record.size_bytes / 1e6:.2f} MB, SHA-256 {record.sha256[:12]}…",
        "importances": ", ".join(f"{key} {value:.2g}" for key, value in record.importances[:8]),
    }
    for label, words in rows.items():
        facts.add_row(label, words)
    life = console.table("Life", "when", "who", "state", "words")
    for change in mine:
        life.add_row(iso(change.time)[:19], change.who, change.state.value, change.words)
    console.emit({"model": record, "life": mine}, as_json, (facts, life))


def approve(
    model: Annotated[str, typer.Argument(help="Id, or its beginning.")],
    who: WhoOption = "operator",
    words: Annotated[str, typer.Option(help="Why.")] = "",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept a pending model: it serves if none serves yet, else it runs beside the serving one until it is promoted."""
    _changed(site, as_json, lambda registry, now: registry.approve(model, who, now, words))


def reject(
    model: Annotated[str, typer.Argument(help="Id, or its beginning.")],
    words: Annotated[str, typer.Option(help="Why.")],
    who: WhoOption = "operator",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a pending or approved model for good."""
    _changed(site, as_json, lambda registry, now: registry.reject(model, who, now, words))


def promote(
    model: Annotated[str, typer.Argument(help="Id, or its beginning.")],
    who: WhoOption = "operator",
    words: Annotated[str, typer.Option(help="Why.")] = "",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let an approved model serve; the one that served retires."""

    def change(registry: Any, now: datetime) -> ModelRecord:
        registry.load(registry.get(model).id)  # a model that cannot be loaded must not come to serve
        promoted: ModelRecord = registry.promote(model, who, now, words)
        return promoted

    _changed(site, as_json, change)


def rollback(
    name: Annotated[str, typer.Argument(help="What the model is for, for example forecast/site_load.")],
    who: WhoOption = "operator",
    words: Annotated[str, typer.Option(help="Why.")] = "",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the model serve again that served before."""
    _changed(site, as_json, lambda registry, now: registry.rollback(name, who, now, words))


def compare(
    name: Annotated[str, typer.Argument(help="For example forecast/site_load.")],
    until: UntilOption = None,
    days: Annotated[float, typer.Option(help="Issue times of the last so many days.")] = 7.0,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the serving model with those in its shadow on the forecasts that both issued."""
    from ems import console
    from ems.config import historian_url, load
    from ems.historian import Historian

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        found = _watches(loaded, historian, name.partition("/")[2], _until(loaded, historian, until), days)
    best = min((each for each in found if each.overall.mae is not None), key=lambda each: each.overall.mae or 0.0, default=None)
    answer = {"models": found, "best": None if best is None else best.model}
    console.emit(answer, as_json, (_accuracy_table(found),), "" if best is None else f"smallest error: {best.model}")


def _with_registry(site: Path | None, work: Callable[[Any], Any]) -> Any:
    from ems.config import historian_url, load
    from ems.historian import Historian
    from ems.registry import registry_of

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        return work(registry_of(loaded, historian))


def _changed(site: Path | None, as_json: bool, change: Callable[[Any, datetime], ModelRecord]) -> None:
    from connectors.wall import now
    from ems import console

    record = _with_registry(site, lambda registry: change(registry, now()))
    console.emit({"model": record}, as_json, words=f"{record.id} ({record.name}) is {record.state.value}")
