"""The rule of thumb that an optimiser has to beat: fill stores while energy is cheap, keep them above their low limit."""

from __future__ import annotations

import numpy as np

from plant.assets import Store
from plant.orders import Plan, Reason
from plant.site import Site
from plant.situation import Situation
from plant.table import Floats
from policy.local import local_rule
from policy.orders import Intent, order
from policy.outlook import asset_price, outlook
from policy.patience import patient
from policy.proposal import sealed, until
from policy.standing import say
from policy.strategies.threshold import own_points
from policy.walk import Moment, Wish, courses, store_courses, walk

CHEAP = 0.35
"""The cheapest share of the horizon's hours."""
LOW, HIGH = 0.15, 0.9
"""Shares of a store's accepted band below which machines run at any price, above which at none."""


class PriceRule:
    """Runs every machine that fills a store in the cheapest hours; the others stay with local control.

    Parameters
    ----------
    site
        The site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def propose(self, situation: Situation) -> Plan:
        """Commands by the price of now, and the courses to which the rule leads."""
        ahead = outlook(situation)
        local = local_rule(self._site, situation, ahead)
        ruled = {
            name: asset_price(situation, ahead, name)
            for envelope in situation.envelopes
            for name in envelope.assets
            if envelope.store is not None and say(situation, name).commanded and _fills(situation, name)
        }

        stores = {name: _store(situation, name) for name in ruled}
        cheap = {name: price <= _cheap(price) for name, price in ruled.items()}

        def rule(name: str, moment: Moment) -> Wish:
            return _wish(stores[name], bool(cheap[name][moment.step]), moment) if name in ruled else local(name, moment)

        named = frozenset(ruled)
        walked = walk(situation, patient(situation, rule, named), ahead)
        intents = (
            Intent(
                asset=name,
                on=bool(walked.on[name][0] >= 0.5),
                setpoint=float(walked.setpoint[name][0]) or None,
                power_kw=float(walked.power_kw[name][0]),
                reason=Reason.PRICE_LOW if walked.on[name][0] >= 0.5 else Reason.PRICE_HIGH,
                words=f"energy at {price[0]:.3f} per kWh, cheap below {_cheap(price):.3f}",
            )
            for name, price in ruled.items()
        )
        found = (order(self._site, situation, intent) for intent in intents)
        return sealed(
            situation,
            Plan(
                id="",
                made_at=situation.time,
                until=situation.time + until(situation),
                strategy="price_rule",
                commands=tuple(command for command in found if command is not None),
                courses=courses(situation, walked, named),
                stores=store_courses(situation, walked),
                words="fill stores while energy is cheap",
            ),
        )


def _store(situation: Situation, name: str) -> Store:
    envelope = situation.envelope(name)
    assert envelope is not None  # only assets of an envelope are ruled
    return next(found for found in situation.store_specs if found.name == envelope.store)


def _wish(store: Store, cheap: bool, moment: Moment) -> Wish:
    fullness = (moment.levels[store.name] - store.low) / max(store.high - store.low, 1e-9)
    return Wish(on=fullness <= LOW or (fullness < HIGH and cheap))


def _cheap(price: Floats) -> float:
    return float(np.quantile(price, CHEAP, method="lower"))


def _fills(situation: Situation, name: str) -> bool:
    """Whether a machine only ever brings something into its store, alone."""
    envelope = situation.envelope(name)
    return envelope is not None and len(envelope.assets) == 1 and min(p.output_per_h for p in own_points(envelope, name)) >= 0.0
