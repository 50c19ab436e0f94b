"""Readings in the database: one row per tag and time, values as they were read, gaps left as gaps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from ems.database import Database
from ems.tables import reading_table, tag_table
from plant.errors import DataError, NotFoundError
from plant.table import Table, Times
from plant.tags import Quality, Reading, Snapshot, Value
from plant.times import utc

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CODES = {Quality.GOOD: 192, Quality.UNCERTAIN: 64, Quality.BAD: 0}
_QUALITIES = {code: quality for quality, code in _CODES.items()}
_NONE, _NUMBER, _TRUTH, _TEXT = 0, 1, 2, 3
_CHUNK = 50_000
_PAIR = np.dtype([("time", np.int64), ("value", np.float64)])


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 in UTC: how the database keeps an instant."""
    return (utc(time) - _EPOCH) // _MICROSECOND


def instant_of(stamp: int) -> datetime:
    """The instant of `microseconds`."""
    return _EPOCH + timedelta(microseconds=stamp)


class Readings:
    """The readings of a historian."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ids: dict[str, int] = {}

    def units(self) -> dict[str, str]:
        """Unit of every tag that the historian knows, by name."""
        with self._database.reading() as connection:
            return {row.name: row.unit for row in connection.execute(sa.select(tag_table).order_by(tag_table.c.name))}

    def register(self, units: Mapping[str, str]) -> None:
        """Say the units of tags.

        Raises
        ------
        DataError
            If a tag's readings are stored in another unit.
        """
        with self._database.writing(durable=False) as connection:
            self._ensure(connection, units)

    def _ensure(self, connection: sa.Connection, units: Mapping[str, str]) -> dict[str, int]:
        """Ids of tags, made where they are new; a unit is set once and then stays."""
        wanted = [{"name": name, "unit": unit} for name, unit in units.items()]
        known = {row.name: row for row in connection.execute(sa.select(tag_table).where(tag_table.c.name.in_(list(units))))}
        fresh = [row for row in wanted if row["name"] not in known]
        for row in wanted:
            stored = known.get(row["name"])
            if stored is not None and row["unit"] and stored.unit and stored.unit != row["unit"]:
                raise DataError(f"tag {row['name']}: its readings are stored in {stored.unit}, not in {row['unit']}")
            if stored is not None and row["unit"] and not stored.unit:
                connection.execute(sa.update(tag_table).where(tag_table.c.id == stored.id).values(unit=row["unit"]))
        if fresh:
            connection.execute(sa.insert(tag_table), fresh)
            known = {row.name: row for row in connection.execute(sa.select(tag_table).where(tag_table.c.name.in_(list(units))))}
        return {name: row.id for name, row in known.items()}

    def write_snapshot(self, snapshot: Snapshot) -> None:
        """Keep every reading of a snapshot under the snapshot's time; the same time again replaces."""
        with self._database.writing(durable=False) as connection:
            missing = [reading.tag for reading in snapshot.readings if reading.tag not in self._ids]
            made = self._ensure(connection, dict.fromkeys(missing, "")) if missing else {}
            ids = {**self._ids, **made}
            time = microseconds(snapshot.time)
            rows = [_row(ids[reading.tag], time, reading) for reading in snapshot.readings]
            self._database.put(connection, reading_table, rows, replace=True)
        self._ids = ids

    def write_table(self, table: Table, units: Mapping[str, str] | None = None, *, replace: bool = True) -> int:
        """Keep the numbers of a table; NaN is a gap and leaves no row. All or nothing.

        Parameters
        ----------
        units
            Unit by column name; empty or missing = as the tag is known.
        replace
            What happens to a tag's value that is there already for the same time.

        Returns
        -------
        int
            Number of values.

        Raises
        ------
        DataError
            If a tag's readings are stored in another unit.
        """
        with self._database.writing(durable=False) as connection:
            return self.write_columns(connection, table, units or {}, replace=replace)

    def write_columns(self, connection: sa.Connection, table: Table, units: Mapping[str, str], *, replace: bool) -> int:
        """`write_table` inside a transaction of the caller's."""
        ids = self._ensure(connection, {name: units.get(name, "") for name in table.columns})
        stamps = table.times.astype(np.int64)
        written = 0
        for name, column in table.columns.items():
            here = np.isfinite(column)
            times, values = stamps[here].tolist(), column[here].tolist()
            for first in range(0, len(times), _CHUNK):
                part = slice(first, first + _CHUNK)
                self._bulk(connection, ids[name], times[part], values[part], replace=replace)
            written += len(times)
        return written

    def count(self, connection: sa.Connection, tag: str, times: Times) -> int:
        """Number of a tag's readings from the first to the last of `times`, inside a transaction of the caller's."""
        if not times.size:
            return 0
        first, last = (int(time) for time in times[[0, -1]].astype(np.int64))
        chosen = sa.select(tag_table.c.id).where(tag_table.c.name == tag).scalar_subquery()
        where = [reading_table.c.tag == chosen, reading_table.c.time >= first, reading_table.c.time <= last]
        return int(connection.execute(sa.select(sa.func.count()).where(*where)).scalar_one())

    def _bulk(self, connection: sa.Connection, tag: int, times: list[int], values: list[float], *, replace: bool) -> None:
        clash = "DO UPDATE SET value=excluded.value, quality=192, kind=1, text=NULL, source_time=NULL, server_time=NULL, words=NULL"
        clash = clash if replace else "DO NOTHING"
        if self._database.sqlite:
            connection.exec_driver_sql(
                f"INSERT INTO readings (tag, time, value, quality, kind) VALUES (?, ?, ?, 192, 1) ON CONFLICT (tag, time) {clash}",
                [(tag, time, value) for time, value in zip(times, values, strict=True)],
            )
            return
        connection.exec_driver_sql(
            "INSERT INTO readings (tag, time, value, quality, kind)"
            " SELECT %s, time, value, 192, 1 FROM unnest(%s::bigint[], %s::float8[]) AS fresh (time, value)"
            f" ON CONFLICT (tag, time) {clash}",
            (tag, times, values),
        )

    def table(
        self, tags: Sequence[str], since: datetime | None = None, until: datetime | None = None, *, step_s: float | None = None
    ) -> Table:
        """Numbers of tags over time.

        Parameters
        ----------
        tags
            Columns; a tag without readings is a column of NaN.
        since, until
            Rows from `since` on and before `until`; None = from the first, to the last.
        step_s
            Mean over steps of this length (from 1970 in UTC), left-labelled; None = as stored.

        Returns
        -------
        Table
            True and false as 1 and 0; BAD, text and missing as NaN.
        """
        stamps, numbers = self._columns(tags, since, until, step_s)
        times = _union(list(stamps.values()))
        columns = {}
        for tag in tags:
            column = np.full(times.size, np.nan)
            if tag in stamps:
                column[np.searchsorted(times, stamps[tag])] = numbers[tag]
            columns[tag] = column
        return Table(times=times.astype("datetime64[us]"), columns=columns)

    def _columns(
        self, tags: Sequence[str], since: datetime | None, until: datetime | None, step_s: float | None
    ) -> tuple[dict[str, npt.NDArray[np.int64]], dict[str, npt.NDArray[np.float64]]]:
        keep = reading_table.c
        stamps, numbers = {}, {}
        with self._database.reading() as connection:
            for tag, number in self._known(connection, tags).items():
                where = [keep.tag == number, keep.value.is_not(None), keep.quality > 0]
                where += [] if since is None else [keep.time >= microseconds(since)]
                where += [] if until is None else [keep.time < microseconds(until)]
                rows = connection.execute(_selection(where, step_s)).cursor.fetchall()
                if rows:
                    pairs = np.fromiter(rows, dtype=_PAIR, count=len(rows))
                    stamps[tag], numbers[tag] = pairs["time"], pairs["value"]
        return stamps, numbers

    def _known(self, connection: sa.Connection, tags: Sequence[str]) -> dict[str, int]:
        rows = connection.execute(sa.select(tag_table.c.name, tag_table.c.id).where(tag_table.c.name.in_(list(tags))))
        return {row.name: row.id for row in rows}

    def latest(self, tags: Sequence[str] | None = None, *, at: datetime | None = None) -> Snapshot:
        """The newest reading of each tag (or the newest not later than `at`); tags without any are left out.

        Raises
        ------
        NotFoundError
            If there is no reading of any of the tags.
        """
        newest = sa.select(sa.func.max(reading_table.c.time)).where(reading_table.c.tag == tag_table.c.id)
        newest = newest if at is None else newest.where(reading_table.c.time <= microseconds(at))
        joined = sa.and_(
            reading_table.c.tag == tag_table.c.id, reading_table.c.time == newest.correlate(tag_table).scalar_subquery()
        )
        query = sa.select(tag_table.c.name, *reading_table.c).join(reading_table, joined).order_by(tag_table.c.name)
        query = query if tags is None else query.where(tag_table.c.name.in_(list(tags)))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise NotFoundError(f"no readings yet{'' if tags is None else ' of ' + ', '.join(tags)}")
        return Snapshot(time=instant_of(max(row.time for row in rows)), readings=tuple(map(_reading, rows)))

    def span(self, tags: Sequence[str] | None = None) -> tuple[datetime, datetime] | None:
        """Times of the first and the last reading of tags; None if there are none."""
        low, high = sa.func.min(reading_table.c.time), sa.func.max(reading_table.c.time)
        with self._database.reading() as connection:
            ids = self._known(connection, tags if tags is not None else _all_names(connection)).values()
            ends = [connection.execute(sa.select(low, high).where(reading_table.c.tag == number)).one() for number in ids]
        known = [(first, last) for first, last in ends if first is not None]
        if not known:
            return None
        return instant_of(min(first for first, _ in known)), instant_of(max(last for _, last in known))

    def rows(self, tags: Sequence[str] | None, since: datetime | None, until: datetime | None) -> Iterator[tuple[str, Reading]]:
        """Every stored reading with its unit, by tag and time, streamed: (unit, Reading)."""
        query = sa.select(tag_table.c.name, tag_table.c.unit, *reading_table.c).join(
            reading_table, reading_table.c.tag == tag_table.c.id
        )
        query = query if tags is None else query.where(tag_table.c.name.in_(list(tags)))
        query = query if since is None else query.where(reading_table.c.time >= microseconds(since))
        query = query if until is None else query.where(reading_table.c.time < microseconds(until))
        ordered = query.order_by(tag_table.c.name, reading_table.c.time).execution_options(yield_per=5000)
        with self._database.reading() as connection:
            for row in connection.execute(ordered):
                yield row.unit, _reading(row)

    def forget(self, before: datetime) -> int:
        """Remove readings older than a time (retention); returns how many."""
        with self._database.writing(durable=False) as connection:
            ids = self._known(connection, _all_names(connection)).values()
            stop = microseconds(before)
            old = [sa.delete(reading_table).where(reading_table.c.tag == number, reading_table.c.time < stop) for number in ids]
            return sum(connection.execute(statement).rowcount for statement in old)


