"""`ems worker`: training, forecasts, accuracy and retention by the site's schedule, each due time once, missed ones made up for."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.wall import now as wall_now
from ems.accuracy import raise_alarms, watch
from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian
from ems.issued import Notices
from ems.jobs import Job, Jobs, JobState
from ems.registry import registry_of
from ems.serving import issue, running
from ems.training import TrainingReport, history_of, train_forecaster, train_health, training_lease
from plant.errors import EmsError, NotFoundError, RefusedError
from plant.events import Event
from plant.identity import content_id
from plant.site import Site
from plant.times import UTC, floor, iso

log = logging.getLogger(__name__)

NAMES = ("train", "forecast", "accuracy", "retention")
LOOK_S = 5.0
"""How often the worker looks for jobs that people ask for."""
WATCH_DAYS = 2
MISSED_BY_S = 60.0
_LOG_LINES = 200


def due(site: Site, name: str, now: datetime) -> datetime | None:
    """The latest time, not later than `now`, at which a job was to be done; None if it is not scheduled."""
    schedule, zone = site.learning.schedule, ZoneInfo(site.site.timezone)
    if name == "train":
        return None if schedule.train_at is None else _daily(schedule.train_at, zone, now)
    if name == "retention":
        return None if schedule.retention_days is None else _daily(schedule.retention_at, zone, now)
    every_s = schedule.accuracy_every_s if name == "accuracy" else schedule.forecast_every_s or site.control.step_s
    return floor(now, every_s)


def _daily(at: str, zone: ZoneInfo, now: datetime) -> datetime:
    today = datetime.combine(now.astimezone(zone).date(), time.fromisoformat(at), tzinfo=zone)
    latest = today if today <= now else today - timedelta(days=1)
    return latest.astimezone(UTC)


@dataclass(slots=True)
class _Progress:
    """A job in progress, written to its record as it goes."""

    jobs: Jobs
    job: Job
    stopping: Callable[[], bool]

    def of(self, total: int) -> None:
        self.job = replace(self.job, total=total)
        self.jobs.update(self.job)

    def say(self, words: str, *, part_done: bool = True) -> None:
        """Add a line to the log; raises RefusedError if the job was cancelled or the worker is to stop."""
        log.info("%s: %s", self.job.name, words)
        lines = (*self.job.log, words)[-_LOG_LINES:]
        self.job = replace(self.job, done=self.job.done + int(part_done), log=lines)
        self.jobs.update(self.job)
        if self.stopping():
            raise RefusedError("the worker was stopped before the job was over")


class Worker:
    """Does the jobs of one site.

    Parameters
    ----------
    loaded, historian
        The site.
    now
        The wall's time.
    """

    def __init__(self, loaded: LoadedSite, historian: Historian, now: Callable[[], datetime] = wall_now) -> None:
        self._loaded, self._historian, self._now = loaded, historian, now
        self.jobs = Jobs(historian.database)
        self.stopping = False
        self._notices = Notices(historian.database)
        self._work = {"train": self._train, "forecast": self._forecast, "accuracy": self._accuracy, "retention": self._retention}

    def do_due(self, name: str) -> Job | None:
        """Do a scheduled job if its latest due time has not been done; None if there was nothing to do."""
        now = self._now()
        wanted = due(self._loaded.site, name, now)
        if wanted is None:
            return None
        last = self.jobs.last_due(name)
        if last is not None and last >= wanted:
            return None
        job = self.jobs.claim(name, wanted, now)
        if job is not None and last is not None and (now - wanted).total_seconds() > MISSED_BY_S:
            self._notice("job_missed", job, f"{name} was due at {iso(wanted)} and is made up for now")
        return None if job is None else self.do(job)

    def do_asked(self) -> list[Job]:
        """Do the jobs that people asked for, and those that a killed worker left."""
        claimed = [self.jobs.claim(job.name, job.due, self._now()) for job in self.jobs.waiting()]
        return [self.do(job) for job in claimed if job is not None]

    def do(self, job: Job) -> Job:
        """Do a claimed job and write how it ended; a fault of the product's own kind fails the job, not the worker."""
        progress = _Progress(self.jobs, job, lambda: self.stopping)
        try:
            words = self._work[job.name](progress)
            return self._ended(progress, JobState.DONE, words)
        except EmsError as error:
            return self._ended(progress, JobState.FAILED, str(error))
        except BaseException:
            self._ended(progress, JobState.FAILED, traceback.format_exc(limit=1).splitlines()[-1])
            raise

    def _ended(self, progress: _Progress, state: JobState, words: str) -> Job:
        ended = replace(progress.job, state=state, ended=self._now(), words=words)
        try:
            self.jobs.update(ended)
        except RefusedError:
            return replace(ended, state=JobState.CANCELLED, words="cancelled")
        if state is JobState.FAILED:
            self._notice("job_failed", ended, f"{ended.name} due at {iso(ended.due)} failed: {words}")
        return ended

    def _notice(self, kind: str, job: Job, words: str) -> None:
        log.warning("%s", words)
        event = Event(id=content_id("e", kind, job.id), time=self._now(), kind=kind, asset=None, words=words)
        self._notices.add([event])

    # The jobs

    def _until(self) -> datetime:
        """The end of what is known: now, or the last reading where the plant keeps a time of its own."""
        span = self._historian.span()
        if span is None:
            raise NotFoundError("the historian is empty: there is nothing to work with yet")
        return min(self._now(), span[1] + timedelta(seconds=self._loaded.site.control.step_s))

    def _train(self, progress: _Progress) -> str:
        names, until = targets(self._loaded.site), self._until()
        progress.of(len(names) + bool(self._loaded.site.assets))
        with training_lease(self._historian, registry_of(self._loaded, self._historian), self._now()):
            table = history_of(self._loaded.site, self._historian, until)
            reports: list[TrainingReport] = []
            for name in names:
                reports.append(train_forecaster(self._loaded, self._historian, name, table, self._now()))
                progress.say(f"{reports[-1].name}: {reports[-1].words}")
            if self._loaded.site.assets:
                reports.append(train_health(self._loaded, self._historian, table, self._now()))
                progress.say(f"{reports[-1].name}: {reports[-1].words}")
        return f"{sum(report.ok for report in reports)} of {len(reports)} models trained"

    def _forecast(self, progress: _Progress) -> str:
        names, registry = targets(self._loaded.site), registry_of(self._loaded, self._historian)
        ready = [name for name in names if running(registry, name)]
        progress.of(len(ready))
        time = floor(self._until(), self._loaded.site.control.step_s)
        made, refused = 0, []
        for name in ready:
            try:
                made += len(
                    issue(self._loaded, self._historian, name, [time], say=lambda words: progress.say(words, part_done=False))
                )
                progress.say(name)
            except RefusedError as error:
                if self.stopping:
                    raise
                refused.append(name)
                progress.say(str(error))
        if refused and not self._trained_lately():
            self.jobs.ask("train", self._now(), "forecast: models may not be loaded any more")
        return f"{made} forecasts of {len(ready) - len(refused)} targets" + (f"; none of {', '.join(refused)}" if refused else "")

    def _accuracy(self, progress: _Progress) -> str:
        registry, until = registry_of(self._loaded, self._historian), self._until()
        records = [record for name in targets(self._loaded.site) for record in running(registry, name)]
        progress.of(len(records))
        found = []
        for record in records:
            found.append(watch(self._loaded, self._historian, record, until - timedelta(days=WATCH_DAYS), until))
            progress.say(f"{record.id}: {found[-1].words or 'as promised'}")
        alarms = raise_alarms(self._historian, found, until)
        if alarms and not self._trained_lately():
            self.jobs.ask("train", self._now(), "accuracy: a model has become worse than promised")
        return f"{len(found)} models watched, {len(alarms)} alarms"

    def _trained_lately(self) -> bool:
        last = self.jobs.last_due("train")
        return last is not None and self._now() - last < timedelta(days=1)

    def _retention(self, progress: _Progress) -> str:
        days = self._loaded.site.learning.schedule.retention_days
        if days is None:
            return "nothing is removed: the site file gives no retention_days"
        progress.of(1)
        removed = self._historian.readings.forget(self._until() - timedelta(days=days))
        progress.say(f"{removed:,} readings older than {days} days removed")
        return progress.job.log[-1]


