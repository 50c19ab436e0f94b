"""From what a strategy wants to the records that travel: commands and plans with ids that are hashes of their content."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from plant.identity import content_id
from plant.orders import Action, Command, Plan, Reason
from plant.site import Site
from plant.situation import Situation
from policy.standing import lock_of


def command(
    site: Site,
    situation: Situation,
    *,
    asset: str,
    action: Action,
    reason: Reason,
    words: str,
    setpoint: float | None = None,
    expected_power_kw: float | None = None,
) -> Command:
    """A command due now, with the life that the site file gives it."""
    expires = situation.time + timedelta(seconds=site.control.expires_s)
    return Command(
        id=content_id("c", situation.id, asset, action, setpoint, situation.time, expires, reason, words),
        asset=asset,
        action=action,
        setpoint=setpoint,
        at=situation.time,
        expires=expires,
        reason=reason,
        words=words,
        expected_power_kw=expected_power_kw,
    )


def sealed(situation: Situation, plan: Plan) -> Plan:
    """The plan with its id: a hash of the situation and of everything it says."""
    return replace(plan, id=content_id("p", situation.id, replace(plan, id="")))


def until(situation: Situation) -> timedelta:
    """Length of a situation's horizon."""
    return timedelta(seconds=situation.step_s * situation.steps)


def release_commands(site: Site, situation: Situation, reason: Reason, words: str) -> tuple[Command, ...]:
    """RELEASE for every asset that we hold, that can be given back and that nobody has locked."""
    held = [state.asset for state in situation.assets if not state.released]
    return tuple(given for name in held if (given := release_command(site, situation, name, reason, words)) is not None)


def release_command(site: Site, situation: Situation, asset: str, reason: Reason, words: str) -> Command | None:
    """RELEASE for an asset, None where it cannot be given back or somebody has locked it."""
    if not site.asset(asset).release or lock_of(situation, asset) is not None:
        return None
    return command(site, situation, asset=asset, action=Action.RELEASE, reason=reason, words=words)
