"""`ems import readings`: history into the historian."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from rich.progress import Progress, TaskID

    from ems.imports import ImportReport

_EXAMPLE = "Example: ems import readings --csv history.csv --end 2026-01-01T00:00:00Z --site site.toml"


def mount(app: typer.Typer) -> None:
    """Register `ems import`."""
    imports = typer.Typer(no_args_is_help=True, help="Take history into the historian.")
    imports.command("readings", epilog=_EXAMPLE)(readings)
    imports.callback()(_import)
    app.add_typer(imports, name="import")


def _import() -> None:
    """Take history into the historian."""


def readings(
    csv: Annotated[Path | None, typer.Option(help="CSV file with a header (.gz may be compressed).")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Parquet file.")] = None,
    site: Annotated[Path | None, typer.Option(help="Site file; EMS_SITE if not given.")] = None,
    end: Annotated[str | None, typer.Option(help="Instant at which a running time column (time_s) ends, with its zone.")] = None,
    mapping: Annotated[Path | None, typer.Option("--map", help="TOML file: which column is which tag, in which unit.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time.")] = None,
    time_format: Annotated[str | None, typer.Option(help="strptime format of times that are not ISO 8601.")] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times that name none; the site's if not given.")] = None,
    duplicates: Annotated[str, typer.Option(help="Rows with the same time: last, first, mean or refuse.")] = "last",
    overlap: Annotated[str, typer.Option(help="Times that the historian has already: keep, replace or refuse.")] = "keep",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out places that cannot be used, and name them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Take a history file into the historian: checked first, then stored whole or not at all.

    Columns are tags by their name (also `flow [L/s]`), by the end of a tag's address, or by --map.
    """
    from ems import console
    from ems.columns import read_map
    from ems.config import historian_url, load
    from ems.historian import Historian
    from ems.imports import ImportOptions, import_readings
    from plant.errors import ConfigError

    file = parquet or csv
    if file is None or (csv and parquet):
        raise ConfigError("name one file: --csv FILE or --parquet FILE")
    if duplicates not in {"last", "first", "mean", "refuse"}:
        raise ConfigError(f"--duplicates {duplicates}: one of last, first, mean, refuse")
    if overlap not in {"keep", "replace", "refuse"}:
        raise ConfigError(f"--overlap {overlap}: one of keep, replace, refuse")
    loaded, chosen = load(site), read_map(mapping)
    options = ImportOptions(
        time=time, time_format=time_format, timezone=timezone, end=_instant(end), duplicates=duplicates,  # type: ignore[arg-type]  # checked above
        overlap=overlap, skip_bad=skip_bad,  # type: ignore[arg-type]  # checked above
    )  # fmt: skip
    with Historian(historian_url(loaded)) as historian, console.progress() as bar:
        report = import_readings(historian, loaded.site, file, options, chosen, _Bar(bar).show)
    _answer(report, loaded.site.site.timezone, as_json)


def _instant(text: str | None) -> datetime | None:
    from plant.errors import ConfigError
    from plant.times import instant

    if text is None:
        return None
    try:
        return instant(text)
    except ValueError as error:
        raise ConfigError(f"--end {text}: {error}; write for example 2026-01-01T00:00:00Z") from error


class _Bar:
    """One line per stage of the import."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._stages: dict[str, TaskID] = {}

    def show(self, stage: str, done: int, total: int) -> None:
        if stage not in self._stages:
            self._stages[stage] = self._bar.add_task(stage, total=total or None)
        if total:
            self._bar.update(self._stages[stage], completed=done, total=total)
        else:
            self._bar.advance(self._stages[stage], done)


def _answer(report: ImportReport, timezone: str, as_json: bool) -> None:
    from ems import console
    from ems.wording import clock, counted

    table = console.table(report.file, "tag", "unit", "column", "values", "missing", "implausible", "already there")
    for tag in report.tags:
        counts = (tag.values, tag.missing, tag.implausible, tag.overlapping)
        table.add_row(tag.tag, tag.unit, tag.column or "calculated", *(f"{count:,}" for count in counts))
    span = f"from {clock(report.start, timezone)} to {clock(report.end, timezone)}"
    words = [f"{counted(report.rows, 'row')} {span}, every {report.step_s:g} s, {counted(report.gaps, 'gap')}"]
    words += [_news(report)]
    words += _virtual(report)
    words += [f"{counted(report.duplicates, 'row')} had a time that came before"] if report.duplicates else []
    words += [f"no tag of the site: {', '.join(report.ignored)}"] if report.ignored else []
    words += [f"left out: line {cell.line} {cell.column} {cell.value!r}: {cell.words}" for cell in report.bad]
    console.emit(report, as_json, (table,), "\n".join(words))


def _virtual(report: ImportReport) -> list[str]:
    """What was calculated from the rest, over the whole of the file, and what could not be."""
    from ems.wording import counted

    made = [tag for tag in report.tags if not tag.column]
    holes = [f"{tag.tag} in {counted(tag.missing, 'row')}" for tag in made if tag.missing]
    words = [f"{counted(len(made), 'virtual tag')} calculated over all {counted(report.rows, 'row')}"] if made else []
    if holes:
        words[0] += f"; unknown, where an input is missing or the row before lies too far back: {', '.join(holes)}"
    return words + [f"virtual tag {name} not calculated: {why}" for name, why in report.uncalculated]


def _news(report: ImportReport) -> str:
    """What the historian holds now that it did not hold before."""
    from ems.wording import counted

    there = report.values - report.fresh
    old = f"{counted(there, 'value')} {'was' if there == 1 else 'were'} there already and kept as before"
    new = f"{counted(report.fresh, 'value')} {'is' if report.fresh == 1 else 'are'} new"
    if not report.values:
        return "nothing to store: the file holds no value of a tag of the site"
    if report.replaced:
        return f"{new}, {report.replaced:,} took the place of those that were there"
    if not report.fresh:
        return f"nothing new: {old}"
    return new + (f"; {old}" if there else "")
