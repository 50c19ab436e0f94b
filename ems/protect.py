"""What comes before any plan: the human wins, and an asset that cannot be read leaves control."""

from __future__ import annotations

from ems.carry_out import Ended, give_back
from ems.execute import Gate
from ems.memory import Memory
from ems.site import Works
from ems.watch import noticed
from plant.assets import Mode
from plant.events import Alarm, AlarmState, Event, Priority
from plant.identity import content_id
from plant.orders import Reason
from plant.situation import Situation
from plant.tags import Snapshot


def watch(works: Works, memory: Memory, cycle: str, snapshot: Snapshot) -> None:
    """Notice what somebody else changed; the asset goes to OBSERVE until a person returns it."""
    for asset in works.site.assets:
        found = noticed(asset, memory.standings[asset.name], snapshot, memory.contact_was_lost)
        if found is None:
            continue
        changes, alarms = ([found.mode] if found.mode else []), ([found.alarm] if found.alarm else [])
        works.historian.append_all(
            [("event", [found.event]), ("alarm", alarms), ("mode", changes)], cycle=cycle, time=snapshot.time
        )
        memory.alarmed(alarms)
        for change in changes:
            memory.moded(change)
        memory.given_back(asset.name)
    memory.contact_was_lost = False


def protect(works: Works, memory: Memory, gate: Gate, cycle: str, situation: Situation) -> tuple[Ended, ...]:
    """Take assets with bad readings out of control: one asset, not the site."""
    bad = {state.asset: state.words for state in situation.assets if not state.good}
    fresh = {name: words for name, words in bad.items() if name not in memory.unreadable}
    back = sorted(set(memory.unreadable) - set(bad))
    memory.unreadable = bad
    alarms = [_alarm(situation, name, words) for name, words in fresh.items()]
    events = [_event(situation, name, "readings are good again", "readings_good") for name in back]
    works.historian.append_all([("alarm", alarms), ("event", events)], cycle=cycle, time=situation.time)
    memory.alarmed(alarms)
    leaving = [name for name in bad if works.site.asset(name).on_bad_data != "hold"]
    left = give_back(works, memory, gate, cycle, leaving, "its readings cannot be trusted", Reason.SAFETY)
    return (*left, *give_back(works, memory, gate, cycle, _lowered(memory), "it is no longer in CONTROL", Reason.SAFETY))


def _lowered(memory: Memory) -> list[str]:
    """Assets that hold an order of ours although nobody controls them any more; a person's own order stays."""
    held = {name: standing.order for name, standing in memory.standings.items() if standing.order is not None}
    ours = {name for name, order in held.items() if order.reason is not Reason.OPERATOR}
    return sorted(name for name in ours if memory.mode_of(name) is not Mode.CONTROL)


def _alarm(situation: Situation, asset: str, words: str) -> Alarm:
    return Alarm(
        id=content_id("a", "bad_data", asset, situation.time),
        rule="bad_data",
        asset=asset,
        priority=Priority.HIGH,
        state=AlarmState.UNACKNOWLEDGED,
        raised_at=situation.time,
        changed_at=situation.time,
        words=f"{asset} leaves control: {words}",
        cause="A reading that control needs is missing, out of range, frozen or too old.",
        consequence="The asset is given back to its local control; the rest of the site goes on.",
        advice="Check the sensor and its wiring; control returns by itself once readings are good.",
    )


def _event(situation: Situation, asset: str, words: str, kind: str) -> Event:
    return Event(id=content_id("e", kind, asset, situation.time), time=situation.time, kind=kind, asset=asset, words=words)
