"""Commands with how they ended and what a person said of them, joined from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ems.historian import Historian, parse
from ems.wording import localised, readable
from plant.events import Approval
from plant.orders import Command, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One command as the journal knows it."""

    command: Command
    outcome: Outcome | None
    """None while it is under way."""
    approval: Approval | None
    """What a person said; None if nobody had to, or has not yet."""
    cycle: str
    number: int
    """Number of its journal row."""

    def words(self, timezone: str) -> str:
        """Why it was given, for a person: times on the site's clock, numbers without powers of ten."""
        return readable(localised(self.command.words, self.command.at, timezone))


def told(
    historian: Historian, *, since: datetime | None = None, until: datetime | None = None, limit: int | None = None
) -> tuple[Told, ...]:
    """Commands, newest first.

    Parameters
    ----------
    since, until
        Commands journalled from `since` on and before `until`; None = from the first, to the last.
    limit
        At most so many.
    """
    entries = historian.entries("command", since=since, until=until, newest_first=True, limit=limit)
    if not entries:
        return ()
    first = min(entry.time for entry in entries)
    ends = {end.command_id: end for end in historian.records("outcome", Outcome, since=first)}
    said = {word.command_id: word for word in historian.records("approval", Approval, since=first)}
    found = []
    for entry in entries:
        command = parse(entry, Command)
        found.append(
            Told(
                command=command,
                outcome=ends.get(command.id),
                approval=said.get(command.id),
                cycle=entry.cycle,
                number=entry.seq,
            )
        )
    return tuple(found)
