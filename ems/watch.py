"""What changed in the plant that this product did not order: the human wins."""

from __future__ import annotations

from dataclasses import dataclass

from ems.execute import same, writes_of
from ems.standing import Standing
from plant.assets import Asset, Mode
from plant.events import Alarm, AlarmState, Event, ModeChange, Priority
from plant.identity import content_id
from plant.orders import Action
from plant.tags import Quality, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """What one asset's tags show beyond our own orders."""

    event: Event
    alarm: Alarm | None = None
    mode: ModeChange | None = None
    given_back: bool = False
    """Local control has it, whoever arranged that."""


def noticed(asset: Asset, standing: Standing, snapshot: Snapshot, contact_was_lost: bool) -> Noticed | None:
    """A change by somebody else of an asset that we control; None if there is none.

    Parameters
    ----------
    contact_was_lost
        Whether the connection was lost since the last cycle: then a return to local control is the plant's watchdog, not a person.
    """
    if standing.order is None or standing.order.action is Action.RELEASE:
        return None
    for write in writes_of(asset, standing.order):
        reading = snapshot.find(write.tag)
        if reading is None or reading.value is None or reading.quality is Quality.BAD or same(reading.value, write.value):
            continue
        back = any(item.tag == write.tag and same(reading.value, item.value) for item in asset.release)
        what = f"{write.tag} reads {reading.value}, we wrote {write.value}"
        if back and contact_was_lost:
            words = f"the plant took {asset.name} back while contact was lost: {what}"
            return Noticed(event=_event("watchdog_released", asset.name, snapshot, words), given_back=True)
        return _overridden(asset, snapshot, what, back)
    return None


def _overridden(asset: Asset, snapshot: Snapshot, what: str, back: bool) -> Noticed:
    words = f"somebody else changed {asset.name}: {what}"
    alarm = Alarm(
        id=content_id("a", "external_change", asset.name, snapshot.time),
        rule="external_change",
        asset=asset.name,
        priority=Priority.MEDIUM,
        state=AlarmState.UNACKNOWLEDGED,
        raised_at=snapshot.time,
        changed_at=snapshot.time,
        words=words,
        cause="A person or another system wrote to the machine.",
        consequence="It is in OBSERVE: nothing is written to it until a person returns it.",
        advice=f"When it may be controlled again: ems mode {asset.name} control",
    )
    change = ModeChange(asset=asset.name, mode=Mode.OBSERVE, who="ems", time=snapshot.time, words=what)
    return Noticed(event=_event("external_change", asset.name, snapshot, words), alarm=alarm, mode=change, given_back=back)


def _event(kind: str, asset: str, snapshot: Snapshot, words: str) -> Event:
    return Event(id=content_id("e", kind, asset, snapshot.time, words), time=snapshot.time, kind=kind, asset=asset, words=words)
