"""What a cycle makes known: alarms of rules and health by their life after ISA-18.2, and every change of a machine."""

from __future__ import annotations

from anomaly.alarms import updated
from anomaly.changes import events
from anomaly.site_rules import conditions
from ems.memory import Memory
from ems.site import Works
from plant.situation import Situation

ONCE = frozenset({"external_change", "bad_data", "command_no_effect", "command_unconfirmed"})
"""Alarms that happen and do not stand: a person ends them, not a reading."""


def notice(works: Works, memory: Memory, cycle: str, situation: Situation) -> None:
    """Journal the alarms that changed and what machines did since the last cycle."""
    standing = [alarm for alarm in memory.alarms.values() if alarm.rule not in ONCE]
    holding = conditions(works.site, memory.history.table(), situation.health)
    changed = updated(standing, holding, situation.time)
    seen = memory.seen
    told = [item.order for item in memory.standings.values() if item.order is not None and seen and item.order.at >= seen.time]
    moved = events(works.site, seen, situation.snapshot, [*told, *memory.released]) if seen is not None else ()
    works.historian.append_all([("alarm", changed), ("event", moved)], cycle=cycle, time=situation.time)
    memory.alarmed(changed)
    memory.seen, memory.released = situation.snapshot, []
