"""CO2 of the electricity used in a Danish price area, grams per kWh, every 5 minutes: measured, or forecast for a day ahead."""

from __future__ import annotations

from datetime import datetime

from datasets import energi_data_service
from datasets.download import Service
from datasets.energi_data_service import Dataset
from datasets.frame import Loaded

MEASURED = Dataset(name="CO2Emis", time="Minutes5UTC", value="CO2Emission", keys=("PriceArea",))
PREDICTED = Dataset(name="CO2EmisProg", time="Minutes5UTC", value="CO2Emission", keys=("PriceArea",))


def load(start: datetime, end: datetime, *, area: str = "DK1", predicted: bool = False, service: Service | None = None) -> Loaded:
    """Intensity from `start` to before `end`; column `AREA`, g/kWh.

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If there is nothing.
    """
    dataset = PREDICTED if predicted else MEASURED
    return energi_data_service.load(dataset, start, end, only={"PriceArea": (area,)}, service=service)
