"""Which assets a plan may command, and what is fixed about the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from plant.assets import Mode
from plant.envelopes import Envelope
from plant.situation import AssetState, Lock, Situation

PERMIT_WAIT_S = 3600.0
"""A start or stop that the plant forbids now is taken as forbidden for so long: it seldom says until when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    """Whether a plan has a say over an asset, and if not, why."""

    asset: str
    commanded: bool
    words: str = ""


def lock_of(situation: Situation, asset: str, time: datetime | None = None) -> Lock | None:
    """The lock that holds for an asset at a time (now if None)."""
    at = situation.time if time is None else time
    return next(
        (lock for lock in situation.locks if lock.asset == asset and lock.since <= at and (lock.until is None or at < lock.until)),
        None,
    )


def say(situation: Situation, asset: str) -> Say:
    """Whether a plan may command an asset now."""
    state = situation.state(asset)
    words = _why_not(situation, state)
    return Say(asset=asset, commanded=not words, words=words)


def _why_not(situation: Situation, state: AssetState) -> str:
    lock = lock_of(situation, state.asset)
    if lock is not None:
        return f"locked by {lock.who}: {lock.why}"
    if state.mode.rank < planned_from(situation).rank:
        return f"mode is {state.mode.value}"
    if not state.good or state.running is None:
        return state.words or "its running state is not known"
    if state.permit.tripped:
        return "tripped"
    if not state.permit.remote:
        return "its selector does not stand on remote"
    return _unknown_surroundings(situation, situation.envelope(state.asset))


def planned_from(situation: Situation) -> Mode:
    """The lowest mode that is planned for.

    Where any asset is in ADVISE or CONTROL, those in SHADOW really run under local control and must be taken as such;
    on a site that is altogether in SHADOW the plan says what would be done.
    """
    commanding = (Mode.ADVISE, Mode.CONTROL)
    return Mode.ADVISE if any(state.mode in commanding for state in situation.assets) else Mode.SHADOW


def _unknown_surroundings(situation: Situation, envelope: Envelope | None) -> str:
    if envelope is None:
        return "nothing is known of what it can do"
    for name in (envelope.store, envelope.input_store, envelope.second_store):
        if name is not None and (situation.store(name).level is None or not situation.store(name).good):
            return f"the level of {name} is not known"
    service = next((found for found in situation.services if found.name == envelope.service), None)
    if service is not None and service.demand is not None and situation.forecast(service.demand) is None:
        return f"there is no forecast of {service.demand}"
    return ""


def free_from(situation: Situation, envelope: Envelope, asset: str) -> datetime | None:
    """The instant from which an asset may change between running and standing; None = at once."""
    index, state = envelope.assets.index(asset), situation.state(asset)
    life, until = envelope.lives[index], None
    if envelope.earliest_change:
        until = envelope.earliest_change[index]
    minimum_s = life.min_up_s if state.running else life.min_down_s
    if state.since is not None and minimum_s > 0:
        own = state.since + timedelta(seconds=minimum_s)
        until = own if until is None else max(until, own)
    return until if until is not None and until > situation.time else None


def forbidden(situation: Situation, envelope: Envelope, asset: str, starting: bool) -> str:
    """Why a start (or stop) of an asset is forbidden now; empty if allowed."""
    index, state = envelope.assets.index(asset), situation.state(asset)
    allowed = envelope.may_start if starting else envelope.may_stop
    verb = "started" if starting else "stopped"
    if allowed and not allowed[index]:
        return f"{asset} may not be {verb}"
    if not (state.permit.start if starting else state.permit.stop):
        return f"the plant does not permit {asset} to be {verb}"
    return ""
