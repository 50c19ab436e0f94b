"""Whether the others can carry what one machine makes, so that it may be stopped for its health."""

from __future__ import annotations

import numpy as np

from plant.envelopes import Envelope
from plant.situation import Situation
from policy.standing import say


def covered(situation: Situation, asset: str, resting: frozenset[str]) -> bool:
    """Whether the service of an asset can be met without it, and without the others that are resting.

    Behind a store the mean demand of the horizon must be met, else its peak, both at the p90 of the forecast; where machines
    take out (cooling) demand and outputs are negative, and its p10 counts. A demand that nobody forecasts cannot be checked:
    then the asset runs on. What nobody draws (a battery's energy, a power for its own sake) needs no cover.
    """
    envelope = situation.envelope(asset)
    service = next((item for item in situation.services if envelope is not None and item.name == envelope.service), None)
    if envelope is None or service is None or service.demand is None:
        return True
    forecast = situation.forecast(service.demand)
    if forecast is None:
        return False
    sign = -1.0 if sum(forecast.p50.values) < 0.0 else 1.0
    demand = sign * np.asarray((forecast.p10 if sign < 0.0 else forecast.p90).values)
    needed = float(demand.mean() if envelope.store is not None else demand.max())
    others = (item for item in situation.envelopes if item.service == envelope.service)
    return sum(_most(situation, item, resting | {asset}, sign) for item in others) >= needed - 1e-9


def _most(situation: Situation, envelope: Envelope, gone: frozenset[str], sign: float) -> float:
    """The largest output of an envelope with what is left of it; where machines take out (`sign` −1) how much they do."""
    left = {name for name in envelope.assets if name not in gone and _can_run(situation, name)}
    factor = 1.0 if envelope.output_factor is None else min(envelope.output_factor.values)
    points = (point for regime in envelope.regimes if left.issuperset(regime.running) for point in regime.points)
    return factor * max((sign * point.output_per_h for point in points), default=0.0)


def _can_run(situation: Situation, name: str) -> bool:
    state = situation.state(name)
    return bool(state.running) or (say(situation, name).commanded and state.permit.start)
