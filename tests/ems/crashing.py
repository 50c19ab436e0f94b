"""A controller in a process of its own that is killed at a given point: `python -m tests.ems.crashing POINT ENDPOINT URL`."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomaly.monitor import HealthMonitor
from ems import carry_out, cycle
from ems.config import LoadedSite
from ems.execute import Gate
from ems.historian import Historian
from ems.runs import run
from ems.site import build, plant_of
from plant.orders import Outcome
from tests.ems.small import small_site

POINTS = ("planned", "journalled", "sent", "read_back", "never")


def die(*_: Any, **__: Any) -> Any:
    """What kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """Be killed the next time that point is reached with a command in hand."""
    if point == "planned":
        original = cycle.carry_out
        cycle.carry_out = lambda *a, **k: die() if a[4] else original(*a, **k)
    elif point == "journalled":
        Gate.send = die  # type: ignore[method-assign]
    elif point == "sent":
        Gate.confirm = die  # type: ignore[method-assign]
    elif point == "read_back":
        end = carry_out.alarms_of
        carry_out.alarms_of = lambda command, outcome: die() if isinstance(outcome, Outcome) else end(command, outcome)


def loaded_at(endpoint: str) -> LoadedSite:
    """The small site behind an endpoint."""
    site = small_site()
    site = replace(site, connection=replace(site.connection, endpoint=endpoint))
    return LoadedSite(site=site, folder=Path(), file=Path("site.toml"))


def control(point: str, endpoint: str, url: str, hours: float) -> None:
    """Control the small site until the time is over or the point is reached."""
    arm(point)
    loaded = loaded_at(endpoint)
    with Historian(url) as historian:
        run(build(loaded, historian, plant_of(loaded), {}, HealthMonitor(loaded.site, {})), for_s=hours * 3600.0)


if __name__ == "__main__":
    control(sys.argv[1], sys.argv[2], sys.argv[3], 6.0)
