"""A chosen plan's commands, each journalled before it is sent and ended by exactly one outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ems.execute import Gate, Written, ended, release_command, writes_of
from ems.memory import Memory
from ems.site import Works
from plant.assets import Mode
from plant.events import Alarm, AlarmState, Priority
from plant.identity import content_id
from plant.orders import Action, Command, Outcome, OutcomeKind, Reason, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command with its outcome."""

    command: Command
    outcome: Outcome


def carry_out(
    works: Works,
    memory: Memory,
    gate: Gate,
    cycle: str,
    commands: Sequence[Command],
    verdict: Verdict | None,
    *,
    by_person: bool = False,
    at_once: bool = False,
) -> tuple[Ended, ...]:
    """Journal, check, write, wait, read back.

    Parameters
    ----------
    verdict
        What the rehearsal said; its `valid_while` is checked before each write. None for releases.
    by_person
        Commands of an operator: allowed in ADVISE too.
    at_once
        Read back now instead of waiting: nothing comes after.
    """
    if not commands:
        return ()
    historian = works.historian
    historian.append("command", commands, cycle=cycle, time=gate_time(commands))
    done: list[Ended] = []

    def end(command: Command, outcome: Outcome) -> None:
        memory.told(command, outcome)
        done.append(Ended(command=command, outcome=outcome))
        alarms = alarms_of(command, outcome)
        historian.append_all([("outcome", [outcome]), ("alarm", alarms)], cycle=cycle, time=outcome.time)
        memory.alarmed(alarms)

    written: list[Written] = []
    try:
        for command in commands:
            sent = _sent(works, memory, gate, command, verdict, by_person)
            if isinstance(sent, Outcome):
                end(command, sent)
            else:
                written.append(sent)
        last = gate.confirm(written, end, at_once=at_once) if written else None
    except BaseException as error:
        _ended_by(error, commands, written, done, end)
        raise
    if last is not None:
        memory.take(last)
    return tuple(done)


def _ended_by(
    error: BaseException,
    commands: Sequence[Command],
    written: Sequence[Written],
    done: Sequence[Ended],
    end: Callable[[Command, Outcome], None],
) -> None:
    """A fault or a signal in the middle: every command still gets its outcome, and what was written is not forgotten."""
    sent = {item.command.id: item for item in written}
    finished = {item.command.id for item in done}
    words = f"{type(error).__name__} {error}".strip()
    for command in (command for command in commands if command.id not in finished):
        item = sent.get(command.id)
        if item is not None:
            outcome = ended(command, OutcomeKind.UNCONFIRMED, item.at, f"not read back: {words}")
            end(command, replace(outcome, written_at=item.at))
        else:
            end(
                command,
                replace(ended(command, OutcomeKind.UNCONFIRMED, command.at, f"perhaps not sent: {words}"), written_at=command.at),
            )


def gate_time(commands: Sequence[Command]) -> datetime:
    """When a batch of commands is due: the first one's time."""
    return min(command.at for command in commands)


def _sent(
    works: Works, memory: Memory, gate: Gate, command: Command, verdict: Verdict | None, by_person: bool
) -> Written | Outcome:
    lock, mode = memory.standings[command.asset].lock, memory.mode_of(command.asset)
    needed = Mode.ADVISE if by_person else Mode.CONTROL
    writes = writes_of(works.site.asset(command.asset), command)
    if command.action is not Action.RELEASE and mode.rank < needed.rank:
        would = ", ".join(f"{write.tag} = {write.value}" for write in writes)
        word = "waits for approval: would write" if mode is Mode.ADVISE else "would write"
        return ended(command, OutcomeKind.NOT_SENT, command.at, f"{mode.value}: {word} {would}")
    asked = [item for item in works.historian.open_requests() if item.asset == command.asset and item.wish in {"lock", "mode"}]
    if asked and command.action is not Action.RELEASE:
        words = f"{asked[-1].who} asked for {asked[-1].wish} since the cycle began"
        return ended(command, OutcomeKind.REFUSED, command.at, words)
    refusal = gate.refusal(command, lock, mode, verdict.valid_while if verdict else (), by_person)
    if refusal is not None:
        kind = OutcomeKind.EXPIRED if refusal.startswith("expired") else OutcomeKind.REFUSED
        return ended(command, kind, command.at, refusal)
    return gate.send(command)


def give_back(
    works: Works,
    memory: Memory,
    gate: Gate,
    cycle: str,
    assets: Sequence[str],
    words: str,
    reason: Reason,
    *,
    at_once: bool = False,
) -> tuple[Ended, ...]:
    """Give assets back to their own local control (or into their safe state), journalled like every command."""
    now = gate.now()
    life_s = max(works.site.control.expires_s, works.site.control.every_s)
    commands = [release_command(name, now, life_s, reason, words) for name in assets if not memory.standings[name].released]
    return carry_out(works, memory, gate, cycle, commands, None, at_once=at_once)


def alarms_of(command: Command, outcome: Outcome) -> list[Alarm]:
    """An alarm for a command that did not do what it should."""
    if outcome.kind not in {OutcomeKind.NO_EFFECT, OutcomeKind.UNCONFIRMED}:
        return []
    return [
        Alarm(
            id=content_id("a", "command_" + outcome.kind.value.lower(), command.asset, outcome.time),
            rule=f"command_{outcome.kind.value.lower()}",
            asset=command.asset,
            priority=Priority.HIGH,
            state=AlarmState.UNACKNOWLEDGED,
            raised_at=outcome.time,
            changed_at=outcome.time,
            words=f"{command.action.value} of {command.asset}: {outcome.words}",
            cause="The plant did not show what was ordered within its read-back window.",
            consequence="The plan goes on with the state that is measured.",
            advice="Look at the machine: local selector, interlock, communication of its drive.",
        )
    ]
