"""The historian: readings, journal, requests and leases of one site in one database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

from ems.database import Database
from ems.journal import Entry, Journal, parse
from ems.readings import Readings
from ems.requests import Leases, Requests, this_process
from plant.orders import Request
from plant.table import Table
from plant.tags import Reading, Snapshot

__all__ = ["Entry", "Historian", "parse", "this_process"]

Record = TypeVar("Record")


class Historian:
    """What a site has measured and what was decided.

    Several processes may open the same one; only `ems run` appends to the journal.

    Parameters
    ----------
    url
        SQLAlchemy URL (`ems.config.historian_url`): SQLite file or PostgreSQL. Missing tables are made.
    patience_s
        How long a write waits for another program's write.

    Raises
    ------
    HistorianError
        If the database cannot be opened, is locked, read-only, full or damaged (also by every method).
    ConfigError
        If the URL is not one.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0) -> None:
        self.database = Database(url, patience_s=patience_s)
        try:
            self.database.prepare()
        except BaseException:
            self.database.close()
            raise
        self.readings = Readings(self.database)
        self.journal = Journal(self.database)
        self.requests = Requests(self.database)
        self.leases = Leases(self.database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self.database.close()

    # Readings

    def register(self, units: Mapping[str, str]) -> None:
        """See `Readings.register`."""
        self.readings.register(units)

    def units(self) -> dict[str, str]:
        """See `Readings.units`."""
        return self.readings.units()

    def write_snapshot(self, snapshot: Snapshot) -> None:
        """See `Readings.write_snapshot`."""
        self.readings.write_snapshot(snapshot)

    def write_table(self, table: Table, units: Mapping[str, str] | None = None, *, replace: bool = True) -> int:
        """See `Readings.write_table`."""
        return self.readings.write_table(table, units, replace=replace)

    def table(
        self, tags: Sequence[str], since: datetime | None = None, until: datetime | None = None, *, step_s: float | None = None
    ) -> Table:
        """See `Readings.table`."""
        return self.readings.table(tags, since, until, step_s=step_s)

    def latest(self, tags: Sequence[str] | None = None, *, at: datetime | None = None) -> Snapshot:
        """See `Readings.latest`."""
        return self.readings.latest(tags, at=at)

    def span(self, tags: Sequence[str] | None = None) -> tuple[datetime, datetime] | None:
        """See `Readings.span`."""
        return self.readings.span(tags)

    def rows(
        self, tags: Sequence[str] | None = None, since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[tuple[str, Reading]]:
        """See `Readings.rows`."""
        return self.readings.rows(tags, since, until)

    # Journal

    def append(self, kind: str, records: Sequence[object], *, cycle: str, time: datetime) -> list[str]:
        """See `Journal.append`."""
        return self.journal.append(kind, records, cycle=cycle, time=time)

    def append_all(self, groups: Sequence[tuple[str, Sequence[object]]], *, cycle: str, time: datetime) -> list[str]:
        """See `Journal.append_all`."""
        return self.journal.append_all(groups, cycle=cycle, time=time)

    def entries(
        self,
        kind: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cycle: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
        after: int | None = None,
    ) -> Sequence[Entry]:
        """See `Journal.entries`."""
        return self.journal.entries(
            kind, since=since, until=until, cycle=cycle, newest_first=newest_first, limit=limit, after=after
        )

    def records(
        self,
        kind: str,
        cls: type[Record],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        cycle: str | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> list[Record]:
        """See `Journal.records`."""
        return self.journal.records(kind, cls, since=since, until=until, cycle=cycle, newest_first=newest_first, limit=limit)

    def chain(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[tuple[Entry, str]]:
        """See `Journal.chain`."""
        return self.journal.chain(since, until)

    def find(self, entry_id: str) -> Entry:
        """See `Journal.find`."""
        return self.journal.find(entry_id)

    def verify(self) -> int:
        """See `Journal.verify`."""
        return self.journal.verify()

    # Requests and leases

    def file_request(self, request: Request) -> None:
        """See `Requests.file`."""
        self.requests.file(request)

    def open_requests(self) -> list[Request]:
        """See `Requests.open`."""
        return self.requests.open()

    def take_request(self, request_id: str) -> Request:
        """See `Requests.take`."""
        return self.requests.take(request_id)

    def acquire(self, name: str, holder: str, now: datetime, ttl_s: float) -> None:
        """See `Leases.acquire`."""
        self.leases.acquire(name, holder, now, ttl_s)

    def renew(self, name: str, holder: str, now: datetime, ttl_s: float) -> None:
        """See `Leases.renew`."""
        self.leases.renew(name, holder, now, ttl_s)

    def give_up(self, name: str, holder: str) -> None:
        """See `Leases.give_up`."""
        self.leases.give_up(name, holder)
