"""What the historian holds as sheets: readings, forecasts with what came, commands with their outcomes, figures, journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np

from ems.historian import Historian
from ems.readings import instant_of, microseconds
from ems.sheet import Cell, Sheet, SheetColumn
from plant.errors import ConfigError, NotFoundError
from plant.kpi import Kpi
from plant.orders import Command, Outcome
from plant.series import Forecast
from plant.table import Floats, Table
from plant.times import utc

WHATS = ("kpi", "readings", "forecasts", "commands", "journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `since` on and before `until`; None = from the first, to the last."""

    since: datetime | None = None
    until: datetime | None = None


def moment(text: str, zone: ZoneInfo, option: str) -> datetime:
    """An instant (in UTC) as a person writes it: ISO 8601, a local time, or a local date (its midnight).

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    try:
        if len(text) == 10:
            return utc(datetime.combine(date.fromisoformat(text), time(), tzinfo=zone))
        found = datetime.fromisoformat(text)
        return utc(found.replace(tzinfo=zone) if found.tzinfo is None else found)
    except ValueError as error:
        raise ConfigError(f"{option} {text}: not a time; write 2026-01-31, 2026-01-31T12:00 or 2026-01-31T11:00:00Z") from error


def readings(
    historian: Historian,
    span: Span,
    *,
    tags: Sequence[str] = (),
    step_s: float | None = None,
    stated: Mapping[str, str] = MappingProxyType({}),
) -> Sheet:
    """One row per time, one column per tag.

    Parameters
    ----------
    tags
        Columns; empty = all.
    step_s
        Means on a regular grid whose empty steps stay empty; None = every stored time.
    stated
        Units of the site file, for tags whose readings were stored without one.

    Raises
    ------
    NotFoundError
        If there are no readings, or none of a named tag.
    """
    units = {name: unit or stated.get(name, "") for name, unit in historian.units().items()}
    unknown = [tag for tag in tags if tag not in units]
    if unknown or not units:
        raise NotFoundError(f"no readings of {', '.join(unknown) or 'anything'} (there are: {', '.join(sorted(units)) or 'none'})")
    chosen = list(tags) or sorted(units)
    table = historian.table(chosen, span.since, span.until, step_s=step_s)
    whole = table if step_s is None else gridded(table, step_s)
    columns = (SheetColumn(name="time", kind="time"), *(SheetColumn(name=tag, unit=units[tag]) for tag in chosen))
    return Sheet(columns=columns, rows=_table_rows(whole, chosen))


def gridded(table: Table, step_s: float) -> Table:
    """The table with a row for every step between its first and last; steps that had none are NaN."""
    if len(table) < 2:
        return table
    step = np.timedelta64(round(step_s * 1e6), "us")
    times = np.arange(table.times[0], table.times[-1] + step, step)
    places = np.searchsorted(times, table.times)
    columns: dict[str, Floats] = {}
    for name, column in table.columns.items():
        columns[name] = np.full(times.size, np.nan)
        columns[name][places] = column
    return Table(times=times, columns=columns)


def _table_rows(table: Table, names: Sequence[str]) -> Iterator[tuple[Cell, ...]]:
    stamps = table.times.astype(np.int64).tolist()
    columns = [table.columns[name].tolist() for name in names]
    for row, stamp in enumerate(stamps):
        yield (instant_of(stamp), *(column[row] for column in columns))


def forecasts(historian: Historian, span: Span, *, targets: Sequence[str] = ()) -> Sheet:
    """Every forecast issued in the span, step by step, with what came (empty where it is not known)."""
    names = ("p10", "p50", "p90", "actual")
    columns = (
        SheetColumn(name="issue_time", kind="time"),
        SheetColumn(name="target_time", kind="time"),
        SheetColumn(name="target", kind="text"),
        SheetColumn(name="unit", kind="text"),
        *(SheetColumn(name=name) for name in names),
        SheetColumn(name="model", kind="text"),
    )
    return Sheet(columns=columns, rows=_forecast_rows(historian, span, frozenset(targets)))


def _forecast_rows(historian: Historian, span: Span, targets: frozenset[str]) -> Iterator[tuple[Cell, ...]]:
    for begin, end in _days(historian, span):
        issued = historian.records("forecast", Forecast, since=begin, until=end)
        wanted = [forecast for forecast in issued if not targets or forecast.target in targets]
        if not wanted:
            continue
        last = max(forecast.p50.end for forecast in wanted)
        came = historian.table(sorted({forecast.target for forecast in wanted}), begin, last)
        for forecast in wanted:
            yield from _one_forecast(forecast, came)


def _one_forecast(forecast: Forecast, came: Table) -> Iterator[tuple[Cell, ...]]:
    middle = forecast.p50
    edges = [microseconds(middle.time(step)) for step in range(len(middle.values) + 1)]
    places = np.searchsorted(came.times.astype(np.int64), edges)
    column = came.columns[forecast.target]
    for step, (first, stop) in enumerate(pairwise(places)):
        known = column[first:stop][np.isfinite(column[first:stop])]
        yield (
            forecast.made_at,
            middle.time(step),
            forecast.target,
            middle.unit,
            forecast.p10.values[step],
            middle.values[step],
            forecast.p90.values[step],
            float(known.mean()) if known.size else None,
            forecast.model_id,
        )


def _days(historian: Historian, span: Span) -> Iterator[tuple[datetime, datetime]]:
    """The span in parts that fit into memory."""
    ends = [entry.time for newest in (False, True) for entry in historian.entries("forecast", newest_first=newest, limit=1)]
    if not ends:
        return
    begin = max(span.since, min(ends)) if span.since else min(ends)
    stop = min(span.until, max(ends) + timedelta(microseconds=1)) if span.until else max(ends) + timedelta(microseconds=1)
    while begin < stop:
        end = min(begin + timedelta(days=1), stop)
        yield begin, end
        begin = end


def commands(historian: Historian, span: Span) -> Sheet:
    """Every command with its reason and its one outcome (empty while it is open)."""
    columns = (
        SheetColumn(name="at", kind="time"),
        SheetColumn(name="expires", kind="time"),
        SheetColumn(name="id", kind="text"),
        SheetColumn(name="asset", kind="text"),
        SheetColumn(name="action", kind="text"),
        SheetColumn(name="setpoint"),
        SheetColumn(name="reason", kind="text"),
        SheetColumn(name="words", kind="text"),
        SheetColumn(name="expected_power", unit="kW"),
        SheetColumn(name="outcome", kind="text"),
        SheetColumn(name="ended_at", kind="time"),
        SheetColumn(name="written_at", kind="time"),
        SheetColumn(name="setpoint_read"),
        SheetColumn(name="running_read", kind="truth"),
        SheetColumn(name="measured_power", unit="kW"),
        SheetColumn(name="outcome_words", kind="text"),
    )
    return Sheet(columns=columns, rows=_command_rows(historian, span))


def _command_rows(historian: Historian, span: Span) -> Iterator[tuple[Cell, ...]]:
    outcomes = {outcome.command_id: outcome for outcome in historian.records("outcome", Outcome, since=span.since)}
    for order in historian.records("command", Command, since=span.since, until=span.until):
        end = outcomes.get(order.id)
        head = (order.at, order.expires, order.id, order.asset, order.action.value, order.setpoint, order.reason.value, order.words)
        tail: tuple[Cell, ...] = (None,) * 7
        if end is not None:
            measured = (end.setpoint_read, end.running_read, end.power_measured_kw)
            tail = (end.kind.value, end.time, end.written_at, *measured, end.words)
        yield (*head, order.expected_power_kw, *tail)


def kpi(historian: Historian, span: Span, currency: str) -> Sheet:
    """The key figures of every span that was journalled."""
    units = {"energy_kwh": "kWh", "cost": currency, "demand_peak_kw": "kW", "co2_kg": "kg", "served_share": "1", "health_min": "1"}
    whole = {"starts", "violations"}
    columns = []
    for field in fields(Kpi):
        kind = "time" if field.name in {"start", "end"} else "whole" if field.name in whole else "number"
        columns.append(SheetColumn(name=field.name, kind=kind, unit=units.get(field.name, "")))  # type: ignore[arg-type]  # a Kind
    found = historian.records("kpi", Kpi, since=span.since, until=span.until)
    return Sheet(columns=tuple(columns), rows=(tuple(getattr(each, field.name) for field in fields(Kpi)) for each in found))


def journal(historian: Historian, span: Span) -> Sheet:
    """Every entry with its hash: a copy whose chain another program can check."""
    columns = (
        SheetColumn(name="seq", kind="whole"),
        SheetColumn(name="id", kind="text"),
        SheetColumn(name="time", kind="time"),
        SheetColumn(name="cycle", kind="text"),
        SheetColumn(name="kind", kind="text"),
        SheetColumn(name="body", kind="json"),
        SheetColumn(name="hash", kind="text"),
    )
    chain = historian.chain(span.since, span.until)
    rows = ((entry.seq, entry.id, entry.time, entry.cycle, entry.kind, entry.body, key) for entry, key in chain)
    return Sheet(columns=columns, rows=rows)
