"""Why: limits that shaped a plan, in an operator's words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from plant.orders import Rejected
from plant.situation import Situation
from plant.table import Floats
from policy.compiled import Key, Program
from policy.fixed import Fixed
from policy.outlook import Outlook
from policy.search import Searched
from policy.solve import Solved

OVER_KW = 0.01
"""Less over a limit than this is rounding."""
LEAST_WORTH = 0.01
"""Limits worth less than this are not worth telling."""
BARELY = 1e-4
"""Share of a store's accepted band that is rounding."""
CANNOT_TAKE, LACKS = "cannot take", "lacks"
"""What a plan says of a store whose content vanishes or comes from nowhere; the invariants look for these words."""
SHOWN = 5
"""So many limits are told."""


def words_of(searched: Searched, settled: Fixed) -> str:
    """One sentence on the plan as a whole, and why some assets are not commanded."""
    value, gap = searched.best.solved.objective, searched.gap
    proven = "nothing proven" if gap is None else f"at most {gap:.1%} above any plan of this model"
    text = f"{searched.best.words}: {value:.2f}, {proven}"
    others = [f"{word.asset} is left alone: {word.words}" for word in settled.says if not word.commanded]
    return "; ".join([text, *others])


def rejected_of(searched: Searched) -> Rejected | None:
    """The best alternative that was not chosen; None where the search found only one plan."""
    if not searched.others:
        return None
    other = min(searched.others, key=lambda candidate: candidate.solved.objective)
    return Rejected(words=other.words, objective=other.solved.objective)


def binding_of(program: Program, situation: Situation, ahead: Outlook, solved: Solved) -> tuple[str, ...]:
    """Limits that shaped a plan, in words: those that cannot be kept first, then the most costly."""
    assert solved.x is not None  # a candidate without a solution is none
    return (*_broken(program, situation, ahead, solved.x), *_tight(program, situation, solved))


def _broken(program: Program, situation: Situation, ahead: Outlook, x: Floats) -> Iterator[str]:
    """Limits in conflict: what is exceeded, when, by how much."""
    model = program.compiled
    over = x[model.column["over_hard"][()]]
    if over.max(initial=0.0) > OVER_KW:
        step = int(np.argmax(over))
        yield f"the import limit cannot be kept: {over[step]:.1f} kW over it at {ahead.time(step):%H:%M} UTC"
    soft = x[model.column["over_soft"][()]]
    if soft.max(initial=0.0) > OVER_KW:
        step = int(np.argmax(soft))
        yield f"the priced import limit is exceeded by up to {soft[step]:.1f} kW at {ahead.time(step):%H:%M} UTC"
    for v, service in enumerate(situation.services):
        unmet = x[model.column["unmet"][v]] * ahead.step_h
        if unmet.sum() > 1e-6 * max(1.0, float(np.abs(ahead.demand_of(service.name)).sum()) * ahead.step_h):
            step = int(np.argmax(unmet > 0))
            yield f"{unmet.sum():.3g} {service.unit} of {service.name} cannot be served, from {ahead.time(step):%H:%M} UTC"
    for s, store in enumerate(situation.store_specs):
        yield from _vanished(program, situation, ahead, x, s)
        for family, word in (("below", "below its low"), ("above", "above its high")):
            beyond = x[model.column[family][s]]
            if beyond.max(initial=0.0) > 1e-4 * (store.high - store.low):
                step = int(np.argmax(beyond))
                yield f"{store.name} is {word} limit by up to {beyond[step]:.3g} {store.unit} at {ahead.time(step):%H:%M} UTC"


def _vanished(program: Program, situation: Situation, ahead: Outlook, x: Floats, s: int) -> Iterator[str]:
    """Content that the plan lets come from nowhere or vanish: nothing that it may command does it."""
    model, store = program.compiled, situation.store_specs[s]
    unit = next(service.unit for service in situation.services if service.name == store.service)
    least = BARELY * (store.high - store.low) * (store.size_per_level or 1.0)
    for family, words in (("spill", CANNOT_TAKE), ("lack", LACKS)):
        amount = x[model.column[family][s]] * ahead.step_h
        if amount.sum() > least:
            step = int(np.argmax(amount > least / amount.size))
            what = f"{amount.sum():.3g} {unit}" + (" that nothing brings" if words == LACKS else " more")
            yield f"{store.name} {words} {what}, from {ahead.time(step):%H:%M} UTC"
    v = model.layout.stores[s].service
    excess = x[model.column["excess"][v]] * ahead.step_h
    if excess.sum() > least and float(ahead.demand_of(store.service).min()) < 0.0:
        step = int(np.argmax(excess > least / excess.size))
        yield f"{excess.sum():.3g} {unit} of {store.service} cannot be carried off, from {ahead.time(step):%H:%M} UTC"


def _tight(program: Program, situation: Situation, solved: Solved) -> list[str]:
    """Limits that are just kept, with what one unit more of them would save over the horizon."""
    if solved.prices is None:
        return []
    model, found = program.compiled, []

    def worth(family: str, part: Key) -> float:
        places = model.row[family].get(part)
        return 0.0 if places is None or solved.prices is None else float(np.abs(solved.prices[places]).sum())

    found.append((worth("import_hard", ()), "import limit: one kW more would save {:.2f}"))
    found.append((worth("peak_window", ()), "peak charge: one kW less of other load would save {:.2f}"))
    for s, store in enumerate(situation.store_specs):
        found.append((worth("floor", s), f"low limit of {store.name}: one {store.unit} lower would save {{:.2f}}"))
        found.append((worth("ceiling", s), f"high limit of {store.name}: one {store.unit} higher would save {{:.2f}}"))
    for g, inventory in enumerate(model.layout.inventories):
        service = situation.store_specs[inventory.stores[0]].service
        unit = next(other.unit for other in situation.services if other.name == service)
        words = f"{inventory.name} kept for tomorrow: one {unit} less at midnight would save {{:.2f}}"
        found.append((worth("held", g), words))
    kept = sorted((item for item in found if item[0] > LEAST_WORTH), key=lambda item: -item[0])
    return [words.format(value) for value, words in kept[:SHOWN]]
