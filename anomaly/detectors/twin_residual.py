"""The plant against its twin: what the twin beside the plant did not expect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomaly.detectors.residual import ResidualPart
from anomaly.detectors.t2q import T2qPart
from anomaly.learner import Learner
from anomaly.part import Part
from anomaly.profiles import Profile
from plant.mirror import Residual as TwinRecord
from plant.ports import instant64
from plant.table import Table


class TwinResidual(Learner):
    """Detector over differences between plant and twin, as `difference_table` makes them.

    The twin has already explained load, weather and set-points, so what it leaves is judged without context. Drivers show
    the usual and the present difference, not the readings.
    """

    name = "twin_residual"

    def parts(self, _profile: Profile) -> tuple[Part, ...]:
        """T², Q and single residuals."""
        return (T2qPart(), ResidualPart())


def difference_table(records: Sequence[TwinRecord]) -> Table:
    """Actual minus expected as a table, one column per tag; NaN where a tag has no record at a time."""
    times = np.unique(np.array([instant64(record.time) for record in records], dtype="datetime64[us]"))
    tags = sorted({record.tag for record in records})
    columns = {tag: np.full(times.size, np.nan) for tag in tags}
    for record in records:
        row = int(np.searchsorted(times, instant64(record.time)))
        columns[record.tag][row] = record.actual - record.expected
    return Table(times=times, columns=columns)
