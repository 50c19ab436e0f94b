"""What people asked for since the last cycle: modes, locks, commands of their own, approvals, alarms, maintenance done."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from anomaly.alarms import acknowledged, shelved
from ems.issued import Notices
from ems.journal import parse
from ems.maintenance import WISHES, WITHDRAWN, entry
from ems.memory import Memory
from ems.site import Works
from plant.assets import Mode
from plant.errors import EmsError, NotFoundError, RefusedError
from plant.events import Alarm, Approval, Event, ModeChange
from plant.identity import content_id
from plant.kpi import SECONDS_PER_HOUR
from plant.orders import Action, Command, Outcome, OutcomeKind, Plan, Reason, Request
from plant.situation import Lock
from plant.times import after, duration_s

OPERATOR = "operator"
SHELF = "8h"


def heed(works: Works, memory: Memory, cycle: str, now: datetime) -> tuple[Plan, ...]:
    """Take every open request; one that cannot be met is answered by an Event.

    Returns
    -------
    Plans of operators: they walk the same road as every other.
    """
    _take_notices(works, memory, cycle, now)
    plans: list[Plan] = []
    for request in works.historian.open_requests():
        works.historian.append("request", [request], cycle=cycle, time=now)
        try:
            plan = _one(works, memory, cycle, now, request)
        except (EmsError, ValueError, KeyError) as error:
            words = f"request of {request.who} ({request.wish}) not met: {error}"
            event = Event(id=content_id("e", request.id, now), time=now, kind="request_refused", asset=request.asset, words=words)
            works.historian.append("event", [event], cycle=cycle, time=now)
        else:
            plans += [plan] if plan is not None else []
        works.historian.take_request(request.id)
    return tuple(plans)


def fresh_notices(works: Works, memory: Memory) -> list[Event | Alarm]:
    """What the worker noticed since it was last journalled, oldest first."""
    return [notice for notice in reversed(Notices(works.historian.database).latest()) if notice.id not in memory.notices]


def _take_notices(works: Works, memory: Memory, cycle: str, now: datetime) -> None:
    """Journal what the worker noticed: only the controller writes the journal."""
    fresh = fresh_notices(works, memory)
    memory.notices |= {notice.id for notice in fresh}
    events = [notice for notice in fresh if isinstance(notice, Event)]
    alarms = [notice for notice in fresh if isinstance(notice, Alarm)]
    works.historian.append_all([("event", events), ("alarm", alarms)], cycle=cycle, time=now)
    memory.alarmed(alarms)


def _one(works: Works, memory: Memory, cycle: str, now: datetime, request: Request) -> Plan | None:
    if request.wish == "command":
        return _commanded(works, now, request)
    if request.wish in {"approve", "reject"}:
        return _answered(works, cycle, now, request)
    if request.wish in {"mode", "return"}:
        _moded(works, memory, cycle, now, request)
    elif request.wish in {"lock", "unlock"}:
        _locked(works, memory, cycle, now, request)
    elif request.wish in {"ack", "shelve"}:
        _alarmed(works, memory, cycle, now, request)
    elif request.wish in WISHES:
        _maintained(works, cycle, now, request)
    else:
        raise NotFoundError(f"unknown wish {request.wish!r}")
    return None


def _named(works: Works, request: Request) -> str:
    if request.asset is None or all(asset.name != request.asset for asset in works.site.assets):
        raise NotFoundError(f"no asset {request.asset!r}")
    return request.asset


def _commanded(works: Works, now: datetime, request: Request) -> Plan:
    if request.action is None:
        raise NotFoundError("a command needs an action")
    command = Command(
        id=content_id("c", request.id, now),
        asset=_named(works, request),
        action=request.action,
        setpoint=request.setpoint,
        at=now,
        expires=after(now, works.site.control.expires_s),
        reason=Reason.OPERATOR,
        words=request.words or f"asked for by {request.who}",
        expected_power_kw=0.0 if request.action is Action.SHUTDOWN else None,
    )
    return _operator_plan(works, now, command)


def _answered(works: Works, cycle: str, now: datetime, request: Request) -> Plan | None:
    entry = works.historian.find(request.value or "")
    advised = parse(entry, Command)
    approved = request.wish == "approve"
    if any(item.command_id == advised.id for item in works.historian.records("approval", Approval, since=advised.at)):
        raise RefusedError(f"command {advised.id} has been answered already")
    ends = [item.kind for item in works.historian.records("outcome", Outcome, since=advised.at) if item.command_id == advised.id]
    if ends != [OutcomeKind.NOT_SENT]:
        raise RefusedError(f"command {advised.id} does not wait for an answer")
    approval = Approval(command_id=advised.id, who=request.who, time=now, approved=approved, words=request.words)
    works.historian.append("approval", [approval], cycle=cycle, time=now)
    if not approved:
        return None
    if now > after(advised.at, works.site.control.every_s + works.site.control.expires_s):
        raise RefusedError(f"command {advised.id} was advised at {advised.at:%H:%M} and is too old to approve")
    fresh = replace(
        advised,
        id=content_id("c", advised.id, "approved", now),
        at=now,
        expires=after(now, works.site.control.expires_s),
        reason=Reason.OPERATOR,
        words=f"{advised.reason.value}: {advised.words} (approved by {request.who})",
    )
    return _operator_plan(works, now, fresh)


def _operator_plan(works: Works, now: datetime, command: Command) -> Plan:
    until = after(now, works.site.control.horizon_s)
    return Plan(
        id=content_id("p", OPERATOR, command.id),
        made_at=now,
        until=until,
        strategy=OPERATOR,
        commands=(command,),
        rung=OPERATOR,
        words=command.words,
    )


def _moded(works: Works, memory: Memory, cycle: str, now: datetime, request: Request) -> None:
    mode = works.site.control.mode if request.wish == "return" else Mode((request.value or "").upper())
    change = ModeChange(asset=_named(works, request), mode=mode, who=request.who, time=now, words=request.words)
    works.historian.append("mode", [change], cycle=cycle, time=now)
    memory.moded(change)


def _locked(works: Works, memory: Memory, cycle: str, now: datetime, request: Request) -> None:
    asset = _named(works, request)
    until = now + timedelta(seconds=duration_s(request.value)) if request.value and request.wish == "lock" else None
    lock = Lock(asset=asset, who=request.who, why=request.words, since=now, until=until if request.wish == "lock" else now)
    works.historian.append("lock", [lock], cycle=cycle, time=now)
    memory.locked(asset, lock if request.wish == "lock" else None)


def _maintained(works: Works, cycle: str, now: datetime, request: Request) -> None:
    _named(works, request)
    done = entry(request, now)
    works.historian.append("maintenance", [done], cycle=cycle, time=now)
    if done.kind is not WITHDRAWN:  # what was learned anew meanwhile is forgotten at the next start
        works.monitor.renew(done.asset, done.time)


def _alarmed(works: Works, memory: Memory, cycle: str, now: datetime, request: Request) -> None:
    alarm = memory.alarms.get(request.value or "")
    if alarm is None:
        raise NotFoundError(f"no alarm {request.value!r}")
    if request.wish == "ack":
        changed = acknowledged(alarm, now)
    else:
        changed = shelved(alarm, now, duration_s(request.words or SHELF) / SECONDS_PER_HOUR)
    works.historian.append("alarm", [changed], cycle=cycle, time=now)
    memory.alarmed([changed])
