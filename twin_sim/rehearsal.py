"""Living a plan through in simulation before it is executed: rehearse(plan, situation, model) → Verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.kpi import SECONDS_PER_HOUR
from plant.orders import Action, Bound, Plan, Spread, Verdict, Violation
from plant.situation import Situation
from plant.times import steps_between
from twin_sim.ensemble import Ensemble
from twin_sim.figures import figures, spreads
from twin_sim.futures import draw
from twin_sim.layout import Layout, layout_of
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.rules import Judged, judge, missed_kw
from twin_sim.script import Script, of_plan
from twin_sim.state import of_situation
from twin_sim.trace import worst_future

TICK_S = 900.0
"""Changes are located inside a tick, so a metering window is fine enough."""
REFRESH_S = 3600.0
LOST_SHARE = 4
"""One column of lost contact for so many futures."""
_spare: list[Recorder] = []
"""The recorder of the last rehearsal, of which nothing is left but its memory: the next one need not ask for some anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """A plan, doing nothing and losing contact, lived through on the same draws.

    Columns of the recorder: first the plan's futures, then the same futures with nothing done, then those of them in which
    contact is lost after the first commands.
    """

    recorder: Recorder
    ensemble: Ensemble
    futures: int
    lost: int
    tick_s: float
    followed_s: float
    """So long the plan is followed; what comes after shows how it leaves the plant to local control."""
    missed_kw: float
    """By how much the twin may be below the meter while this plan's commands decide."""

    @property
    def plan(self) -> slice:
        """Columns of the plan."""
        return slice(0, self.futures)

    @property
    def nothing(self) -> slice:
        """Columns of doing nothing."""
        return slice(self.futures, 2 * self.futures)

    @property
    def cut_off(self) -> slice:
        """Columns of lost contact."""
        return slice(2 * self.futures, 2 * self.futures + self.lost)


def rehearse(plan: Plan, situation: Situation, model: SiteModel) -> Verdict:
    """Live through a plan in many futures beside doing nothing, and judge it by the site's rules.

    The futures are drawn from the situation's forecasts with its seed, so the same plan in the same situation has the same
    verdict. Later plans answer to how a day goes; two simple rules stand for them in each future: a machine whose store
    would leave its limits is given back to local control until it is well back inside (or rests, if it draws from that store
    into one that is full enough), and from the next plan on batteries do not charge above the contracted power. After the
    plan's end everything is given back and the hours after are watched for service and the physical ends of the stores.

    Parameters
    ----------
    plan
        Its commands are given at once, its courses followed to the end of the horizon that is rehearsed.
    situation
        Where the plant stands and what is forecast.
    model
        The site's physics, calibrated where that was done.
    """
    lived = live(plan, situation, model)
    judged = judge(situation, model, lived)
    found = figures(situation, model, lived)
    commanded = {command.asset for command in plan.commands}
    believed = [max(0.0, 1.0 - item.cv_rmse) for item in situation.credibility if item.asset in commanded]
    refused = tuple(item.violation for item in judged if item.refuses)
    verdict = Verdict(
        plan_id=plan.id,
        ok=not refused,
        violations=refused,
        tolerated=tuple(item.violation for item in judged if not item.refuses),
        expected=spreads(found, lived.plan),
        nothing=spreads(found, lived.nothing),
        futures=lived.futures,
        seed=situation.seed,
        credibility=min(believed, default=1.0),
        valid_while=_valid_while(plan, situation, lived),
        words=_words(judged),
        worst=worst_future(situation, lived, refused[0]) if refused else None,
    )
    _spare[:] = [lived.recorder]
    return verdict


