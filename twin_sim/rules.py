"""The rules that a rehearsed plan is judged by: what was broken, when, in how many futures, against doing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from plant.assets import Store
from plant.orders import Plan, Violation
from plant.situation import Limit, Situation
from plant.table import Floats
from twin_sim.figures import gone_s, quantile, window_means
from twin_sim.model import SiteModel

if TYPE_CHECKING:
    from twin_sim.rehearsal import Lived

HARD_SHARE = 0.02
"""A hard rule may be broken in so many more futures than by doing nothing: sampling, not licence."""
SLACK = 1e-6
SOON_S = 7200.0
"""What lies nearer is decided by the commands of this plan, before later plans can answer to how the day goes."""
LATER_SHARE = 0.25
"""Beyond, a rule refuses where the plan breaks it in so many more futures than doing nothing: then it is the plan, not the day."""
AREA = 0.001
"""Equal service: a store may be outside its limits for this share of span × time more than with nothing done."""
LATER_AREA = 0.01
"""The same for what lies later: a plan made on the middle of the forecasts touches its limits in half of the futures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One rule and what became of it."""

    violation: Violation
    refuses: bool


def judge(situation: Situation, model: SiteModel, lived: Lived) -> tuple[Judged, ...]:
    """Everything that was broken in some future of the plan; `refuses` where that is too often."""
    accepted = model.site.control.accepted_share
    found: list[Judged] = []
    for limit in situation.limits:
        if limit.name in {"import_kw", "export_kw"} and limit.asset is None and limit.price is None:
            found += _power(situation, lived, limit, accepted)
        elif limit.name == "starts_per_day" and limit.asset is not None:
            found += _starts(situation, lived, limit)
    found += _stores(situation, lived, accepted)
    found += _service(situation, lived, accepted)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Which futures are looked at, when, and in how many more of them than with nothing done a rule may be broken."""

    columns: slice
    begin_s: float
    end_s: float | None
    accepted: float
    words: str

    def part(self, step_s: float) -> slice:
        """The steps that lie in it."""
        return slice(round(self.begin_s / step_s), None if self.end_s is None else max(1, round(self.end_s / step_s)))


def _looks(lived: Lived, accepted: float) -> tuple[_Look, ...]:
    return (
        _Look(columns=lived.plan, begin_s=0.0, end_s=SOON_S, accepted=accepted, words=""),
        _Look(columns=lived.plan, begin_s=SOON_S, end_s=None, accepted=max(accepted, LATER_SHARE), words=" later"),
        _Look(columns=lived.cut_off, begin_s=0.0, end_s=None, accepted=accepted + 1.0 / lived.lost, words=" when contact is lost"),
    )


def _power(situation: Situation, lived: Lived, limit: Limit, accepted: float) -> list[Judged]:
    """Metering windows over the contracted power, counted with what is seen now and with what the twin misses."""
    sign = 1.0 if limit.name == "import_kw" else -1.0
    window_s = situation.prices.demand_window_s
    total = np.moveaxis(lived.recorder.site_kw(), 0, -1)
    means, missed = sign * window_means(total, lived, situation), 0.0
    if limit.name == "import_kw":
        means, missed = means + _lasting_kw(situation, lived, means.shape[-1]), lived.missed_kw
    if not (means + missed > limit.high + SLACK).any():
        return []
    found = []
    for look in _looks(lived, accepted):
        more = missed if look.end_s is not None else 0.0  # later plans will know what was missed
        kept = f", {more:.0f} of them for what the twin misses" if more >= 0.5 else ""
        ours = means[look.columns][..., look.part(window_s)] + more
        if not ours.shape[-1] or not (ours > limit.high + SLACK).any():
            continue
        theirs = means[lived.nothing][: ours.shape[0], look.part(window_s)] + more
        highest, idle_highest = ours.max(axis=-1), theirs.max(axis=-1)
        broken, same = highest > limit.high + SLACK, idle_highest > limit.high + SLACK
        share, idle = float(broken.mean()), float(same.mean())
        worse = broken & (highest > idle_highest + SLACK)
        window = int(np.argmax(np.quantile(ours, 1.0 - accepted, axis=0)))
        when_s = max(0.0, look.begin_s + window * window_s - gone_s(situation))
        words = (
            f"{limit.name} {limit.high:g} is exceeded in {share:.0%} of the futures{look.words} "
            f"(up to {ours.max():.0f} kW{kept}; doing nothing: {idle:.0%})"
        )
        reached = max(quantile(highest, 1.0 - accepted), limit.high)
        refuses = share > idle + look.accepted and float(worse.mean()) > look.accepted
        found.append(_judged(situation, limit.name, "site", when_s, reached, limit.high, share, words, refuses=refuses))
    return found


