"""After a crash: every journalled command gets exactly one outcome, and none of them is ever sent again."""

from __future__ import annotations

from dataclasses import replace

from ems.execute import Written, ended, judge, same, writes_of
from ems.historian import Historian
from plant.orders import Action, Command, Outcome, OutcomeKind
from plant.site import Site
from plant.tags import Snapshot


def unended(historian: Historian) -> list[Command]:
    """Journalled commands without an outcome, oldest first."""
    done = {outcome.command_id for outcome in historian.records("outcome", Outcome)}
    return [command for command in historian.records("command", Command) if command.id not in done]


def recover(site: Site, historian: Historian, snapshot: Snapshot) -> list[Outcome]:
    """End the commands of a former process by what the plant shows now, and journal that."""
    outcomes = [_found(site, command, snapshot) for command in unended(historian)]
    historian.append("outcome", outcomes, cycle="recovery", time=snapshot.time)
    return outcomes


def _found(site: Site, command: Command, snapshot: Snapshot) -> Outcome:
    asset = next((item for item in site.assets if item.name == command.asset), None)
    if asset is None:
        return ended(command, OutcomeKind.UNCONFIRMED, snapshot.time, "found after a restart: the site has no such asset any more")
    writes = writes_of(asset, command)
    shown = bool(writes) and all(
        (item := snapshot.find(write.tag)) is not None and same(item.value, write.value) for write in writes
    )
    if not shown:
        expired = snapshot.time >= command.expires
        kind = OutcomeKind.EXPIRED if expired else OutcomeKind.UNCONFIRMED
        return ended(command, kind, snapshot.time, "found after a restart: the plant does not show it; it is not sent again")
    outcome = judge(asset, Written(command=command, at=command.at), snapshot)
    if outcome.kind is OutcomeKind.CONFIRMED or command.action is Action.RELEASE:
        return outcome
    words = f"found after a restart: the order is in the plant, {outcome.words}"
    return replace(ended(command, OutcomeKind.UNCONFIRMED, snapshot.time, words), written_at=command.at)
