"""What changed between two readings of a plant, as events: starts, stops, trips, set-points, selectors, ours or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from plant.assets import Asset
from plant.events import Event
from plant.identity import content_id
from plant.orders import Action, Command
from plant.site import Site
from plant.tags import Snapshot

_SETPOINT_TOLERANCE = 1e-3
_STARTING = frozenset({Action.STARTUP, Action.OPTIMIZE})
_SETTING = frozenset({Action.STARTUP, Action.OPTIMIZE, Action.RELEASE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    kind: str
    words: str
    ours: frozenset[Action]
    """Our actions that would explain it; empty = it is never our doing."""


def events(site: Site, before: Snapshot, after: Snapshot, commands: Sequence[Command]) -> tuple[Event, ...]:
    """The changes of all assets between two snapshots.

    Parameters
    ----------
    commands
        Ours that were written since `before`. A change that none of them explains is `external_…`: local control, a person
        at the machine, or another system.
    """
    found = []
    for asset in site.assets:
        actions = {command.action for command in commands if command.asset == asset.name}
        for change in _changes(asset, before, after):
            external = not change.ours & actions
            kind = f"external_{change.kind}" if external and change.ours else change.kind
            words = f"{asset.name} {change.words}" + (", and not by our command" if external and change.ours else "")
            number = content_id("e", kind, asset.name, after.time, words)
            found.append(Event(id=number, time=after.time, kind=kind, asset=asset.name, words=words))
    return tuple(found)


def _changes(asset: Asset, before: Snapshot, after: Snapshot) -> list[_Change]:
    tags = asset.tags
    found = [
        _turned(before.truth, after.truth, tags.running, _started, _stopped),
        _turned(before.truth, after.truth, tags.tripped, _plain("tripped", "tripped"), _plain("trip_cleared", "may run again")),
        _turned(
            before.truth,
            after.truth,
            tags.remote,
            _plain("set_to_remote", "was set to remote"),
            _plain("set_to_local", "was set to local"),
        ),
    ]
    if tags.setpoint is not None:
        old, new = before.number(tags.setpoint), after.number(tags.setpoint)
        if old is not None and new is not None and abs(new - old) > _SETPOINT_TOLERANCE * max(1.0, abs(old)):
            found.append(_Change(kind="setpoint", words=f"set-point went from {old:g} to {new:g}", ours=_SETTING))
    return [change for change in found if change is not None]


def _turned(
    before: Callable[[str], bool | None],
    after: Callable[[str], bool | None],
    tag: str | None,
    on: Callable[[], _Change],
    off: Callable[[], _Change],
) -> _Change | None:
    if tag is None:
        return None
    was, now = before(tag), after(tag)
    if was is None or now is None or was == now:
        return None
    return on() if now else off()


def _started() -> _Change:
    return _Change(kind="started", words="started", ours=_STARTING)


def _stopped() -> _Change:
    return _Change(kind="stopped", words="stopped", ours=frozenset({Action.SHUTDOWN}))


def _plain(kind: str, words: str) -> Callable[[], _Change]:
    return lambda: _Change(kind=kind, words=words, ours=frozenset())
