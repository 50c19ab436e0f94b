"""The life of an alarm after ISA-18.2. Pure functions: alarm in, alarm out; who records it is another's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from anomaly.rules import Episode
from plant.errors import RefusedError
from plant.events import Alarm, AlarmState, Priority
from plant.health import Health, Severity
from plant.identity import content_id

LONGEST_SHELF_H = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that needs a response while it lasts."""

    rule: str
    asset: str | None
    priority: Priority
    since: datetime
    words: str
    cause: str = ""
    consequence: str = ""
    advice: str = ""


def of_episode(episode: Episode) -> Condition:
    """A broken rule as a condition."""
    rule = episode.rule
    return Condition(
        rule=rule.name, asset=episode.asset, priority=rule.priority, since=episode.raised_at, words=rule.words,
        cause=rule.cause, consequence=rule.consequence, advice=rule.advice,
    )  # fmt: skip


def of_health(health: Health) -> Condition | None:
    """A health alarm as a condition that names the sensor and what it was expected to read; None without an alarm."""
    if not (health.alarm or health.trip) or health.score is None:
        return None
    first = health.drivers[0] if health.drivers else None
    sensor = f": {first.tag} reads {first.actual:.4g}, expected {first.expected:.4g}" if first is not None else ""
    urgent = Priority.URGENT if health.severity is Severity.D else Priority.HIGH
    left = f" Zone D in about {health.hours_to_d[1]:.0f} h by the present trend." if health.hours_to_d is not None else ""
    return Condition(
        rule="health",
        asset=health.asset,
        priority=urgent if health.trip else Priority.MEDIUM,
        since=health.time,
        words=f"health {health.score:.2f}, zone {health.severity}{sensor}",
        cause=", ".join(f"{driver.tag} ({driver.share:.0%})" for driver in health.drivers),
        consequence="fails sooner than a healthy machine." + left,
        advice="look at the sensor first, then at the machine; plan maintenance while another can carry the service",
    )


def raised(condition: Condition) -> Alarm:
    """A new alarm, not yet seen by a person."""
    return Alarm(
        id=content_id("a", condition.rule, condition.asset, condition.since), rule=condition.rule, asset=condition.asset,
        priority=condition.priority, state=AlarmState.UNACKNOWLEDGED, raised_at=condition.since, changed_at=condition.since,
        words=condition.words, cause=condition.cause, consequence=condition.consequence, advice=condition.advice,
    )  # fmt: skip


def returned(alarm: Alarm, now: datetime) -> Alarm:
    """The condition has gone: an alarm nobody has seen waits for a person, one that was seen is over."""
    following = {
        AlarmState.UNACKNOWLEDGED: AlarmState.RETURNED_UNACKNOWLEDGED,
        AlarmState.ACKNOWLEDGED: AlarmState.NORMAL,
        AlarmState.SHELVED: AlarmState.NORMAL,
    }
    return replace(alarm, state=following[alarm.state], changed_at=now, shelved_until=None) if alarm.state in following else alarm


def acknowledged(alarm: Alarm, now: datetime) -> Alarm:
    """A person has seen it.

    Raises
    ------
    RefusedError
        If there is nothing to acknowledge.
    """
    following = {
        AlarmState.UNACKNOWLEDGED: AlarmState.ACKNOWLEDGED,
        AlarmState.RETURNED_UNACKNOWLEDGED: AlarmState.NORMAL,
    }
    if alarm.state not in following:
        raise RefusedError(f"alarm {alarm.id} is {alarm.state}: there is nothing to acknowledge")
    return replace(alarm, state=following[alarm.state], changed_at=now)


def shelved(alarm: Alarm, now: datetime, hours: float) -> Alarm:
    """A person puts a standing alarm aside for a while.

    Raises
    ------
    RefusedError
        If it no longer stands, or the time is not within a day.
    """
    if not 0.0 < hours <= LONGEST_SHELF_H:
        raise RefusedError(f"alarm {alarm.id}: it can be shelved for up to {LONGEST_SHELF_H:g} h, not {hours:g} h")
    if alarm.state not in (AlarmState.UNACKNOWLEDGED, AlarmState.ACKNOWLEDGED):
        raise RefusedError(f"alarm {alarm.id} is {alarm.state}: only a standing alarm can be shelved")
    return replace(alarm, state=AlarmState.SHELVED, changed_at=now, shelved_until=now + timedelta(hours=hours))


def updated(alarms: Sequence[Alarm], conditions: Sequence[Condition], now: datetime) -> tuple[Alarm, ...]:
    """The alarms that change when these conditions hold now; unchanged ones are not repeated.

    A condition that already has an alarm raises no second one: chattering between two cycles brings back the alarm that
    was waiting to be seen, and a shelved one stays quiet until its time is over.
    """
    holding = {(condition.rule, condition.asset): condition for condition in conditions}
    changed: list[Alarm] = []
    taken = set()
    for alarm in alarms:
        if alarm.state is AlarmState.NORMAL:
            continue
        key = (alarm.rule, alarm.asset)
        now_holds = key in holding
        taken.add(key)
        after = _lived(alarm, now_holds, holding.get(key), now)
        if after != alarm:
            changed.append(after)
    changed.extend(raised(condition) for key, condition in holding.items() if key not in taken)
    return tuple(changed)


def _lived(alarm: Alarm, holds: bool, condition: Condition | None, now: datetime) -> Alarm:
    if not holds or condition is None:
        return returned(alarm, now)
    if alarm.state is AlarmState.RETURNED_UNACKNOWLEDGED:
        return replace(alarm, state=AlarmState.UNACKNOWLEDGED, changed_at=now)
    if alarm.state is AlarmState.SHELVED and alarm.shelved_until is not None and now >= alarm.shelved_until:
        return replace(alarm, state=AlarmState.UNACKNOWLEDGED, changed_at=now, shelved_until=None)
    urgency = list(Priority)
    if urgency.index(condition.priority) > urgency.index(alarm.priority):
        worse = AlarmState.SHELVED if alarm.state is AlarmState.SHELVED else AlarmState.UNACKNOWLEDGED
        return replace(alarm, priority=condition.priority, words=condition.words, state=worse, changed_at=now)
    return alarm
