"""Why: each command's reason in an operator's words."""

from __future__ import annotations

import numpy as np

from plant.orders import Reason
from plant.situation import Situation
from plant.table import Floats
from policy.fixed import Fixed
from policy.found import Found
from policy.layout import Layout
from policy.outlook import Outlook, asset_price
from policy.search import Searched

NEAR = 0.15
"""Share of a store's accepted band that counts as near its end."""
PLAIN = 0.05
"""Prices within this share of the mean are called usual."""


def words_of(searched: Searched) -> str:
    """One sentence on the plan as a whole."""
    return f"{searched.best.words}: {searched.best.solved.objective:.2f}, at most {searched.gap:.1%} above any plan of this model"


def reasons(situation: Situation, ahead: Outlook, plan: Layout, found: Found, settled: Fixed, a: int) -> tuple[Reason, str]:
    """Why an asset does in the first step what the plan has it do."""
    part, on = plan.assets[a], bool(found.on[a, 0] >= 0.5)
    told = next((words for name, words in settled.why if name == part.name), "")
    if told:
        return (Reason.HEALTH if "health" in told else Reason.LIMIT), told
    if settled.low[a, 0] >= 0.5:
        return Reason.SCHEDULE, "the production plan needs it"
    price = asset_price(situation, ahead, part.name)
    machine = plan.machines[part.machine]
    text, standing = price_words(ahead, price)
    if machine.store is None:
        return _by_demand(situation, ahead, plan, a, on, text)
    return _by_store(situation, found, machine.store, on, standing, text)


def price_words(ahead: Outlook, price: Floats) -> tuple[str, float]:
    """The price now in words, and how it stands to the mean of the next day (1 = the same)."""
    day = price[: max(1, round(24.0 / ahead.step_h))]
    mean = float(np.mean(day))
    standing = float(price[0]) / mean if mean > 1e-9 else 1.0
    changes = np.flatnonzero(np.abs(day - day[0]) > PLAIN * max(abs(mean), 1e-9))
    until = f" until {ahead.time(int(changes[0])):%H:%M} UTC" if changes.size else ""
    return f"energy at {price[0]:.3f} per kWh{until}, {standing:.2f} of the day's mean", standing


def _by_demand(situation: Situation, ahead: Outlook, plan: Layout, a: int, on: bool, text: str) -> tuple[Reason, str]:
    envelope = situation.envelopes[plan.assets[a].machine]
    demand = float(ahead.demand_of(envelope.service)[0]) if envelope.service else 0.0
    if envelope.service is None:
        return (Reason.EFFICIENCY, text) if on else (Reason.NO_DEMAND, f"nothing needs it now; {text}")
    if on:
        return Reason.DEMAND, f"{demand:.3g} of {envelope.service} per hour are wanted; {text}"
    return (
        Reason.NO_DEMAND if demand <= 1e-6 else Reason.EFFICIENCY
    ), f"{envelope.service} is made more cheaply without it; {text}"


def _by_store(situation: Situation, found: Found, s: int, on: bool, standing: float, text: str) -> tuple[Reason, str]:
    store, levels = situation.store_specs[s], found.levels[s]
    band = store.high - store.low
    level = f"{store.name} at {levels[0]:.3g} {store.unit}"
    coming = f"planned {np.min(levels):.3g} to {np.max(levels):.3g}"
    if on and levels[0] <= store.low + NEAR * band:
        return Reason.STORE_LOW, f"{level}, accepted from {store.low:.3g}; {text}"
    if not on and levels[0] >= store.high - NEAR * band:
        return Reason.STORE_HIGH, f"{level}, accepted up to {store.high:.3g}; {text}"
    if standing < 1.0 - PLAIN:
        return (Reason.PRICE_LOW if on else Reason.NO_DEMAND), f"{text}; {level}, {coming}"
    if standing > 1.0 + PLAIN:
        return (Reason.DEMAND if on else Reason.PRICE_HIGH), f"{text}; {level}, {coming}"
    return (Reason.DEMAND if on else Reason.EFFICIENCY), f"{level}, {coming}; {text}"
