"""What is left in a store at the end of the horizon is worth, and how much is wanted back.

A price for the last level alone drains a store that can be filled more cheaply later, a hard closure makes a plan
infeasible. Therefore: the level wanted at the end is the level of now (the same hour, a horizon earlier), kept inside the
accepted band; what is missing is charged above, what is more is valued below the mean cost of making it. Where a site
states an `end_level`, that level is wanted back at each local midnight as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.assets import Store
from plant.series import Series
from plant.situation import Situation
from plant.table import Floats
from policy.outlook import Outlook, accumulated, asset_price, on_steps

MISSING = 1.3
"""Charge on what is missing, as a multiple of the mean cost of making it."""
MORE = 0.7
"""Value of what is more, as a multiple of the mean cost of making it."""
MIDNIGHT = 4.0
"""Charge on what is missing at midnight, as a multiple of the mean cost of making it."""
INSIDE = 0.1
"""The level wanted at the end keeps so much of the accepted band away from its ends."""
SIGMAS = 1.3
"""Standard deviations of the demand that are kept in reserve."""
LEAST, MOST = 0.06, 0.25
"""Shares of the accepted band that are kept in reserve at each end."""
ROUNDS = 4
"""Stores that feed each other are valued in so many rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """Worth of one store's content at the end."""

    wanted: float
    """Level."""
    price: float
    """Mean cost of making one service unit; negative where machines take out (cooling)."""

    @property
    def missing(self) -> float:
        """Cost of one unit below the wanted level; negative = a gain."""
        return self.price * (MISSING if self.price >= 0 else MORE)

    @property
    def more(self) -> float:
        """Cost of one unit above the wanted level; negative = a gain."""
        return -self.price * (MORE if self.price >= 0 else MISSING)


def worths(situation: Situation, ahead: Outlook) -> tuple[Worth, ...]:
    """The worth of each store, in the order of the situation's stores."""
    prices: dict[str, float] = {}
    for _ in range(ROUNDS):
        for store in situation.store_specs:
            prices[store.name] = _price(situation, ahead, store, prices)
    return tuple(Worth(wanted=_wanted(situation, store), price=prices[store.name]) for store in situation.store_specs)


def _wanted(situation: Situation, store: Store) -> float:
    margin = INSIDE * (store.high - store.low)
    level = situation.store(store.name).level
    return float(np.clip(store.low if level is None else level, store.low + margin, store.high - margin))


def _price(situation: Situation, ahead: Outlook, store: Store, prices: dict[str, float]) -> float:
    if store.end_price is not None:
        return store.end_price
    found: list[float] = []
    for envelope in situation.envelopes:
        if envelope.store != store.name:
            continue
        power_factor = _mean(situation, envelope.power_factor)
        output_factor = _mean(situation, envelope.output_factor)
        upstream = prices.get(envelope.input_store or "", 0.0)
        for regime in envelope.regimes:
            price = float(np.mean([np.mean(asset_price(situation, ahead, name)) for name in regime.running]))
            for point in regime.points:
                made = point.output_per_h * output_factor
                if abs(made) > 1e-9 and sum(point.power_kw) > 0:
                    cost = sum(point.power_kw) * power_factor * price + point.input_per_h * upstream
                    found.append(cost / made)
    found += [prices[flow.source] for flow in situation.flows if flow.target == store.name and flow.source in prices]
    return min(found, key=abs, default=0.0)


def _mean(situation: Situation, series: Series | None) -> float:
    return 1.0 if series is None else float(np.mean(on_steps(situation, series)))


def reserve(situation: Situation, ahead: Outlook, store: Store) -> Floats:
    """Level kept away from `low` and `high` at the end of each step against what is not foreseen.

    `SIGMAS` standard deviations of the demand summed up to then (its errors last some hours), not less than `LEAST` and
    not more than `MOST` of the accepted band.
    """
    content = accumulated(ahead.spread_of(store.service), ahead.step_h)
    stores = sum(1 for other in situation.store_specs if other.service == store.service)
    band = store.high - store.low
    return np.asarray(np.clip(SIGMAS * content / stores / (store.size_per_level or 1.0), LEAST * band, MOST * band))
