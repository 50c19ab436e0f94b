"""`ems maintenance`: the maintenance log."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.events import MaintenanceKind

if TYPE_CHECKING:
    from ems.historian import Historian

Site = Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def mount(app: typer.Typer) -> None:
    """Register `ems maintenance`."""
    made = typer.Typer(no_args_is_help=True, help="Maintenance log: after a commissioning or an overhaul health begins anew.")
    made.command("add")(add)
    made.command("list")(entries)
    app.add_typer(made, name="maintenance")


def add(
    asset: Annotated[str, typer.Argument(help="Name of the asset.")],
    what: Annotated[MaintenanceKind, typer.Argument(case_sensitive=False, help="commissioning or overhaul.")],
    at: Annotated[str | None, typer.Option(help="When it was done, ISO 8601 with zone; now if not given.")] = None,
    site: Site = None,
    who: Annotated[str | None, typer.Option(help="Who says so; the login name if not given.")] = None,
    why: Annotated[str, typer.Option(help="What was done, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Note a commissioning or an overhaul: the asset's health is learned anew from then on.

    Example: ems maintenance add compressor_1 overhaul --at 2026-03-02T14:00:00Z --why "new bearing"
    """
    from ems.config import historian_url, load
    from ems.console import emit
    from ems.historian import Historian
    from ems.maintenance import entry
    from plant.errors import ConfigError, NotFoundError
    from plant.identity import content_id
    from plant.orders import Request
    from plant.times import instant, iso

    loaded = load(site)
    names = [item.name for item in loaded.site.assets]
    if asset not in names:
        raise NotFoundError(f"no asset {asset!r}: there are {', '.join(names)}")
    try:
        value = None if at is None else iso(instant(at))
    except ValueError as error:
        raise ConfigError(f"--at {at}: {error}") from error
    with Historian(historian_url(loaded)) as historian:
        now, person, wish = _time(historian), who or getpass.getuser(), what.value.lower()
        number = content_id("q", wish, asset, person, now, value, why)
        request = Request(id=number, who=person, time=now, wish=wish, asset=asset, value=value, words=why)
        noted = entry(request, now)
        historian.file_request(request)
    emit(noted, as_json, words=f"noted: {wish} of {asset} at {iso(noted.time)} by {person}; its health begins anew")


def entries(site: Site = None, as_json: Json = False) -> None:
    """The maintenance log, newest work first.

    Example: ems maintenance list
    """
    from ems.config import historian_url, load
    from ems.console import clock, emit, table
    from ems.historian import Historian
    from ems.maintenance import log

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        found = log(historian)[::-1]
    shown = table("Maintenance", "done", "asset", "what", "who", "words")
    for item in found:
        shown.add_row(clock(item.time, loaded.site.site.timezone), item.asset, item.kind.value, item.who, item.words)
    emit(found, as_json, (shown,))


def _time(historian: Historian) -> datetime:
    """The plant's time as the historian last saw it, by the journal or by the readings that were brought in."""
    from plant.errors import NotConnectedError

    newest, span = historian.entries(newest_first=True, limit=1), historian.span()
    times = [entry.time for entry in newest] + ([span[1]] if span is not None else [])
    if not times:
        raise NotConnectedError("the historian is empty: bring history in by `ems import readings`, or let `ems run` watch")
    return max(times)
