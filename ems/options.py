"""Options that many commands share, and what every command of a site begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ems.config import LoadedSite
    from ems.historian import Historian

SiteOption = Annotated[Path | None, typer.Option("--site", help="Site file; EMS_SITE if not given.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
WhoOption = Annotated[str, typer.Option("--who", help="Who says so; goes on record.")]
UntilOption = Annotated[str | None, typer.Option("--until", help="As of this time; the last reading if not given.")]


def lists_by_itself(group: typer.Typer, shown: Callable[..., None]) -> None:
    """Let a group of commands that is called without one show its list."""

    @group.callback(invoke_without_command=True)
    def alone(context: typer.Context, site: SiteOption = None, as_json: JsonOption = False) -> None:
        from plant.errors import ConfigError

        if context.invoked_subcommand is None:
            shown(site=site, as_json=as_json)
        elif site is not None or as_json:
            raise ConfigError(f"write options after the command: {context.command_path} {context.invoked_subcommand} --site …")


@contextmanager
def opened(site: Path | None) -> Iterator[tuple[LoadedSite, Historian]]:
    """The site of a file and its historian."""
    from ems.config import historian_url, load
    from ems.historian import Historian

    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        yield loaded, historian


def as_of(loaded: LoadedSite, historian: Historian, text: str | None, option: str = "--until") -> datetime:
    """The instant that an option names; without it, the end of the step of the last reading.

    Raises
    ------
    ConfigError
        If the text is not a time.
    DataError
        If there is neither text nor reading.
    """
    from datetime import timedelta

    from ems.columns import zone
    from ems.export import moment
    from plant.errors import DataError

    if text is not None:
        return moment(text, zone(loaded.site.site.timezone, "site.timezone"), option)
    span = historian.span()
    if span is None:
        raise DataError("the historian is empty: import readings first (`ems import readings`)")
    return span[1] + timedelta(seconds=loaded.site.control.step_s)
