"""The cheapest plan that is safe: Pyomo and HiGHS over the whole horizon, commands from the first step."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from plant.errors import SolverError
from plant.orders import Command, Plan
from plant.site import Site
from plant.situation import Situation
from policy.compiled import Compiled, compiled
from policy.explain import reasons, words_of
from policy.fixed import Fixed, fixed
from policy.found import Found, courses_of, expected, read
from policy.guard import starts_allowed
from policy.layout import Layout, layout
from policy.numbers import Facts, numbers
from policy.orders import Intent, order
from policy.outlook import Outlook, outlook
from policy.proposal import sealed, until
from policy.rounding import Past, past
from policy.search import Searched, search
from policy.shifted import carried_on
from policy.solve import Purse

KEPT = 4
"""Compiled models kept; a model holds structure only, so what is kept cannot influence a plan."""


class Optimal:
    """The optimal strategy.

    Parameters
    ----------
    site
        The site; `control.work_limit` and `control.time_limit_s` bound the search.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._models: OrderedDict[Layout, Compiled] = OrderedDict()

    def propose(self, situation: Situation) -> Plan:
        """The best plan found within the work limit, with its bound and why.

        Raises
        ------
        SolverError
            If the model has no solution even without minimum times.
        """
        ahead = outlook(situation)
        settled = fixed(self._site, situation, ahead)
        model = self.model(layout(self._site, situation, ahead))
        before = self._past(model.layout, situation, ahead)
        facts = Facts(site=self._site, situation=situation, ahead=ahead, fixed=settled)
        try:
            searched = self._search(model, facts, before)
        except SolverError:
            searched = self._search(model, replace(facts, loose=True), before)
        found = read(model, situation, self._solution(searched))
        return self._plan(situation, ahead, model, settled, searched, found)

    def model(self, plan: Layout) -> Compiled:
        """The compiled model of a layout, built on first use."""
        if plan not in self._models:
            self._models[plan] = compiled(plan)
            if len(self._models) > KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(plan)
        return self._models[plan]

    def _past(self, plan: Layout, situation: Situation, ahead: Outlook) -> Past:
        most = tuple(starts_allowed(situation, situation.envelopes[part.machine], part.name) for part in plan.assets)
        return past(plan, situation, ahead, most)

    def _search(self, model: Compiled, facts: Facts, before: Past) -> Searched:
        control = self._site.control
        purse = Purse(iterations=control.work_limit, time_limit_s=control.time_limit_s)
        return search(numbers(model, facts), facts.fixed, before, purse, carried_on(model.layout, facts.situation, facts.fixed))

    def _solution(self, searched: Searched) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        assert searched.best.solved.x is not None  # a candidate without a solution is none
        return searched.best.solved.x

    def _plan(
        self, situation: Situation, ahead: Outlook, model: Compiled, settled: Fixed, searched: Searched, found: Found
    ) -> Plan:
        commanded = frozenset(word.asset for word in settled.says if word.commanded)
        courses, stores = courses_of(model, situation, found, commanded)
        return sealed(
            situation,
            Plan(
                id="",
                made_at=situation.time,
                until=situation.time + until(situation),
                strategy="optimal",
                commands=self._commands(situation, ahead, model, settled, found),
                courses=courses,
                stores=stores,
                expected=expected(model, situation, ahead, found),
                objective=searched.best.solved.objective,
                bound=searched.bound,
                gap=searched.gap,
                cut=searched.cut,
                words=words_of(searched),
            ),
        )

    def _commands(self, situation: Situation, ahead: Outlook, model: Compiled, settled: Fixed, found: Found) -> tuple[Command, ...]:
        commands = []
        for a, part in enumerate(model.layout.assets):
            if not settled.says[a].commanded:
                continue
            on = bool(found.on[a, 0] >= 0.5)
            reason, words = reasons(situation, ahead, model.layout, found, settled, a)
            intent = Intent(
                asset=part.name,
                on=on,
                setpoint=float(found.setpoint[a, 0]) if on else None,
                power_kw=float(found.power_kw[a, 0]) if on else 0.0,
                reason=reason,
                words=words,
            )
            commands.append(order(self._site, situation, intent))
        return tuple(command for command in commands if command is not None)
