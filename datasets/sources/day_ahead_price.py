"""Day-ahead price of a Danish price area or its neighbours, EUR per kWh; hourly until September 2025, then per 15 minutes."""

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
HOURLY = Dataset(name="Elspotprices", time="HourUTC", value="SpotPriceEUR", keys=("PriceArea",), scale=1e-3)
QUARTERLY = Dataset(name="DayAheadPrices", time="TimeUTC", value="DayAheadPriceEUR", keys=("PriceArea",), scale=1e-3)


def load(start: datetime, end: datetime, *, area: str = "DK1", service: Service | None = None) -> Loaded:
    """Price from `start` to before `end`; column `AREA`, EUR per kWh.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If there is nothing.
    """
    only = {"PriceArea": (area,)}
    parts = []
    if utc(start) < QUARTERS_SINCE:
        parts.append(energi_data_service.load(HOURLY, start, min(utc(end), QUARTERS_SINCE), only=only, service=service))
    if utc(end) > QUARTERS_SINCE:
        parts.append(energi_data_service.load(QUARTERLY, max(utc(start), QUARTERS_SINCE), end, only=only, service=service))
    times = np.concatenate([part.table.times for part in parts])
    column = np.concatenate([part.table.columns[area] for part in parts])
    return Loaded(table=Table(times=times, columns={area: column}), timezone=energi_data_service.TIMEZONE)
