"""What a cycle makes known: alarms by their life after ISA-18.2 (rules, health, plans that cannot be), changes of machines."""

from __future__ import annotations

from collections.abc import Sequence

from anomaly.alarms import Condition, updated
from anomaly.changes import events
from anomaly.site_rules import conditions
from ems.decide import UNSOUND, Attempt
from ems.memory import Memory
from ems.site import Works
from plant.events import Priority
from plant.situation import Situation

ONCE = frozenset({"external_change", "bad_data", "command_no_effect", "command_unconfirmed"})
"""Alarms that happen and do not stand: a person ends them, not a reading."""


def notice(works: Works, memory: Memory, cycle: str, situation: Situation) -> None:
    """Journal the alarms that changed and what machines did since the last cycle."""
    standing = [alarm for alarm in memory.alarms.values() if alarm.rule not in ONCE | {UNSOUND}]
    holding = conditions(works.site, memory.history.table(), situation.health)
    changed = updated(standing, holding, situation.time)
    seen = memory.seen
    told = [item.order for item in memory.standings.values() if item.order is not None and seen and item.order.at >= seen.time]
    moved = events(works.site, seen, situation.snapshot, [*told, *memory.released]) if seen is not None else ()
    works.historian.append_all([("alarm", changed), ("event", moved)], cycle=cycle, time=situation.time)
    memory.alarmed(changed)
    memory.seen, memory.released = situation.snapshot, []


def doubt(works: Works, memory: Memory, cycle: str, situation: Situation, attempts: Sequence[Attempt]) -> None:
    """Journal the alarm that plans cannot be: it stands until a cycle in which all that were made can."""
    standing = [alarm for alarm in memory.alarms.values() if alarm.rule == UNSOUND]
    wrong = [item for attempt in attempts for item in attempt.verdict.violations if item.rule == UNSOUND]
    holding = [
        Condition(
            rule=UNSOUND,
            asset=None,
            priority=Priority.HIGH,
            since=situation.time,
            words=f"a plan cannot be and was not rehearsed: {wrong[0].words}",
            cause="The planner and its check, which share no code, disagree: a fault in the model of the site or in the program.",
            consequence="The next rung of the ladder is taken instead; saving may be lost, no machine is at risk.",
            advice="Keep the journal of this hour and report it; `ems replay` derives the plan again.",
        )
    ] if wrong else []  # fmt: skip
    changed = updated(standing, holding, situation.time)
    works.historian.append_all([("alarm", changed)], cycle=cycle, time=situation.time)
    memory.alarmed(changed)
