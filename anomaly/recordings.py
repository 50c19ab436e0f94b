"""Recordings of machines from one CSV file: any delimiter, compressed or not, ordered or not, with or without groups."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from anomaly.features import Bools
from plant.errors import ConfigError, DataError, NotFoundError
from plant.table import Floats, Table

_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One group of a file.

    Attributes
    ----------
    group
        As written in the file; empty where there are no groups.
    table
        Readings in order of time, one row per time.
    rows
        Shape (lines,): which row of `table` belongs to each line of the group, in the file's order.
    lines
        Shape (lines,): line numbers in the file, counted from 0 without the header.
    labels
        Shape (rows of table,): true where the label says fault; None without labels.
    """

    group: str
    table: Table
    rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    labels: Bools | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """A file's groups, and what was repaired on the way."""

    groups: tuple[Recording, ...]
    times: tuple[str, ...]
    """The time column as written, one per line."""
    words: tuple[str, ...]

    def named(self, wanted: str | None) -> tuple[Recording, ...]:
        """The groups that `A-B`, `A,B,C` or one name picks; all without a wish.

        Raises
        ------
        NotFoundError
            If nothing fits; the text names the groups there are.
        """
        if wanted is None:
            return self.groups
        names = [recording.group for recording in self.groups]
        chosen = _between(names, wanted) or [name for name in wanted.split(",") if name in names]
        if not chosen:
            raise NotFoundError(
                f"--fit-groups {wanted}: there are the groups {', '.join(names[:10])}{' …' if len(names) > 10 else ''}"
            )
        return tuple(recording for recording in self.groups if recording.group in chosen)


def read(file: Path, *, time: str, group: str | None, label: str | None, ignore: Sequence[str]) -> Recordings:
    """The recordings of a CSV file.

    Parameters
    ----------
    file
        CSV, perhaps compressed; comma, semicolon, tab or bar.
    time
        Column of the time: ISO 8601 (without a zone it is taken as it stands), or a running number.
    group
        Column that tells machines or runs apart.
    label
        Column of the truth, 1 = fault; never shown to a detector.
    ignore
        Further columns that no detector may see.

    Raises
    ------
    ConfigError
        If the file is missing, no CSV, or has not the columns named.
    DataError
        If the time column holds something else than times, or no column holds numbers.
    """
    frame = _frame(file)
    for option, column in (("--time", time), ("--group", group), ("--label", label), *(("--ignore", name) for name in ignore)):
        if column is not None and column not in frame.columns:
            raise ConfigError(f"{file.name}: {option} {column!r} is not a column; there are {', '.join(map(str, frame.columns))}")
    words: list[str] = []
    instants = _instants(frame[time], file.name, time)
    sensors = _numeric(frame.drop(columns=[name for name in {time, group, label, *ignore} if name is not None]), words)
    if sensors.shape[1] == 0:
        raise DataError(f"{file.name}: no column besides {time!r} holds numbers")
    truth = None if label is None else pd.to_numeric(frame[label], errors="coerce").fillna(0.0).to_numpy() > 0.5
    names = np.full(len(frame), "", dtype=object) if group is None else frame[group].astype(str).to_numpy(dtype=object)
    made = [
        _recording(name, np.flatnonzero(names == name), instants, sensors, truth, words) for name in dict.fromkeys(names.tolist())
    ]
    return Recordings(groups=tuple(made), times=tuple(frame[time].astype(str)), words=tuple(words))


def _frame(file: Path) -> pd.DataFrame:
    if not file.is_file():
        raise ConfigError(f"--csv {file}: there is no such file")
    packed = file.read_bytes()[:2] == b"\x1f\x8b"
    with gzip.open(file, "rt", encoding="utf-8-sig") if packed else file.open(encoding="utf-8-sig") as lines:
        head, first = lines.readline(), lines.readline()
    delimiter = max(_DELIMITERS, key=head.count)
    decimal = "," if delimiter != "," and "," in first and "." not in first.split(delimiter)[-1] else "."
    try:
        frame = pd.read_csv(
            file,
            sep=delimiter,
            decimal=decimal,
            encoding="utf-8-sig",
            dtype_backend="numpy_nullable",
            compression="gzip" if packed else None,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ConfigError(f"--csv {file}: not a CSV file ({error})") from error
    if frame.empty:
        raise DataError(f"{file.name}: no rows below the header")
    return frame


def _instants(column: pd.Series, file: str, name: str) -> npt.NDArray[np.datetime64]:
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().all():  # a running number: its unit does not matter, only its order and distance do
        return np.datetime64(0, "us") + (numbers.to_numpy(dtype=np.float64) * 1e6).astype(np.int64).astype("timedelta64[us]")
    try:
        parsed = pd.to_datetime(column.astype(str), errors="coerce", format="ISO8601", utc=True)
    except ValueError as error:
        raise DataError(f"{file}: {name!r} holds neither times nor numbers ({error})") from error
    if parsed.isna().all():
        parsed = pd.to_datetime(column.astype(str), errors="coerce", format="mixed", dayfirst=True, utc=True)
    if parsed.isna().all():
        raise DataError(f"{file}: {name!r} holds neither times nor numbers, for example {column.iloc[0]!r}")
    dark = parsed.isna().to_numpy()
    if dark.any():
        line = int(np.flatnonzero(dark)[0]) + 2
        raise DataError(f"{file}: {int(dark.sum())} rows of {name!r} are empty or unreadable, the first in line {line}")
    return parsed.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def _numeric(frame: pd.DataFrame, words: list[str]) -> pd.DataFrame:
    kept = {}
    for name, column in frame.items():
        numbers = pd.to_numeric(column, errors="coerce").astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isfinite(numbers).sum() == 0:
            words.append(f"{name}: no numbers, left out")
            continue
        kept[str(name)] = numbers
    return pd.DataFrame(kept)


def _recording(
    name: str,
    lines: npt.NDArray[np.int64],
    instants: npt.NDArray[np.datetime64],
    sensors: pd.DataFrame,
    truth: Bools | None,
    words: list[str],
) -> Recording:
    label = f"group {name}: " if name else ""
    times = instants[lines]
    order = np.argsort(times, kind="stable")
    if not np.array_equal(order, np.arange(order.size)):
        words.append(f"{label}rows were not in order of time: sorted")
    ordered = times[order]
    last = np.append(ordered[1:] != ordered[:-1], True)
    if not last.all():
        words.append(f"{label}{int((~last).sum())} rows repeat a time: the last of each counts")
    chosen = lines[order[last]]
    rows = np.empty(lines.size, dtype=np.int64)
    rows[order] = np.cumsum(np.concatenate([[0], last[:-1]]))
    columns: dict[str, Floats] = {str(column): sensors[column].to_numpy(dtype=np.float64)[chosen] for column in sensors}
    table = Table(times=ordered[last], columns=columns)
    return Recording(group=name, table=table, rows=rows, lines=lines, labels=None if truth is None else truth[chosen])


def _between(names: Sequence[str], wanted: str) -> list[str]:
    """Names from A to B: by number where both are numbers, else by their order in the file."""
    for cut in (index for index, sign in enumerate(wanted) if sign == "-" and index):
        low, high = wanted[:cut].strip(), wanted[cut + 1 :].strip()
        if low.isdigit() and high.isdigit():
            return [name for name in names if _number(name) is not None and int(low) <= (_number(name) or 0.0) <= int(high)]
        if low in names and high in names:
            return list(names[names.index(low) : names.index(high) + 1])
    return []


def _number(name: str) -> float | None:
    try:
        return float(name)
    except ValueError:
        return None
