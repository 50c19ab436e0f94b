"""Day-ahead price of a Danish price area or its neighbours, EUR or DKK per kWh; hourly, since October 2025 per 15 minutes."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from datasets import energi_data_service
from datasets.download import Service
from datasets.energi_data_service import Dataset
from datasets.frame import Loaded
from plant.table import Table
from plant.times import utc

QUARTERS_SINCE = datetime(2025, 9, 30, 22, 0, tzinfo=UTC)
"""Since then prices are made per quarter of an hour, in a dataset of their own."""


def datasets(currency: str) -> tuple[Dataset, Dataset]:
    """The hourly dataset and the one of quarters of an hour."""
    return (
        Dataset(name="Elspotprices", time="HourUTC", value=f"SpotPrice{currency}", keys=("PriceArea",), scale=1e-3),
        Dataset(name="DayAheadPrices", time="TimeUTC", value=f"DayAheadPrice{currency}", keys=("PriceArea",), scale=1e-3),
    )


def load(start: datetime, end: datetime, *, area: str = "DK1", currency: str = "EUR", service: Service | None = None) -> Loaded:
    """Price from `start` to before `end`; column `AREA`, `currency` (EUR or DKK) per kWh.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If there is nothing.
    """
    only = {"PriceArea": (area,)}
    hourly, quarterly = datasets(currency)
    parts = []
    if utc(start) < QUARTERS_SINCE:
        parts.append(energi_data_service.load(hourly, start, min(utc(end), QUARTERS_SINCE), only=only, service=service))
    if utc(end) > QUARTERS_SINCE:
        parts.append(energi_data_service.load(quarterly, max(utc(start), QUARTERS_SINCE), end, only=only, service=service))
    times = np.concatenate([part.table.times for part in parts])
    column = np.concatenate([part.table.columns[area] for part in parts])
    return Loaded(table=Table(times=times, columns={area: column}), timezone=energi_data_service.TIMEZONE)
