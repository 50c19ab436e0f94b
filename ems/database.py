"""The database under the historian: connections, transactions, and its faults in words."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ems.tables import metadata, schema_table
from plant.errors import ConfigError, HistorianError

SCHEMA_VERSION = 2

_SAID = (
    ("database is locked", "is locked by another program; stop that one, or wait until it has finished"),
    ("lock timeout", "is locked by another program; stop that one, or wait until it has finished"),
    ("attempt to write a readonly", "is read-only; give this user the right to write the file and its folder"),
    ("read-only transaction", "is read-only; connect to the primary server with a role that may write"),
    ("database or disk is full", "cannot grow: the disk is full; free space, then start again"),
    ("no space left", "cannot grow: the disk is full; free space, then start again"),
    ("unable to open", "cannot be opened: its folder is missing or this user may not write there"),
    ("file is not a database", "is not a historian: the file holds something else"),
    ("malformed", "is damaged (SQLite finds it malformed); restore the last copy"),
    ("disk i/o error", "cannot be read or written: the disk reports an error"),
    ("connection refused", "does not answer: no PostgreSQL server listens there"),
    ("password authentication failed", "refuses this user or password"),
    ("does not exist", "does not exist"),
)


class Database:
    """Connections to one database.

    SQLite runs in WAL mode, so that readers never wait for the writer; every write transaction takes the write lock at
    its start, so that two writers queue instead of failing half way.

    Parameters
    ----------
    url
        SQLAlchemy URL; `sqlite:///file` or `postgresql+psycopg://…`.
    patience_s
        How long a transaction waits for a lock.

    Raises
    ------
    ConfigError
        If the URL is not one.
    """

    def __init__(self, url: str, *, patience_s: float = 5.0) -> None:
        self.url = url
        try:
            parsed = make_url("postgresql+psycopg" + url[len("postgresql") :] if url.startswith("postgresql://") else url)
        except ArgumentError as error:
            raise ConfigError(f"historian: {url!r} is not a database URL; write for example sqlite:///history.sqlite") from error
        self.shown = parsed.render_as_string(hide_password=True)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._memory = self.sqlite and parsed.database in {None, "", ":memory:"}
        try:
            self.engine = self._engine(parsed, patience_s, durable=False)
            self._durable = self.engine if self._memory or not self.sqlite else self._engine(parsed, patience_s, durable=True)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise ConfigError(f"historian: {self.shown}: {error}; use sqlite:///… or postgresql+psycopg://…") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        self._durable.dispose()

    def _engine(self, url: sa.URL, patience_s: float, *, durable: bool) -> sa.Engine:
        if not self.sqlite:
            options = f"-c lock_timeout={int(patience_s * 1000)}"
            return sa.create_engine(url, connect_args={"options": options, "connect_timeout": 10}, pool_pre_ping=True)
        pool = sa.StaticPool if self._memory else sa.QueuePool
        arguments = {"timeout": patience_s, "check_same_thread": False}
        engine = sa.create_engine(url, connect_args=arguments, poolclass=pool)

        @sa.event.listens_for(engine, "connect")
        def prepare(connection: sqlite3.Connection, _: object) -> None:
            connection.isolation_level = None
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")

        @sa.event.listens_for(engine, "begin")
        def begin(connection: sa.Connection) -> None:
            immediate = connection.get_execution_options().get("ems_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

        return engine

    def prepare(self) -> None:
        """Make the tables that are missing.

        Raises
        ------
        HistorianError
            If the database cannot be opened, or a newer version of the product made it.
        """
        with self.reading() as connection:
            present = sa.inspect(connection).has_table("ems_schema")
            version = connection.execute(sa.select(sa.func.max(schema_table.c.version))).scalar() if present else None
        if version is not None and version > SCHEMA_VERSION:
            raise HistorianError(f"{self.shown} was made by a newer version of twin-ems (tables {version} > {SCHEMA_VERSION})")
        if version == SCHEMA_VERSION:
            return
        with self.writing() as connection:
            if not self.sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(731)"))
            metadata.create_all(connection)
            self.put(connection, schema_table, [{"version": SCHEMA_VERSION}], replace=False)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A read transaction: everything in it sees one state."""
        with self._worded(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sa.Connection]:
        """A write transaction, all or nothing.

        Parameters
        ----------
        durable
            True: on the disk when the block ends. False: may lose the last moments at a power failure, never consistency.
        """
        engine = self._durable if durable else self.engine
        with self._worded(), engine.connect() as plain:
            connection = plain.execution_options(ems_write=True)
            with connection.begin():
                if not self.sqlite and not durable:
                    connection.execute(sa.text("SET LOCAL synchronous_commit TO OFF"))
                yield connection

    def put(self, connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]], *, replace: bool) -> None:
        """Insert rows; where the key exists, replace the row or keep it."""
        if not rows:
            return
        connection.execute(self.put_statement(table, replace=replace), rows)

    def put_statement(self, table: sa.Table, *, replace: bool) -> Any:
        """The insert of `put`."""
        from sqlalchemy.dialects import postgresql, sqlite

        insert: Any = (sqlite if self.sqlite else postgresql).insert(table)
        keys = [column.name for column in table.primary_key]
        if not replace:
            return insert.on_conflict_do_nothing()
        changed = {column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys}
        return insert.on_conflict_do_update(index_elements=keys, set_=changed)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise HistorianError(self._words(error.orig or error)) from error
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise HistorianError(self._words(error)) from error

    def _words(self, error: BaseException) -> str:
        said = str(error).strip()
        for sign, words in _SAID:
            if sign in said.lower():
                return f"historian {self.shown} {words} ({said.splitlines()[0]})"
        return f"historian {self.shown}: {said}"
