"""Hourly electricity consumption of Denmark by price area and consumer type (DE35 industry codes), kWh."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from datasets import energi_data_service
from datasets.download import Service
from datasets.energi_data_service import Dataset
from datasets.frame import Loaded

DATASET = Dataset(name="ConsumptionDE35Hour", time="HourUTC", value="TotalCon", keys=("PriceArea", "ConsumerType_DE35"))


def load(
    start: datetime,
    end: datetime,
    *,
    areas: Sequence[str] = ("DK1", "DK2"),
    consumer_types: Sequence[str] = (),
    service: Service | None = None,
    page: int = 10_000,
) -> Loaded:
    """Consumption from `start` to before `end`; columns `AREA_TYPE`, kWh per hour.

    Parameters
    ----------
    start, end
        With a zone.
    areas
        Price areas.
    consumer_types
        DE35 codes; empty = all.
    service
        How the service is reached; None = over the network.
    page
        Records asked for at once.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If there is nothing.
    """
    only = {"PriceArea": areas} | ({"ConsumerType_DE35": consumer_types} if consumer_types else {})
    return energi_data_service.load(DATASET, start, end, only=only, service=service, page=page)
