"""UCI 851, Steel Industry Energy Consumption: a steel plant in Gwangyang in 2018, kWh and kvarh per 15 minutes.

V E S., Shin C., Cho Y. (2021), CC BY 4.0. The file names the end of an interval, and midnight with the date of the day that
ends; here rows carry the beginning.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from datasets.download import fetch
from datasets.frame import Loaded, to_table, utc_times
from plant.errors import DataError

URL = "https://archive.ics.uci.edu/static/public/851/steel+industry+energy+consumption.zip"
TIMEZONE = "+09:00"
COLUMNS = {
    "Usage_kWh": "usage_kwh",
    "Lagging_Current_Reactive.Power_kVarh": "lagging_reactive_kvarh",
    "Leading_Current_Reactive_Power_kVarh": "leading_reactive_kvarh",
    "Lagging_Current_Power_Factor": "lagging_pf",
    "Leading_Current_Power_Factor": "leading_pf",
}


def load(cache: Path | None = None, url: str = URL) -> Loaded:
    """The plant's year; columns as in `COLUMNS`, factors in percent.

    Raises
    ------
    NotConnectedError
        If it cannot be downloaded.
    DataError
        If the file is not what it was.
    """
    file = fetch(url, name="steel_industry.zip", cache=cache)
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if not names:
            raise DataError(f"{url}: no CSV file in it")
        with archive.open(names[0]) as opened:
            return parse(pd.read_csv(opened))


def parse(text: pd.DataFrame) -> Loaded:
    """The published table as ours."""
    missing = [name for name in ("date", *COLUMNS) if name not in text.columns]
    if missing:
        raise DataError(f"steel: the file has no column {missing[0]!r}")
    ends = pd.to_datetime(text["date"], format="%d/%m/%Y %H:%M").to_numpy().astype("datetime64[us]")
    midnight = ends == ends.astype("datetime64[D]")
    wall = np.where(midnight, ends + np.timedelta64(1, "D"), ends) - np.timedelta64(15, "m")
    times = utc_times(wall.astype("datetime64[us]"), TIMEZONE)
    frame = text[list(COLUMNS)].rename(columns=COLUMNS).astype("float64").set_axis(pd.DatetimeIndex(times), axis=0)
    return Loaded(table=to_table(frame), timezone=TIMEZONE)
