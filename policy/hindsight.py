"""The bill of a window of which everything is known: what any control of it is measured by.

Whoever asks puts what really came into the situation's forecasts. Only what a plant's account counts has a price, physics and
limits hold as for a plan, and every store is to end as the control that is measured left it.
"""

from __future__ import annotations

from collections.abc import Mapping

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


def hindsight(site: Site, situation: Situation, levels: Mapping[str, float]) -> Program:
    """The program whose bound nothing that could have been done costs less than, in steps of the controller.

    Parameters
    ----------
    situation
        The whole window, what came as its forecasts.
    levels
        By store, the level that it is to end with: no emptier where it is filled, no warmer where it is cooled.
    """
    planner = Clairvoyant(site)
    facts = planner.facts(situation)
    program = numbers(planner.model(layout(site, situation, facts.ahead)), facts)
    _billed(program)
    _closed(program, situation, levels)
    return program


def _billed(program: Program) -> None:
    kept = np.zeros(program.cost.size, dtype=np.bool_)
    for name in PAID:
        for places in program.compiled.column[name].values():
            kept[places] = True
    program.cost[~kept] = 0.0


def _closed(program: Program, situation: Situation, levels: Mapping[str, float]) -> None:
    for s, store in enumerate(situation.store_specs):
        last = program.compiled.column["level"][s][-1]
        outputs = [
            point.output_per_h
            for envelope in situation.envelopes
            if envelope.store == store.name
            for regime in envelope.regimes
            for point in regime.points
        ]
        if not outputs:
            continue
        level = float(np.clip(levels[store.name], program.lower[last], program.upper[last]))
        if max(outputs) <= 0.0:
            program.upper[last] = level
        else:
            program.lower[last] = level
