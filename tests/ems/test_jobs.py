"""Jobs: each due time once, whoever asks; missed ones are made up for; a failed one is an event."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ems.config import LoadedSite
from ems.historian import Historian
from ems.issued import Notices
from ems.jobs import Job, Jobs, JobState, StoppedError
from ems.worker import Worker, due
from plant.errors import NotFoundError, RefusedError
from plant.events import Event
from tests.ems.waterworks import loaded

T0 = datetime(2026, 3, 29, 5, 0, tzinfo=UTC)


def test_a_due_time_is_claimed_once(url: str) -> None:
    with Historian(url) as first, Historian(url) as second:
        job = Jobs(first.database).claim("train", T0, T0)
        assert job is not None
        assert Jobs(second.database).claim("train", T0, T0) is None
        assert Jobs(second.database).claim("accuracy", T0, T0) is not None
        Jobs(first.database).update(replace(job, state=JobState.DONE, ended=T0))
        assert Jobs(second.database).claim("train", T0, T0) is None
        assert Jobs(second.database).claim("train", T0 + timedelta(days=1), T0) is not None
        assert Jobs(second.database).last_due("train") == T0 + timedelta(days=1)


def test_the_job_of_a_killed_worker_is_taken_again(url: str) -> None:
    program = (
        "import sys; from datetime import UTC, datetime; from ems.historian import Historian; from ems.jobs import Jobs; "
        "time = datetime(2026, 3, 29, 5, tzinfo=UTC); Jobs(Historian(sys.argv[1]).database).claim('train', time, time)"
    )
    subprocess.run([sys.executable, "-c", program, url], check=True)
    with Historian(url) as historian:
        jobs = Jobs(historian.database)
        assert [job.name for job in jobs.waiting(T0)] == ["train"]
        again = jobs.claim("train", T0, T0)
        assert again is not None
        assert again.words == "taken again: its worker was gone"
        assert jobs.waiting(T0) == []


def test_asking_and_cancelling(url: str) -> None:
    with Historian(url) as historian:
        jobs = Jobs(historian.database)
        asked = jobs.ask("train", T0, "anna")
        assert jobs.waiting(T0) == [asked]
        assert jobs.cancel(asked.id, T0, "ben").state is JobState.CANCELLED
        assert jobs.waiting(T0) == []
        with pytest.raises(RefusedError, match="is cancelled: it cannot be cancelled"):
            jobs.cancel(asked.id, T0, "ben")
        with pytest.raises(NotFoundError, match="no job 'j-x'"):
            jobs.cancel("j-x", T0, "ben")
        running = jobs.claim("train", T0 + timedelta(days=1), T0)
        assert running is not None
        jobs.cancel(running.id, T0, "ben")
        with pytest.raises(StoppedError, match="was cancelled"):
            jobs.update(running)


def test_due_times_follow_local_time(tmp_path: Path) -> None:
    """02:00 in Berlin does not exist on 29 March 2026; the day has one training all the same."""
    site = loaded(tmp_path).site
    assert due(site, "train", T0) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert due(site, "train", datetime(2026, 3, 30, 5, tzinfo=UTC)) == datetime(2026, 3, 30, 0, 0, tzinfo=UTC)
    assert due(site, "train", datetime(2026, 3, 28, 0, 30, tzinfo=UTC)) == datetime(2026, 3, 27, 1, 0, tzinfo=UTC)
    assert due(site, "forecast", T0 + timedelta(minutes=17)) == T0 + timedelta(minutes=15)
    assert due(site, "retention", T0) is None


class Clock:
    def __init__(self) -> None:
        self.time = T0

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def here(tmp_path: Path) -> LoadedSite:
    return loaded(tmp_path)


def worker(here: LoadedSite, historian: Historian, clock: Clock, done: list[str]) -> Worker:
    made = Worker(here, historian, clock)

    def work(progress: object) -> str:
        done.append("train")
        return "well"

    made._work["train"] = work
    return made


def test_two_workers_do_a_job_once(url: str, here: LoadedSite) -> None:
    done: list[str] = []
    clock = Clock()
    with Historian(url) as one, Historian(url) as other:
        workers = [worker(here, historian, clock, done) for historian in (one, other)]
        for each in (*workers, *workers):
            each.do_due("train")
        assert done == ["train"]
        clock.time += timedelta(days=1)
        for each in workers:
            each.do_due("train")
        assert done == ["train", "train"]


def test_a_missed_job_is_an_event_and_made_up_for(here: LoadedSite) -> None:
    done: list[str] = []
    clock = Clock()
    with Historian("sqlite://") as historian:
        works = worker(here, historian, clock, done)
        works.do_due("train")
        assert Notices(historian.database).latest() == []
        clock.time += timedelta(days=3)
        job = works.do_due("train")
        assert job is not None
        assert (job.state, job.words, done) == (JobState.DONE, "well", ["train", "train"])
        (event,) = Notices(historian.database).latest()
        assert isinstance(event, Event)
        assert event.kind == "job_missed"
        assert works.do_due("train") is None


def test_a_failed_job_is_an_event_and_the_worker_goes_on(here: LoadedSite) -> None:
    with Historian("sqlite://") as historian:
        works = Worker(here, historian, Clock())
        job = works.do_due("train")
        assert job is not None
        assert job.state is JobState.FAILED
        assert "the historian is empty" in job.words
        (event,) = Notices(historian.database).latest()
        assert isinstance(event, Event)
        assert event.kind == "job_failed"


def test_a_bug_fails_the_job_and_is_not_hidden(here: LoadedSite) -> None:
    with Historian("sqlite://") as historian:
        works = Worker(here, historian, Clock())

        def broken(progress: object) -> str:
            raise ZeroDivisionError("a bug")

        works._work["train"] = broken
        with pytest.raises(ZeroDivisionError):
            works.do_due("train")
        (job,) = works.jobs.newest()
        assert (job.state, job.words) == (JobState.FAILED, "ZeroDivisionError: a bug")


def test_what_was_asked_for_is_done(here: LoadedSite) -> None:
    done: list[str] = []
    with Historian("sqlite://") as historian:
        works = worker(here, historian, Clock(), done)
        works.jobs.ask("train", T0, "anna")
        (job,) = works.do_asked()
        assert isinstance(job, Job)
        assert (job.state, done) == (JobState.DONE, ["train"])
        assert works.do_asked() == []
