"""History into the historian: checked before the first value is stored, and stored whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ems.columns import Column, ColumnMap, columns, zone
from ems.historian import Historian
from ems.history_file import BadCell, HistoryFile, numbers, read
from ems.history_times import UNKNOWN, Stamps, TimeOptions, instants, time_column
from ems.readings import instant_of
from ems.virtual import VirtualTags
from plant.errors import DataError
from plant.site import Site
from plant.table import Floats, Table

Duplicates = Literal["last", "first", "mean", "refuse"]
Overlap = Literal["keep", "replace", "refuse"]
Progress = Callable[[str, int, int], None]
_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedTag:
    """What came of one column."""

    tag: str
    unit: str
    column: str
    """Empty for a virtual tag that was calculated from the others."""
    values: int
    missing: int
    """Rows without a number: gaps stay gaps."""
    implausible: int
    """Numbers outside the tag's low..high, left out as they would be at the plant."""
    overlapping: int
    """Values for whose time the historian had one already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import found and did."""

    file: str
    rows: int
    start: datetime
    end: datetime
    """Time of the last row."""
    step_s: float
    """Most frequent distance of rows."""
    gaps: int
    """Distances longer than that."""
    duplicates: int
    """Rows whose time came before in the file."""
    values: int
    fresh: int
    """Values for whose time the historian had none."""
    replaced: int
    """Values that took the place of others (only with overlap = replace)."""
    tags: tuple[ImportedTag, ...]
    ignored: tuple[str, ...]
    """Columns that are no tag of the site."""
    bad: tuple[BadCell, ...]
    """Places that were left out (only with skip_bad)."""
    uncalculated: tuple[tuple[str, str], ...]
    """Virtual tags without a single value, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is to be taken in."""

    time: str | None = None
    time_format: str | None = None
    timezone: str | None = None
    end: datetime | None = None
    duplicates: Duplicates = "last"
    overlap: Overlap = "keep"
    skip_bad: bool = False
    """True: places that cannot be used become gaps and are named in the report. False: they refuse the import."""


