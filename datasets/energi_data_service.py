"""Energi Data Service of the Danish transmission operator Energinet (CC BY 4.0): records by dataset, month by month."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from datasets.download import Service
from datasets.frame import Loaded
from plant.errors import DataError
from plant.table import Table
from plant.times import utc

BASE_URL = "https://api.energidataservice.dk"
TIMEZONE = "Europe/Copenhagen"
SETTLED_DAYS = 30
"""Values older than this before the newest asked for are settled and may be cached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One of the service's datasets."""

    name: str
    time: str
    """Its column of UTC times."""
    value: str
    keys: tuple[str, ...]
    """Columns that tell its series apart."""
    scale: float = 1.0
    """Our value = published value × scale."""


def records(
    dataset: Dataset, start: datetime, end: datetime, only: Mapping[str, Sequence[str]], service: Service, page: int = 10_000
) -> Iterator[dict[str, Any]]:
    """Records from `start` to before `end`, asked for month by month and page by page."""
    begin, stop = utc(start), utc(end)
    while begin < stop:
        after = min((begin.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1), stop)
        question = {
            "start": f"{begin:%Y-%m-%dT%H:%M}",
            "end": f"{after:%Y-%m-%dT%H:%M}",
            "timezone": "utc",
            "sort": f"{dataset.time} asc",
            "columns": ",".join((dataset.time, *dataset.keys, dataset.value)),
        }
        if only:
            question["filter"] = json.dumps({name: list(values) for name, values in only.items()}, separators=(",", ":"))
        settled = after <= stop - timedelta(days=SETTLED_DAYS)
        yield from service.pages(f"/dataset/{dataset.name}", question, size=page, keep=settled)
        begin = after


def load(
    dataset: Dataset,
    start: datetime,
    end: datetime,
    *,
    only: Mapping[str, Sequence[str]],
    service: Service | None = None,
    page: int = 10_000,
) -> Loaded:
    """Series of a dataset, one column for each combination of its keys (`DK1_112`).

    Raises
    ------
    NotConnectedError
        If the service does not answer.
    DataError
        If there is nothing, or the answer is of another shape.
    """
    if utc(end) <= utc(start):
        raise DataError(f"{dataset.name}: the end {end} is not later than the start {start}")
    found = pd.DataFrame(list(records(dataset, start, end, only, service or Service(base_url=BASE_URL), page)))
    missing = [name for name in (dataset.time, dataset.value, *dataset.keys) if name not in found.columns]
    if found.empty or missing:
        raise DataError(f"{dataset.name}: {'no records' if found.empty else f'no column {missing[0]!r}'} from {start} to {end}")
    try:
        times = pd.to_datetime(found[dataset.time]).to_numpy().astype("datetime64[us]")
    except (TypeError, ValueError) as error:
        raise DataError(f"{dataset.name}: {dataset.time} holds something else than times ({error})") from error
    names = found[list(dataset.keys)].astype(str).agg("_".join, axis=1)
    values = pd.to_numeric(found[dataset.value], errors="coerce") * dataset.scale
    wide = pd.DataFrame({"time": times, "name": names, "value": values}).pivot_table(
        index="time", columns="name", values="value", aggfunc="mean", dropna=False
    )
    columns = {str(name): wide[name].to_numpy(dtype=np.float64, copy=True) for name in wide.columns}
    return Loaded(table=Table(times=wide.index.to_numpy().astype("datetime64[us]"), columns=columns), timezone=TIMEZONE)
