"""A forecaster that knows the weather, and beside it one that does not, for hours of which no weather is known.

A model that has learned with the weather is several times worse without it than one that has never seen it, so what is
missing is not filled in: those steps are forecast from calendar and load alone. That model is seldom asked, so at the start of a
run it need not have learned yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from plant.ports import Forecaster, instant64
from plant.series import Forecast, Series
from plant.table import Table

LEAST_RECENT = 0.5
"""Share of the last week's weather that must be known."""
_WEEK = np.timedelta64(7, "D")


@dataclass(frozen=True, slots=True)
class Weathered:
    """Two models of one target.

    Parameters
    ----------
    knowing
        Learned with `known` columns.
    blind
        Learned without.
    known
        What the first wants to know of a step.
    """

    knowing: Forecaster
    blind: Forecaster
    known: tuple[str, ...]

    @property
    def importances(self) -> tuple[tuple[str, float], ...]:
        """Those of the model that knows the weather."""
        found: Any = getattr(self.knowing, "importances", ())
        return tuple(found)

    def fit(self, history: Table, target: str) -> Self:
        """See the door in `plant.ports`."""
        return replace(self, knowing=self.knowing.fit(history, target), blind=self.blind.fit(history, target))

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        """Each step by the model that fits what is known of it; the forecast says where the weather was missing."""
        there = self._there(known_future, start, steps)
        if not there.any() or not self._recent(history, start):
            what = "too little weather of the last week" if there.any() else "no weather forecast"
            return _told(self.blind.predict(history, None, start, steps), f"{what}: calendar and load alone")
        knowing = self.knowing.predict(history, known_future, start, steps)
        if there.all():
            return knowing
        blind = self.blind.predict(history, None, start, steps)
        hours = knowing.p50.step_s / 3600
        words = f"weather known for {there.sum() * hours:g} of {steps * hours:g} h, the rest from calendar and load"
        return _told(_mixed(there, knowing, blind), words)

    def _there(self, known_future: Table | None, start: datetime, steps: int) -> npt.NDArray[np.bool_]:
        """Steps of which everything is known."""
        if known_future is None or not set(self.known) <= set(known_future.columns):
            return np.zeros(steps, dtype=bool)
        ahead = known_future.since(instant64(start))
        there = np.zeros(steps, dtype=bool)
        finite = np.all([np.isfinite(ahead.columns[name][:steps]) for name in self.known], axis=0)
        there[: finite.size] = finite
        return there

    def _recent(self, history: Table, start: datetime) -> bool:
        """Whether enough of the last week's weather is known: it is what a step's weather is measured against."""
        week = history.before(instant64(start)).since(instant64(start) - _WEEK)
        if not len(week) or not set(self.known) <= set(week.columns):
            return False
        return bool(min(np.isfinite(week.columns[name]).mean() for name in self.known) >= LEAST_RECENT)


class Deferred:
    """A forecaster that learns when it is first asked for a forecast, from what was known when it was fitted.

    Parameters
    ----------
    model
        Learns from its target alone.
    """

    def __init__(self, model: Forecaster) -> None:
        self._model = model
        self._asked: tuple[Table, str] | None = None

    def fit(self, history: Table, target: str) -> Self:
        """Keep what is to be learned from; see the door in `plant.ports`."""
        self._asked = history.only(target), target
        return self

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        """See the door in `plant.ports`."""
        if self._asked is not None:
            self._model.fit(*self._asked)
            self._asked = None
        return self._model.predict(history, known_future, start, steps)


def _told(forecast: Forecast, words: str) -> Forecast:
    return replace(forecast, words="; ".join(filter(None, (forecast.words, words))))


def _mixed(there: npt.NDArray[np.bool_], knowing: Forecast, blind: Forecast) -> Forecast:
    def series(one: Series, other: Series) -> Series:
        return replace(one, values=tuple(np.where(there, one.values, other.values).tolist()))

    quantiles = (series(getattr(knowing, name), getattr(blind, name)) for name in ("p10", "p50", "p90"))
    p10, p50, p90 = quantiles
    return replace(knowing, p10=p10, p50=p50, p90=p90)
