"""Forecasts as they were issued, by every model that runs, and notices from programs that may not write the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import TypeAdapter

from ems.database import Database
from ems.readings import instant_of, microseconds
from ems.tables import issued_table, notice_table
from plant.events import Alarm, Event
from plant.identity import canonical
from plant.series import Forecast

_FORECAST: TypeAdapter[Forecast] = TypeAdapter(Forecast)
_NOTICES: dict[str, TypeAdapter[Event] | TypeAdapter[Alarm]] = {"event": TypeAdapter(Event), "alarm": TypeAdapter(Alarm)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One forecast and which model of the registry made it."""

    model: str
    forecast: Forecast


class IssuedForecasts:
    """What was known when: forecasts by model, target and issue time; the first one of a time stays."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, issued: Sequence[Issued]) -> None:
        """Keep forecasts; one that was issued for the same time by the same model is not replaced by a later thought."""
        rows = [
            {
                "model": each.model,
                "target": each.forecast.target,
                "issued": microseconds(each.forecast.made_at),
                "body": canonical(each.forecast),
            }
            for each in issued
        ]
        with self._database.writing(durable=False) as connection:
            self._database.put(connection, issued_table, rows, replace=False)

    def of(
        self, target: str, *, model: str | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> list[Issued]:
        """Forecasts of a target by issue time, from `since` on and before `until`."""
        keep = issued_table.c
        tests = [keep.target == target]
        tests += [] if model is None else [keep.model == model]
        tests += [] if since is None else [keep.issued >= microseconds(since)]
        tests += [] if until is None else [keep.issued < microseconds(until)]
        query = sa.select(issued_table).where(*tests).order_by(keep.issued, keep.model)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [Issued(model=row.model, forecast=_FORECAST.validate_json(row.body)) for row in rows]

    def latest(self, target: str, model: str, at: datetime) -> Issued | None:
        """The newest forecast of a model that was issued at or before a time; None if there is none."""
        keep = issued_table.c
        tests = [keep.target == target, keep.model == model, keep.issued <= microseconds(at)]
        query = sa.select(issued_table).where(*tests).order_by(keep.issued.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Issued(model=row.model, forecast=_FORECAST.validate_json(row.body))

    def times(self, target: str, model: str) -> set[datetime]:
        """All issue times of a model."""
        keep = issued_table.c
        query = sa.select(keep.issued).where(keep.target == target, keep.model == model)
        with self._database.reading() as connection:
            return {instant_of(stamp) for stamp in connection.execute(query).scalars()}

    def first(self, target: str, model: str) -> datetime | None:
        """Oldest issue time of a model; None if it has issued none."""
        keep = issued_table.c
        query = sa.select(sa.func.min(keep.issued)).where(keep.target == target, keep.model == model)
        with self._database.reading() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else instant_of(found)

    def forget(self, before: datetime) -> int:
        """Remove forecasts issued before a time (retention); returns how many."""
        with self._database.writing(durable=False) as connection:
            return connection.execute(sa.delete(issued_table).where(issued_table.c.issued < microseconds(before))).rowcount


def time_of(notice: Event | Alarm) -> datetime:
    """When it happened."""
    return notice.time if isinstance(notice, Event) else notice.raised_at


class Notices:
    """Events and alarms of the worker: only the controller writes the journal, everybody may read these."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, notices: Sequence[Event | Alarm]) -> None:
        """Leave notices; the same again changes nothing."""
        rows = [
            {
                "id": each.id,
                "time": microseconds(time_of(each)),
                "kind": "event" if isinstance(each, Event) else "alarm",
                "body": canonical(each),
            }
            for each in notices
        ]
        with self._database.writing() as connection:
            self._database.put(connection, notice_table, rows, replace=False)

    def latest(self, limit: int = 100) -> list[Event | Alarm]:
        """The newest notices, newest first."""
        query = sa.select(notice_table).order_by(notice_table.c.number.desc()).limit(limit)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [_NOTICES[row.kind].validate_json(row.body) for row in rows]
