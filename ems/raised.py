"""Alarms as they stand: the newest row of each."""

from __future__ import annotations

from ems.historian import Historian
from plant.events import Alarm, AlarmState, Priority

LOOKED_AT = 2000
NEEDS_A_PERSON = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED})
URGENCY = (Priority.URGENT, Priority.HIGH, Priority.MEDIUM, Priority.LOW)


def standing(historian: Historian) -> tuple[Alarm, ...]:
    """Every alarm in its newest state, most urgent first, then newest first."""
    newest: dict[str, Alarm] = {}
    for alarm in historian.records("alarm", Alarm, newest_first=True, limit=LOOKED_AT):
        newest.setdefault(alarm.id, alarm)
    by_time = sorted(newest.values(), key=lambda alarm: alarm.raised_at, reverse=True)
    return tuple(sorted(by_time, key=lambda alarm: (alarm.state not in NEEDS_A_PERSON, URGENCY.index(alarm.priority))))


def needing_a_person(historian: Historian) -> tuple[Alarm, ...]:
    """Alarms that stand or were not yet seen by a person."""
    return tuple(alarm for alarm in standing(historian) if alarm.state in NEEDS_A_PERSON)
