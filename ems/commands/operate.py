"""`ems commands`, `ems alarms`, `ems mode`: what an operator does on the dashboard."""

from __future__ import annotations

import getpass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.options import lists_by_itself, opened
from plant.assets import Mode
from plant.orders import Action

if TYPE_CHECKING:
    from ems.historian import Historian

Site = Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Who = Annotated[str | None, typer.Option(help="Who asks; the login name if not given.")]
Why = Annotated[str, typer.Option(help="Why, for the record.")]

commands_app = typer.Typer(help="Commands: list them, look at their evidence, approve or reject what waits, give one.")
alarms_app = typer.Typer(help="Alarms (ISA-18.2): list, acknowledge, shelve.")


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    lists_by_itself(commands_app, list_commands)
    lists_by_itself(alarms_app, list_alarms)
    app.add_typer(commands_app, name="commands")
    app.add_typer(alarms_app, name="alarms")
    app.command("mode")(mode)


def _time(historian: Historian) -> datetime:
    """The plant's time as the historian last saw it: nobody here asks the wall."""
    from plant.errors import NotConnectedError

    newest = historian.entries(newest_first=True, limit=1)
    if not newest:
        raise NotConnectedError("the journal is empty: no controller has run on this site yet")
    return newest[0].time


def _file(site: Path | None, wish: str, who: str | None, as_json: bool, **fields: object) -> None:
    from ems.console import emit
    from plant.identity import content_id
    from plant.orders import Request

    with opened(site) as (_, historian):
        now, person = _time(historian), who or getpass.getuser()
        number = len(historian.open_requests())
        request = Request(
            id=content_id("q", wish, person, now, number, *(str(value) for value in fields.values())),
            who=person,
            time=now,
            wish=wish,
            **fields,  # type: ignore[arg-type]  # the fields of Request, given by the callers below
        )
        historian.file_request(request)
    emit(request, as_json, words=f"filed: {wish} by {person}; the controller takes it in its next cycle")


@commands_app.command("list")
def list_commands(
    site: Site = None, as_json: Json = False, limit: Annotated[int, typer.Option(help="The newest so many.", min=1)] = 50
) -> None:
    """Commands with how they ended, newest first.

    Example: ems commands list --limit 20
    """
    from ems.console import emit, table
    from ems.told import told
    from ems.wording import clock

    with opened(site) as (loaded, historian):
        found, timezone = told(historian, limit=limit), loaded.site.site.timezone
    shown = table("Commands", "at", "asset", "action", "set-point", "outcome", "reason", "words", "id")
    for item in found:
        command, end = item.command, item.outcome
        setpoint = "" if command.setpoint is None else f"{command.setpoint:g}"
        cells = (command.asset, command.action.value, setpoint, end.kind.value if end else "", command.reason.value)
        shown.add_row(clock(command.at, timezone), *cells, item.words(timezone), command.id)
    emit(found, as_json, (shown,))


@commands_app.command("show")
def show_command(command_id: str, site: Site = None, as_json: Json = False) -> None:
    """One command with its evidence: plan, verdict, outcome.

    Example: ems commands show c-0123456789abcdef
    """
    from ems.console import emit
    from ems.evidence import evidence

    with opened(site) as (loaded, historian):
        found = evidence(historian, command_id)
    emit(found, as_json, words=found.words(loaded.site.site.timezone))


@commands_app.command("approve")
def approve(command_id: str, site: Site = None, who: Who = None, why: Why = "", as_json: Json = False) -> None:
    """Approve a command that waits in ADVISE; it is rehearsed again before it is sent.

    Example: ems commands approve c-0123456789abcdef --why "line is clear"
    """
    _file(site, "approve", who, as_json, value=command_id, words=why)


@commands_app.command("reject")
def reject(command_id: str, site: Site = None, who: Who = None, why: Why = "", as_json: Json = False) -> None:
    """Reject a command that waits in ADVISE.

    Example: ems commands reject c-0123456789abcdef --why "maintenance at noon"
    """
    _file(site, "reject", who, as_json, value=command_id, words=why)


@commands_app.command("give")
def give(
    asset: str,
    action: Annotated[Action, typer.Argument(case_sensitive=False)],
    setpoint: Annotated[float | None, typer.Option(help="With OPTIMIZE.")] = None,
    site: Site = None,
    who: Who = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Ask for a command of one's own: it walks the same road as every other, rehearsal included.

    Example: ems commands give compressor_1 shutdown --why "noise at the bearing"
    """
    _file(site, "command", who, as_json, asset=asset, action=action, setpoint=setpoint, words=why)


@alarms_app.command("list")
def list_alarms(
    site: Site = None,
    as_json: Json = False,
    every: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
) -> None:
    """Alarms, most urgent first.

    Example: ems alarms list
    """
    from ems.console import emit, table
    from ems.raised import needing_a_person, standing
    from ems.wording import clock, localised, readable

    with opened(site) as (loaded, historian):
        alarms, timezone = standing(historian) if every else needing_a_person(historian), loaded.site.site.timezone
    shown = table("Alarms", "raised", "priority", "state", "asset", "words", "what to do", "id")
    for alarm in alarms:
        words = readable(localised(alarm.words, alarm.raised_at, timezone))
        cells = (alarm.priority.value, alarm.state.value, alarm.asset or "site", words, alarm.advice, alarm.id)
        shown.add_row(clock(alarm.raised_at, timezone), *cells)
    emit(alarms, as_json, (shown,), "" if alarms else "no alarm was ever raised" if every else "no alarm needs a person")


@alarms_app.command("ack")
def acknowledge(alarm_id: str, site: Site = None, who: Who = None, why: Why = "", as_json: Json = False) -> None:
    """Acknowledge an alarm.

    Example: ems alarms ack a-0123456789abcdef
    """
    _file(site, "ack", who, as_json, value=alarm_id, words=why)


@alarms_app.command("shelve")
def shelve(
    alarm_id: str,
    for_: Annotated[str, typer.Option("--for", help="How long, at most 24h.")] = "8h",
    site: Site = None,
    who: Who = None,
    as_json: Json = False,
) -> None:
    """Put an alarm aside for a while.

    Example: ems alarms shelve a-0123456789abcdef --for 2h
    """
    from plant.errors import ConfigError
    from plant.times import duration_s

    try:
        duration_s(for_)
    except ValueError as error:
        raise ConfigError(f"--for: {error}") from error
    _file(site, "shelve", who, as_json, value=alarm_id, words=for_)


def mode(
    asset: Annotated[str, typer.Argument(help="Name of the asset.")],
    to: Annotated[Mode, typer.Argument(case_sensitive=False, help="observe, shadow, advise or control.")],
    site: Site = None,
    who: Who = None,
    why: Why = "",
    as_json: Json = False,
) -> None:
    """Raise or lower the mode of an asset; it never goes above the site's.

    Example: ems mode compressor_1 control --why "bearing replaced"
    """
    from ems.config import load
    from plant.errors import NotFoundError

    names = [item.name for item in load(site).site.assets]
    if asset not in names:
        raise NotFoundError(f"no asset {asset!r}: there are {', '.join(names)}")
    _file(site, "mode", who, as_json, asset=asset, value=to.value, words=why)
