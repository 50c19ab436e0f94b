"""A recorded plant: reads alike, has its own time, and cannot be told anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd

from connectors.endpoint import endpoint_of
from connectors.judge import Judge, Raw, in_units
from plant.errors import ConfigError, DataError, NotFoundError, WriteRefusedError
from plant.site import Site
from plant.tags import Quality, Reading, Snapshot, Tag, Value, ValueType
from plant.times import utc

_TIME = "time"

Row = Callable[[int], Sequence[Reading]]


class Replay:
    """A plant whose time is a record's (a Plant).

    Parameters
    ----------
    site
        Its `connection.endpoint` names a CSV or Parquet file with a `time` column (ISO 8601 with a zone) and a column per
        tag, in the tag's unit; empty cells are missing values.
    folder
        What a relative file name starts from.
    snapshots
        Taken instead of a file: what was recorded, in order of time.

    Raises
    ------
    ConfigError
        If there is no such file.
    DataError
        If the file has no times, or times that do not increase.
    """

    def __init__(self, site: Site, folder: Path, snapshots: Sequence[Snapshot] | None = None) -> None:
        self._tags = {tag.name: tag for tag in site.tags}
        self._judge = Judge(plant_clock=True)
        if snapshots is None:
            self._times, self._row = _from_file(folder / endpoint_of(site.connection), site.tags)
        else:
            self._times, self._row = [snapshot.time for snapshot in snapshots], lambda row: snapshots[row].readings
        if not self._times:
            raise DataError("there is nothing to replay: the record is empty")
        if any(later <= earlier for earlier, later in zip(self._times, self._times[1:], strict=False)):
            raise DataError("the record's times do not increase")
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is ours, so nothing is given back."""

    def now(self) -> datetime:
        """The time of the present row."""
        return self._times[self._at]

    def wait_until(self, time: datetime) -> bool:
        """Go on to the first row at `time` or later; False at the end of the record."""
        while self.now() < time:
            if self._at + 1 >= len(self._times):
                return False
            self._at += 1
        return True

    def read(self) -> Snapshot:
        """The present row, every tag of the site; one that was not recorded is BAD."""
        known = {reading.tag: reading for reading in self._row(self._at)}
        readings = tuple(self._reading(tag, known.get(tag.name)) for tag in self._tags.values())
        return Snapshot(time=self.now(), readings=readings)

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        """A record cannot be told anything.

        Raises
        ------
        NotFoundError
            If there is no such tag.
        WriteRefusedError
            Always otherwise.
        """
        del expires
        if tag not in self._tags:
            raise NotFoundError(f"there is no tag {tag!r}: the site has {', '.join(sorted(self._tags))}")
        raise WriteRefusedError(f"{tag} = {value}: this is a record, nothing is sent")

    def _reading(self, tag: Tag, recorded: Reading | None) -> Reading:
        if recorded is None:
            return Reading(tag=tag.name, time=self.now(), value=None, quality=Quality.BAD, words="not recorded")
        raw = Raw(
            value=recorded.value,
            time=recorded.time,
            quality=recorded.quality,
            server_time=recorded.server_time,
            words=recorded.words,
        )
        # A record holds the tag's own unit, not the wire's.
        judged = self._judge.reading(replace(tag, scale=1.0, offset=0.0), raw, self.now())
        return replace(judged, time=recorded.time, server_time=recorded.server_time)


def _from_file(file: Path, tags: Sequence[Tag]) -> tuple[list[datetime], Row]:
    """Times of a file's rows, and what makes a row's readings when it is its turn."""
    if not file.is_file():
        raise ConfigError(f"connection.endpoint: there is no record {file}")
    table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    if _TIME not in table.columns:
        raise DataError(f"{file}: no column {_TIME!r}; it has {', '.join(map(str, table.columns[:8]))}")
    times = _times(file, table[_TIME])
    columns = {tag: list(table[tag.name]) for tag in tags if tag.name in table.columns}

    def row(at: int) -> tuple[Reading, ...]:
        return tuple(_cell(tag, column[at], times[at]) for tag, column in columns.items())

    return times, row


def _times(file: Path, column: pd.Series) -> list[datetime]:
    try:
        return [utc(datetime.fromisoformat(str(text))) for text in column]
    except ValueError as error:
        raise DataError(f"{file}: column {_TIME!r}: {error}; write for example 2026-03-02T00:00:00Z") from error


def _cell(tag: Tag, cell: object, time: datetime) -> Reading:
    plain = cell.item() if hasattr(cell, "item") else cell
    missing = plain is None or (isinstance(plain, float) and math.isnan(plain))
    if isinstance(plain, str) and tag.type is not ValueType.TEXT:
        plain = _spoken(plain)
    value, fault = in_units(None if missing else plain, replace(tag, scale=1.0, offset=0.0))
    return Reading(tag=tag.name, time=time, value=value, quality=Quality.BAD if fault else Quality.GOOD, words=fault)


def _spoken(text: str) -> object:
    """A number or truth that a file spells out; a column with both kinds reaches us as text."""
    word = text.strip().lower()
    if word in ("true", "false"):
        return word == "true"
    try:
        return float(word)
    except ValueError:
        return text
