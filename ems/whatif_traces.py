"""Power and levels of every future of a what-if as a Parquet file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from ems.whatif import WhatIf
from ems.whatif_loop import TICK_S
from plant.site import Site


def write(file: Path, site: Site, found: WhatIf) -> None:
    """One row per strategy, future and tick: `strategy, future, time, power_kw` and one column per store's level."""
    parts = []
    for name, lived in found.traces.items():
        ticks, futures = lived.kw.shape
        times = pd.DatetimeIndex([found.start + timedelta(seconds=TICK_S * tick) for tick in range(ticks)])
        columns = {
            "strategy": np.repeat(name, ticks * futures),
            "future": np.tile(np.arange(futures), ticks),
            "time": times.repeat(futures),
            "power_kw": lived.kw.ravel(),
        }
        columns |= {store.level: lived.levels[:, row].ravel() for row, store in enumerate(site.stores)}
        parts.append(pd.DataFrame(columns))
    pd.concat(parts, ignore_index=True).to_parquet(file, index=False)
