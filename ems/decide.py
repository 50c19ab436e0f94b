"""The ladder: best plan, the same with margins, hold, release, safe state. The last rung is taken whatever its verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from plant.assets import Store
from plant.errors import EmsError
from plant.identity import content_id
from plant.orders import Plan, Verdict, Violation
from plant.ports import Strategy
from plant.site import Site
from plant.situation import Limit, Situation
from policy.invariants import check as faults
from policy.strategies.hold import Hold
from policy.strategies.release import Release

REPLANS = 2
MARGIN = 1.1
"""A margin is this much of what was overshot."""
MOSTLY = 0.5
"""What a plan wants counts where it is so much of what was lived through; else local control broke the limit, not the plan."""
LEAST_MARGIN = 0.05
"""Where a store came to its physical end, at least so much of its accepted span: nothing goes further than the end."""

LADDER = frozenset({"hold", "release", "safe_state"})
"""Rungs below every plan of a strategy's."""
UNSOUND = "unsound"
"""Rule of a plan that cannot be: its own courses contradict each other or the situation."""

Rehearse = Callable[[Plan, Situation], Verdict]
Guard = Callable[[Plan, Situation], tuple[Violation, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One plan that was weighed."""

    situation: Situation
    plan: Plan
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The attempts in the order in which they were made; the last is the one to carry out."""

    attempts: tuple[Attempt, ...]
    failures: tuple[str, ...] = ()
    """Why a strategy gave no plan, in words."""

    @property
    def chosen(self) -> Attempt:
        """What is to be carried out."""
        return self.attempts[-1]


def rungs_below(site: Site) -> tuple[tuple[str, Strategy], ...]:
    """What is left where no plan of the site's strategy stands, in this order."""
    return ("hold", Hold(site)), ("release", Release(site))


def decide(
    situation: Situation, strategy: Strategy, fallbacks: tuple[tuple[str, Strategy], ...], guard: Guard, rehearse: Rehearse
) -> Decision:
    """Go down the ladder until a plan stands.

    Parameters
    ----------
    strategy
        Proposes the best plan; asked again with margins where the rehearsal refused it.
    fallbacks
        Rung names and strategies below it; the last is chosen whatever its verdict.
    guard, rehearse
        Rules that no plan may break, and the life of the plan in simulation.
    """
    attempts: list[Attempt] = []
    failures: list[str] = []
    asked = situation
    for number in range(REPLANS + 1):
        try:
            plan = strategy.propose(asked)
        except EmsError as error:
            failures.append(f"{type(error).__name__}: {error}")
            break
        made = plan if number == 0 else replace(plan, rung="next")
        attempts.append(weighed(asked, made, guard, rehearse, reality=situation))
        if attempts[-1].verdict.ok:
            return Decision(attempts=tuple(attempts), failures=tuple(failures))
        tighter = tightened(asked, plan, attempts[-1].verdict)
        if tighter is None:
            break
        asked = tighter
    for rung, fallback in fallbacks:
        attempts.append(weighed(situation, replace(fallback.propose(situation), rung=rung), guard, rehearse))
        if attempts[-1].verdict.ok:
            break
    return Decision(attempts=tuple(attempts), failures=tuple(failures))


def weighed(asked: Situation, plan: Plan, guard: Guard, rehearse: Rehearse, reality: Situation | None = None) -> Attempt:
    """A plan with its verdict: that it cannot be, the guard's refusal, or what the rehearsal showed.

    Parameters
    ----------
    asked
        What the strategy was shown; what the plan says of itself is worked out again from it.
    reality
        What guard and rehearsal judge it by: the situation without margins; None = the same.
    """
    situation = reality or asked
    plan = replace(plan, situation=asked.id)
    if wrong := _unsound(plan, asked):
        verdict = _refused(plan, situation, "invariants", wrong)
    elif broken := guard(plan, situation):
        verdict = _refused(plan, situation, "guard", broken)
    else:
        verdict = rehearse(plan, situation)
    return Attempt(situation=asked, plan=plan, verdict=replace(verdict, situation=situation.id))


def unrehearsed(plan: Plan, situation: Situation) -> Verdict:
    """A verdict for showing what rehearsal prevents."""
    return Verdict(
        plan_id=plan.id, ok=True, violations=(), futures=0, seed=situation.seed, credibility=0.0, words="rehearsal switched off"
    )


def _unsound(plan: Plan, asked: Situation) -> tuple[Violation, ...]:
    return tuple(
        Violation(rule=UNSOUND, asset="site", time=asked.time, found=0.0, limit=0.0, words=words) for words in faults(plan, asked)
    )


def _refused(plan: Plan, situation: Situation, who: str, violations: tuple[Violation, ...]) -> Verdict:
    """Refused before any rehearsal."""
    words = "; ".join(violation.words or violation.rule for violation in violations)
    return Verdict(
        plan_id=plan.id, ok=False, violations=violations, futures=0, seed=situation.seed, credibility=1.0, words=f"{who}: {words}"
    )


def tightened(situation: Situation, plan: Plan, verdict: Verdict) -> Situation | None:
    """The same situation with margins where the rehearsal of a plan broke limits; None if no limit can be drawn tighter."""
    limits = tuple(_tighter_limit(limit, situation, plan, verdict) for limit in situation.limits)
    stores = tuple(_tighter_store(store, verdict.violations) for store in situation.store_specs)
    if limits == situation.limits and stores == situation.store_specs:
        return None
    made = replace(situation, limits=limits, store_specs=stores, id="")
    return replace(made, id=content_id("s", made))


def _tighter_limit(limit: Limit, situation: Situation, plan: Plan, verdict: Verdict) -> Limit:
    """A margin counts from what the plan itself wanted where the limit was broken: it may have kept well below it."""
    of_limit = [item for item in verdict.violations if item.rule == limit.name and item.asset == (limit.asset or "site")]
    worst = max(of_limit, key=lambda item: item.found - item.limit, default=None)
    if worst is None or worst.found <= worst.limit or limit.price is not None:
        return limit
    wanted = [item.p50 for item in verdict.expected if item.key == "demand_peak_kw" and limit.name == "import_kw"]
    if limit.name == "import_kw" and limit.asset is None and plan.courses:
        planned = _planned_kw(situation, plan, worst.time)
        wanted += [planned] if planned >= MOSTLY * worst.found else []
    return replace(limit, high=max(0.0, min([limit.high, *wanted]) - MARGIN * (worst.found - worst.limit)))


def _planned_kw(situation: Situation, plan: Plan, time: datetime) -> float:
    """Mean power at the site's connection in a metering window, by a plan and the middle of the load's forecast."""
    load = situation.forecast(situation.load_target) if situation.load_target else None
    powers = [course.power_kw for course in plan.courses] + ([] if load is None else [load.p50])
    return sum(power.resampled(time, situation.prices.demand_window_s, 1)[0] for power in powers)


def _tighter_store(store: Store, violations: tuple[Violation, ...]) -> Store:
    """A physical end that was reached draws the accepted limit before it tighter."""
    span = store.high - store.low
    of_store = [item for item in violations if item.asset == store.name]
    below = max((item.limit - item.found for item in of_store if item.rule.endswith(("low", "bottom"))), default=0.0)
    above = max((item.found - item.limit for item in of_store if item.rule.endswith(("high", "top"))), default=0.0)
    at_end = {item.rule for item in of_store} & {"store_bottom", "store_top"}
    least = LEAST_MARGIN * span
    below = max(below, least if "store_bottom" in at_end else 0.0)
    above = max(above, least if "store_top" in at_end else 0.0)
    if below <= 0 and above <= 0:
        return store
    return replace(store, low=store.low + min(MARGIN * below, 0.4 * span), high=store.high - min(MARGIN * above, 0.4 * span))
