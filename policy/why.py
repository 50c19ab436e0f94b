"""Why not otherwise: the best plan in which a machine does something else, and the price or limit at which it would.

Asked for, never part of a cycle: every answer is a decision made again with one thing changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from plant.assets import Asset, Store
from plant.errors import SolverError
from plant.orders import Plan, Rejected
from plant.ports import Strategy
from plant.series import Series
from plant.site import Site
from plant.situation import Limit, Situation
from policy.outlook import on_steps
from policy.strategies.optimal import Optimal

HALVINGS = 8
"""A flip is known to this many halvings of the range that was tried."""
DEAREST = 3.0
"""Prices are tried up to so many times the dearest of the day, import limits up to twice what they are."""
MOVED = 0.1
"""A set-point that moves by less than this share of its range is the same decision."""
NEARLY = 0.9
"""A store's limit is tried up to so much of its band."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """How far one number must move until the decision is another."""

    what: str
    """`price`, or a limit in words."""
    unit: str
    now: float
    below: float | None
    """From here down the decision is another; None = not down to `low`."""
    above: float | None
    """From here up the decision is another; None = not up to `high`."""
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """The best plan of another decision."""

    words: str
    objective: float
    dearer: float
    """Its objective less the plan's; below zero only by what the search left open."""
    share: float
    """`dearer` as a share of the plan's objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a plan does with an asset in its first step."""

    on: bool
    setpoint: float | None

    def words(self) -> str:
        """For a person."""
        if not self.on:
            return "it stands"
        return "it runs" if self.setpoint is None else f"it runs at {self.setpoint:.4g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Varied:
    """One number of a situation and what it is made of."""

    what: str
    unit: str
    now: float
    low: float
    high: float
    situation: Callable[[float], Situation]


def decided(plan: Plan, asset: str) -> Decided | None:
    """What a plan does with an asset now; None if it says nothing of it."""
    course = next((found for found in plan.courses if found.asset == asset), None)
    if course is None:
        return None
    on = course.on.values[0] >= 0.5
    return Decided(on=on, setpoint=course.setpoint.values[0] if on and course.setpoint is not None else None)


def alternatives(strategy: Optimal, situation: Situation, plan: Plan, asset: str) -> tuple[Alternative, ...]:
    """Other decisions on an asset now, the cheapest first: the contrary, and going on as it is."""
    now = decided(plan, asset)
    if now is None or plan.objective is None:
        return ()
    asked: list[Callable[[], Rejected]] = [lambda: strategy.alternative(situation, asset, not now.on)]
    if now.on and situation.state(asset).running:
        asked.append(lambda: strategy.unchanged(situation, asset))
    found = []
    for ask in asked:
        try:
            other = ask()
        except SolverError:
            continue  # no such plan: nothing to compare with
        dearer = other.objective - plan.objective
        share = dearer / max(abs(plan.objective), 1e-9)
        found.append(Alternative(words=other.words, objective=other.objective, dearer=dearer, share=share))
    return tuple(sorted(found, key=lambda item: item.objective))


def flips(site: Site, strategy: Strategy, situation: Situation, plan: Plan, asset: str) -> Iterator[Flip]:
    """How far price and limits must move until the decision on an asset is another; by deciding again."""
    now = decided(plan, asset)
    if now is None:
        return
    for varied in (*_price(situation, asset), *_imports(situation, asset), *_bands(situation, asset)):
        yield _flip(site.asset(asset), strategy, varied, now)


def _flip(asset: Asset, strategy: Strategy, varied: _Varied, now: Decided) -> Flip:
    other: list[str] = []

    def differs(value: float) -> bool:
        then = decided(strategy.propose(varied.situation(value)), asset.name)
        if then is None or _same(asset, now, then):
            return False
        other.append(then.words())
        return True

    def edge(end: float) -> tuple[float | None, str]:
        if end == varied.now or not differs(end):
            return None, ""
        as_now, otherwise = varied.now, end
        for _ in range(HALVINGS):
            middle = 0.5 * (as_now + otherwise)
            if differs(middle):
                otherwise = middle
            else:
                as_now = middle
        return otherwise, other[-1]

    (below, under), (above, over) = edge(varied.low), edge(varied.high)
    told = [f"{then} from {at:.4g} {varied.unit} {way}" for at, then, way in ((below, under, "down"), (above, over, "up")) if then]
    words = "; ".join(told) or f"the same from {varied.low:.4g} to {varied.high:.4g} {varied.unit}"
    return Flip(
        what=varied.what, unit=varied.unit, now=varied.now, below=below, above=above, low=varied.low, high=varied.high,
        words=f"{varied.what} {varied.now:.4g} {varied.unit} now: {words}",
    )  # fmt: skip


