"""`ems models …`: look at the registry, and say which model serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.options import JsonOption, SiteOption, UntilOption, WhoOption, as_of, lists_by_itself, opened

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.registry import Change, ModelRecord, Registry

ModelArgument = Annotated[str, typer.Argument(help="Id, or its beginning.")]
NameArgument = Annotated[str, typer.Argument(help="What the model is for, for example forecast/site_load.")]
WordsOption = Annotated[str, typer.Option(help="Why.")]
UNREGISTERED = (
    "no model is registered. What `ems run` and `ems demo` learn by themselves at their start lasts as long as the run and is not "
    "registered; `ems forecast train` and `ems health train` (or `ems worker`, by its schedule) train models that are"
)


def mount(app: typer.Typer) -> None:
    """Register `ems models`."""
    models = typer.Typer(help="Models of the site: list, look at, approve, promote, roll back.")
    models.command("list", epilog="Example: ems models list --name forecast/site_load")(list_models)
    models.command("show", epilog="Example: ems models show m-1f0c")(show)
    models.command("approve", epilog="Example: ems models approve m-1f0c --who anna")(approve)
    models.command("reject", epilog="Example: ems models reject m-1f0c --who anna --words 'trained on the outage'")(reject)
    models.command("promote", epilog="Example: ems models promote m-1f0c --who anna")(promote)
    models.command("rollback", epilog="Example: ems models rollback forecast/site_load --who anna")(rollback)
    models.command("compare", epilog="Example: ems models compare forecast/site_load --days 7")(compare)
    lists_by_itself(models, list_models)
    app.add_typer(models, name="models")


def list_models(
    name: Annotated[str | None, typer.Option(help="Only models for this, for example forecast/site_load.")] = None,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List models, newest first."""
    from ems import console
    from ems.registry import registry_of
    from ems.wording import clock

    with opened(site) as (loaded, historian):
        records = registry_of(loaded, historian).models(name)
    shown = console.table("Models", "id", "name", "algorithm", "state", "trained", "MAE", "words")
    for column in (0, 3):
        shown.columns[column].no_wrap = True
    for each in records:
        trained = clock(each.trained_at, loaded.site.site.timezone)
        mae = each.metric("mae")
        error = "–" if mae is None else f"{mae:.3g}"
        shown.add_row(each.id, each.name, each.algorithm, each.state.value, trained, error, each.words)
    console.emit({"models": records}, as_json, (shown,), "" if records else UNREGISTERED)


def show(model: ModelArgument, site: SiteOption = None, as_json: JsonOption = False) -> None:
    """Show a model: what it learned from, how good it is, what it is made of, and its whole life."""
    from ems import console
    from ems.registry import registry_of

    with opened(site) as (loaded, historian):
        registry = registry_of(loaded, historian)
        record = registry.get(model)
        mine = [change for change in registry.history(record.name) if change.model == record.id]
        fault = registry.fault(record)
    timezone = loaded.site.site.timezone
    tables = (_facts(record, fault, timezone), _life(mine, timezone))
    console.emit({"model": record, "life": mine, "fault": fault}, as_json, tables)


def _facts(record: ModelRecord, fault: str | None, timezone: str) -> RichTable:
    from ems.console import table
    from ems.wording import clock

    start, end = (clock(time, timezone) for time in (record.data_start, record.data_end))
    rows = {
        "state": f"{record.state.value} {record.words}",
        "algorithm": record.algorithm,
        "learned from": f"{start} to {end}, {record.rows} rows, {record.data_hash[:12]}…",
        "metrics": ", ".join(f"{key} {value:.4g}" for key, value in record.metrics),
        "versions": ", ".join(f"{key} {value}" for key, value in record.versions),
        "file": f"{record.file}, {record.size_bytes / 1e6:.2f} MB, SHA-256 {record.sha256[:12]}…",
        "may be loaded": "yes" if fault is None else f"NO: {fault}",
        "importances": ", ".join(f"{key} {value:.2g}" for key, value in record.importances[:8]),
    }
    shown = table(f"{record.id}: {record.name}", "", "")
    for label, words in rows.items():
        shown.add_row(label, words)
    return shown


def _life(changes: Sequence[Change], timezone: str) -> RichTable:
    from ems.console import table
    from ems.wording import clock

    shown = table("Life", "when", "who", "state", "words")
    for change in changes:
        shown.add_row(clock(change.time, timezone), change.who, change.state.value, change.words)
    return shown


def approve(
    model: ModelArgument, who: WhoOption = "operator", words: WordsOption = "", site: SiteOption = None, as_json: JsonOption = False
) -> None:
    """Accept a pending model: it serves if none serves yet, else it runs beside the serving one until it is promoted."""
    _changed(site, as_json, lambda registry, now: registry.approve(model, who, now, words))


def reject(
    model: ModelArgument, words: WordsOption, who: WhoOption = "operator", site: SiteOption = None, as_json: JsonOption = False
) -> None:
    """Refuse a pending or approved model for good."""
    _changed(site, as_json, lambda registry, now: registry.reject(model, who, now, words))


def promote(
    model: ModelArgument, who: WhoOption = "operator", words: WordsOption = "", site: SiteOption = None, as_json: JsonOption = False
) -> None:
    """Let an approved model serve; the one that served retires."""
    _changed(site, as_json, lambda registry, now: registry.promote(model, who, now, words))


def rollback(
    name: NameArgument, who: WhoOption = "operator", words: WordsOption = "", site: SiteOption = None, as_json: JsonOption = False
) -> None:
    """Let the model serve again that served before."""
    _changed(site, as_json, lambda registry, now: registry.rollback(name, who, now, words))


def _changed(site: Path | None, as_json: bool, change: Callable[[Registry, datetime], ModelRecord]) -> None:
    from connectors.wall import now
    from ems import console
    from ems.registry import registry_of

    with opened(site) as (loaded, historian):
        record = change(registry_of(loaded, historian), now())
    console.emit({"model": record}, as_json, words=f"{record.id} ({record.name}) is {record.state.value}")


def compare(
    name: NameArgument,
    until: UntilOption = None,
    days: Annotated[float, typer.Option(help="Issue times of the last so many days.")] = 7.0,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the serving model with those in its shadow on the forecasts that all of them issued."""
    from datetime import timedelta

    from ems import console
    from ems.accuracy import best_of
    from ems.accuracy import compare as compared
    from ems.commands.learning import accuracy_table
    from ems.registry import registry_of
    from ems.serving import running
    from plant.errors import NotFoundError

    with opened(site) as (loaded, historian):
        kind, _, target = name.partition("/")
        records = running(registry_of(loaded, historian), target) if kind == "forecast" else []
        if not records:
            raise NotFoundError(f"no model runs for {name!r}; see `ems models list`")
        stop = as_of(loaded, historian, until)
        found = compared(loaded, historian, records, stop - timedelta(days=days), stop)
    best = best_of(found)
    words = "they have no forecasts in common yet" if best is None else f"smallest error: {best.model}"
    console.emit({"models": found, "best": None if best is None else best.model}, as_json, (accuracy_table(found),), words)
