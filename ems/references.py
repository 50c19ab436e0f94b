"""What a site file says twice must agree: names exist, units fit, and what CONTROL needs is there."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from plant.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong."""

    key: str
    words: str


def faults(site: Site, folder: Path) -> list[Fault]:
    """Everything that pydantic cannot see by looking at one value."""
    return []
