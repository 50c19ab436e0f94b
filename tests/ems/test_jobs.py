"""Jobs: each due time once, whoever asks; missed ones are made up for; a failed one is an event."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ems.config import LoadedSite
from ems.historian import Historian
from ems.issued import Issued, IssuedForecasts, Notices
from ems.jobs import Job, Jobs, JobState, StoppedError
from ems.requests import process_gone, this_process
from ems.worker import Worker, _Progress, due
from plant.errors import NotFoundError, RefusedError
from plant.events import Event
from plant.series import Forecast, Series
from plant.table import Table
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


def test_a_failed_job_is_tried_again_and_then_left(here: LoadedSite) -> None:
    clock = Clock()
    with Historian("sqlite://") as historian:
        works = Worker(here, historian, clock)
        for attempt in (1, 2, 3):
            (job,) = works.do_asked() if attempt > 1 else [works.do_due("train")]
            assert job is not None
            assert (job.state, job.tries) == (JobState.FAILED, attempt)
            assert works.do_asked() == [], "not at once"
            clock.time += timedelta(minutes=10)
        assert works.do_asked() == []
        assert len(Notices(historian.database).latest()) == 3


def test_a_failed_job_that_succeeded_later_is_not_tried_again(here: LoadedSite) -> None:
    done: list[str] = []
    clock = Clock()
    with Historian("sqlite://") as historian:
        Worker(here, historian, clock).do_due("train")
        clock.time += timedelta(days=1)
        works = worker(here, historian, clock, done)
        works.do_due("train")
        assert works.do_asked() == []
        assert done == ["train"]


def test_a_job_whose_worker_is_not_heard_of_is_taken_by_another(url: str) -> None:
    """On another computer nobody can look whether the process runs: its silence has to do."""
    with Historian(url) as historian:
        jobs = Jobs(historian.database)
        first = jobs.claim("train", T0, T0)
        assert first is not None
        jobs.update(replace(first, seen=T0 + timedelta(hours=1)))
        assert jobs.claim("train", T0, T0 + timedelta(hours=2)) is None
        again = jobs.claim("train", T0, T0 + timedelta(hours=3, minutes=1))
        assert again is not None
        assert again.tries == 2
        with pytest.raises(StoppedError, match="is done by"):
            jobs.update(replace(first, state=JobState.DONE))


def test_a_process_is_not_its_predecessor_of_the_same_number() -> None:
    mine = this_process()
    host, _, process = mine.rpartition(":")
    assert not process_gone(mine)
    assert process_gone(f"{host.partition('@')[0]}@1:{process}")
    assert not process_gone(f"{host.partition('@')[0]}:{process}"), "one that did not say when it began"


def test_a_worker_that_is_stopped_lays_its_job_down(here: LoadedSite) -> None:
    with Historian("sqlite://") as historian:
        works = Worker(here, historian, Clock())

        def work(progress: _Progress) -> str:
            progress.of(2)
            works.stopping = True
            progress.done("the first of two")
            raise AssertionError("it went on")

        works._work["train"] = work
        job = works.do_due("train")
        assert job is not None
        assert (job.state, job.holder) == (JobState.WAITING, "")
        done: list[str] = []
        (again,) = worker(here, historian, Clock(), done).do_asked()
        assert (again.state, again.tries, done) == (JobState.DONE, 1, ["train"])


def test_a_cancelled_job_ends_at_its_next_part(here: LoadedSite) -> None:
    with Historian("sqlite://") as historian:
        works = Worker(here, historian, Clock())

        def work(progress: _Progress) -> str:
            progress.of(2)
            works.jobs.cancel(progress.job.id, T0, "anna")
            progress.done("the first of two")
            raise AssertionError("it went on")

        works._work["train"] = work
        job = works.do_due("train")
        assert job is not None
        assert job.state is JobState.CANCELLED
        (kept,) = works.jobs.newest()
        assert (kept.state, kept.words) == (JobState.CANCELLED, "cancelled by anna")
        assert works.do_asked() == []


def test_retention_takes_forecasts_and_jobs_too(here: LoadedSite) -> None:
    schedule = replace(here.site.learning.schedule, retention_days=2)
    site = replace(here.site, learning=replace(here.site.learning, schedule=schedule))
    with Historian("sqlite://") as historian:
        times = np.datetime64(T0.replace(tzinfo=None), "us") - np.arange(96, 0, -1) * np.timedelta64(1, "h")
        historian.write_table(Table(times=times, columns={"water_demand": np.arange(96.0)}))
        works = Worker(replace(here, site=site), historian, Clock())
        old = works.jobs.claim("forecast", T0 - timedelta(days=3), T0)
        assert old is not None
        works.jobs.update(replace(old, state=JobState.DONE))
        line = Series(start=T0, step_s=3600.0, values=(1.0,), unit="m3/h")
        issued = [
            Issued(
                model="m-1",
                forecast=Forecast(target="water_demand", made_at=time, model_id="m-1", p10=line, p50=line, p90=line),
            )
            for time in (T0 - timedelta(days=3), T0)
        ]
        IssuedForecasts(historian.database).add(issued)
        job = works.do_due("retention")
        assert job is not None
        assert job.words == "older than 2 days and removed: 48 readings, 1 forecasts, 1 jobs"
