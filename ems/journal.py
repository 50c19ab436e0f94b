"""The journal: what was seen, decided, sent and found, one row each, chained so that no row can change unnoticed."""

from __future__ import annotations

import functools
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from ems.database import Database
from ems.readings import instant_of, microseconds
from ems.tables import head_table, journal_table, part_table
from plant.errors import HistorianError, NotFoundError
from plant.identity import canonical, content_id, digest
from plant.times import iso

Record = TypeVar("Record")

KINDS = (
    "run", "situation", "plan", "verdict", "command", "outcome", "event", "alarm", "approval", "kpi",
    "nothing", "forecast", "health", "cycle", "request", "calibration", "mode", "lock",
    "maintenance",
)  # fmt: skip
_CUT = frozenset({"situation"})
"""Kinds that hold other records: cut into them, so that what was journalled anyway, or never changes, is stored once."""
_GENESIS = "0" * 64
_LARGE = 2048
_PIECE = 512
_PAGE = 500
_MARK = re.compile(r'\{"\$part":"([0-9a-f]{64})"\}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of the journal."""

    seq: int
    """1, 2, 3 … without gaps."""
    id: str
    """The record's own id where it has one."""
    time: datetime
    cycle: str
    kind: str
    body: str
    """The record as canonical JSON."""


class Journal:
    """Append and query; nothing is ever changed or removed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, kind: str, records: Sequence[object], *, cycle: str, time: datetime) -> list[str]:
        """Add records of one kind, in their order; on the disk when it returns.

        Returns
        -------
        list[str]
            Ids of the entries: the record's own `id`, else a hash of kind, cycle, time and content.

        Raises
        ------
        HistorianError
            If the kind is unknown, a number is NaN or infinite, or the database refuses.
        """
        return self.append_all([(kind, records)], cycle=cycle, time=time)

    def append_all(self, groups: Sequence[tuple[str, Sequence[object]]], *, cycle: str, time: datetime) -> list[str]:
        """Add records of several kinds in one transaction: one wait for the disk instead of one per kind."""
        texts: dict[int, str] = {}
        drafts = [_draft(kind, record, cycle, time, texts) for kind, records in groups for record in records]
        if not drafts:
            return []
        parts: dict[str, bytes] = {}
        with self._database.writing(durable=True) as connection:
            if not self._database.sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(732)"))
            seq, previous = _head(connection)
            rows = []
            for draft in drafts:
                seq += 1
                previous = _chained(previous, seq, draft.id, iso(time), cycle, draft.kind, draft.body)
                head = {"seq": seq, "id": draft.id, "time": microseconds(time), "cycle": cycle, "kind": draft.kind}
                rows.append({**head, "body": _kept(draft, parts), "hash": previous})
            stored = [{"hash": key, "content": content} for key, content in parts.items()]
            self._database.put(connection, part_table, stored, replace=False)
            connection.execute(sa.insert(journal_table), rows)
            self._database.put(connection, head_table, [{"name": "journal", "seq": seq, "hash": previous}], replace=True)
        return [draft.id for draft in drafts]

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
        """Entries in the order they were added.

        Parameters
        ----------
        kind, cycle
            Only these; None = all.
        since, until
            From `since` on and before `until`.
        newest_first, limit
            The newest (or first) `limit` entries.
        after
            Only entries with a higher `seq`: what is new since the last look.
        """
        keep = journal_table.c
        tests = [
            None if kind is None else keep.kind == kind,
            None if cycle is None else keep.cycle == cycle,
            None if since is None else keep.time >= microseconds(since),
            None if until is None else keep.time < microseconds(until),
            None if after is None else keep.seq > after,
        ]
        query = sa.select(journal_table).where(*[test for test in tests if test is not None])
        # with a span of time the index over time is the short way: a bare `seq` would invite a walk over the whole journal
        order = keep.seq if since is None and until is None else sa.literal_column("+journal.seq")
        query = query.order_by(order.desc() if newest_first else order).limit(limit)
        with self._database.reading() as connection:
            return _complete(connection, connection.execute(query).all())

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
        """The records of entries, equal to those that were added.

        Raises
        ------
        HistorianError
            If an entry is not such a record.
        """
        found = self.entries(kind, since=since, until=until, cycle=cycle, newest_first=newest_first, limit=limit)
        return [parse(entry, cls) for entry in found]

    def chain(self, since: datetime | None = None, until: datetime | None = None) -> Iterator[tuple[Entry, str]]:
        """Entries with their hashes, in order, streamed: what another program needs to check the chain by itself."""
        low = None if since is None else microseconds(since)
        high = None if until is None else microseconds(until)
        with self._database.reading() as connection:
            for row, entry in _pages(connection):
                if (low is None or row.time >= low) and (high is None or row.time < high):
                    yield entry, row.hash

    def find(self, entry_id: str) -> Entry:
        """The newest entry of an id.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        query = sa.select(journal_table).where(journal_table.c.id == entry_id).order_by(journal_table.c.seq.desc()).limit(1)
        with self._database.reading() as connection:
            found = _complete(connection, connection.execute(query).all())
        if not found:
            raise NotFoundError(f"the journal has no entry {entry_id!r}")
        return found[0]

    def verify(self) -> int:
        """Check every row against the chain.

        Returns
        -------
        int
            Number of rows.

        Raises
        ------
        HistorianError
            If a row was changed, removed or added behind the journal's back; the text names the first such row.
        """
        previous, expected = _GENESIS, 1
        with self._database.reading() as connection:
            for row, entry in _pages(connection):
                if entry.seq != expected:
                    raise HistorianError(f"journal broken: row {expected} is missing (the next one is {entry.seq})")
                previous = _chained(previous, entry.seq, entry.id, iso(entry.time), entry.cycle, entry.kind, entry.body)
                if row.hash != previous:
                    raise HistorianError(
                        f"journal broken at row {entry.seq} ({entry.kind} {entry.id}): its hash does not fit its content"
                    )
                expected += 1
            seq, head = _head(connection)
        if (seq, head) != (expected - 1, previous):
            raise HistorianError(f"journal broken: {seq} rows were written, {expected - 1} are there")
        return expected - 1


@functools.cache
def _adapter(cls: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def parse(entry: Entry, cls: type[Record]) -> Record:
    """The record of an entry.

    Raises
    ------
    HistorianError
        If the entry is not such a record.
    """
    try:
        record: Record = _adapter(cast("Any", cls)).validate_json(entry.body)
    except ValidationError as error:
        raise HistorianError(f"journal row {entry.seq} ({entry.kind} {entry.id}) is not a {cls.__name__}: {error}") from error
    return record


@dataclass(frozen=True, slots=True)
class _Draft:
    id: str
    kind: str
    pieces: tuple[str, ...]
    body: str


def _draft(kind: str, record: object, cycle: str, time: datetime, texts: dict[int, str]) -> _Draft:
    if kind not in KINDS:
        raise HistorianError(f"the journal has no kind {kind!r}: there are {', '.join(KINDS)}")
    try:
        pieces = tuple(_pieces(record, texts)) if kind in _CUT else (_text(record, texts),)
    except (ValueError, TypeError) as error:
        raise HistorianError(f"{kind} cannot be recorded: {error}") from error
    body = "".join(pieces)
    own = getattr(record, "id", None)
    entry_id = own if isinstance(own, str) and own else content_id(kind, cycle, time, digest(body))
    return _Draft(entry_id, kind, pieces, body)


def _text(value: object, texts: dict[int, str]) -> str:
    """Canonical JSON; a record that several entries of one transaction hold is written out once."""
    if not is_dataclass(value):
        return canonical(value)
    key = id(value)
    if key not in texts:
        texts[key] = canonical(value)
    return texts[key]


def _pieces(record: object, texts: dict[int, str]) -> Iterator[str]:
    """The canonical JSON of a record, cut around its fields and the items of its lists."""
    if not is_dataclass(record) or isinstance(record, type):
        yield canonical(record)
        return
    opening = "{"
    for name in sorted(field.name for field in fields(record)):
        value = getattr(record, name)
        yield f'{opening}"{name}":'
        opening = ","
        if not isinstance(value, tuple) or not value:
            yield _text(value, texts)
            continue
        for number, item in enumerate(value):
            yield "," if number else "["
            yield _text(item, texts)
        yield "]"
    yield "{}" if opening == "{" else "}"


def _chained(previous: str, seq: int, *parts: str) -> str:
    """Hash of a row: that of the previous row, then its own fields with their lengths, so that no two rows read alike."""
    return digest("\n".join([previous, str(seq), *(f"{len(part)}:{part}" for part in parts)]))


def _head(connection: sa.Connection) -> tuple[int, str]:
    row = connection.execute(sa.select(head_table).where(head_table.c.name == "journal")).one_or_none()
    return (0, _GENESIS) if row is None else (row.seq, row.hash)


def _kept(draft: _Draft, parts: dict[str, bytes]) -> str:
    """A body with its large pieces taken out; equal pieces of many rows (specs, curves) are stored once."""
    if len(draft.body) < _LARGE or '{"$part":' in draft.body:
        return draft.body
    return "".join(_reference(piece, parts) for piece in draft.pieces)


def _reference(piece: str, parts: dict[str, bytes]) -> str:
    if len(piece) < _PIECE:
        return piece
    key = digest(piece)
    if key not in parts:
        parts[key] = zlib.compress(piece.encode(), 1)
    return f'{{"$part":"{key}"}}'


def _complete(connection: sa.Connection, rows: Sequence[Any]) -> list[Entry]:
    wanted = sorted({key for row in rows for key in _MARK.findall(row.body)})
    parts: dict[str, str] = {}
    for first in range(0, len(wanted), _PAGE):
        query = sa.select(part_table).where(part_table.c.hash.in_(wanted[first : first + _PAGE]))
        parts |= {part.hash: zlib.decompress(part.content).decode() for part in connection.execute(query)}
    return [_entry(row, parts) for row in rows]


def _entry(row: Any, parts: dict[str, str]) -> Entry:
    body = _MARK.sub(lambda mark: parts.get(mark.group(1), mark.group()), row.body)
    return Entry(seq=row.seq, id=row.id, time=instant_of(row.time), cycle=row.cycle, kind=row.kind, body=body)


def _pages(connection: sa.Connection) -> Iterator[tuple[Any, Entry]]:
    last = 0
    while True:
        query = sa.select(journal_table).where(journal_table.c.seq > last).order_by(journal_table.c.seq).limit(_PAGE)
        rows = connection.execute(query).all()
        if not rows:
            return
        yield from zip(rows, _complete(connection, rows), strict=True)
        last = rows[-1].seq