def _lasting_kw(situation: Situation, lived: Lived, windows: int) -> Floats:
    """What each window would draw more if nobody's load fell before this plan's first step is over, shape (futures, windows).

    A forecast is of whole steps, and at the moment of a decision the load may stand far above the step's expected mean: that it
    will fall is not for sure until it has.
    """
    target = situation.load_target or ""
    now, courses = situation.snapshot.number(target), lived.ensemble.drivers.tags.get(target)
    if now is None or courses is None:
        return np.zeros((1, windows))
    ends_s = situation.prices.demand_window_s * np.arange(1, windows + 1) - gone_s(situation)
    begins_s = np.maximum(ends_s - situation.prices.demand_window_s, 0.0)
    share = np.clip(np.minimum(ends_s, situation.step_s) - begins_s, 0.0, None) / situation.prices.demand_window_s
    return np.asarray(np.maximum(now - courses[0], 0.0)[:, None] * share)


def missed_kw(plan: Plan, situation: Situation) -> float:
    """By how much the twin may be below the meter with the machines that a plan runs soon: its mean error and one deviation more.

    Both of the comparison of twin and plant over the last days (ASHRAE Guideline 14: NMBE, and CV(RMSE) for the rest of it).
    """
    soon = max(1, round(SOON_S / situation.step_s))
    mean, variance = np.zeros(soon), np.zeros(soon)
    for course in plan.courses:
        known = next((item for item in situation.credibility if item.asset == course.asset), None)
        if known is not None:
            power = np.abs(course.power_kw.values[:soon])
            mean[: power.size] -= known.nmbe * power
            variance[: power.size] += max(0.0, known.cv_rmse**2 - known.nmbe**2) * power**2
    return max(0.0, float((mean + np.sqrt(variance)).max()))


def _judged(
    situation: Situation, rule: str, asset: str, at_s: float, found: float, limit: float, share: float, words: str, *, refuses: bool
) -> Judged:
    time = situation.time + timedelta(seconds=at_s)
    return Judged(
        violation=Violation(rule=rule, asset=asset, time=time, found=float(found), limit=float(limit), share=share, words=words),
        refuses=refuses,
    )


def _starts(situation: Situation, lived: Lived, limit: Limit) -> list[Judged]:
    """Starts of one machine over its allowance; what it has used today counts for today only."""
    row = lived.ensemble.layout.index.get(limit.asset or "")
    if row is None:
        return []
    used = situation.state(limit.asset or "").starts_today
    days = max(1.0, lived.recorder.ticks * lived.tick_s / 86400.0)
    starts = lived.ensemble.starts[row]
    allowed = limit.high * np.ceil(days) - min(used, limit.high)
    broken, same = starts[lived.plan] > allowed, starts[lived.nothing] > allowed
    if not broken.any():
        return []
    share, idle = float(broken.mean()), float(same.mean())
    words = f"{limit.asset} starts more than {limit.high:g} times a day in {share:.0%} of the futures (doing nothing: {idle:.0%})"
    most = float(starts[lived.plan].max() / days)
    return [
        _judged(situation, limit.name, limit.asset or "", 0.0, most, limit.high, share, words, refuses=share > idle + HARD_SHARE)
    ]