def _same(asset: Asset, one: Decided, other: Decided) -> bool:
    if one.on is not other.on:
        return False
    if one.setpoint is None or other.setpoint is None:
        return True
    low, high = asset.life.setpoint_low, asset.life.setpoint_high
    span = high - low if low is not None and high is not None else abs(one.setpoint)
    return abs(one.setpoint - other.setpoint) <= MOVED * span + 1e-9


def _price(situation: Situation, asset: str) -> Iterator[_Varied]:
    """What energy costs for as long as the price of now holds."""
    own = situation.prices.of(asset)
    values = on_steps(situation, situation.prices.energy if own is None else own)
    other = np.flatnonzero(np.abs(values - values[0]) > 1e-9)
    steps = int(other[0]) if other.size else len(values)

    def priced(value: float) -> Situation:
        made = (*(float(value) for _ in range(steps)), *(float(item) for item in values[steps:]))
        series = Series(start=situation.time, step_s=situation.step_s, values=made, unit=situation.prices.energy.unit)
        prices = situation.prices
        if own is None:
            return replace(situation, prices=replace(prices, energy=series))
        tariffs = tuple((name, series if name == asset else found) for name, found in prices.assets)
        return replace(situation, prices=replace(prices, assets=tariffs))

    until = situation.time + timedelta(seconds=steps * situation.step_s)
    yield _Varied(
        what=f"price until {until:%H:%M} UTC" if other.size else "price", unit="per kWh", now=float(values[0]),
        low=min(0.0, float(values.min())), high=DEAREST * float(np.abs(values).max()), situation=priced,
    )  # fmt: skip


def _imports(situation: Situation, asset: str) -> Iterator[_Varied]:
    for number, limit in enumerate(situation.limits):
        if limit.name != "import_kw" or limit.asset not in (None, asset):
            continue

        def limited(value: float, number: int = number, limit: Limit = limit) -> Situation:
            found = (*situation.limits[:number], replace(limit, high=value), *situation.limits[number + 1 :])
            return replace(situation, limits=found)

        of = "" if limit.asset is None else f" of {limit.asset}"
        what = ("import limit" if limit.price is None else "priced import limit") + of
        yield _Varied(what=what, unit="kW", now=limit.high, low=0.0, high=2.0 * limit.high, situation=limited)


def _bands(situation: Situation, asset: str) -> Iterator[_Varied]:
    """The accepted band of the stores that a machine fills or draws on."""
    envelope = situation.envelope(asset)
    for number, store in enumerate(situation.store_specs):
        if envelope is None or store.name not in (envelope.store, envelope.input_store, envelope.second_store):
            continue
        band = store.high - store.low

        def low(value: float, number: int = number) -> Situation:
            return _with_store(situation, number, replace(situation.store_specs[number], low=value))

        def high(value: float, number: int = number) -> Situation:
            return _with_store(situation, number, replace(situation.store_specs[number], high=value))

        yield _Varied(
            what=f"low limit of {store.name}", unit=store.unit, now=store.low, low=min(store.bottom, store.low),
            high=store.low + NEARLY * band, situation=low,
        )  # fmt: skip
        yield _Varied(
            what=f"high limit of {store.name}", unit=store.unit, now=store.high, low=store.high - NEARLY * band,
            high=max(store.top, store.high), situation=high,
        )  # fmt: skip


def _with_store(situation: Situation, number: int, store: Store) -> Situation:
    specs = situation.store_specs
    return replace(situation, store_specs=(*specs[:number], store, *specs[number + 1 :]))
