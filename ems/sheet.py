"""Rows with units and zone as a CSV, Parquet or JSON Lines file."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal
from zoneinfo import ZoneInfo

from plant.errors import ConfigError
from plant.times import utc

Cell = datetime | str | float | int | bool | None
Kind = Literal["time", "text", "number", "whole", "truth", "json"]
Format = Literal["csv", "parquet", "jsonl"]
_PART_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """One column."""

    name: str
    kind: Kind = "number"
    unit: str = ""

    @property
    def title(self) -> str:
        """`flow [m3/h]`: what the importer reads back."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table to be written; its rows come as they are read."""

    columns: tuple[SheetColumn, ...]
    rows: Iterable[tuple[Cell, ...]]


def write(sheet: Sheet, file: Path | None, form: Format, zone: ZoneInfo, advance: Callable[[int], None]) -> int:
    """Write a sheet; a file appears only when it is complete. None = standard output.

    Times are written in `zone` with their offset (Parquet: as instants of that zone). A missing number is an empty cell,
    null in Parquet and JSON.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    ConfigError
        If the file cannot be written, or Parquet is to go to standard output.
    """
    if file is None and form == "parquet":
        raise ConfigError("--out is needed for Parquet: it is not text")
    counted = _Counted(sheet.rows, advance)
    writers: dict[Format, Callable[[Sheet, Any, ZoneInfo], None]] = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
    with _target(file, form) as stream:
        writers[form](Sheet(columns=sheet.columns, rows=counted), stream, zone)
    return counted.rows


class _Counted:
    def __init__(self, rows: Iterable[tuple[Cell, ...]], advance: Callable[[int], None]) -> None:
        self._source, self._advance, self.rows = rows, advance, 0

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        for row in self._source:
            self.rows += 1
            if self.rows % _PART_ROWS == 0:
                self._advance(_PART_ROWS)
            yield row


@contextmanager
def _target(file: Path | None, form: Format) -> Iterator[IO[str] | IO[bytes]]:
    if file is None:
        yield sys.stdout
        return
    if not file.parent.is_dir():
        raise ConfigError(f"{file}: cannot be written: there is no folder {file.parent}")
    beside = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") if form == "parquet" else beside.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        beside.replace(file)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _csv(sheet: Sheet, stream: IO[str], zone: ZoneInfo) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.title for column in sheet.columns])
    writer.writerows([_text(cell, zone) for cell in row] for row in sheet.rows)


def _text(cell: Cell, zone: ZoneInfo) -> str | float | int:
    if isinstance(cell, datetime):
        return cell.astimezone(zone).isoformat()
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return str(cell).lower() if isinstance(cell, bool) else cell


def _jsonl(sheet: Sheet, stream: IO[str], zone: ZoneInfo) -> None:
    units = {column.name: column.unit for column in sheet.columns if column.unit}
    stream.write(json.dumps({"columns": [column.name for column in sheet.columns], "units": units, "timezone": zone.key}) + "\n")
    for row in sheet.rows:
        pairs = zip(sheet.columns, row, strict=True)
        named = {column.name: _plain(cell, column, zone) for column, cell in pairs}
        stream.write(json.dumps(named, ensure_ascii=False, allow_nan=False) + "\n")


def _plain(cell: Cell, column: SheetColumn, zone: ZoneInfo) -> object:
    if isinstance(cell, datetime):
        return cell.astimezone(zone).isoformat()
    if isinstance(cell, float) and math.isnan(cell):
        return None
    return json.loads(cell) if column.kind == "json" and isinstance(cell, str) else cell


def _parquet(sheet: Sheet, stream: IO[bytes], zone: ZoneInfo) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {
        "time": pa.timestamp("us", tz=zone.key),
        "text": pa.string(),
        "json": pa.string(),
        "number": pa.float64(),
        "whole": pa.int64(),
        "truth": pa.bool_(),
    }
    fields = [pa.field(each.name, kinds[each.kind], metadata={"unit": each.unit} if each.unit else None) for each in sheet.columns]
    schema = pa.schema(fields)
    rows = iter(sheet.rows)
    with pq.ParquetWriter(stream, schema) as writer:
        while part := list(islice(rows, _PART_ROWS)):
            arrays = [pa.array([_stored(row[number]) for row in part], type=field.type) for number, field in enumerate(fields)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _stored(cell: Cell) -> Cell:
    if isinstance(cell, datetime):
        return utc(cell)
    return None if isinstance(cell, float) and math.isnan(cell) else cell
