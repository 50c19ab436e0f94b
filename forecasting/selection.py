"""Which model serves a series."""

from __future__ import annotations

from typing import Any

from forecasting.days import DAY_S
from forecasting.forecaster import Forecaster
from plant.kinds import find, known
from plant.table import Table

PACKAGE = "forecasting.models"


def names() -> list[str]:
    """Models to choose from."""
    return known(PACKAGE)


def make(name: str, **settings: Any) -> Forecaster:
    """A model that has not learned yet, told what `Forecaster` wants to be told.

    Raises
    ------
    NotFoundError
        If there is no model of that name; the text lists them.
    """
    made: Forecaster = find(PACKAGE, name)(**settings)
    return made


def champion(
    history: Table,
    target: str,
    *,
    step_s: float,
    timezone: str,
    country: str | None,
    known: tuple[str, ...] = (),
    horizon_s: float = DAY_S,
    seed: int = 0,
    shutdown_days: tuple[str, ...] = (),
    unit: str = "1",
    quick: bool = False,
) -> Forecaster:
    """The model that serves a target of a site, learned from all of its history, for issues at any time of day.

    Parameters
    ----------
    history
        Rows at equal steps.
    target
        Column to forecast.
    step_s
        Step of the forecast; the history is averaged to it.
    timezone, country, shutdown_days
        Of the site.
    known
        Columns known for the future.
    horizon_s
        How far ahead.
    seed
        Of all randomness.
    unit
        Of the target.
    quick
        A smaller pool: seconds instead of a minute or two.

    Raises
    ------
    DataError
        If there is too little to learn from; the text says what share is missing.
    """
    from datasets.repair import resample

    table = history if history.step_s == step_s else resample(history, step_s)
    model = make(
        "auto", timezone=timezone, country=country, known=known, seed=seed, horizon_s=horizon_s, shutdown_days=shutdown_days,
        any_time=True, unit=unit, quick=quick,
    )  # fmt: skip
    return model.fit(table, target)
