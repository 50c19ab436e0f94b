"""The rules that a rehearsed plan is judged by: what was broken, when, in how many futures, against doing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from plant.orders import Violation
from plant.situation import Limit, Situation
from plant.table import Floats
from twin_sim.figures import window_means
from twin_sim.model import SiteModel

if TYPE_CHECKING:
    from twin_sim.rehearsal import Lived

HARD_SHARE = 0.02
"""A hard rule may be broken in so many more futures than by doing nothing: sampling, not licence."""
SLACK = 1e-6
AREA = 0.001
"""Equal service: a store may be outside its limits for this share of span × time more than with nothing done."""


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
        if limit.name in {"import_kw", "export_kw"} and limit.asset is None:
            found += _power(situation, lived, limit, accepted)
        elif limit.name == "starts_per_day" and limit.asset is not None:
            found += _starts(situation, lived, limit)
    found += _stores(situation, lived, accepted)
    found += _service(situation, lived, accepted)
    return tuple(found)


def _power(situation: Situation, lived: Lived, limit: Limit, accepted: float) -> list[Judged]:
    """Metering windows over the contracted power."""
    sign = 1.0 if limit.name == "import_kw" else -1.0
    total = np.moveaxis(lived.recorder.kw[: lived.recorder.ticks].sum(axis=1), 0, -1)
    means = sign * window_means(total, lived, situation)
    over = np.maximum(means - limit.high, 0.0) > SLACK
    found = []
    for columns, words in ((lived.plan, ""), (lived.cut_off, " when contact is lost")):
        broken = over[columns].any(axis=-1)
        if not broken.any():
            continue
        same = over[lived.nothing][: broken.size].any(axis=-1)
        share, idle = float(broken.mean()), float(same.mean())
        worse = broken & (means[columns].max(axis=-1) > means[lived.nothing][: broken.size].max(axis=-1) + SLACK)
        when = int(np.argmax(over[columns].any(axis=0)))
        worst = means[columns].max()
        quantile = float(np.quantile(means[columns].max(axis=-1), 1.0 - accepted))
        found.append(
            _judged(
                situation, limit.name, "site", when * situation.prices.demand_window_s,
                max(quantile, limit.high), limit.high, share,
                f"{limit.name} {limit.high:g} is exceeded in {share:.0%} of the futures{words} "
                f"(up to {worst:.0f} kW; doing nothing: {idle:.0%})",
                refuses=share > idle + accepted and float(worse.mean()) > accepted,
            )
        )  # fmt: skip
    return found


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
    for row, store in enumerate(layout.stores):
        levels = lived.recorder.level[: lived.recorder.ticks, row]
        span = store.high - store.low
        ends: list[tuple[str, Floats, float, bool]] = [
            ("store_low", store.low - levels, store.low, False),
            ("store_high", levels - store.high, store.high, False),
        ]
        if store.unit != "kWh":
            ends += [
                ("store_bottom", store.bottom - levels, store.bottom, True),
                ("store_top", levels - store.top, store.top, True),
            ]
        for rule, beyond, limit, hard in ends:
            counted = np.asarray(beyond + SLACK if hard else beyond)
            found += _store_end(situation, lived, store.name, rule, counted, limit, span, hard, accepted)
    return found


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
    deepest, found = beyond.max(axis=0), []
    area = np.maximum(beyond, 0.0).sum(axis=0)
    allowed = 0.0 if hard else AREA * span * beyond.shape[0]
    groups = [(lived.plan, "")] + ([(lived.cut_off, " when contact is lost")] if hard else [])
    for columns, words in groups:
        broken = deepest[columns] > 0
        if not broken.any():
            continue
        idle = area[lived.nothing][: broken.size]
        worse = broken & (area[columns] > idle + allowed)
        share = float(worse.mean())
        when = int(np.argmax((beyond[:, columns] > 0).any(axis=1)))
        low = rule in {"store_low", "store_bottom"}
        most = float(np.quantile(np.maximum(deepest[columns], 0.0), 1.0 - accepted))
        text = f"{store} leaves its limit {limit:g} ({rule}){words} in {share:.0%} of the futures more than with nothing done"
        found.append(
            _judged(
                situation, rule, store, (when + 1) * lived.tick_s, limit - most if low else limit + most, limit, share, text,
                refuses=share > (HARD_SHARE if hard else accepted),
            )
        )  # fmt: skip
    return found


def _service(situation: Situation, lived: Lived, accepted: float) -> list[Judged]:
    """Service not given that doing nothing would have given."""
    layout, unserved, found = lived.ensemble.layout, lived.ensemble.unserved, []
    for row in range(layout.dummy):
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
