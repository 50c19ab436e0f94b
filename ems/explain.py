"""A command or a plan explained on demand: decided again from the journal with one thing changed at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ems.historian import Entry, Historian, parse
from ems.replay import PATIENCE_S, Recorded, Replayer
from ems.wording import clock, localised, readable
from plant.errors import NotFoundError
from plant.kinds import find
from plant.orders import Command, Plan
from policy.conflicts import Conflict, conflicts
from policy.strategies.optimal import Optimal
from policy.why import Alternative, Flip, alternatives, flips

PROVEN = frozenset({"optimal", "clairvoyant"})
"""Strategies whose plans have an objective that others can be compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """Why a command was given, or a plan made, and what would have to be otherwise for another one."""

    plan: Plan
    command: Command | None
    """None where a whole plan is explained."""
    alternatives: tuple[Alternative, ...]
    """The cheapest first."""
    flips: tuple[Flip, ...]
    conflicts: tuple[Conflict, ...]
    """What the plan cannot keep, and why; the same for all its commands."""

    def words(self, timezone: str) -> str:
        """For a person, in the site's time."""
        plan = self.plan
        told = [self.command] if self.command is not None else list(plan.commands)
        lines = [f"plan        {plan.id} by {plan.strategy}, {clock(plan.made_at, timezone)}: {plan.words}"]
        for command in told:
            setpoint = "" if command.setpoint is None else f" at {command.setpoint:g}"
            lines += [f"command     {command.action.value} {command.asset}{setpoint}"]
            lines += [f"why         {command.reason.value}: {command.words}"]
        for other in self.alternatives:
            more = "costs {:.2f} more ({:.2%})" if other.dearer >= 0 else "was found {:.2f} cheaper: within the gap ({:.2%})"
            lines.append(f"rejected    {other.words}: {more.format(abs(other.dearer), abs(other.share))}")
        if self.command is None and plan.rejected is not None and plan.objective is not None:
            lines.append(f"rejected    {plan.rejected.words}: costs {plan.rejected.objective - plan.objective:.2f} more")
        lines += [f"otherwise   {flip.words}" for flip in self.flips]
        lines += [f"limit       {words}" for words in plan.binding]
        lines += [f"{'conflict' if found.dearer is None else 'given up':12s}{found.words}" for found in self.conflicts]
        return "\n".join(readable(localised(line, plan.made_at, timezone)) for line in lines)


def explain(historian: Historian, named: str | None) -> Explained:
    """Explain a command or a plan by its id; without one, the newest plan.

    Raises
    ------
    NotFoundError
        If the journal has no such command or plan, or the command belongs to no plan.
    HistorianError
        If the journal lacks a part of what the decision rested on.
    """
    entry, asked = _plan_of(historian, named)
    recorded = Replayer(historian).recorded(entry)
    plan, situation = recorded.plan, recorded.situation
    site = recorded.run.site
    patient = replace(site, control=replace(site.control, time_limit_s=PATIENCE_S))
    optimal = Optimal(patient)
    if asked is None:
        return Explained(plan=plan, command=None, alternatives=(), flips=(), conflicts=_conflicts(optimal, recorded))
    comparable = plan.strategy in PROVEN
    others = alternatives(optimal, situation, plan, asked.asset) if comparable else ()
    strategy = (
        optimal if plan.strategy == Optimal.name else find("policy.strategies", plan.strategy)(patient) if plan.courses else None
    )
    flipped = tuple(flips(patient, strategy, situation, plan, asked.asset)) if strategy is not None else ()
    return Explained(plan=plan, command=asked, alternatives=others, flips=flipped, conflicts=_conflicts(optimal, recorded))


def _conflicts(optimal: Optimal, recorded: Recorded) -> tuple[Conflict, ...]:
    return conflicts(optimal, recorded.situation) if recorded.plan.strategy in PROVEN else ()


def _plan_of(historian: Historian, named: str | None) -> tuple[Entry, Command | None]:
    if named is None:
        newest = historian.entries("plan", newest_first=True, limit=1)
        if not newest:
            raise NotFoundError("the journal has no plan yet")
        return newest[0], None
    entry = historian.find(named)
    if entry.kind == "plan":
        return entry, None
    if entry.kind != "command":
        raise NotFoundError(f"{named!r} is a {entry.kind}, neither a command nor a plan")
    command = parse(entry, Command)
    for plan in historian.entries("plan", cycle=entry.cycle, newest_first=True):
        if command.id in [item.id for item in parse(plan, Plan).commands]:
            return plan, command
    raise NotFoundError(f"{named!r} belongs to no plan: it gave the asset back")
