"""Π_j, part one: what running a machine risks.

The chance that a machine fails within a running hour is the reciprocal of its mean time between failures when it is as
new (exponential life, constant hazard), raised as its health falls. Times the consequence of a failure it is a price per
running hour, so that a worn machine is used where nothing else will do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from plant.envelopes import Envelope
from plant.health import Health, Severity
from plant.site import Site
from plant.situation import Situation
from policy.cover import covered

STEEPNESS = 4.0
"""Growth of the hazard as health falls from 1 to 0: e⁴, about 55 times."""
STALE_S = 6 * 3600.0
"""A health older than this says nothing."""


def newest(health: Sequence[Health], asset: str, now: datetime) -> Health | None:
    """The newest health of an asset that is not stale."""
    of_asset = [item for item in health if item.asset == asset and (now - item.time).total_seconds() <= STALE_S]
    return max(of_asset, key=lambda item: item.time, default=None)


def hazard_per_h(mtbf_h: float | None, score: float | None) -> float:
    """Chance of a failure within a running hour.

    Parameters
    ----------
    mtbf_h
        Mean time between failures when as new; None = it does not fail.
    score
        Health 0..1; None = not known, taken as new.
    """
    if mtbf_h is None:
        return 0.0
    worn = 0.0 if score is None else 1.0 - score
    return min(1.0, math.exp(STEEPNESS * worn) / mtbf_h)


def risk_per_h(site: Site, situation: Situation, envelope: Envelope, asset: str) -> float:
    """Price of a running hour for the risk it takes: the envelope's own figure, else hazard × consequence."""
    if envelope.risk_per_h:
        return envelope.risk_per_h[envelope.assets.index(asset)]
    health = newest(situation.health, asset, situation.time)
    stated = site.asset(asset)
    return hazard_per_h(stated.life.mtbf_h, None if health is None else health.score) * stated.consequence


def must_rest(situation: Situation, asset: str) -> Health | None:
    """The health that says an asset should be stopped (the control profile's alarm in zone D), None if it may run.

    Only where the others can carry its service: a machine that is needed runs on, and its alarm calls a person.
    """
    gone = {item.asset: item for item in situation.health if _damaged(situation, item)}
    if asset not in gone:
        return None
    return gone[asset] if covered(situation, asset, frozenset(gone)) else None


def _damaged(situation: Situation, health: Health) -> bool:
    own = newest(situation.health, health.asset, situation.time)
    return own is health and health.trip and health.severity is Severity.D
