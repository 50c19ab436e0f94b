"""From an intent for the first step to the command that it takes, or to none where the plant already does it."""

from __future__ import annotations

from dataclasses import dataclass

from plant.assets import Asset
from plant.kpi import SECONDS_PER_HOUR
from plant.orders import Action, Command, Reason
from plant.site import Site
from plant.situation import AssetState, Situation
from policy.guard import starts_allowed
from policy.proposal import command
from policy.standing import forbidden, free_from

DEAD_BAND = 0.01
"""Set-points closer than this share of their range are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a strategy wants of one asset in the first step."""

    asset: str
    on: bool
    setpoint: float | None
    power_kw: float
    reason: Reason
    words: str


def adjustable(asset: Asset) -> bool:
    """Whether a set-point can be written to an asset and has a range."""
    low, high = asset.life.setpoint_low, asset.life.setpoint_high
    return asset.tags.setpoint_write is not None and low is not None and high is not None and low < high


def rounded(asset: Asset, setpoint: float) -> float:
    """A set-point on the asset's steps and inside its range."""
    life = asset.life
    if life.setpoint_step is not None:
        base = life.setpoint_low or 0.0
        setpoint = base + round((setpoint - base) / life.setpoint_step) * life.setpoint_step
    if life.setpoint_low is not None:
        setpoint = max(setpoint, life.setpoint_low)
    if life.setpoint_high is not None:
        setpoint = min(setpoint, life.setpoint_high)
    return round(setpoint, 6)


def same_setpoint(asset: Asset, one: float | None, other: float | None) -> bool:
    """Whether two set-points are the same to the machine."""
    if one is None or other is None:
        return one is other
    life = asset.life
    low, high = life.setpoint_low, life.setpoint_high
    span = high - low if low is not None and high is not None else max(abs(one), abs(other), 1.0)
    return abs(one - other) <= max(DEAD_BAND * span, 0.5 * (life.setpoint_step or 0.0)) + 1e-9


def order(site: Site, situation: Situation, intent: Intent) -> Command | None:
    """The command for an intent; None if the asset does it already, or may not be made to now.

    An asset that local control runs is taken over by a command even where its state would not change: local control
    would change it at its own trigger.
    """
    asset, state = site.asset(intent.asset), situation.state(intent.asset)
    if intent.on is not bool(state.running) and not _may_change(situation, intent.asset, starting=intent.on):
        return None
    if not intent.on:
        if not state.running and not state.released:
            return None
        return _written(site, situation, intent, Action.SHUTDOWN, None)
    return _run(site, situation, intent, asset, state)


def _run(site: Site, situation: Situation, intent: Intent, asset: Asset, state: AssetState) -> Command | None:
    nominal = asset.life.setpoint_nominal
    wanted = rounded(asset, intent.setpoint) if adjustable(asset) and intent.setpoint is not None else None
    if wanted is None or (not state.running and same_setpoint(asset, wanted, nominal)):
        if state.running and not state.released:
            return None
        return _written(site, situation, intent, Action.STARTUP, None)
    if state.running and not state.released and same_setpoint(asset, wanted, state.setpoint):
        return None
    return _written(site, situation, intent, Action.OPTIMIZE, wanted)


def _written(site: Site, situation: Situation, intent: Intent, action: Action, setpoint: float | None) -> Command:
    return command(
        site,
        situation,
        asset=intent.asset,
        action=action,
        reason=intent.reason,
        words=intent.words,
        setpoint=setpoint,
        expected_power_kw=_expected_kw(situation, intent, action),
    )


def _expected_kw(situation: Situation, intent: Intent, action: Action) -> float | None:
    """What the meter should read soon after: standby where it stops, what its start takes where that takes a while."""
    envelope = situation.envelope(intent.asset)
    if envelope is None:
        return intent.power_kw
    number = envelope.assets.index(intent.asset)
    if action is Action.SHUTDOWN:
        return envelope.off_power_kw[number] if envelope.off_power_kw else 0.0
    life = envelope.lives[number]
    if not situation.state(intent.asset).running and life.startup_s > 0:
        return life.start_energy_kwh * SECONDS_PER_HOUR / life.startup_s
    return intent.power_kw


def _may_change(situation: Situation, asset: str, *, starting: bool) -> bool:
    envelope, state = situation.envelope(asset), situation.state(asset)
    if envelope is None or free_from(situation, envelope, asset) is not None:
        return False
    if forbidden(situation, envelope, asset, starting=starting):
        return False
    most = starts_allowed(situation, envelope, asset)
    return not starting or most is None or state.starts_today + 1 <= most
