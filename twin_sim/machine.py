"""The life all machines share: schedules of their local control, wear, failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from plant.assets import Life, ScheduleControl
from plant.hours import holds
from plant.site import Site

SHAPE = 3.0
"""Log-increase of the failure rate from health 1 to health 0: twenty times as new."""


def hazard_per_h(life: Life, health: float) -> float:
    """Failures per running hour at a health of 1 (as new) to 0.

    Exponential proportional-hazards form, as in Moubray, J.: Reliability-centred Maintenance, 2nd ed., ch. 12.
    """
    return 0.0 if life.mtbf_h is None else float(np.exp(SHAPE * (1.0 - health)) / life.mtbf_h)


def on_schedule(site: Site, control: ScheduleControl, times: Sequence[datetime]) -> npt.NDArray[np.bool_]:
    """Whether a schedule holds at each of some instants."""
    zone = ZoneInfo(site.site.timezone)
    closed = frozenset(date.fromisoformat(day) for day in site.site.shutdown_days)
    return np.array([holds(control.on, time, zone, closed) for time in times], dtype=bool)
