"""Why: each command's reason in an operator's words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from plant.orders import Reason, Rejected
from plant.situation import Situation
from plant.table import Floats
from policy.compiled import Key, Program
from policy.fixed import Fixed
from policy.found import Found
from policy.layout import Layout
from policy.outlook import Outlook, asset_price
from policy.search import Searched
from policy.solve import Solved

NEAR = 0.15
"""Share of a store's accepted band that counts as near its end."""
OVER_KW = 0.01
"""Less over a limit than this is rounding."""
LEAST_WORTH = 0.01
"""Limits worth less than this are not worth telling."""
SHOWN = 5
"""So many limits are told."""
PLAIN = 0.05
"""Prices within this share of the mean are called usual."""


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
        for family, word in (("below", "below its low"), ("above", "above its high")):
            beyond = x[model.column[family][s]]
            if beyond.max(initial=0.0) > 1e-4 * (store.high - store.low):
                step = int(np.argmax(beyond))
                yield f"{store.name} is {word} limit by up to {beyond[step]:.3g} {store.unit} at {ahead.time(step):%H:%M} UTC"


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
    kept = sorted((item for item in found if item[0] > LEAST_WORTH), key=lambda item: -item[0])
    return [words.format(value) for value, words in kept[:SHOWN]]


def reasons(situation: Situation, ahead: Outlook, plan: Layout, found: Found, settled: Fixed, a: int) -> tuple[Reason, str]:
    """Why an asset does in the first step what the plan has it do."""
    part, on = plan.assets[a], bool(found.on[a, 0] >= 0.5)
    told = next((words for name, words in settled.why if name == part.name), "")
    if told and "health" in told:
        return Reason.HEALTH, told
    if told and len(plan.regimes[part.regimes[0]].output) == 1:
        return Reason.LIMIT, told
    if settled.low[a, 0] >= 0.5 and not told:
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
