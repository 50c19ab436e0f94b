"""What a plan pays for what must not be: demand that is not served, hard limits that are passed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plant.assets import Service, Store
from plant.situation import Situation
from policy.outlook import Outlook


def hard_price(situation: Situation, ahead: Outlook) -> float:
    """What a kWh beyond a hard limit costs: more than any service it could save, as far as 10,000 goes."""
    worth, hours = float(np.max(np.abs(ahead.energy))), ahead.steps * ahead.step_h
    services = {service.name: service for service in situation.services if service.unserved_price > 0.0}
    for envelope in (found for found in situation.envelopes if found.service in services):
        price = shortage_price(situation, services[str(envelope.service)], lambda _: hours)
        for point in (point for regime in envelope.regimes for point in regime.points if sum(point.power_kw) > 0.01):
            worth = max(worth, price * abs(point.output_per_h) / sum(point.power_kw))
    return min(max(10.0 * worth, 10.0), 1e4)


def shortage_price(situation: Situation, service: Service, hours: Callable[[Store], float]) -> float:
    """What a unit costs that a plan does not serve, or cannot carry off.

    More than what it would save of the accepted limits of the service's stores up to the end of the horizon: demand draws from
    a store down to its physical end, whatever a plan may wish.

    Parameters
    ----------
    hours
        For how many hours a store's limits could cost, at their price per hour.
    """
    stores = (store for store in situation.store_specs if store.service == service.name)
    saved = (store.low_price * hours(store) / (store.size_per_level or 1.0) for store in stores)
    return max(service.unserved_price, 2.0 * max(saved, default=0.0))
