"""A challenger's trial: a site that approves by rule also promotes by rule, whatever was better than the champion in its shadow."""

from __future__ import annotations

from datetime import datetime, timedelta

from ems.accuracy import compare
from ems.config import LoadedSite
from ems.historian import Historian
from ems.issued import IssuedForecasts
from ems.registry import RULE, ModelRecord, State, registry_of

OVERDUE = 2.0
"""So many trials after the end of what it learned from a challenger is judged by what there is: it may not block the next."""


def on_trial(loaded: LoadedSite, historian: Historian, target: str) -> list[ModelRecord]:
    """Challengers that the site's rule has yet to judge; none where a person promotes, or where the champion is of no use."""
    registry, name = registry_of(loaded, historian), f"forecast/{target}"
    champion = registry.serving(name)
    if loaded.site.learning.approval != "rule" or champion is None or registry.fault(champion) is not None:
        return []
    return registry.models(name, State.APPROVED)


def judge(loaded: LoadedSite, historian: Historian, challenger: ModelRecord, until: datetime, now: datetime) -> str | None:
    """Promote or reject a challenger whose trial is over, by the forecasts that both issued; None while it goes on.

    Who forecasts nothing loses in the end.

    Parameters
    ----------
    until
        End of what is known, in the plant's time: the trial counts from the challenger's first forecast.
    now
        The wall's time, for the record.
    """
    registry, target = registry_of(loaded, historian), challenger.name.partition("/")[2]
    fault, champion = registry.fault(challenger), registry.serving(challenger.name)
    if fault is not None:
        registry.reject(challenger.id, RULE, now, fault)
        return fault
    first = IssuedForecasts(historian.database).first(target, challenger.id)
    trial = timedelta(days=loaded.site.learning.trial_days)
    overdue = until - challenger.data_end >= OVERDUE * trial
    if champion is None or (not overdue and (first is None or until - first < trial)):
        return None
    old, new = compare(loaded, historian, [champion, challenger], first or challenger.data_end, until)
    ours, theirs = new.overall.mae, old.overall.mae
    if not overdue and (ours is None or theirs is None):
        return None
    words = f"MAE {_shown(ours)} against {_shown(theirs)} of {champion.id} in {new.forecasts} forecasts"
    words += " of both" if ours is not None and theirs is not None else ""
    if ours is not None and (theirs is None or ours < theirs):
        registry.promote(challenger.id, RULE, now, words)
        return f"{challenger.id} serves: {words}"
    registry.reject(challenger.id, RULE, now, f"no better: {words}")
    return f"{challenger.id} is rejected: {words}"


def _shown(error: float | None) -> str:
    return "unknown" if error is None else f"{error:.4g}"
