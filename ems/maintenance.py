"""The maintenance log: after which works a machine is another one, so that its health begins anew."""

from __future__ import annotations

from datetime import datetime

from anomaly.monitor import HealthMonitor
from ems.historian import Historian
from plant.errors import RefusedError
from plant.events import Maintenance, MaintenanceKind
from plant.identity import content_id
from plant.orders import Request
from plant.times import instant, iso

WITHDRAWN = MaintenanceKind.WITHDRAWN
WISHES = frozenset(kind.value.lower() for kind in MaintenanceKind)


def entry(request: Request, now: datetime) -> Maintenance:
    """The entry that a person asked for.

    Raises
    ------
    RefusedError
        If no asset is named, or the work is said to have been done later than now.
    ValueError
        If the time is none.
    """
    time = instant(request.value) if request.value else request.time
    if request.asset is None:
        raise RefusedError(f"{request.wish}: of which asset?")
    if time > now:
        raise RefusedError(f"{request.wish} of {request.asset} at {iso(time)} lies ahead: it is {iso(now)}")
    kind = MaintenanceKind(request.wish.upper())
    return Maintenance(asset=request.asset, kind=kind, who=request.who, time=time, words=request.words)


def log(historian: Historian) -> tuple[Maintenance, ...]:
    """All entries that count, oldest work first: those of the journal, and those that wait for the controller to journal them."""
    waiting = (_waiting(request) for request in historian.open_requests() if request.wish in WISHES)
    entries: dict[str, Maintenance] = {}
    for item in (*historian.records("maintenance", Maintenance), *(item for item in waiting if item is not None)):
        entries.pop(number(item), None)
        if item.kind is not WITHDRAWN:
            entries[number(item)] = item
    return tuple(sorted(entries.values(), key=lambda item: item.time))


def number(item: Maintenance) -> str:
    """What a person names an entry by: one of an asset and a time is one entry."""
    return content_id("w", item.asset, iso(item.time))


def _waiting(request: Request) -> Maintenance | None:
    """What a request will be in the log; None if it cannot be met, which the controller will answer."""
    try:
        return entry(request, request.time)
    except (RefusedError, ValueError):
        return None


def begun(historian: Historian) -> dict[str, datetime]:
    """By asset: since when it is the machine that it is now."""
    return {item.asset: item.time for item in log(historian)}


def renewed(monitor: HealthMonitor, historian: Historian) -> HealthMonitor:
    """The same monitor, told which baselines begin anew and when."""
    for asset, since in begun(historian).items():
        monitor.renew(asset, since)
    return monitor