def serve(worker: Worker, site: Site) -> None:
    """Work by the schedule until a signal comes."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    schedule = site.learning.schedule
    once: dict[str, object] = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler = BlockingScheduler(executors={"default": ThreadPoolExecutor(1)}, timezone=site.site.timezone)

    def daily(at: str) -> CronTrigger:
        clock = time.fromisoformat(at)
        return CronTrigger(hour=clock.hour, minute=clock.minute, second=clock.second, timezone=site.site.timezone)

    def every(seconds: float) -> IntervalTrigger:
        return IntervalTrigger(seconds=seconds, start_date=floor(wall_now(), seconds), timezone=UTC)

    triggers = {
        "train": None if schedule.train_at is None else daily(schedule.train_at),
        "forecast": every(schedule.forecast_every_s or site.control.step_s),
        "accuracy": every(schedule.accuracy_every_s),
        "retention": None if schedule.retention_days is None else daily(schedule.retention_at),
    }
    for name, trigger in triggers.items():
        if trigger is not None:
            scheduler.add_job(worker.do_due, trigger, args=[name], id=name, **once)
            scheduler.add_job(worker.do_due, args=[name], id=f"{name} at the start", **once)
    scheduler.add_job(worker.do_asked, every(LOOK_S), id="asked for", **once)
    try:
        scheduler.start()
    except KeyboardInterrupt:
        worker.stopping = True
        scheduler.shutdown(wait=True)
