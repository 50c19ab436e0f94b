"""Commands with their ends, and what a plan intends for later."""

from __future__ import annotations

from datetime import datetime, timedelta

from dashboard.views import Order, Step
from ems.historian import Historian
from ems.told import told
from plant.assets import Mode
from plant.events import Approval
from plant.orders import Action, Command, Course, Outcome, OutcomeKind, Plan
from plant.site import Site
from plant.situation import Situation

LOOKED_AT = 400
ON = 0.5
SETPOINT_MOVED = 0.02
"""Share of the set-point by which it must move to count as a change worth showing."""


class Orders:
    """Reads commands, outcomes and what people said of them.

    Parameters
    ----------
    site, historian
        The site and where its commands are journalled.
    """

    def __init__(self, site: Site, historian: Historian) -> None:
        self._historian = historian
        self._answer_s = max(site.control.every_s, site.control.expires_s)

    def newest(self, situation: Situation | None, limit: int = LOOKED_AT) -> tuple[Order, ...]:
        """The newest commands, newest first."""
        return tuple(
            Order(
                command=item.command,
                outcome=item.outcome,
                cycle=item.cycle,
                number=item.number,
                decided=_decided(item.approval),
                waits=item.approval is None and self._waits(item.command, item.outcome, situation),
            )
            for item in told(self._historian, limit=limit)
        )

    def _waits(self, command: Command, outcome: Outcome | None, situation: Situation | None) -> bool:
        """Whether a person may still approve or reject it: advised, not sent, not too old."""
        if situation is None or (outcome is not None and outcome.kind is not OutcomeKind.NOT_SENT):
            return False
        advised = any(state.asset == command.asset and state.mode is Mode.ADVISE for state in situation.assets)
        return advised and situation.time <= command.at + timedelta(seconds=self._answer_s)


def _decided(approval: Approval | None) -> str:
    if approval is None:
        return ""
    words = f"{'approved' if approval.approved else 'rejected'} by {approval.who}"
    return f"{words}: {approval.words}" if approval.words else words


def coming(plan: Plan, situation: Situation) -> tuple[Step, ...]:
    """Changes that a plan intends after its first step, soonest first."""
    found = [step for course in plan.courses for step in _changes(course) if step.at > situation.time]
    return tuple(sorted(found, key=lambda step: (step.at, step.asset)))


def _changes(course: Course) -> list[Step]:
    found: list[Step] = []
    was_on, was_at = course.on.values[0] >= ON, _setpoint(course, course.on.start)
    for index, share in enumerate(course.on.values[1:], start=1):
        at, on = course.on.time(index), share >= ON
        wanted = _setpoint(course, at)
        if on is not was_on:
            action = Action.SHUTDOWN if not on else Action.STARTUP if wanted is None else Action.OPTIMIZE
            found.append(_step(course, at, action, wanted if on else None))
        elif on and wanted is not None and was_at is not None and abs(wanted - was_at) > SETPOINT_MOVED * max(abs(was_at), 1e-9):
            found.append(_step(course, at, Action.OPTIMIZE, wanted))
        was_on, was_at = on, wanted if on else was_at
    return found


def _setpoint(course: Course, at: datetime) -> float | None:
    return None if course.setpoint is None else course.setpoint.at(at)


def _step(course: Course, at: datetime, action: Action, setpoint: float | None) -> Step:
    return Step(asset=course.asset, at=at, action=action, setpoint=setpoint, power_kw=course.power_kw.at(at))