def _stores(situation: Situation, lived: Lived, accepted: float) -> list[Judged]:
    """Levels outside the accepted limits (soft) and at a physical end (hard), deeper than with nothing done."""
    layout, found = lived.ensemble.layout, []
    lived_levels = lived.recorder.level[: lived.recorder.ticks]
    lowest, highest = lived.recorder.extremes()
    for row, store in enumerate(layout.stores):
        if layout.managed[row] or (store.low <= lowest[row] and highest[row] <= store.high):
            continue
        levels = np.ascontiguousarray(lived_levels[:, row])
        span = store.high - store.low
        for rule, limit, sign, hard in _ends(store):
            deepest = sign * ((lowest if sign < 0 else highest)[row] - limit)
            slack = SLACK if hard else 0.0
            if deepest + slack > 0:
                found += _store_end(
                    situation, lived, store.name, rule, sign * (levels - limit) + slack, limit, span, hard, accepted
                )
    return found


def _ends(store: Store) -> tuple[tuple[str, float, float, bool], ...]:
    """Rule, limit, side (-1 = below it is broken) and whether it is a physical end."""
    return (
        ("store_low", store.low, -1.0, False),
        ("store_high", store.high, 1.0, False),
        ("store_bottom", store.bottom, -1.0, True),
        ("store_top", store.top, 1.0, True),
    )


def _store_end(
    situation: Situation,
    lived: Lived,
    store: str,
    rule: str,
    beyond: Floats,
    limit: float,
    span: float,
    hard: bool,
    accepted: float,
) -> list[Judged]:
    found = []
    sign = -1.0 if rule in {"store_low", "store_bottom"} else 1.0
    if not hard:
        beyond = beyond[: round(lived.followed_s / lived.tick_s)]
    for look in _looks(lived, HARD_SHARE if hard else accepted):
        if look.columns == lived.cut_off and not hard:
            continue
        part = beyond[look.part(lived.tick_s)]
        deepest = part[:, look.columns].max(axis=0, initial=0.0)
        if not (deepest > 0).any():
            continue
        area = np.maximum(part, 0.0).sum(axis=0)
        share_of_area = LATER_AREA if look.begin_s else AREA
        allowed = 0.0 if hard else share_of_area * span * beyond.shape[0]
        worse = (deepest > 0) & (area[look.columns] > area[lived.nothing][: deepest.size] + allowed)
        share = float(worse.mean())
        when_s = look.begin_s + (int(np.argmax((part[:, look.columns] > 0).any(axis=1))) + 1) * lived.tick_s
        most = quantile(deepest, 1.0 - accepted)
        words = f"{store} leaves its limit {limit:g} ({rule}){look.words} in {share:.0%} of the futures more than with nothing done"
        refuses = share > (HARD_SHARE if hard and look.columns == lived.plan else look.accepted)
        found.append(_judged(situation, rule, store, when_s, limit + sign * most, limit, share, words, refuses=refuses))
    return found


def _service(situation: Situation, lived: Lived, accepted: float) -> list[Judged]:
    """Service not given that doing nothing would have given."""
    layout, unserved, found = lived.ensemble.layout, lived.ensemble.unserved, []
    for row in np.flatnonzero(unserved[: layout.dummy, lived.plan].any(axis=1)).tolist():
        demanded = lived.ensemble.demanded_until_now()[row]
        missing = unserved[row][lived.plan] - unserved[row][lived.nothing]
        short = missing > 0.001 * np.maximum(demanded[lived.plan], 1e-9)
        if not short.any() or not (demanded > 0).any():
            continue
        share = float(short.mean())
        words = f"{layout.service_of[row]}: up to {missing.max():.3g} units are not served in {share:.0%} of the futures"
        found.append(
            _judged(
                situation,
                "service",
                layout.store_names[row],
                0.0,
                float(missing.max()),
                0.0,
                share,
                words,
                refuses=share > accepted,
            )
        )
    return found
