"""Forecasts of all that a decision needs to know ahead, made anew in every cycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import numpy as np

from ems.outlook import Ahead, Outlook
from forecasting.nowcast import nowcast
from plant.errors import DataError
from plant.ports import Forecaster
from plant.series import Forecast, Series
from plant.site import Site
from plant.table import Floats, Table

DIGITS = 6
"""Significant digits that a forecast keeps: more would be noise in the journal."""
FLAT = "flat"


def targets(site: Site) -> tuple[str, ...]:
    """Tags whose future a decision needs: demands, the load nobody commands, PV, and what stores lose heat to."""
    wanted = [service.demand for service in site.services] + [site.limits.load, site.limits.outdoor]
    wanted += [asset.tags.power for asset in site.assets if asset.kind == "pv"]
    wanted += [store.ambient for store in site.stores]
    return tuple(dict.fromkeys(name for name in wanted if name))


class SiteForecasts:
    """The fitted forecasters of a site.

    Parameters
    ----------
    forecasters
        By target; a target without one gets the last value with the spread of the last day, and says so.
    units
        Unit of each target.
    outlook
        The weather; None = the site asks for none.
    timezone
        Where days and weekends begin.
    """

    def __init__(
        self,
        forecasters: Mapping[str, Forecaster],
        units: Mapping[str, str],
        outlook: Outlook | None = None,
        timezone: str = "UTC",
    ) -> None:
        self._forecasters, self._units, self._outlook, self._timezone = forecasters, units, outlook, timezone

    @property
    def names(self) -> tuple[str, ...]:
        """The targets."""
        return tuple(self._units)

    def issue(
        self, history: Table, start: datetime, step_s: float, steps: int, held: frozenset[str] = frozenset()
    ) -> tuple[Forecast, ...]:
        """A forecast of every target from `start`, looking only at `history`.

        Parameters
        ----------
        held
            Targets whose reading of now is what was ordered, not what could be (PV that is held back): their forecasts are not
            moved by it.
        """
        ahead = None
        if self._outlook is not None:
            history, ahead = self._outlook.joined(history), self._outlook.ahead(start, step_s, steps)
        made = (self._one(target, history, ahead, start, step_s, steps) for target in self._units)
        return tuple(one if one.target in held or one.model_id == FLAT else self._moved(one, history) for one in made)

    def _moved(self, forecast: Forecast, history: Table) -> Forecast:
        return _rounded(nowcast(forecast, history, self._timezone), self._units[forecast.target])

    def _one(self, target: str, history: Table, ahead: Ahead | None, start: datetime, step_s: float, steps: int) -> Forecast:
        model = self._forecasters.get(target)
        if model is not None:
            # a Series refuses NaN with a ValueError: a model that gives no number is no reason to stop controlling
            try:
                made = model.predict(history, None if ahead is None else ahead.table, start, steps)
                return _rounded(made if ahead is None else ahead.told(made, model), self._units[target])
            except (DataError, ValueError) as error:
                return flat(target, history, start, step_s, steps, self._units[target], str(error))
        return flat(target, history, start, step_s, steps, self._units[target], "no model has been trained")


def flat(target: str, history: Table, start: datetime, step_s: float, steps: int, unit: str, words: str) -> Forecast:
    """The last value, with the 10th and 90th percentile of the last day as its band."""
    column = history.columns.get(target, np.zeros(0))
    day = column[-max(1, round(86400 / step_s)) :]
    known = day[np.isfinite(day)]
    last = float(known[-1]) if known.size else 0.0
    low, high = (min(last, float(np.quantile(known, 0.1))), max(last, float(np.quantile(known, 0.9)))) if known.size else (0.0, 0.0)

    def series(value: float) -> Series:
        return Series(start=start, step_s=step_s, values=(float(significant(np.array([value]))[0]),) * steps, unit=unit)

    return Forecast(target=target, made_at=start, model_id=FLAT, p10=series(low), p50=series(last), p90=series(high), words=words)


def significant(values: Floats) -> Floats:
    """Values rounded to `DIGITS` significant digits."""
    with np.errstate(divide="ignore"):
        exponent = np.where(values == 0, 0.0, np.floor(np.log10(np.abs(values))))
    scale = 10.0 ** (DIGITS - 1 - exponent)
    return np.asarray(np.round(values * scale) / scale)


def _rounded(forecast: Forecast, unit: str) -> Forecast:
    ends = (forecast.p10, forecast.p50, forecast.p90)
    short = significant(np.array([series.values for series in ends])).tolist()
    p10, p50, p90 = (replace(series, values=tuple(values), unit=unit) for series, values in zip(ends, short, strict=True))
    return replace(forecast, p10=p10, p50=p50, p90=p90)