def live(plan: Plan, situation: Situation, model: SiteModel, tick_s: float = TICK_S) -> Lived:
    """Live through a plan, doing nothing and lost contact, side by side in one ensemble."""
    control = model.site.control
    steps = max(1, steps_between(situation.time, plan.until, situation.step_s)) if plan.courses else 1
    steps = min(steps, max(1, round(control.rehearsal_s / situation.step_s)))
    watched_s = max(steps * situation.step_s, control.rehearsal_s) + control.tail_s
    drawn_steps = int(np.ceil(watched_s / situation.step_s))
    futures = control.futures
    lost = max(1, futures // LOST_SHARE)
    layout = layout_of(model, with_loads=situation.load_target is None)
    ticks = int(np.ceil(watched_s / tick_s))
    columns = 2 * futures + lost
    drivers = draw(situation, model, futures=futures, steps=drawn_steps, seed=situation.seed, columns=columns)
    recorder = _recorder(ticks, len(layout.bills), layout.real, columns)
    followed = of_plan(plan, layout, slice(0, futures), steps=steps, step_s=situation.step_s)
    hard = (limit.high for limit in situation.limits if limit.name == "import_kw" and limit.asset is None and limit.price is None)
    missed, contracted = missed_kw(plan, situation), next(hard, None)
    followed.import_kw = None if contracted is None else contracted - missed
    followed.answers_after_s = max(control.every_s, situation.step_s)
    scripts = (
        followed,
        nothing(layout, slice(futures, 2 * futures), situation),
        of_plan(plan, layout, slice(2 * futures, columns), steps=1, step_s=situation.step_s, first_only=True),
    )
    ensemble = Ensemble(
        layout,
        drivers,
        futures=columns,
        start=situation.time,
        tick_s=tick_s,
        state=of_situation(situation),
        base=situation.load_target,
        scripts=scripts,
        recorder=recorder,
        refresh_s=REFRESH_S,
    )
    ensemble.run(ticks * tick_s - 1e-6)
    followed_s = steps * situation.step_s
    return Lived(
        recorder=recorder,
        ensemble=ensemble,
        futures=futures,
        lost=lost,
        tick_s=tick_s,
        followed_s=followed_s,
        missed_kw=missed,
    )


def _recorder(ticks: int, bills: int, stores: int, columns: int) -> Recorder:
    """An empty recorder, the spare one if it is as large."""
    if _spare and (_spare[0].kw.shape, _spare[0].level.shape) == ((ticks, bills, columns), (ticks, stores, columns)):
        found = _spare.pop()
        found.begin()
        return found
    return Recorder(ticks, bills, stores, columns)


def nothing(layout: Layout, columns: slice, situation: Situation) -> Script:
    """Doing nothing: everything under local control from the first instant."""
    count = len(layout.assets)
    return Script(
        columns=columns,
        start=situation.time,
        step_s=situation.step_s,
        orders=np.full((1, count), -1, dtype=np.int8),
        setpoints=np.full((1, count), np.nan),
        guarded=False,
    )


def _valid_while(plan: Plan, situation: Situation, lived: Lived) -> tuple[Bound, ...]:
    """Levels that the futures passed through while the commands are alive, with room for measuring error."""
    layout, found = lived.ensemble.layout, []
    seen = lived.recorder.level[: max(1, round(situation.step_s / lived.tick_s)), :, lived.plan]
    lowest, highest = seen.min(axis=(0, 2)).tolist(), seen.max(axis=(0, 2)).tolist()
    for row, store in enumerate(layout.stores):
        known = situation.store(store.name).level
        if known is None:
            continue
        room = 0.05 * (store.high - store.low)
        low, high = min(lowest[row], known) - room, max(highest[row], known) + room
        found.append(Bound(tag=store.level, low=round(low, 6), high=round(high, 6)))
    return tuple(found) if any(command.action is not Action.RELEASE for command in plan.commands) else ()


def _words(judged: tuple[Judged, ...]) -> str:
    refusing = [item.violation for item in judged if item.refuses]
    if not refusing:
        return "no rule is broken more often than by doing nothing or than is accepted"
    return "; ".join(_sentence(item) for item in refusing)


def _sentence(violation: Violation) -> str:
    return violation.words or f"{violation.rule} of {violation.asset} broken in {violation.share:.0%} of the futures"


def hours(lived: Lived) -> float:
    """Length of what was lived through, in hours."""
    return lived.recorder.ticks * lived.tick_s / SECONDS_PER_HOUR


__all__ = ["Lived", "Spread", "hours", "live", "nothing", "rehearse"]
