from datetime import UTC, datetime

import numpy as np
import pytest

from plant.table import Table
from plant.tags import Quality, Reading, Snapshot

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_bad_reading_is_no_number() -> None:
    snapshot = Snapshot(
        time=AT,
        readings=(
            Reading(tag="power", time=AT, value=3.5),
            Reading(tag="on", time=AT, value=True),
            Reading(tag="stuck", time=AT, value=9.0, quality=Quality.BAD),
            Reading(tag="mode", time=AT, value="AUTO"),
        ),
    )
    assert snapshot.number("power") == 3.5
    assert snapshot.truth("on") is True
    assert snapshot.number("stuck") is None
    assert snapshot.number("mode") is None
    assert snapshot.number("absent") is None


def test_a_table_is_checked_when_made() -> None:
    times = np.array(["2026-03-01T00:00", "2026-03-01T00:15", "2026-03-01T00:30"], dtype="datetime64[us]")
    table = Table(times=times, columns={"x": np.array([1.0, np.nan, 3.0])})
    assert table.step_s == 900.0
    assert len(table.before(times[2])) == 2
    assert len(table.since(times[1])) == 2
    with pytest.raises(ValueError, match="increase"):
        Table(times=times[::-1], columns={})
    with pytest.raises(ValueError, match="rows"):
        Table(times=times, columns={"x": np.array([1.0])})
