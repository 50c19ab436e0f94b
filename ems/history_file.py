"""A history file as columns of text or numbers: CSV (plain or gzip) and Parquet, every row with its line."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plant.errors import DataError, NotFoundError
from plant.table import Floats

Texts = npt.NDArray[np.object_]
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "-", "#n/a", "bad", "no data"})
_TRUTHS = {"true": 1.0, "false": 0.0, "on": 1.0, "off": 0.0, "yes": 1.0, "no": 0.0}
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_PART_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCell:
    """A place in a file that cannot be used."""

    line: int
    """Line of the file (CSV, the header is 1) or row (Parquet, from 1)."""
    column: str
    """Column, empty where the whole row is wrong."""
    value: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryFile:
    """A file's rows, unsorted and unchecked."""

    name: str
    lines: npt.NDArray[np.int64]
    columns: dict[str, Texts | Floats]
    """Text from CSV; numbers, or objects such as times, from Parquet."""
    bad: tuple[BadCell, ...]
    """Rows whose number of fields is not that of the header."""


def read(file: Path, *, advance: Callable[[int], None]) -> HistoryFile:
    """Read a file by its suffix: `.parquet`, else CSV (`.gz` = compressed).

    Parameters
    ----------
    advance
        Told the number of rows read since the last call.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If it is not CSV or Parquet, has no rows, or a column name twice.
    """
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file")
    return _parquet(file, advance) if file.suffix in {".parquet", ".pq"} else _csv(file, advance)


@contextmanager
def _text(file: Path) -> Iterator[io.TextIOWrapper]:
    with ExitStack() as stack:
        raw = stack.enter_context(file.open("rb"))
        plain = stack.enter_context(gzip.GzipFile(fileobj=raw)) if file.suffix == ".gz" else raw
        try:
            yield stack.enter_context(io.TextIOWrapper(plain, encoding="utf-8-sig", newline=""))
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, csv.Error) as error:
            raise DataError(f"{file}: not readable as CSV in UTF-8: {error}") from error


def _csv(file: Path, advance: Callable[[int], None]) -> HistoryFile:
    with _text(file) as stream:
        first = stream.readline()
        delimiter = max(",;\t", key=first.count)
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        _check_header(file, header)
        rows: list[list[str]] = []
        lines: list[int] = []
        bad: list[BadCell] = []
        reader = csv.reader(stream, delimiter=delimiter)
        for row in reader:
            line = reader.line_num + 1
            if len(row) == len(header):
                rows.append(row)
                lines.append(line)
            elif any(cell.strip() for cell in row):
                words = f"{len(row)} fields where the header has {len(header)}"
                bad.append(BadCell(line=line, column="", value=delimiter.join(row)[:60], words=words))
            if reader.line_num % _PART_ROWS == 0:
                advance(_PART_ROWS)
    if not rows:
        raise DataError(f"{file}: no rows")
    cells = np.array(rows, dtype=object)
    columns: dict[str, Texts | Floats] = {name: cells[:, number] for number, name in enumerate(header)}
    return HistoryFile(name=str(file), lines=np.array(lines), columns=columns, bad=tuple(bad))


def _check_header(file: Path, header: list[str]) -> None:
    if len(header) < 2:
        raise DataError(f"{file}: the first line must name the columns (a time and at least one more), separated by , ; or tab")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{file}: column {twice[0]!r} is there {header.count(twice[0])} times")


def _parquet(file: Path, advance: Callable[[int], None]) -> HistoryFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file}: not readable as Parquet: {error}") from error
    if table.num_rows == 0:
        raise DataError(f"{file}: no rows")
    _check_header(file, table.column_names)
    columns: dict[str, Texts | Floats] = {}
    for name in table.column_names:
        column = table.column(name)
        kind = column.type
        if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind):
            columns[name] = np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        else:
            columns[name] = np.array(column.to_pylist(), dtype=object)
    advance(table.num_rows)
    return HistoryFile(name=str(file), lines=np.arange(1, table.num_rows + 1), columns=columns, bad=())


def numbers(file: HistoryFile, column: str, *, decimal: str = ".") -> tuple[Floats, list[BadCell]]:
    """A column as numbers; missing is NaN, what is neither a number nor missing is a bad cell (and NaN).

    Parameters
    ----------
    decimal
        Sign between the whole number and its fraction.
    """
    cells = file.columns[column]
    if cells.dtype == np.float64:
        return np.where(np.isfinite(cells.astype(np.float64)), cells.astype(np.float64), np.nan), []
    texts = ["" if cell is None else str(cell).strip() for cell in cells]
    if decimal != ".":
        texts = [text.replace(decimal, ".") for text in texts]
    try:
        found = np.array([text or "nan" for text in texts], dtype=np.str_).astype(np.float64)
        return np.where(np.isfinite(found), found, np.nan), []
    except ValueError:
        return _one_by_one(file, column, texts)


def _why(text: str) -> str:
    if _DECIMAL_COMMA.fullmatch(text):
        return 'not a number; if the comma begins the fraction, give --map a TOML file that holds: decimal = ","'
    return "not a number"


def _one_by_one(file: HistoryFile, column: str, texts: list[str]) -> tuple[Floats, list[BadCell]]:
    found, bad = np.full(len(texts), np.nan), []
    for row, text in enumerate(texts):
        lower = text.lower()
        if lower in MISSING:
            continue
        try:
            value = _TRUTHS[lower] if lower in _TRUTHS else float(text)
        except ValueError:
            bad.append(BadCell(line=int(file.lines[row]), column=column, value=text[:60], words=_why(text)))
            continue
        found[row] = value if np.isfinite(value) else np.nan
    return found, bad
