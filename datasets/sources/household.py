"""UCI 235, Individual Household Electric Power Consumption: one house near Paris, 2006 to 2010, per minute.

Hébrail G., Bérard A. (2012), CC BY 4.0. Power in kW; the three sub-meters in Wh per minute become kW. The file's clock has
no daylight saving. Minutes without a value stay missing.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import pandas as pd

from datasets.download import fetch
from datasets.frame import Loaded, to_table, utc_times
from datasets.repair import resample
from plant.errors import DataError

URL = "https://archive.ics.uci.edu/static/public/235/individual+household+electric+power+consumption.zip"
TIMEZONE = "+01:00"
COLUMNS = {
    "Global_active_power": ("load_kw", 1.0),
    "Sub_metering_1": ("kitchen_kw", 0.06),
    "Sub_metering_2": ("laundry_kw", 0.06),
    "Sub_metering_3": ("water_heater_ac_kw", 0.06),
}
"""Published name → our name, and what a published value is in kW."""


def load(step_s: float = 3600.0, cache: Path | None = None, url: str = URL) -> Loaded:
    """The house's load and sub-meters as means over `step_s`, kW.

    Raises
    ------
    NotConnectedError
        If it cannot be downloaded.
    DataError
        If the file is not what it was.
    """
    file = fetch(url, name="household_power.zip", cache=cache)
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".txt")]
        if not names:
            raise DataError(f"{url}: no text file in it")
        with archive.open(names[0]) as opened:
            return parse(opened, step_s)


def parse(text: IO[bytes], step_s: float = 60.0) -> Loaded:
    """The published minutes as our table."""
    frame = pd.read_csv(text, sep=";", na_values=["?", ""])
    missing = [name for name in ("Date", "Time", *COLUMNS) if name not in frame.columns]
    if missing:
        raise DataError(f"household: the file has no column {missing[0]!r}")
    wall = pd.to_datetime(frame["Date"] + " " + frame["Time"], format="%d/%m/%Y %H:%M:%S")
    times = utc_times(wall.to_numpy().astype("datetime64[us]"), TIMEZONE)
    named = {ours: frame[theirs].astype("float64") * kw for theirs, (ours, kw) in COLUMNS.items()}
    table = to_table(pd.DataFrame(named).set_axis(pd.DatetimeIndex(times), axis=0))
    return Loaded(table=table if step_s == 60.0 else resample(table, step_s), timezone=TIMEZONE)
