"""What each asset was last told, and how far the product may go with it: rebuilt from the journal, never from memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from plant.assets import Mode
from plant.events import ModeChange
from plant.orders import Action, Command, Outcome, OutcomeKind
from plant.situation import Lock

EMS = "ems"
"""Who lowers a mode when no person does."""
SENT = frozenset({OutcomeKind.CONFIRMED, OutcomeKind.NO_EFFECT, OutcomeKind.UNCONFIRMED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One asset's last order that went out, and its mode."""

    asset: str
    order: Command | None = None
    """None = nothing was ever sent, or it was given back."""
    confirmed: bool = False
    sent_at: datetime | None = None
    mode: Mode | None = None
    """Set by a person or lowered by the product; None = as the site file says."""
    lock: Lock | None = None

    @property
    def released(self) -> bool:
        """Whether local control has it."""
        return self.order is None

    def told(self, command: Command, outcome: Outcome) -> Standing:
        """The standing after a command ended."""
        if outcome.kind not in SENT:
            return self
        if outcome.kind is OutcomeKind.UNCONFIRMED and outcome.written_at is None:
            return self
        if command.action is Action.RELEASE:
            done = outcome.kind is OutcomeKind.CONFIRMED
            return replace(self, order=None if done else command, confirmed=done, sent_at=outcome.time)
        return replace(self, order=command, confirmed=outcome.kind is OutcomeKind.CONFIRMED, sent_at=outcome.time)

    def moded(self, change: ModeChange) -> Standing:
        """The standing after a change of mode; a machine that somebody else took over is no longer ours."""
        taken = change.who == EMS and change.mode is Mode.OBSERVE and self.sent_at is not None and change.time >= self.sent_at
        return replace(self, mode=change.mode, order=None if taken else self.order)

    def effective(self, site_mode: Mode) -> Mode:
        """The lower of the site's mode and the asset's own."""
        return site_mode if self.mode is None or self.mode.rank > site_mode.rank else self.mode


def rebuilt(
    assets: Iterable[str],
    commands: Iterable[Command],
    outcomes: Iterable[Outcome],
    modes: Iterable[ModeChange],
    locks: Iterable[Lock],
) -> dict[str, Standing]:
    """Standings from journalled records, each in the order in which they were journalled.

    A `Lock` whose `until` is not later than its `since` is the journal's word for an unlock.
    """
    standings = {name: Standing(asset=name) for name in assets}
    ended = {outcome.command_id: outcome for outcome in outcomes}
    for command in commands:
        if command.asset in standings and command.id in ended:
            standings[command.asset] = standings[command.asset].told(command, ended[command.id])
    for change in modes:
        if change.asset in standings:
            standings[change.asset] = standings[change.asset].moded(change)
    for lock in locks:
        if lock.asset in standings:
            open_lock = lock if lock.until is None or lock.until > lock.since else None
            standings[lock.asset] = replace(standings[lock.asset], lock=open_lock)
    return standings
