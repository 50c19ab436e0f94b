"""Rules that no plan may break, whatever made it: checked on every plan, an operator's included.

The guard looks at what would be written now; what a plan intends for later is checked again when it is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from plant.assets import Life
from plant.envelopes import Envelope
from plant.orders import Action, Command, Plan, Violation
from plant.situation import AssetState, Situation
from policy.curves import Operating, at_setpoints
from policy.standing import forbidden, free_from, lock_of, planned_from

TOLERANCE = 1e-6


def check(plan: Plan, situation: Situation) -> tuple[Violation, ...]:
    """The rules that a plan's commands would break, in the order of its commands; empty if it stands."""
    known = {state.asset for state in situation.assets}
    found: list[Violation] = []
    seen: set[str] = set()
    for command in plan.commands:
        if command.asset not in known:
            found.append(_broken("unknown_asset", command.asset, situation.time, words=f"there is no asset {command.asset}"))
            continue
        if command.asset in seen:
            found.append(_broken("one_command", command.asset, situation.time, words=f"{command.asset} gets two commands at once"))
        seen.add(command.asset)
        found.extend(_command(command, situation))
    found.extend(_together(plan, situation))
    return tuple(found)


def _broken(rule: str, asset: str, time: datetime, found: float = 1.0, limit: float = 0.0, words: str = "") -> Violation:
    return Violation(rule=rule, asset=asset, time=time, found=found, limit=limit, words=words)


def _command(command: Command, situation: Situation) -> Iterator[Violation]:
    state, now = situation.state(command.asset), situation.time
    if command.expires <= now or command.at >= command.expires:
        yield _broken("expired", command.asset, now, words=f"the command to {command.asset} has no life left")
    if command.at < now or (command.at - now).total_seconds() >= situation.step_s:
        yield _broken("not_due", command.asset, now, words=f"the command to {command.asset} is not due in the first step")
    lock = lock_of(situation, command.asset)
    if lock is not None:
        yield _broken("locked", command.asset, now, words=f"{command.asset} is locked by {lock.who}: {lock.why}")
    if command.action is Action.RELEASE:
        return
    yield from _condition(command, state, situation)
    envelope = situation.envelope(command.asset)
    if envelope is None:
        yield _broken("no_envelope", command.asset, now, words=f"nothing is known of what {command.asset} can do")
        return
    yield from _change(command, state, envelope, situation)
    yield from _setpoint(command, envelope.lives[envelope.assets.index(command.asset)], now)


def _condition(command: Command, state: AssetState, situation: Situation) -> Iterator[Violation]:
    name, now = command.asset, situation.time
    if state.mode.rank < planned_from(situation).rank:
        yield _broken("mode", name, now, words=f"{name} is in {state.mode.value}")
    if not state.good or state.running is None:
        yield _broken("not_good", name, now, words=f"{name}: {state.words or 'its running state is not known'}")
    if not state.permit.remote:
        yield _broken("not_remote", name, now, words=f"the selector of {name} does not stand on remote")
    if state.permit.tripped and command.action is not Action.SHUTDOWN:
        yield _broken("tripped", name, now, words=f"{name} has tripped")


def _change(command: Command, state: AssetState, envelope: Envelope, situation: Situation) -> Iterator[Violation]:
    wants_on, name, now = command.action is not Action.SHUTDOWN, command.asset, situation.time
    if bool(state.running) is wants_on:
        return
    words = forbidden(situation, envelope, name, starting=wants_on)
    if words:
        yield _broken("permit_start" if wants_on else "permit_stop", name, now, words=words)
    until = free_from(situation, envelope, name)
    if until is not None:
        rule = "min_down" if wants_on else "min_up"
        left_s = (until - now).total_seconds()
        yield _broken(rule, name, now, left_s, 0.0, f"{name} may not change for another {left_s / 60:.0f} min")
    if wants_on:
        yield from _starts(name, state, envelope, situation)


def _starts(name: str, state: AssetState, envelope: Envelope, situation: Situation) -> Iterator[Violation]:
    most = starts_allowed(situation, envelope, name)
    if most is not None and state.starts_today + 1 > most:
        words = f"{name} has used its {most:.0f} starts of today"
        yield _broken("starts_per_day", name, situation.time, state.starts_today + 1.0, most, words)


def starts_allowed(situation: Situation, envelope: Envelope, name: str) -> float | None:
    """The most starts a day that an asset may make by its life and the limits; None = no limit."""
    stated = envelope.lives[envelope.assets.index(name)].max_starts_per_day
    limits = [limit.high for limit in situation.limits if limit.name == "starts_per_day" and limit.asset in (None, name)]
    every = [*limits, *([float(stated)] if stated is not None else [])]
    return min(every) if every else None


def _setpoint(command: Command, life: Life, now: datetime) -> Iterator[Violation]:
    value = command.setpoint
    if command.action is Action.OPTIMIZE and value is None:
        yield _broken("no_setpoint", command.asset, now, words=f"OPTIMIZE of {command.asset} says no set-point")
    if value is None:
        return
    if life.setpoint_low is not None and value < life.setpoint_low - TOLERANCE:
        words = f"set-point {value:g} of {command.asset} is below {life.setpoint_low:g}"
        yield _broken("setpoint_low", command.asset, now, value, life.setpoint_low, words)
    if life.setpoint_high is not None and value > life.setpoint_high + TOLERANCE:
        words = f"set-point {value:g} of {command.asset} is above {life.setpoint_high:g}"
        yield _broken("setpoint_high", command.asset, now, value, life.setpoint_high, words)


def _together(plan: Plan, situation: Situation) -> Iterator[Violation]:
    """What the commands make of each envelope as a whole."""
    orders = {command.asset: command for command in plan.commands}
    for envelope in situation.envelopes:
        touched = [name for name in envelope.assets if name in orders and orders[name].action is not Action.RELEASE]
        if not touched:
            continue
        running = frozenset(name for name in envelope.assets if _runs(name, orders, situation))
        yield from _combination(envelope, running, orders, situation)


def _runs(name: str, orders: dict[str, Command], situation: Situation) -> bool:
    order = orders.get(name)
    if order is None or order.action is Action.RELEASE:
        return bool(situation.state(name).running)
    return order.action is not Action.SHUTDOWN


def _combination(
    envelope: Envelope, running: frozenset[str], orders: dict[str, Command], situation: Situation
) -> Iterator[Violation]:
    now = situation.time
    before = frozenset(name for name in envelope.assets if situation.state(name).running)
    named = "+".join(sorted(running))
    if running and running != before and _operating(envelope, running, orders, situation).regime is None:
        yield _broken("combination", envelope.assets[0], now, words=f"nothing is known of {named} running together")
    for first, other in envelope.needs:
        if first in running and other not in running and not (first in before and other not in before):
            yield _broken("needs", first, now, words=f"{first} runs only while {other} does")
    if envelope.at_most is not None and len(running) > max(envelope.at_most, len(before)):
        words = f"{named}: at most {envelope.at_most} may run"
        yield _broken("at_most", envelope.assets[0], now, float(len(running)), float(envelope.at_most), words)


def _operating(envelope: Envelope, running: frozenset[str], orders: dict[str, Command], situation: Situation) -> Operating:
    setpoints = {name: orders[name].setpoint if name in orders else situation.state(name).setpoint for name in running}
    return at_setpoints(envelope, running, setpoints)
