"""The product on one page: read, understand, plan, rehearse, command, read back, record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ems.carry_out import Ended, carry_out
from ems.decide import Attempt, Decision, Rehearse, decide, unrehearsed, weighed
from ems.execute import Gate
from ems.heed import heed
from ems.memory import Memory
from ems.notice import doubt, notice
from ems.protect import protect, watch
from ems.site import Works
from ems.situate import situate
from plant.assets import Mode
from plant.events import Event, ModeChange
from plant.identity import content_id
from plant.orders import OutcomeKind
from plant.situation import Situation
from policy.guard import check
from twin_sim.rehearsal import rehearse


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """What one cycle did."""

    id: str
    time: datetime
    situation: Situation
    decision: Decision
    ended: tuple[Ended, ...]
    took_s: float
    """Wall time from the reading to the decision. Telemetry, never compared."""


def run_cycle(works: Works, memory: Memory, gate: Gate) -> Cycle:
    """One cycle of the product.

    Raises
    ------
    EmsError
        If plant or historian fail, or nothing on the ladder can be proposed: the run answers that, not the cycle.
    """
    began = time.perf_counter()
    snapshot = works.read()
    memory.take(snapshot)
    cycle = content_id("y", works.site.site.name, snapshot.time)
    watch(works, memory, cycle, snapshot)
    wishes = heed(works, memory, cycle, snapshot.time)
    situation = situate(works, memory, snapshot)
    seen = [("situation", [situation]), ("forecast", situation.forecasts), ("health", situation.health)]
    works.historian.append_all(seen, cycle=cycle, time=snapshot.time)
    notice(works, memory, cycle, situation)
    ended = list(protect(works, memory, gate, cycle, situation))
    rehearsed = rehearsal_of(works)
    for wish in wishes:
        ended += obey(works, memory, gate, cycle, weighed(situation, wish, check, rehearsed))
    decision = decide(situation, works.strategy, works.fallbacks, check, rehearsed)
    record(works, cycle, situation, decision.attempts, decision.failures)
    doubt(works, memory, cycle, situation, decision.attempts)
    took_s = time.perf_counter() - began
    chosen = decision.chosen
    ended += carry_out(works, memory, gate, cycle, chosen.plan.commands, chosen.verdict)
    memory.follow(chosen.plan, situation.prices.peak_so_far_kw)
    return Cycle(id=cycle, time=snapshot.time, situation=situation, decision=decision, ended=tuple(ended), took_s=took_s)


def rehearsal_of(works: Works) -> Rehearse:
    """The rehearsal, or, where it was switched off, a verdict that says so."""
    if works.rehearsal:
        return lambda plan, situation: rehearse(plan, situation, works.model)
    return unrehearsed


def obey(works: Works, memory: Memory, gate: Gate, cycle: str, attempt: Attempt) -> tuple[Ended, ...]:
    """An operator's plan: the same road; afterwards the asset is the operator's until it is returned."""
    record(works, cycle, attempt.situation, (attempt,), ())
    if not attempt.verdict.ok:
        words = "; ".join(item.words or item.rule for item in attempt.verdict.violations)
        say(works, cycle, attempt.situation, "request_refused", attempt.plan.commands[0].asset, f"rehearsal refuses: {words}")
        return ()
    ended = carry_out(works, memory, gate, cycle, attempt.plan.commands, attempt.verdict, by_person=True)
    for item in ended:
        mode = memory.standings[item.command.asset].effective(works.site.control.mode)
        if mode is Mode.CONTROL and item.outcome.kind is not OutcomeKind.REFUSED:
            words = "an operator commands it: return it with `ems mode`"
            change = ModeChange(asset=item.command.asset, mode=Mode.ADVISE, who="ems", time=item.outcome.time, words=words)
            works.historian.append("mode", [change], cycle=cycle, time=item.outcome.time)
            memory.moded(change)
    return ended


def record(works: Works, cycle: str, situation: Situation, attempts: tuple[Attempt, ...], failures: tuple[str, ...]) -> None:
    """Journal what was weighed: situations made tighter, plans, verdicts, strategies that failed."""
    tighter = [attempt.situation for attempt in attempts if attempt.situation.id != situation.id]
    groups: list[tuple[str, Sequence[object]]] = [
        ("situation", list(dict.fromkeys(tighter))),
        ("plan", [attempt.plan for attempt in attempts]),
        ("verdict", [attempt.verdict for attempt in attempts]),
    ]
    works.historian.append_all(groups, cycle=cycle, time=situation.time)
    for words in failures:
        say(works, cycle, situation, "strategy_failed", None, words)


def say(works: Works, cycle: str, situation: Situation, kind: str, asset: str | None, words: str) -> None:
    """Journal an Event of this cycle."""
    event = Event(id=content_id("e", kind, asset, situation.time, words), time=situation.time, kind=kind, asset=asset, words=words)
    works.historian.append("event", [event], cycle=cycle, time=situation.time)
