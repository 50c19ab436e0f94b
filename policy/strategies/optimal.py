"""The cheapest plan that is safe: Pyomo and HiGHS over the whole horizon, commands from the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from plant.errors import SolverError
from plant.orders import Command, Plan, Rejected
from plant.site import Site
from plant.situation import Situation
from policy.compiled import Compiled, Program, compiled
from policy.explain import binding_of, rejected_of, words_of
from policy.fixed import fixed, going_on
from policy.found import Found, courses_of, expected, read
from policy.guard import starts_allowed
from policy.layout import Layout, layout
from policy.numbers import Facts, numbers
from policy.orders import Intent, order
from policy.outlook import Outlook, outlook
from policy.proposal import sealed, until
from policy.reasons import reasons
from policy.rounding import Past, past
from policy.search import Searched, search
from policy.shifted import carried_on
from policy.solve import Purse
from policy.strategies.threshold import Threshold

KEPT = 4
"""Compiled models kept; a model holds structure only, so what is kept cannot influence a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """Everything about one search."""

    facts: Facts
    program: Program
    searched: Searched
    found: Found

    @property
    def model(self) -> Compiled:
        """The compiled model."""
        return self.program.compiled


class Optimal:
    """The optimal strategy.

    Parameters
    ----------
    site
        The site; `control.work_limit` and `control.time_limit_s` bound the search.
    """

    name = "optimal"

    def __init__(self, site: Site) -> None:
        self._site = site

    def propose(self, situation: Situation) -> Plan:
        """The best plan found within the work limit, with its bound and why.

        Where the search ends without any plan, the rule table's is proposed instead and says so.
        """
        try:
            return self._plan(self.worked(self.facts(situation)))
        except SolverError as error:
            rules = Threshold(self._site).propose(situation)
            return sealed(situation, replace(rules, rung="next", words=f"no optimal plan: {error}; {rules.words}"))

    def facts(self, situation: Situation) -> Facts:
        """What a search starts from."""
        ahead = outlook(situation)
        return Facts(site=self._site, situation=situation, ahead=ahead, fixed=fixed(self._site, situation, ahead))

    def worked(self, facts: Facts) -> Worked:
        """Search for a plan; where what is settled contradicts minimum times, without asking for those.

        Raises
        ------
        SolverError
            If there is no plan even so.
        """
        model = self.model(layout(self._site, facts.situation, facts.ahead))
        try:
            return self._searched(model, facts)
        except SolverError:
            return self._searched(model, replace(facts, loose=True))

    def alternative(self, situation: Situation, asset: str, on: bool) -> Rejected:
        """What the best plan costs in which an asset runs (or stands) in the first step: the answer to "why not?".

        Raises
        ------
        SolverError
            If there is no such plan.
        """
        facts = self.facts(situation)
        a = facts.fixed.names.index(asset)
        low, high = facts.fixed.low.copy(), facts.fixed.high.copy()
        low[a, 0] = high[a, 0] = float(on)
        worked = self.worked(replace(facts, fixed=replace(facts.fixed, low=low, high=high)))
        words = f"{asset} {'runs' if on else 'stands'} now: {worked.searched.best.words}"
        return Rejected(words=words, objective=worked.searched.best.solved.objective)

    def unchanged(self, situation: Situation, asset: str) -> Rejected:
        """What the best plan costs in which an asset, and what runs with it, goes on as it is in the first step.

        Raises
        ------
        SolverError
            If there is no such plan, or nothing is known of how it runs.
        """
        facts = self.facts(situation)
        worked = self.worked(replace(facts, fixed=going_on(facts.fixed, situation, asset)))
        return Rejected(
            words=f"{asset} goes on as it is: {worked.searched.best.words}", objective=worked.searched.best.solved.objective
        )

    def model(self, plan: Layout) -> Compiled:
        """The compiled model of a layout, built on first use."""
        return _model(plan)

    def purse(self) -> Purse:
        """What one search may spend."""
        return Purse(iterations=self._site.control.work_limit, time_limit_s=self._site.control.time_limit_s)

    def _searched(self, model: Compiled, facts: Facts) -> Worked:
        program = numbers(model, facts)
        searched = self.tried(program, facts)
        assert searched.best.solved.x is not None  # a candidate without a solution is none
        found = read(model, facts.situation, searched.best.solved.x)
        return Worked(facts=facts, program=program, searched=searched, found=found)

    def tried(self, program: Program, facts: Facts) -> Searched:
        """Search one program, as the numbers of the facts made it or with bounds drawn tighter.

        Raises
        ------
        SolverError
            If it has no plan.
        """
        layout, situation = program.compiled.layout, facts.situation
        shifted = carried_on(layout, situation, facts.fixed)
        return search(program, facts.fixed, self._past(layout, situation, facts.ahead), self.purse(), shifted)

    def _past(self, plan: Layout, situation: Situation, ahead: Outlook) -> Past:
        most = tuple(starts_allowed(situation, situation.envelopes[part.machine], part.name) for part in plan.assets)
        return past(plan, situation, ahead, most)

    def _plan(self, worked: Worked) -> Plan:
        facts, searched = worked.facts, worked.searched
        situation = facts.situation
        commanded = frozenset(word.asset for word in facts.fixed.says if word.commanded)
        courses, stores = courses_of(worked.model, situation, worked.found, commanded)
        return sealed(
            situation,
            Plan(
                id="",
                made_at=situation.time,
                until=situation.time + until(situation),
                strategy=self.name,
                commands=commands(self._site, worked),
                courses=courses,
                stores=stores,
                expected=expected(worked.model, situation, facts.ahead, worked.found),
                objective=searched.best.solved.objective,
                bound=None if searched.gap is None else searched.bound,
                gap=searched.gap,
                binding=binding_of(worked.program, situation, facts.ahead, searched.best.solved),
                rejected=rejected_of(searched),
                cut=searched.cut,
                words=words_of(searched, facts.fixed),
            ),
        )


@lru_cache(maxsize=KEPT)
def _model(plan: Layout) -> Compiled:
    """Kept for all strategies of a process: a what-if asks a new one in every future."""
    return compiled(plan)


def commands(site: Site, worked: Worked) -> tuple[Command, ...]:
    """The commands that the first step of a solution takes."""
    facts, found, plan = worked.facts, worked.found, worked.model.layout
    given = []
    for a, part in enumerate(plan.assets):
        if not facts.fixed.says[a].commanded:
            continue
        on = bool(found.on[a, 0] >= 0.5)
        reason, words = reasons(facts.situation, facts.ahead, plan, found, facts.fixed, a)
        intent = Intent(
            asset=part.name,
            on=on,
            setpoint=float(found.setpoint[a, 0]) if on else None,
            power_kw=float(found.power_kw[a, 0]) if on else 0.0,
            reason=reason,
            words=words,
        )
        given.append(order(site, facts.situation, intent))
    return tuple(command for command in given if command is not None)
