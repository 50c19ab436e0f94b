"""ETTh1: loads and oil temperature of an electricity transformer, hourly, July 2016 to June 2018.

Zhou H. et al. (2021), Informer, CC BY-ND 4.0: used as it is, never handed on changed. Times are as written, without a zone.
"""

from __future__ import annotations

from pathlib import Path

from datasets.download import fetch
from datasets.frame import Loaded, read_csv

URL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/ETTh1.csv"
SHA256 = "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"


def load(cache: Path | None = None, url: str = URL, sha256: str = SHA256) -> Loaded:
    """Columns HUFL, HULL, MUFL, MULL, LUFL, LULL (loads) and OT (°C).

    Raises
    ------
    NotConnectedError
        If it cannot be downloaded.
    DataError
        If the file is not the original.
    """
    return read_csv(fetch(url, name="ETTh1.csv", sha256=sha256, cache=cache), time="date")
