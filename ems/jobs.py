"""Jobs of the worker: each due time is done once, by one worker, and what became of it stays on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from pydantic import TypeAdapter

from ems.database import Database
from ems.readings import instant_of, microseconds
from ems.requests import process_gone, this_process
from ems.tables import job_table
from plant.errors import NotFoundError, RefusedError
from plant.identity import canonical, content_id

MOST_TRIES = 3
RETRY_AFTER = timedelta(minutes=10)
"""How long after a failure a job is tried again."""
LOST_AFTER = timedelta(hours=2)
"""A job whose worker has not been heard of for so long has none, wherever that worker ran."""


class StoppedError(Exception):
    """A job is not to go on: it was cancelled, another worker has it, or its worker is to stop. No fault, and caught by none."""


class JobState(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    """Asked for, or laid down by a worker that was stopped; not yet taken."""
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
    """Worker that has it, as `this_process` names it."""
    started: datetime | None = None
    seen: datetime | None = None
    """When its worker was last heard of."""
    ended: datetime | None = None
    tries: int = 1
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

        A job whose worker is gone (killed) may be taken again, and so may one that failed, some minutes later.
        """
        job = Job(id=_id(name, due), name=name, due=due, state=JobState.RUNNING, holder=this_process(), started=now, seen=now)
        with self._database.writing() as connection:
            self._lock(connection)
            body = connection.execute(sa.select(job_table.c.body).where(job_table.c.id == job.id)).scalar()
            if body is None:
                connection.execute(sa.insert(job_table), [_row(job)])
                return job
            before = _ADAPTER.validate_json(body)
            words = _open(before, now)
            if words is None:
                return None
            taken = replace(job, words=words, tries=before.tries + int(before.state is not JobState.WAITING))
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
        StoppedError
            If it was cancelled meanwhile, or another worker has it.
        """
        with self._database.writing(durable=False) as connection:
            self._lock(connection)
            now = self._get(connection, job.id)
            if now.state is JobState.CANCELLED:
                raise StoppedError(f"job {job.id} was cancelled")
            if (now.holder, now.tries) != (job.holder or now.holder, job.tries):
                raise StoppedError(f"job {job.id} is done by {now.holder} now")
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

    def waiting(self, now: datetime) -> Sequence[Job]:
        """Jobs to be taken, oldest first: asked for, left by a worker that is gone, or failed and not yet done since."""
        states = (JobState.WAITING.value, JobState.RUNNING.value, JobState.FAILED.value)
        newest = sa.select(sa.func.max(job_table.c.due).label("due"), job_table.c.name).group_by(job_table.c.name).subquery()
        query = (
            sa.select(job_table.c.body)
            .join(newest, newest.c.name == job_table.c.name)
            .where(job_table.c.state.in_(states))
            .where(sa.or_(job_table.c.state != JobState.FAILED.value, job_table.c.due == newest.c.due))
            .order_by(job_table.c.due)
        )
        with self._database.reading() as connection:
            found = [_ADAPTER.validate_json(body) for body in connection.execute(query).scalars()]
        return [job for job in found if _open(job, now) is not None]

    def forget(self, before: datetime) -> int:
        """Remove jobs that ended and were due before a time (retention); returns how many."""
        over = job_table.c.state.in_([JobState.DONE.value, JobState.FAILED.value, JobState.CANCELLED.value])
        with self._database.writing(durable=False) as connection:
            return connection.execute(sa.delete(job_table).where(over, job_table.c.due < microseconds(before))).rowcount

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


def _open(job: Job, now: datetime) -> str | None:
    """Why a job may be taken; None if it may not."""
    if job.state is JobState.WAITING:
        return job.words
    if job.state is JobState.RUNNING:
        lost = process_gone(job.holder) or now - (job.seen or job.due) > LOST_AFTER
        return "taken again: its worker was gone" if lost else None
    if job.state is JobState.FAILED and job.tries < MOST_TRIES and now - (job.ended or job.due) >= RETRY_AFTER:
        return f"tried again: {job.words}"
    return None


def _id(name: str, due: datetime) -> str:
    return content_id("j", name, due)


def _row(job: Job) -> dict[str, object]:
    return {"id": job.id, "name": job.name, "due": microseconds(job.due), "state": job.state.value, "body": canonical(job)}
