"""Small series with a known shape."""

from __future__ import annotations

import numpy as np

from plant.table import Table


def works(
    days: int = 45, step_s: int = 3600, seed: int = 1, start: str = "2024-01-01T00:00", level: float = 100.0, noise: float = 5.0
) -> Table:
    """A works that runs Monday to Friday 6 to 18 h UTC at twice its night load, with noise; column `load_kw`."""
    rng = np.random.default_rng(seed)
    rows = days * 86400 // step_s
    times = np.datetime64(start, "us") + np.arange(rows) * np.timedelta64(step_s, "s")
    hour = (times - times.astype("datetime64[D]")).astype("timedelta64[s]").astype(int) / 3600
    weekday = (times.astype("datetime64[D]").astype(int) + 3) % 7
    on = (weekday < 5) & (hour >= 6) & (hour < 18)
    values = level * (1.0 + on) + rng.normal(0, noise, rows)
    return Table(times=times, columns={"load_kw": values})


def changed(table: Table, name: str, values: np.ndarray) -> Table:
    """The table with another column of that name."""
    return Table(times=table.times, columns={**table.columns, name: values})
