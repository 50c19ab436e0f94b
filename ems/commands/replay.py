"""`ems replay`: the same decisions again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.replay import Difference


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("replay")(replay)


def replay(
    decision: Annotated[str | None, typer.Argument(help="Plan, situation or cycle id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decision of the journal.")] = False,
    with_: Annotated[
        str | None, typer.Option("--with", help="Change one thing: KEY=VALUE, for example stores.tank_a.level=2.0.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Derive decisions again from the journal and compare them bit for bit; exit code 1 if any differs.

    Example: ems replay --all --json
    """
    from ems.config import historian_url, load
    from ems.console import emit, stderr, table
    from ems.historian import Historian
    from ems.replay import Replayer, changed, differences, whole

    if (decision is None) is not every:
        raise ConfigError("name one decision, or say --all")
    loaded = load(site)
    with Historian(historian_url(loaded)) as historian:
        replayer = Replayer(historian)
        entries = replayer.plans(decision)
        if with_ is not None:
            recorded = replayer.recorded(entries[0])
            again = replayer.proposed(recorded, changed(recorded.situation, with_))
            found = differences(recorded.plan.id, recorded.plan, again)
            answer = {"decisions": 1, "identical": int(not found), "verified": 0, "different": found}
            emit(answer, as_json, (_table(found, table),) if found else (), "" if found else "the plan stays the same")
            return
        with stderr.status(f"deriving {len(entries)} decisions again"):
            made = whole(historian, entries, processes=os.cpu_count() or 1)
    words = f"{made.decisions} decisions: {made.identical} identical, {made.verified} verified"
    emit(made, as_json, (_table(made.different, table),) if made.different else (), words)
    if made.different:
        raise typer.Exit(1)


def _table(found: tuple[Difference, ...], table: Callable[..., RichTable]) -> RichTable:
    made = table("Different", "decision", "field", "recorded", "replayed")
    for item in found:
        made.add_row(item.id, item.field, item.recorded, item.replayed)
    return made
