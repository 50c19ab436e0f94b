"""`ems export`: files with units and zone, gaps kept as gaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ems.config import LoadedSite
    from ems.export import Span
    from ems.historian import Historian
    from ems.sheet import Sheet

_EXAMPLE = "Example: ems export readings --since 2026-01-01 --until 2026-02-01 --format parquet --out january.parquet"


def mount(app: typer.Typer) -> None:
    """Register `ems export`."""
    app.command("export", epilog=_EXAMPLE)(export)


def export(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="kpi, readings, forecasts, commands or journal.")],
    since: Annotated[str | None, typer.Option(help="From this instant, local time or local date on.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this one.")] = None,
    form: Annotated[str, typer.Option("--format", help="csv, parquet or jsonl.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="File to write; standard output if not given.")] = None,
    tags: Annotated[str, typer.Option(help="Of readings and forecasts: only these tags, separated by commas.")] = "",
    step: Annotated[str | None, typer.Option(help="Of readings: means on a regular grid, for example 15min.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of the written times; the site's if not given.")] = None,
    site: Annotated[Path | None, typer.Option(help="Site file; EMS_SITE if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document about the file on stdout.")] = False,
) -> None:
    """Write what the historian holds to a file, with units and zone; gaps stay gaps."""
    from ems import console, sheet
    from ems.columns import zone as zone_of
    from ems.config import historian_url, load
    from ems.export import WHATS, Span, moment
    from ems.historian import Historian
    from ems.wording import counted
    from plant.errors import ConfigError

    if what not in WHATS:
        raise ConfigError(f"{what!r} cannot be exported: one of {', '.join(WHATS)}")
    if form not in {"csv", "parquet", "jsonl"}:
        raise ConfigError(f"--format {form}: one of csv, parquet, jsonl")
    if as_json and out is None:
        raise ConfigError("--json needs --out: both would be written to standard output")
    loaded = load(site)
    zone = zone_of(timezone or loaded.site.site.timezone, "--timezone")
    ends = [None if text is None else moment(text, zone, option) for text, option in ((since, "--since"), (until, "--until"))]
    span = Span(since=ends[0], until=ends[1])
    if span.since is not None and span.until is not None and span.since >= span.until:
        raise ConfigError(f"--until {until} is not after --since {since}: nothing lies between")
    with Historian(historian_url(loaded)) as historian, console.progress() as bar:
        task = bar.add_task(f"writing {what}", total=None)
        made = _sheet(what, historian, loaded, span, _names(tags), _seconds(step))
        rows = sheet.write(made, out, form, zone, lambda rows: bar.advance(task, rows))  # type: ignore[arg-type]  # checked above
    if rows == 0:
        console.stderr.print(
            f"{what}: the historian holds none{' of that time' if since or until else ''}", markup=False, soft_wrap=True
        )
    if out is not None:
        units = {column.name: column.unit for column in made.columns if column.unit}
        answer = {"file": str(out), "what": what, "format": form, "rows": rows, "timezone": zone.key, "units": units}
        console.emit(answer, as_json, words=f"{out}: {counted(rows, 'row')}")


def _names(tags: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in tags.split(",") if tag.strip())


def _seconds(step: str | None) -> float | None:
    from plant.errors import ConfigError
    from plant.times import duration_s

    if step is None:
        return None
    try:
        return duration_s(step)
    except ValueError as error:
        raise ConfigError(f"--step {step}: {error}") from error


def _sheet(what: str, historian: Historian, loaded: LoadedSite, span: Span, tags: tuple[str, ...], step_s: float | None) -> Sheet:
    from ems import export as sheets

    if what == "readings":
        site = loaded.site
        stated = {tag.name: tag.unit for tag in site.tags} | {tag.name: tag.unit for tag in site.virtual_tags}
        return sheets.readings(historian, span, tags=tags, step_s=step_s, stated=stated)
    if what == "forecasts":
        return sheets.forecasts(historian, span, targets=tags)
    if what == "commands":
        return sheets.commands(historian, span)
    if what == "kpi":
        return sheets.kpi(historian, span, loaded.site.site.currency)
    return sheets.journal(historian, span)
