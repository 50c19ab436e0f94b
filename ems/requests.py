"""What people ask for, waiting for the controller; and leases: who alone may do a thing."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from pydantic import TypeAdapter

from ems.database import Database
from ems.readings import instant_of, microseconds
from ems.tables import lease_table, request_table
from plant.errors import NotFoundError, RefusedError
from plant.identity import canonical
from plant.orders import Request
from plant.times import iso


class Requests:
    """Requests, oldest first, each taken once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def file(self, request: Request) -> None:
        """Leave a request for the controller; the same request again changes nothing."""
        row = {"id": request.id, "time": microseconds(request.time), "body": canonical(request), "taken": False}
        with self._database.writing() as connection:
            self._database.put(connection, request_table, [row], replace=False)

    def open(self) -> list[Request]:
        """Requests that nobody has taken, in the order they were filed."""
        query = sa.select(request_table.c.body).where(request_table.c.taken.is_(False)).order_by(request_table.c.number)
        with self._database.reading() as connection:
            bodies = connection.execute(query).scalars().all()
        return [_ADAPTER.validate_json(body) for body in bodies]

    def take(self, request_id: str) -> Request:
        """Take a request: it is not open any more.

        Raises
        ------
        NotFoundError
            If there is no open request of this id.
        """
        chosen = sa.and_(request_table.c.id == request_id, request_table.c.taken.is_(False))
        with self._database.writing() as connection:
            body = connection.execute(sa.select(request_table.c.body).where(chosen).with_for_update()).scalar()
            if body is None:
                raise NotFoundError(f"there is no open request {request_id!r}")
            connection.execute(sa.update(request_table).where(chosen).values(taken=True))
        return _ADAPTER.validate_json(body)


_ADAPTER = TypeAdapter(Request)


def this_process() -> str:
    """A holder's name that tells this computer and process: `host@start:pid`.

    The start (where the system tells it) is there because numbers of processes come again: in a container that was started
    anew the program often has the very number that its killed predecessor had.
    """
    return f"{socket.gethostname()}@{_started(os.getpid())}:{os.getpid()}"


class Leases:
    """A lease is held by one holder until it ends, is given up, or its process is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def acquire(self, name: str, holder: str, now: datetime, ttl_s: float) -> None:
        """Hold a lease from now on.

        Parameters
        ----------
        holder
            Who; `this_process()` lets a later one see that a killed process holds nothing any more.
        now, ttl_s
            It ends `ttl_s` seconds after `now` unless renewed.

        Raises
        ------
        RefusedError
            If another holds it; the text says who and until when.
        """
        with self._database.writing() as connection:
            if not self._database.sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(733)"))
            row = connection.execute(sa.select(lease_table).where(lease_table.c.name == name)).one_or_none()
            if row is not None and row.holder != holder and row.until > microseconds(now) and not process_gone(row.holder):
                until = iso(instant_of(row.until))
                raise RefusedError(f"{name} is held by {row.holder} until {until}: only one may do this at a time")
            lease = {"name": name, "holder": holder, "until": microseconds(now + timedelta(seconds=ttl_s))}
            self._database.put(connection, lease_table, [lease], replace=True)

    def renew(self, name: str, holder: str, now: datetime, ttl_s: float) -> None:
        """Hold on.

        Raises
        ------
        RefusedError
            If it is not this holder's any more.
        """
        mine = sa.and_(lease_table.c.name == name, lease_table.c.holder == holder)
        until = microseconds(now + timedelta(seconds=ttl_s))
        with self._database.writing(durable=False) as connection:
            kept = connection.execute(sa.update(lease_table).where(mine).values(until=until)).rowcount
        if not kept:
            raise RefusedError(f"{name} is not held by {holder} any more")

    def give_up(self, name: str, holder: str) -> None:
        """Let go; nothing happens if it is not this holder's."""
        mine = sa.and_(lease_table.c.name == name, lease_table.c.holder == holder)
        with self._database.writing() as connection:
            connection.execute(sa.delete(lease_table).where(mine))


def process_gone(holder: str) -> bool:
    """Whether the holder was a process of this computer that does not run any more."""
    place, _, process = holder.rpartition(":")
    host, _, started = place.partition("@")
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return started not in {"", _started(int(process))}


def _started(process: int) -> str:
    """When a process began, in ticks since this computer did; empty where the system does not tell."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except OSError:
        return ""
