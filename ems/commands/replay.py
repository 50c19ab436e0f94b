"""`ems replay`: the same decisions again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plant.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ems.differing import Difference
    from ems.historian import Entry
    from ems.replay import Replayer
    from plant.orders import Plan


def mount(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("replay")(replay)


def replay(
    decision: Annotated[str | None, typer.Argument(help="Plan, situation, cycle or command id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decision of the journal.")] = False,
    with_: Annotated[
        str | None, typer.Option("--with", help="Change one thing: KEY=VALUE, for example stores.tank_a.level=2.0.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="Site file (or EMS_SITE).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Derive decisions again from the journal and compare them bit for bit; exit code 1 if any differs.

    A decision that the clock had cut cannot be derived again: it is verified instead (feasible, within its own bound).

    Example: ems replay --all --json
    """
    from ems.console import emit, stderr
    from ems.options import opened
    from ems.replay import Replayer, whole
    from ems.wording import counted

    if (decision is None) is not every:
        raise ConfigError("name one decision, or say --all")
    if every and with_ is not None:
        raise ConfigError("--with changes one decision: name it instead of --all")
    with opened(site) as (loaded, historian):
        replayer = Replayer(historian)
        entries = replayer.plans(decision)
        if with_ is not None:
            _with_one_change(replayer, entries[0], with_, as_json, loaded.site.site.timezone)
            return
        with stderr.status(f"deriving {counted(len(entries), 'decision')} again"):
            made = whole(historian, entries, processes=os.cpu_count() or 1)
    emit(made, as_json, (_table(made.different),) if made.different else (), made.words())
    if made.different:
        raise typer.Exit(1)


def _with_one_change(replayer: Replayer, entry: Entry, setting: str, as_json: bool, timezone: str) -> None:
    from ems.console import emit
    from ems.differing import differences
    from ems.one_change import changed

    recorded = replayer.recorded(entry)
    change = changed(recorded.situation, setting)
    again = replayer.proposed(recorded, change.situation)
    found = differences(recorded.plan.id, recorded.plan, again)
    answer = {"decisions": 1, "identical": int(not found), "verified": 0, "different": found, "changed": change.made}
    shown = _beside(recorded.plan, again, timezone)
    words = [*(f"changed {line}" for line in change.made), *([] if shown.row_count else ["the plan stays the same"])]
    emit(answer, as_json, (shown,) if shown.row_count else (), "\n".join(words))


def _table(found: tuple[Difference, ...]) -> RichTable:
    from ems.console import table

    made = table("Different", "decision", "field", "recorded", "replayed")
    for item in found:
        made.add_row(item.id, item.field, item.recorded, item.replayed)
    return made


def _beside(recorded: Plan, again: Plan, timezone: str) -> RichTable:
    """A plan beside the one for the changed situation: only what differs."""
    from ems.console import table
    from ems.plan_words import plan_words

    made = table(f"Plan {recorded.id} beside the one for the changed situation", "what", "as it was", "with the change")
    before, after = plan_words(recorded, timezone), plan_words(again, timezone)
    for what in dict.fromkeys([*before, *after]):
        if before.get(what) != after.get(what):
            made.add_row(what, before.get(what, "–"), after.get(what, "–"))
    return made
