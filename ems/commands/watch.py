"""`ems doctor` and `ems monitor`: is it healthy, for people and for watchdogs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plant.errors import ConfigError, NotConnectedError
from plant.times import duration_s

Site = Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("doctor")(doctor)
    app.command("monitor")(monitor)


def doctor(
    site: Site = None,
    as_json: Json = False,
    plant: Annotated[bool, typer.Option(help="Also read the plant once (nothing is written).")] = True,
) -> None:
    """Check site file, historian, journal, models and plant; exit code 1 if anything is wrong.

    The plant of a demo ends with the demo: look at what it left with --no-plant.

    Example: ems doctor --site works/site.toml
    """
    from ems.checkup import checkup
    from ems.console import emit, table

    findings = checkup(site, plant=plant)
    shown = table("Check-up", "what", "well", "words")
    for finding in findings:
        shown.add_row(finding.what, "yes" if finding.well else "NO", finding.words)
    emit(findings, as_json, (shown,))
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


def monitor(
    site: Site = None,
    max_age: Annotated[str, typer.Option(help="How old the last decision may be.")] = "15min",
    as_json: Json = False,
) -> None:
    """Exit code 0 while the controller decides in time, 6 when its last decision is too old.

    Example: ems monitor --max-age 15m || systemctl restart ems
    """
    from connectors import wall
    from ems.config import historian_url, load
    from ems.console import emit
    from ems.historian import Historian
    from ems.wording import clock, lasting

    try:
        most_s = duration_s(max_age)
    except ValueError as error:
        raise ConfigError(f"--max-age: {error}") from error
    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        newest = historian.entries("plan", newest_first=True, limit=1)
    if not newest:
        raise NotConnectedError("no decision has been made yet")
    age_s = (wall.now() - newest[0].time).total_seconds()
    words = f"last decision {clock(newest[0].time, loaded.site.site.timezone)}, {lasting(age_s)} ago"
    if age_s > most_s:
        raise NotConnectedError(f"{words}: more than {max_age}")
    emit({"last_decision": newest[0].time, "age_s": age_s}, as_json, words=words)
