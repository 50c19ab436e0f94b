"""Why a forecast is what it is: what it would have been, had one thing been as usual."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from forecasting.days import place
from forecasting.forecaster import Forecaster
from plant.ports import instant64
from plant.table import Table

USUAL_DAYS = 56


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One feature of one forecast."""

    feature: str
    value: float
    """Mean over the steps of the forecast."""
    usual: float
    """Median of the last eight weeks."""
    effect: float
    """How much higher the mean forecast is for it, in the target's unit."""


def drivers(model: Forecaster, history: Table, start: datetime, most: int = 5) -> tuple[Driver, ...]:
    """What moves the forecast of the day that begins at a local midnight away from a usual one, largest effect first.

    Parameters
    ----------
    model
        Fitted.
    history
        Only rows before `start` are looked at, and columns known for the future.
    start
        Issue time.
    most
        How many drivers.
    """
    issue = instant64(start)
    dates, _ = place(np.array([issue]), model.timezone, model.step_s, 0)
    days = model.laid_out(history.before(issue), model.target, until=dates[0] - 1)
    rows = days.values.shape[0]
    cells = model.cells(history, days, np.array([rows]), 0)
    usual = model.cells(history, days, np.arange(max(0, rows - USUAL_DAYS), rows), 0)
    learned = model.learned[0]
    here = float(learned.quantiles(cells)[:, 1].mean())
    found = []
    for number, name in enumerate(cells.names):
        if name == "slot":
            continue
        middle = np.nanmedian(usual.x[:, number].reshape(-1, days.slots), axis=0)
        x = cells.x.copy()
        x[:, number] = middle
        effect = here - float(learned.quantiles(replace(cells, x=x))[:, 1].mean())
        found.append(
            Driver(feature=name, value=float(np.nanmean(cells.x[:, number])), usual=float(np.nanmean(middle)), effect=effect)
        )
    return tuple(sorted(found, key=lambda driver: -abs(driver.effect))[:most])
