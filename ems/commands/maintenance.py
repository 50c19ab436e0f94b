"""`ems maintenance`: the maintenance log."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.options import lists_by_itself, opened
from plant.events import MaintenanceKind

if TYPE_CHECKING:
    from ems.historian import Historian
    from plant.events import Maintenance

Site = Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def mount(app: typer.Typer) -> None:
    """Register `ems maintenance`."""
    made = typer.Typer(help="Maintenance log: after a commissioning or an overhaul health begins anew.")
    made.command("add")(add)
    made.command("remove")(remove)
    made.command("list")(entries)
    lists_by_itself(made, entries)
    app.add_typer(made, name="maintenance")


def add(
    asset: Annotated[str, typer.Argument(help="Name of the asset.")],
    what: Annotated[MaintenanceKind, typer.Argument(case_sensitive=False, help="commissioning or overhaul.")],
    at: Annotated[
        str | None, typer.Option(help="When it was done, ISO 8601 with zone; if not given, the plant's time as it was last seen.")
    ] = None,
    site: Site = None,
    who: Annotated[str | None, typer.Option(help="Who says so; the login name if not given.")] = None,
    why: Annotated[str, typer.Option(help="What was done, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Note a commissioning or an overhaul: the asset's health is learned anew from then on.

    Example: ems maintenance add compressor_1 overhaul --at 2026-03-02T14:00:00Z --why "new bearing"
    """
    from ems.maintenance import WITHDRAWN
    from plant.errors import ConfigError, NotFoundError
    from plant.times import instant, iso

    if what is WITHDRAWN:
        raise ConfigError("an entry is withdrawn by `ems maintenance remove ID`")
    with opened(site) as (loaded, historian):
        names = [item.name for item in loaded.site.assets]
        if asset not in names:
            raise NotFoundError(f"no asset {asset!r}: there are {', '.join(names)}")
        try:
            value = None if at is None else iso(instant(at))
        except ValueError as error:
            raise ConfigError(f"--at {at}: {error}") from error
        noted = _filed(historian, asset, what, value, who, why)
    _say_noted(noted, loaded.site.site.timezone, as_json, given=at is not None)


def _say_noted(noted: Maintenance, timezone: str, as_json: bool, *, given: bool) -> None:
    """Say what was noted, which time that is, what follows from it, and how it is taken back."""
    from connectors.wall import now
    from ems.console import emit
    from ems.maintenance import number
    from ems.wording import clock, counted

    days = (now() - noted.time).days
    old = f", {counted(days, 'day')} ago" if days else ""
    source = "" if given else f" (no --at: the plant's time as it was last seen{old})"
    words = [
        f"noted: {noted.kind.value.lower()} of {noted.asset}, done {clock(noted.time, timezone)}{source}, by {noted.who}",
        f"health of {noted.asset} begins anew there: what was learned from before does not count any more, and until a week of "
        "readings has come there is no score",
        f"if that is wrong: ems maintenance remove {number(noted)}",
    ]
    emit(_document(noted), as_json, words="\n".join(words))


def remove(
    entry: Annotated[str, typer.Argument(metavar="ID", help="As `ems maintenance list` shows it.")],
    site: Site = None,
    who: Annotated[str | None, typer.Option(help="Who says so; the login name if not given.")] = None,
    why: Annotated[str, typer.Option(help="What was wrong, for the record.")] = "",
    as_json: Json = False,
) -> None:
    """Take back an entry that was a mistake: the asset's health goes on as if it had never been noted.

    The journal keeps both, the entry and that it was withdrawn. A controller that is running takes it up at its next start.

    Example: ems maintenance remove w-0123456789abcdef --why "it was compressor_2"
    """
    from ems.console import emit
    from ems.maintenance import WITHDRAWN, log, number
    from ems.wording import clock
    from plant.errors import NotFoundError
    from plant.times import iso

    with opened(site) as (loaded, historian):
        found = next((item for item in log(historian) if number(item) == entry), None)
        if found is None:
            raise NotFoundError(f"the maintenance log has no entry {entry!r}: `ems maintenance list`")
        withdrawn = _filed(historian, found.asset, WITHDRAWN, iso(found.time), who, why)
    done = clock(found.time, loaded.site.site.timezone)
    words = (
        f"withdrawn: {found.kind.value.lower()} of {found.asset}, done {done}; a controller that is running knows at its next start"
    )
    emit(_document(withdrawn), as_json, words=words)


def entries(site: Site = None, as_json: Json = False) -> None:
    """The maintenance log, newest work first.

    Example: ems maintenance list
    """
    from ems.console import emit, table
    from ems.maintenance import log, number
    from ems.wording import clock

    with opened(site) as (loaded, historian):
        found = log(historian)[::-1]
    shown = table("Maintenance", "done", "asset", "what", "who", "words", "id")
    for item in found:
        cells = (item.asset, item.kind.value, item.who, item.words, number(item))
        shown.add_row(clock(item.time, loaded.site.site.timezone), *cells)
    emit([_document(item) for item in found], as_json, (shown,))


def _document(item: Maintenance) -> dict[str, object]:
    from ems.maintenance import number
    from plant.identity import plain

    return {**plain(item), "id": number(item)}


def _filed(historian: Historian, asset: str, what: MaintenanceKind, value: str | None, who: str | None, why: str) -> Maintenance:
    """Leave an entry for the controller to journal; it counts from now on."""
    from ems.maintenance import entry
    from plant.identity import content_id
    from plant.orders import Request

    now, person, wish = _time(historian), who or getpass.getuser(), what.value.lower()
    number = content_id("q", wish, asset, person, now, value, why, len(historian.open_requests()))
    request = Request(id=number, who=person, time=now, wish=wish, asset=asset, value=value, words=why)
    noted = entry(request, now)
    historian.file_request(request)
    return noted


def _time(historian: Historian) -> datetime:
    """The plant's time as the historian last saw it, by the journal or by the readings that were brought in."""
    from plant.errors import NotConnectedError

    newest, span = historian.entries(newest_first=True, limit=1), historian.span()
    times = [entry.time for entry in newest] + ([span[1]] if span is not None else [])
    if not times:
        raise NotConnectedError("the historian is empty: bring history in by `ems import readings`, or let `ems run` watch")
    return max(times)