def _union(axes: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """All times of all tags, once each; tags that were read together have the same."""
    if not axes:
        return np.empty(0, dtype=np.int64)
    if all(np.array_equal(axis, axes[0]) for axis in axes[1:]):
        return axes[0]
    return np.unique(np.concatenate(axes))


def _all_names(connection: sa.Connection) -> list[str]:
    return list(connection.execute(sa.select(tag_table.c.name)).scalars())


def _selection(where: list[Any], step_s: float | None) -> Any:
    keep = reading_table.c
    if step_s is None:
        return sa.select(keep.time, keep.value).where(*where).order_by(keep.time)
    step = round(step_s * 1e6)
    begin = (keep.time - ((keep.time % step) + step) % step).label("begin")
    return sa.select(begin, sa.func.avg(keep.value)).where(*where).group_by(begin).order_by(begin)


def _row(tag: int, time: int, reading: Reading) -> dict[str, Any]:
    value, quality = reading.value, reading.quality
    number = None if value is None or isinstance(value, str) else float(value)
    words = reading.words
    if number is not None and not np.isfinite(number):
        number, value, quality, words = None, None, Quality.BAD, words or "not a number"
    source = microseconds(reading.time)
    return {
        "tag": tag,
        "time": time,
        "value": number,
        "quality": _CODES[quality],
        "kind": _kind(value),
        "text": value if isinstance(value, str) else None,
        "source_time": None if source == time else source,
        "server_time": None if reading.server_time is None else microseconds(reading.server_time),
        "words": words or None,
    }


def _kind(value: Value | None) -> int:
    if value is None:
        return _NONE
    if isinstance(value, bool):
        return _TRUTH
    return _TEXT if isinstance(value, str) else _NUMBER


def _reading(row: Any) -> Reading:
    values = {_NONE: None, _NUMBER: row.value, _TRUTH: bool(row.value), _TEXT: row.text}
    return Reading(
        tag=row.name,
        time=instant_of(row.time if row.source_time is None else row.source_time),
        value=values[row.kind],
        quality=_QUALITIES[row.quality],
        server_time=None if row.server_time is None else instant_of(row.server_time),
        words=row.words or "",
    )