def import_readings(
    historian: Historian, site: Site, file: Path, options: ImportOptions, chosen: ColumnMap, progress: Progress
) -> ImportReport:
    """Take a history file into the historian.

    Parameters
    ----------
    chosen
        Which column is which tag, where names and addresses do not say so.
    progress
        Told (what is done, done, of how many); 0 = not known.

    Raises
    ------
    ConfigError
        If file, map, zone or columns do not fit the site.
    DataError
        If there are bad places (the first ten are named), refused duplicates or overlaps. Nothing is stored then.
    HistorianError
        If the database refuses. Nothing is stored then.
    """
    checked = _checked(site, file, options, chosen, progress)
    table = checked.table
    virtual = VirtualTags(site)
    whole, before = _calculated(historian, site, virtual, table)
    stored = _store(historian, site, whole, checked.columns, options.overlap, progress)
    empty = [tag for tag in site.virtual_tags if tag.name not in stored]
    known = [name for name, column in before.items() if column]
    tags = (*(_imported(column, checked, stored) for column in checked.columns), *_derived(site, checked, stored))
    return ImportReport(
        file=str(file),
        rows=len(table),
        start=instant_of(int(table.times[0].astype(np.int64))),
        end=instant_of(int(table.times[-1].astype(np.int64))),
        step_s=table.step_s,
        gaps=_gaps(table),
        duplicates=checked.duplicates,
        values=sum(tag.values for tag in tags),
        fresh=sum(tag.values - tag.overlapping for tag in tags),
        replaced=sum(tag.overlapping for tag in tags) if options.overlap == "replace" else 0,
        tags=tags,
        ignored=checked.ignored,
        bad=checked.bad,
        uncalculated=tuple((tag.name, virtual.lacking(tag, known)) for tag in empty),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A file that may be stored."""

    table: Table
    columns: tuple[Column, ...]
    implausible: dict[str, int]
    duplicates: int
    ignored: tuple[str, ...]
    bad: tuple[BadCell, ...]


def _checked(site: Site, file: Path, options: ImportOptions, chosen: ColumnMap, progress: Progress) -> _Checked:
    history = read(file, advance=lambda rows: progress("reading", rows, 0))
    name = time_column(list(history.columns), options.time or chosen.time, history.name)
    local = zone(options.timezone or chosen.timezone or site.site.timezone, "--timezone")
    times = TimeOptions(column=name, format=options.time_format or chosen.time_format, zone=local, end=options.end)
    taken = columns(site, [column for column in history.columns if column != name], chosen, history.name)
    stamps, bad = instants(history, times)
    values, implausible = {}, {}
    for number, column in enumerate(taken, 1):
        progress("checking", number, len(taken))
        found, wrong = numbers(history, column.column, decimal=chosen.decimal)
        bad += wrong
        values[column.tag], implausible[column.tag] = _scaled(found, column)
    every_bad = tuple(sorted([*history.bad, *bad], key=lambda cell: (cell.line, cell.column)))
    if every_bad and not options.skip_bad:
        raise _refused(history, every_bad)
    table, duplicates = _table(stamps, values, options.duplicates, history)
    ignored = tuple(column for column in history.columns if column != name and column not in {each.column for each in taken})
    return _Checked(table=table, columns=taken, implausible=implausible, duplicates=duplicates, ignored=ignored, bad=every_bad)


def _scaled(found: Floats, column: Column) -> tuple[Floats, int]:
    """Values in the tag's unit, implausible ones left out, and how many those were."""
    values = found * column.scale + column.offset
    low = -np.inf if column.low is None else column.low
    high = np.inf if column.high is None else column.high
    outside = np.isfinite(values) & ((values < low) | (values > high))
    return np.where(outside, np.nan, values), int(outside.sum())


def _refused(history: HistoryFile, bad: tuple[BadCell, ...]) -> DataError:
    shown = [
        f"  line {cell.line}{f', column {cell.column!r}' if cell.column else ''}: {cell.value!r}: {cell.words}"
        for cell in bad[:_SHOWN]
    ]
    more = [f"  … and {len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
    head = f"{history.name}: {len(bad)} places cannot be used; nothing was imported (--skip-bad leaves them out)"
    return DataError("\n".join([head, *shown, *more]))


def _table(stamps: Stamps, values: dict[str, Floats], duplicates: Duplicates, history: HistoryFile) -> tuple[Table, int]:
    """Rows in time order, one per time, and how many came twice."""
    rows = np.flatnonzero(stamps != UNKNOWN)
    order = rows[np.argsort(stamps[rows], kind="stable")]
    times, first, counts = np.unique(stamps[order], return_index=True, return_counts=True)
    extra = int(order.size - times.size)
    if extra and duplicates == "refuse":
        place = int(order[first[np.flatnonzero(counts > 1)[0]] + 1])
        line, when = int(history.lines[place]), instant_of(int(stamps[place])).isoformat()
        raise DataError(
            f"{history.name}: {extra} rows repeat a time, the first is {when} (line {line}); choose --duplicates last|first|mean"
        )
    picked = {tag: _picked(column[order], first, counts, duplicates) for tag, column in values.items()}
    return Table(times=times.astype("datetime64[us]"), columns=picked), extra


def _picked(column: Floats, first: npt.NDArray[np.intp], counts: npt.NDArray[np.intp], duplicates: Duplicates) -> Floats:
    if duplicates == "first":
        return column[first]
    if duplicates != "mean" or bool(np.all(counts == 1)):
        last: Floats = column[first + counts - 1]
        return last
    known = np.isfinite(column).astype(np.float64)
    sums, sizes = np.add.reduceat(np.nan_to_num(column), first), np.add.reduceat(known, first)
    means: Floats = np.where(sizes > 0, sums / np.maximum(sizes, 1.0), np.nan)
    return means


def _calculated(historian: Historian, site: Site, virtual: VirtualTags, table: Table) -> tuple[Table, dict[str, bool]]:
    """The table with the virtual tags over its whole time, and which tags there are readings of.

    What the file has no column of, and the row before its first, come from the historian: files of other tags, or of the time
    before, may have been imported already. A virtual tag that the file itself holds is left as it is.
    """
    names = [name for name in virtual.inputs if name not in table.columns]
    start, end = (instant_of(int(stamp.astype(np.int64))) for stamp in (table.times[0], table.times[-1]))
    kept = historian.table(names, start, end + timedelta(microseconds=1)) if names else None
    others = {} if kept is None else {name: _at(kept.times, kept.columns[name], table.times) for name in names}
    columns = {name: table.columns[name] for name in virtual.inputs if name in table.columns}
    columns |= {name: column for name, column in others.items() if _has(column)}
    first = historian.table(list(virtual.inputs), start - timedelta(seconds=virtual.gap_s), start) if virtual.inputs else None
    seam = first is not None and len(first) > 0
    times = table.times
    if first is not None and seam:
        nothing = np.full(len(first), np.nan)
        columns = {name: np.concatenate([first.columns.get(name, nothing)[-1:], column]) for name, column in columns.items()}
        times = np.concatenate([first.times[-1:], times])
    given = {tag.name: table.columns[tag.name] for tag in site.virtual_tags if tag.name in table.columns}
    made = virtual.extend_table(Table(times=times, columns=columns)).columns
    rows = slice(1, None) if seam else slice(None)
    derived = {tag.name: made[tag.name][rows] for tag in site.virtual_tags}
    return replace(table, columns={**table.columns, **derived, **given}), {name: _has(column) for name, column in made.items()}


def _has(column: Floats) -> bool:
    return bool(np.isfinite(column).any())


def _any(table: Table, name: str) -> bool:
    return name in table.columns and _has(table.columns[name])


def _at(known: npt.NDArray[np.datetime64], column: Floats, times: npt.NDArray[np.datetime64]) -> Floats:
    """Values at exactly these times; NaN where there is none."""
    if not known.size:
        return np.full(times.size, np.nan)
    places = np.minimum(np.searchsorted(known, times), known.size - 1)
    found: Floats = np.where(known[places] == times, column[places], np.nan)
    return found


def _store(
    historian: Historian, site: Site, table: Table, taken: tuple[Column, ...], overlap: Overlap, progress: Progress
) -> dict[str, tuple[int, int]]:
    """Write everything in one transaction; (values, overlapping) per tag."""
    units = {column.tag: column.unit for column in taken}
    derived = [tag for tag in site.virtual_tags if tag.name not in units]
    units |= {tag.name: tag.unit for tag in derived if _any(table, tag.name)}
    stored: dict[str, tuple[int, int]] = {}
    readings = historian.readings
    with historian.database.writing() as connection:
        for number, (tag, unit) in enumerate(units.items(), 1):
            before = readings.count(connection, tag, table.times)
            written = readings.write_columns(connection, table.only(tag), {tag: unit}, replace=overlap == "replace")
            overlapping = before + written - readings.count(connection, tag, table.times)
            if overlapping and overlap == "refuse":
                raise DataError(f"tag {tag}: {overlapping} values are there already; nothing was imported (--overlap keep|replace)")
            stored[tag] = (written, overlapping)
            progress("storing", number, len(units))
    return stored


def _imported(column: Column, checked: _Checked, stored: dict[str, tuple[int, int]]) -> ImportedTag:
    written, overlapping = stored[column.tag]
    implausible = checked.implausible[column.tag]
    return ImportedTag(
        tag=column.tag,
        unit=column.unit,
        column=column.column,
        values=written,
        missing=max(0, len(checked.table) - written - implausible),
        implausible=implausible,
        overlapping=overlapping,
    )


def _derived(site: Site, checked: _Checked, stored: dict[str, tuple[int, int]]) -> tuple[ImportedTag, ...]:
    given = {column.tag for column in checked.columns}
    rows = len(checked.table)
    made = [(tag, *stored[tag.name]) for tag in site.virtual_tags if tag.name in stored and tag.name not in given]
    return tuple(
        ImportedTag(
            tag=tag.name, unit=tag.unit, column="", values=values, missing=rows - values, implausible=0, overlapping=overlapping
        )
        for tag, values, overlapping in made
    )


def _gaps(table: Table) -> int:
    if len(table) < 3:
        return 0
    return int(np.sum(np.diff(table.times).astype(np.int64) > 1.5e6 * table.step_s))
