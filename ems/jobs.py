"""Jobs of the worker: each due time is done once, by one worker, and what became of it stays on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from pydantic import TypeAdapter

from ems.database import Database
from ems.readings import instant_of, microseconds
from ems.requests import process_gone, this_process
from ems.tables import job_table
from plant.errors import NotFoundError, RefusedError
from plant.identity import canonical, content_id


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    """Asked for by a person, not yet taken by a worker."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job for one due time."""

    id: str
    name: str
    """`train`, `forecast`, `accuracy` or `retention`."""
    due: datetime
    state: JobState
    holder: str
    """Worker that has it, `host:pid`."""
    started: datetime | None = None
    ended: datetime | None = None
    done: int = 0
    total: int = 0
    """Progress: so many of so many parts."""
    words: str = ""
    log: tuple[str, ...] = ()


_ADAPTER = TypeAdapter(Job)


class Jobs:
    """The jobs of a site."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, name: str, due: datetime, now: datetime) -> Job | None:
        """Take a job for a due time; None if some worker has or had it.

        A job whose worker is gone (killed) may be taken again.
        """
        job = Job(id=_id(name, due), name=name, due=due, state=JobState.RUNNING, holder=this_process(), started=now)
        with self._database.writing() as connection:
            self._lock(connection)
            body = connection.execute(sa.select(job_table.c.body).where(job_table.c.id == job.id)).scalar()
            if body is None:
                connection.execute(sa.insert(job_table), [_row(job)])
                return job
            before = _ADAPTER.validate_json(body)
            gone = before.state is JobState.RUNNING and process_gone(before.holder)
            if before.state is not JobState.WAITING and not gone:
                return None
            taken = replace(job, words="taken again: its worker was gone" if gone else "")
            self._write(connection, taken)
            return taken

    def ask(self, name: str, now: datetime, who: str) -> Job:
        """Ask for a job now; the next worker takes it."""
        job = Job(id=_id(name, now), name=name, due=now, state=JobState.WAITING, holder="", words=f"asked for by {who}")
        with self._database.writing() as connection:
            self._database.put(connection, job_table, [_row(job)], replace=False)
        return job

    def update(self, job: Job) -> None:
        """Write a running job's progress, log or end.

        Raises
        ------
        RefusedError
            If it was cancelled meanwhile.
        """
        with self._database.writing(durable=False) as connection:
            self._lock(connection)
            query = sa.select(job_table.c.state).where(job_table.c.id == job.id)
            if connection.execute(query).scalar() == JobState.CANCELLED.value:
                raise RefusedError(f"job {job.id} was cancelled")
            self._write(connection, job)

    def cancel(self, job_id: str, now: datetime, who: str) -> Job:
        """Cancel a waiting or running job; a running one ends at its next part.

        Raises
        ------
        NotFoundError
            If there is no such job.
        RefusedError
            If it has ended.
        """
        with self._database.writing() as connection:
            self._lock(connection)
            job = self._get(connection, job_id)
            if job.state not in {JobState.WAITING, JobState.RUNNING}:
                raise RefusedError(f"job {job.id} is {job.state.value}: it cannot be cancelled")
            cancelled = replace(job, state=JobState.CANCELLED, ended=now, words=f"cancelled by {who}")
            self._write(connection, cancelled)
        return cancelled

    def newest(self, limit: int = 50) -> Sequence[Job]:
        """The newest jobs, newest first."""
        query = sa.select(job_table.c.body).order_by(job_table.c.due.desc(), job_table.c.id).limit(limit)
        with self._database.reading() as connection:
            return [_ADAPTER.validate_json(body) for body in connection.execute(query).scalars()]

    def waiting(self) -> Sequence[Job]:
        """Jobs asked for and not yet taken, oldest first; and running ones whose worker is gone."""
        states = (JobState.WAITING.value, JobState.RUNNING.value)
        query = sa.select(job_table.c.body).where(job_table.c.state.in_(states)).order_by(job_table.c.due)
        with self._database.reading() as connection:
            found = [_ADAPTER.validate_json(body) for body in connection.execute(query).scalars()]
        return [job for job in found if job.state is JobState.WAITING or process_gone(job.holder)]

    def last_due(self, name: str) -> datetime | None:
        """The newest due time of a name that any worker has taken; None if there is none."""
        query = sa.select(sa.func.max(job_table.c.due)).where(job_table.c.name == name)
        with self._database.reading() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else instant_of(found)

    def _get(self, connection: sa.Connection, job_id: str) -> Job:
        query = sa.select(job_table.c.body).where(job_table.c.id.startswith(job_id, autoescape=True)).limit(2)
        bodies = connection.execute(query).scalars().all()
        if len(bodies) != 1 or not job_id:
            raise NotFoundError(f"there is no job {job_id!r}; see `ems jobs list`")
        return _ADAPTER.validate_json(bodies[0])

    def _lock(self, connection: sa.Connection) -> None:
        if not self._database.sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(735)"))

    def _write(self, connection: sa.Connection, job: Job) -> None:
        connection.execute(sa.update(job_table).where(job_table.c.id == job.id).values(**_row(job)))


def _id(name: str, due: datetime) -> str:
    return content_id("j", name, due)


def _row(job: Job) -> dict[str, object]:
    return {"id": job.id, "name": job.name, "due": microseconds(job.due), "state": job.state.value, "body": canonical(job)}
