"""What stands behind a command: a question to the journal."""

from __future__ import annotations

from dataclasses import dataclass

from ems.historian import Historian, parse
from ems.wording import clock, counted, localised, readable
from plant.errors import NotFoundError
from plant.events import Approval
from plant.orders import Command, Outcome, Plan, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A command with all that led to it and came of it."""

    command: Command
    plan: Plan | None
    verdict: Verdict | None
    outcome: Outcome | None
    approval: Approval | None

    def words(self, timezone: str) -> str:
        """For a person, in the site's time."""
        command, lines = self.command, []
        setpoint = "" if command.setpoint is None else f" at {command.setpoint:g}"
        lines.append(f"{command.action.value} {command.asset}{setpoint}, {clock(command.at, timezone)}")
        lines.append(f"why      {command.reason.value}: {readable(localised(command.words, command.at, timezone))}")
        if self.plan is not None:
            gap = "" if self.plan.gap is None else f", within {self.plan.gap:.2%} of the proven bound"
            lines.append(f"plan     {self.plan.id} by {self.plan.strategy} ({self.plan.rung}{gap})")
        if self.verdict is not None:
            lines.append(
                f"verdict  {'approved' if self.verdict.ok else 'refused'} in {counted(self.verdict.futures, 'future')}, "
                + readable(localised(self.verdict.words, command.at, timezone))
            )
            cost = {spread.key: spread for spread in self.verdict.expected}.get("cost")
            nothing = {spread.key: spread for spread in self.verdict.nothing}.get("cost")
            if cost is not None and nothing is not None:
                lines.append(f"cost     {cost.p50:.2f} ({cost.p5:.2f} to {cost.p95:.2f}); doing nothing {nothing.p50:.2f}")
        if self.approval is not None:
            lines.append(
                f"approval {'approved' if self.approval.approved else 'rejected'} by {self.approval.who} {self.approval.words}"
            )
        if self.outcome is not None:
            lines.append(f"outcome  {self.outcome.kind.value} {localised(self.outcome.words, self.outcome.time, timezone)}")
        return "\n".join(line.rstrip() for line in lines)


def evidence(historian: Historian, command_id: str) -> Evidence:
    """The evidence of a command.

    Raises
    ------
    NotFoundError
        If the journal has no such command.
    """
    entry = historian.find(command_id)
    if entry.kind != "command":
        raise NotFoundError(f"{command_id!r} is a {entry.kind}, not a command")
    command = parse(entry, Command)
    plans = [
        plan for plan in historian.records("plan", Plan, cycle=entry.cycle) if command_id in [item.id for item in plan.commands]
    ]
    plan = plans[-1] if plans else None
    verdicts = [item for item in historian.records("verdict", Verdict, cycle=entry.cycle) if plan and item.plan_id == plan.id]
    outcomes = [item for item in historian.records("outcome", Outcome, since=entry.time) if item.command_id == command_id]
    approvals = [item for item in historian.records("approval", Approval, since=entry.time) if item.command_id == command_id]
    return Evidence(
        command=command,
        plan=plan,
        verdict=verdicts[-1] if verdicts else None,
        outcome=outcomes[0] if outcomes else None,
        approval=approvals[-1] if approvals else None,
    )
