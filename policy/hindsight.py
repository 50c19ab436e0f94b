"""The bill of a window of which everything is known: what any control of it is measured by.

Whoever asks puts what really came into the situation's forecasts. Only what a plant's account counts has a price, physics and
limits hold as for a plan, or as the control that is measured kept them, and every store is to end as that one left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from plant.site import Site
from plant.situation import Situation
from policy.compiled import Program
from policy.layout import layout
from policy.numbers import numbers
from policy.strategies.clairvoyant import Clairvoyant

PAID = frozenset(
    {"bought", "sold", "start", "peak", "below", "above", "unmet", "excess", "spill", "lack", "over_hard", "over_export"}
)
"""What is in a plant's bill, or stands for what must not be; wear, risk and reserves are wishes of the controller's."""
WASTE = frozenset({"excess", "spill"})
"""What has to be paid for content that vanishes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What a control that is measured came to; the bound may do the same."""

    ends: Mapping[str, float]
    """By store, the level at the end: no emptier where it is filled, no warmer where it is cooled."""
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By store, the lowest and highest level that were seen: where they lie beyond its limits, they are the limits."""
    means: Mapping[str, float] = field(default_factory=dict)
    """By store, the level against which machines worked on average."""
    import_kw: float = 0.0
    """Likewise, the most that was bought at any time."""
    export_kw: float = 0.0
    """Likewise, the most that was sold."""
    wasted: bool = False
    """Whether full stores could not take what they were given: then the bound may let content vanish for nothing."""


def hindsight(site: Site, situation: Situation, reached: Reached, *, loose: bool = False) -> Program:
    """The program whose bound, in the controller's model, no control costs less than that did no worse than what was reached.

    Parameters
    ----------
    situation
        The whole window, what came as its forecasts.
    loose
        Minimum times are not asked for (they contradict what is settled).
    """
    planner, situation = Clairvoyant(site), _allowed(situation, reached)
    facts = replace(planner.facts(situation), loose=loose)
    program = numbers(planner.model(layout(site, situation, facts.ahead)), facts)
    _billed(program, PAID - WASTE if reached.wasted else PAID)
    _closed(program, situation, reached.ends)
    return program


def _allowed(situation: Situation, reached: Reached) -> Situation:
    """The situation with limits no narrower than what was reached, and CO2, which no bill counts, for nothing."""
    most = {"import_kw": reached.import_kw, "export_kw": reached.export_kw}
    stores = []
    for store in situation.store_specs:
        low, high = reached.spans.get(store.name, (store.low, store.high))
        stores.append(replace(store, low=min(store.low, low), high=max(store.high, high)))
    return replace(
        situation,
        store_specs=tuple(stores),
        limits=tuple(
            limit if limit.asset is not None else replace(limit, high=max(limit.high, most.get(limit.name, 0.0)))
            for limit in situation.limits
        ),
        prices=replace(situation.prices, co2_price_per_t=0.0),
    )


def _billed(program: Program, families: frozenset[str]) -> None:
    kept = np.zeros(program.cost.size, dtype=np.bool_)
    for name in families:
        for places in program.compiled.column[name].values():
            kept[places] = True
    program.cost[~kept] = 0.0


def _closed(program: Program, situation: Situation, ends: Mapping[str, float]) -> None:
    for s, store in enumerate(situation.store_specs):
        last = program.compiled.column["level"][s][-1]
        outputs = [
            point.output_per_h
            for envelope in situation.envelopes
            if envelope.store == store.name
            for regime in envelope.regimes
            for point in regime.points
        ]
        level = float(np.clip(ends[store.name], program.lower[last], program.upper[last]))
        if outputs and max(outputs) <= 0.0:
            program.upper[last] = level
        else:
            program.lower[last] = level
