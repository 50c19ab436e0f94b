"""What cannot be met: the smallest set of limits in conflict, in an operator's words.

Asked for, never part of a cycle. A limit that a plan does not keep is made hard; of all that speaks against it as little is kept
as still makes it impossible (deletion in halves, after Junker's QuickXplain). What is left can only be kept all but one. This
is worked out on the relaxation: what it cannot do no plan can. A limit that the relaxation could keep was given up for its
price, or because machines run fully or not at all; then a plan that keeps it is looked for, and what it costs is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from plant.errors import SolverError
from plant.situation import Situation
from plant.table import Floats
from policy.compiled import Compiled, Key, Program
from policy.fixed import Fixed
from policy.numbers import Facts, numbers
from policy.outlook import Outlook
from policy.search import RELAXED
from policy.solve import Solver
from policy.strategies.optimal import Optimal, Worked

BARELY = 1e-3
"""Less than this share of what is limited is rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Limits that cannot all be kept."""

    limit: str
    """The one that the plan gave up."""
    against: tuple[str, ...]
    """What it cannot be kept together with: lifting any one of them makes room. Empty = nothing that may be lifted helps."""
    dearer: float | None
    """What keeping it would cost more; None = no plan keeps it."""
    words: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """Something that a plan is to keep."""

    words: str
    slack: tuple[tuple[str, Key], ...] = ()
    """Families and parts that are above zero where it is not kept."""
    freed: int | None = None
    """Asset (in the order of the envelopes) of which something is settled that a person can lift."""


def conflicts(strategy: Optimal, situation: Situation) -> tuple[Conflict, ...]:
    """Why what a plan cannot keep cannot be kept; empty where it keeps everything.

    Raises
    ------
    SolverError
        If there is no plan at all.
    """
    worked = strategy.worked(strategy.facts(situation))
    return tuple(_Court(strategy, worked).heard())


class _Court:
    def __init__(self, strategy: Optimal, worked: Worked) -> None:
        self.strategy, self.worked, self.facts = strategy, worked, worked.facts
        self.ahead, self.situation = self.facts.ahead, self.facts.situation
        self.always: tuple[_Wish, ...] = ()
        self.broken: tuple[_Wish, ...] = ()
        self.kept = tuple(_physics(self.facts))
        wishes = tuple(_wishes(worked.model, self.facts))
        if self._possible(self.kept):
            self.always = self.kept
        else:
            wishes = (*wishes, *self.kept)
        x = worked.searched.best.solved.x
        assert x is not None  # a candidate without a solution is none
        self.broken = tuple(wish for wish in wishes if self._missed(wish, x))
        self.kept = tuple(wish for wish in wishes if wish not in self.broken)

    def heard(self) -> Iterator[Conflict]:
        alone = {wish for wish in self.broken if not self._possible((wish,))}
        for wish in self.broken:
            if wish in alone:
                yield self._conflict(wish, ())
                continue
            others = tuple(other for other in self.broken if other is not wish and other not in alone)
            for against in (self.kept, (*self.kept, *others)):
                if not self._possible((wish, *against)):
                    yield self._conflict(wish, self._least((wish,), (wish,), against))
                    break
            else:
                yield self._dear(wish)

    def _missed(self, wish: _Wish, x: Floats) -> bool:
        column = self.worked.model.column
        over = sum(float(x[column[family][part]].sum()) for family, part in wish.slack if part in column[family])
        return over * self.ahead.step_h > BARELY * self._size(wish)

    def _size(self, wish: _Wish) -> float:
        """How much of a thing is a little of it."""
        for family, part in wish.slack:
            if family in ("below", "above") and isinstance(part, int):
                store = self.situation.store_specs[part]
                return store.high - store.low
            if family == "unmet" and isinstance(part, int):
                return float(np.abs(self.ahead.demand_of(self.situation.services[part].name)).sum()) * self.ahead.step_h
        return 100.0

    def _program(self, wishes: Sequence[_Wish]) -> Program:
        """What may be done if these wishes are kept and all others given up."""
        held = {wish.freed for wish in wishes}
        free = [a for a in range(len(self.facts.fixed.names)) if a not in held]
        program = numbers(self.worked.model, replace(self.facts, fixed=_lifted(self.facts.fixed, self.situation, free)))
        for wish in (*self.always, *wishes):
            for family, part in wish.slack:
                program.bound(family, part, 0.0, 0.0)
        return program

    def _possible(self, wishes: Sequence[_Wish]) -> bool:
        program = self._program(wishes)
        program.cost[:] = 0.0
        purse = self.strategy.purse()
        return not Solver(program, purse).relaxed(RELAXED * purse.iterations).infeasible

    def _least(self, given: tuple[_Wish, ...], newest: tuple[_Wish, ...], asked: tuple[_Wish, ...]) -> tuple[_Wish, ...]:
        """As few of the asked as cannot be had together with the given."""
        if newest and not self._possible(given):
            return ()
        if len(asked) == 1:
            return asked
        first, second = asked[: len(asked) // 2], asked[len(asked) // 2 :]
        right = self._least((*given, *first), first, second)
        return (*self._least((*given, *right), right, first), *right)

    def _conflict(self, wish: _Wish, against: tuple[_Wish, ...]) -> Conflict:
        said = tuple(other.words for other in against)
        if said:
            words = f"{wish.words}: cannot be kept together with {' and '.join(said)}{self._started(wish)}"
        else:
            words = f"{wish.words}: cannot be kept, whatever is done{self._because(wish)}"
        return Conflict(limit=wish.words, against=said, dearer=None, words=words)

    def _because(self, wish: _Wish) -> str:
        family, part = wish.slack[0]
        if family in ("over_hard", "over_soft"):
            worst = int(np.argmax(self.ahead.load_kw))
            return f": what nobody commands draws up to {self.ahead.load_kw[worst]:.1f} kW, at {self.ahead.time(worst):%H:%M} UTC"
        if family in ("below", "above") and isinstance(part, int):
            return self._outside(part)
        return ": the machines together cannot do it in time"

    def _started(self, wish: _Wish) -> str:
        """Where a store was outside its band before anything was decided."""
        family, part = wish.slack[0] if wish.slack else ("", ())
        if family not in ("below", "above") or not isinstance(part, int):
            return ""
        return self._outside(part) if self.worked.found.levels[part, 0] != np.clip(*self._band(part)) else ""

    def _band(self, s: int) -> tuple[float, float, float]:
        store = self.situation.store_specs[s]
        return float(self.worked.found.levels[s, 0]), store.low, store.high

    def _outside(self, s: int) -> str:
        store, levels = self.situation.store_specs[s], self.worked.found.levels[s]
        out = (levels < store.low - 1e-6) | (levels > store.high + 1e-6)
        back = np.flatnonzero(~out)
        if not out[0]:
            return ": the machines together cannot do it"
        when = f"this plan is back at {self.ahead.time(int(back[0])):%H:%M} UTC" if back.size else "this plan does not come back"
        return f": {store.name} stands at {levels[0]:.4g} {store.unit} now, {when}"

    def _dear(self, wish: _Wish) -> Conflict:
        """A limit that was given up for its price: what keeping it would cost."""
        program = numbers(self.worked.model, self.facts)
        for family, part in wish.slack:
            program.bound(family, part, 0.0, 0.0)
        try:
            kept = self.strategy.tried(program, self.facts)
        except SolverError:
            words = f"{wish.words}: no plan was found that keeps it, machines being whole"
            return Conflict(limit=wish.words, against=(), dearer=None, words=words)
        dearer = kept.best.solved.objective - self.worked.searched.best.solved.objective
        price = f"would cost {dearer:.2f} more" if dearer > 0 else "would cost no more: a longer search had found it"
        words = f"{wish.words}: could be kept, and the plan {price}"
        return Conflict(limit=wish.words, against=(), dearer=dearer, words=words)


def _wishes(model: Compiled, facts: Facts) -> Iterator[_Wish]:
    situation, ahead = facts.situation, facts.ahead
    yield from _site_wishes(situation)
    for v, service in enumerate(situation.services):
        if any(name == service.name for name, _ in ahead.demand):
            slack: tuple[tuple[str, Key], ...] = (("unmet", v),)
            if model.column["excess"].get(v) is not None and float(ahead.demand_of(service.name).min()) < 0.0:
                slack = (*slack, ("excess", v))
            yield _Wish(f"the demand of {service.name}", slack)
    for s, store in enumerate(situation.store_specs):
        yield _Wish(f"the low limit {store.low:.4g} {store.unit} of {store.name}", (("below", s),))
        yield _Wish(f"the high limit {store.high:.4g} {store.unit} of {store.name}", (("above", s),))
    for i, machine in enumerate(model.layout.machines):
        if machine.ramp is not None:
            yield _Wish(f"the ramp of {model.layout.assets[machine.assets[0]].name}", (("hasty", i),))
    for a, part in enumerate(model.layout.assets):
        if part.capped:
            yield _Wish(f"the import limit of {part.name}", (("over_cap", a),))
        if part.counted:
            yield _Wish(f"the starts that {part.name} has a day", (("over_starts", a),))
        if words := _settled(facts.fixed, ahead, a):
            yield _Wish(f"that {words}", freed=a)


def _physics(facts: Facts) -> Iterator[_Wish]:
    """What no person can lift."""
    for s, store in enumerate(facts.situation.store_specs):
        yield _Wish(f"that nothing comes into {store.name} from nowhere", (("lack", s),))
        yield _Wish(f"that nothing vanishes from {store.name}", (("spill", s),))
    for v, service in enumerate(facts.situation.services):
        stored = any(store.service == service.name for store in facts.situation.store_specs)
        if stored and float(facts.ahead.demand_of(service.name).min()) >= 0.0:
            yield _Wish(f"that no more {service.name} is drawn than is wanted", (("excess", v),))


def _site_wishes(situation: Situation) -> Iterator[_Wish]:
    of_site = [limit for limit in situation.limits if limit.asset is None]
    for name, family, words in (("import_kw", "over_hard", "import limit"), ("export_kw", "over_export", "export limit")):
        hard = [limit.high for limit in of_site if limit.name == name and limit.price is None]
        if hard:
            yield _Wish(f"the {words} of {min(hard):.4g} kW", ((family, ()),))
    priced = [limit.high for limit in of_site if limit.name == "import_kw" and limit.price is not None]
    if priced:
        yield _Wish(f"the priced import limit of {min(priced):.4g} kW", (("over_soft", ()),))


def _settled(settled: Fixed, ahead: Outlook, a: int) -> str:
    """What is settled about an asset, in words; empty if nothing is."""
    name, word = settled.names[a], settled.says[a]
    if not word.commanded:
        return f"{name} is left alone ({word.words})"
    told = "; ".join(words for asset, words in settled.why if asset == name)
    if told:
        return told
    return f"{name} follows the production plan" if ahead.steps and bool((settled.low[a] >= 0.5).any()) else ""


def _lifted(settled: Fixed, situation: Situation, assets: Sequence[int]) -> Fixed:
    """The same with nothing settled about some assets."""
    if not assets:
        return settled
    low, high, startable, regime = settled.low.copy(), settled.high.copy(), settled.startable.copy(), settled.regime.copy()
    places = list(assets)
    low[places], high[places], startable[places] = 0.0, 1.0, True
    names = {settled.names[a] for a in places}
    free = {number for number, envelope in enumerate(situation.envelopes) if names & set(envelope.assets)}
    regime[list(free)] = -2
    weights = tuple(item for item in settled.weights if item[0] not in free)
    says = tuple(replace(word, commanded=True) if a in places else word for a, word in enumerate(settled.says))
    return replace(settled, low=low, high=high, startable=startable, regime=regime, weights=weights, says=says)
