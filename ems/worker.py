"""`ems worker`: what is to be done by the site's schedule, each due time once, missed ones made up for."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.wall import now as wall_now
from ems import market, weather
from ems.accuracy import raise_alarms, watch
from ems.config import LoadedSite
from ems.forecasts import targets
from ems.historian import Historian
from ems.issued import IssuedForecasts, Notices
from ems.jobs import Job, Jobs, JobState, StoppedError
from ems.registry import ModelRecord, State, registry_of
from ems.serving import issue, running
from ems.training import TrainingReport, history_of, train_forecaster, train_health, training_lease
from ems.trial import judge, on_trial
from ems.wording import counted
from plant.errors import EmsError, NotFoundError, RefusedError
from plant.events import Event
from plant.identity import content_id
from plant.site import Site
from plant.times import UTC, floor, iso

log = logging.getLogger(__name__)

TRAINING = "training"
"""Training has a thread of its own: forecasts do not wait for it."""
FETCHING = "fetching"
"""So have questions to services outside: a forecast does not wait for an answer."""
NAMES = ("weather", "prices", "train", "forecast", "accuracy", "retention")
_THREADS = {TRAINING: ("train",), FETCHING: ("weather", "prices"), "default": ("forecast", "accuracy", "retention")}
LOOK_S = 5.0
"""How often the worker looks for jobs that people ask for."""
WATCH_DAYS = 2
MISSED_BY_S = 60.0
_LOG_LINES = 500


def due(site: Site, name: str, now: datetime) -> datetime | None:
    """The latest time, not later than `now`, at which a job was to be done; None if it is not scheduled."""
    schedule, zone = site.learning.schedule, ZoneInfo(site.site.timezone)
    if name == "weather":
        return None if site.weather is None else floor(now, site.weather.every_s)
    if name == "prices":
        return None if site.prices is None else _daily(site.prices.fetch_at, zone, now)
    if name == "train":
        return None if schedule.train_at is None else _daily(schedule.train_at, zone, now)
    if name == "retention":
        return None if schedule.retention_days is None else _daily(schedule.retention_at, zone, now)
    every_s = schedule.accuracy_every_s if name == "accuracy" else schedule.forecast_every_s or site.control.step_s
    return floor(now, every_s)


def undone(site: Site, name: str, now: datetime, last: datetime | None) -> str:
    """Why a job of the schedule has nothing to do."""
    wanted = due(site, name, now)
    if wanted is not None and last is not None and last >= wanted:
        return f"done already for {iso(wanted)}"
    return _UNSCHEDULED.get(name, "") if wanted is None else "another worker does it"


_UNSCHEDULED = {
    "weather": "the site file has no [weather]",
    "prices": "the site file has no [prices]",
    "train": "the site file gives no learning.schedule.train_at",
    "retention": "the site file gives no learning.schedule.retention_days",
}


def _without_model(names: Sequence[str], ready: Sequence[str]) -> str:
    """Words on targets for which no model serves."""
    missing = [name for name in names if name not in ready]
    return f"; no model serves {', '.join(missing)} (`ems models list`, `ems models approve`)" if missing else ""


def _daily(at: str, zone: ZoneInfo, now: datetime) -> datetime:
    today = datetime.combine(now.astimezone(zone).date(), time.fromisoformat(at), tzinfo=zone)
    latest = today if today <= now else today - timedelta(days=1)
    return latest.astimezone(UTC)


@dataclass(slots=True)
class _Progress:
    """A job in progress, written to its record as it goes."""

    jobs: Jobs
    job: Job
    now: Callable[[], datetime]
    stopping: Callable[[], bool]

    def of(self, total: int) -> None:
        """Say how many parts there are."""
        self._kept(replace(self.job, total=total))

    def say(self, words: str) -> None:
        """Add a line to the log; raises StoppedError if the job was cancelled or the worker is to stop."""
        job = self.job
        log.info("%s %s/%s %s", job.name, job.done, job.total, words)
        self._kept(replace(job, log=(*job.log, words)[-_LOG_LINES:]))

    def done(self, words: str) -> None:
        """A part is over; the words say how."""
        self.job = replace(self.job, done=self.job.done + 1)
        self.say(words)

    def _kept(self, job: Job) -> None:
        self.job = replace(job, seen=self.now())
        self.jobs.update(self.job)
        if self.stopping():
            raise StoppedError("the worker was stopped before it was over")


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
        self._work = {
            "weather": self._weather,
            "prices": self._prices,
            "train": self._train,
            "forecast": self._forecast,
            "accuracy": self._accuracy,
            "retention": self._retention,
        }

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
            self._notice("job_missed", job, f"{name} was due at {iso(wanted)} and is made up for now; the last was at {iso(last)}")
        return None if job is None else self.do(job)

    def why_not(self, name: str) -> str:
        """Why a scheduled job has nothing to do now."""
        return undone(self._loaded.site, name, self._now(), self.jobs.last_due(name))

    def do_asked(self, names: Sequence[str] = NAMES) -> list[Job]:
        """Do the jobs that people asked for, those that a killed worker left, and failed ones once more."""
        done = []
        for waiting in self.jobs.waiting(self._now()):
            job = self.jobs.claim(waiting.name, waiting.due, self._now()) if waiting.name in names else None
            if job is not None:
                done.append(self.do(job))
        return done

    def do(self, job: Job) -> Job:
        """Do a claimed job and write how it ended; a fault of the product's own kind fails the job, not the worker."""
        progress = _Progress(self.jobs, job, self._now, lambda: self.stopping)
        log.info("%s due at %s begins%s", job.name, iso(job.due), f" ({job.words})" if job.words else "")
        try:
            words = self._work[job.name](progress)
            return self._ended(progress, JobState.DONE, words)
        except EmsError as error:
            return self._ended(progress, JobState.FAILED, str(error))
        except StoppedError as error:
            return self._laid_down(progress, str(error))
        except KeyboardInterrupt:
            self._laid_down(progress, "its worker was stopped")
            raise
        except BaseException:
            self._ended(progress, JobState.FAILED, traceback.format_exc(limit=1).splitlines()[-1])
            raise

    def _ended(self, progress: _Progress, state: JobState, words: str) -> Job:
        ended = replace(progress.job, state=state, ended=self._now(), words=words)
        try:
            self.jobs.update(ended)
        except StoppedError as error:
            return self._over(replace(ended, state=JobState.CANCELLED, words=str(error)))
        if state is JobState.FAILED:
            self._notice("job_failed", ended, f"{ended.name} due at {iso(ended.due)} failed: {words}")
            return ended
        return self._over(ended)

    def _laid_down(self, progress: _Progress, words: str) -> Job:
        """A job that is not to go on: cancelled, or left to the next worker."""
        left = replace(progress.job, state=JobState.WAITING, holder="", words=words)
        try:
            self.jobs.update(left)
        except StoppedError as error:
            left = replace(left, state=JobState.CANCELLED, words=str(error))
        return self._over(left)

    def _over(self, job: Job) -> Job:
        log.info("%s due at %s is %s: %s", job.name, iso(job.due), job.state.value, job.words)
        return job

    def _notice(self, kind: str, job: Job, words: str) -> None:
        log.warning("%s", words)
        event = Event(id=content_id("e", kind, job.id, job.tries), time=self._now(), kind=kind, asset=None, words=words)
        self._notices.add([event])

    # The jobs

    def _until(self) -> datetime:
        """The end of what is known: now, or the last reading where the plant keeps a time of its own."""
        span = self._historian.span()
        if span is None:
            raise NotFoundError("the historian is empty: there is nothing to work with yet")
        return min(self._now(), span[1] + timedelta(seconds=self._loaded.site.control.step_s))

    def _aged(self, until: datetime) -> str:
        """Words on readings that ended long ago: what was done is as of then, not as of today."""
        days = (self._now() - until).days
        if not days:
            return ""
        return f" (as of {iso(until)}: the last reading is {counted(days, 'day')} old, and nothing was done for the time since)"

    def _weather(self, progress: _Progress) -> str:
        now, span = self._now(), self._historian.span()
        until = now if span is None else self._until()
        return weather.fetch(self._loaded.site, IssuedForecasts(self._historian.database), now, until, progress.say)

    def _prices(self, progress: _Progress) -> str:
        return market.fetch(self._loaded.site, self._loaded.folder, self._now(), progress.say)

    def _train(self, progress: _Progress) -> str:
        loaded, historian, reports = self._loaded, self._historian, list[TrainingReport]()
        names, until = targets(loaded.site), self._until()
        progress.of(len(names) + bool(loaded.site.assets))
        with training_lease(historian, registry_of(loaded, historian), self._now()) as hold:
            table = history_of(loaded.site, historian, until)
            for name in names:
                tried = on_trial(loaded, historian, name)
                if tried:
                    progress.done(f"forecast/{name}: {tried[0].id} is on trial, so no other is trained")
                    continue
                hold(self._now())
                reports.append(train_forecaster(loaded, historian, name, table, self._now(), say=progress.say))
                progress.done(f"{reports[-1].name}: {reports[-1].words}")
            if loaded.site.assets:
                hold(self._now())
                reports.append(train_health(loaded, historian, table, self._now(), say=progress.say))
                progress.done(f"{reports[-1].name}: {reports[-1].words}")
        on = len(names) + bool(loaded.site.assets) - len(reports)
        good = sum(report.ok for report in reports)
        waiting = sum(report.model is not None and report.model.state is State.PENDING for report in reports)
        words = f"{good} of {counted(len(reports), 'model')} trained" + (f"; {on} on trial" if on else "")
        return words + (f"; {waiting} wait for `ems models approve`" if waiting else "") + self._aged(until)

    def _forecast(self, progress: _Progress) -> str:
        names, registry = targets(self._loaded.site), registry_of(self._loaded, self._historian)
        ready = [name for name in names if running(registry, name)]
        progress.of(len(ready))
        time = floor(self._until(), self._loaded.site.control.step_s)
        made, refused = 0, []
        for name in ready:
            try:
                issued = issue(self._loaded, self._historian, name, [time], say=progress.say)
            except RefusedError as error:
                refused.append(name)
                progress.done(str(error))
                continue
            made += len(issued)
            progress.done(f"{name}: by {', '.join(each.model for each in issued) or 'none'}")
        if refused and not self._trained_lately():
            self.jobs.ask("train", self._now(), "forecast: models may not be loaded any more")
        words = f"{counted(made, 'forecast')} of {counted(len(ready) - len(refused), 'target')}"
        words += f"; none of {', '.join(refused)}" if refused else ""
        return words + _without_model(names, ready) + self._aged(time)

    def _accuracy(self, progress: _Progress) -> str:
        registry, until = registry_of(self._loaded, self._historian), self._until()
        records = [record for name in targets(self._loaded.site) for record in running(registry, name)]
        progress.of(len(records))
        found = []
        for record in records:
            found.append(watch(self._loaded, self._historian, record, until - timedelta(days=WATCH_DAYS), until))
            progress.done(f"{record.id}: {found[-1].judged}")
        alarms = raise_alarms(self._historian, found, until)
        if alarms and not self._trained_lately():
            self.jobs.ask("train", self._now(), "accuracy: a model has become worse than promised")
        self._judge(records, until, progress)
        words = f"{counted(len(found), 'model')} watched, {counted(len(alarms), 'alarm')}"
        blind = [each.target for each in found if not each.known]
        words += f"; not judged for lack of readings after their forecasts: {', '.join(blind)}" if blind else ""
        return words + ("" if found else ": none serves yet (`ems models list`)") + self._aged(until)

    def _judge(self, records: list[ModelRecord], until: datetime, progress: _Progress) -> None:
        """End the trials that are over."""
        names = dict.fromkeys(record.name.partition("/")[2] for record in records)
        for challenger in [each for name in names for each in on_trial(self._loaded, self._historian, name)]:
            words = judge(self._loaded, self._historian, challenger, until, self._now())
            if words is not None:
                progress.say(words)

    def _trained_lately(self) -> bool:
        last = self.jobs.last_due("train")
        return last is not None and self._now() - last < timedelta(days=1)

    def _retention(self, progress: _Progress) -> str:
        days = self._loaded.site.learning.schedule.retention_days
        if days is None:
            return "nothing is removed: the site file gives no retention_days"
        progress.of(1)
        before = self._until() - timedelta(days=days)
        readings = self._historian.readings.forget(before)
        forecasts, jobs = IssuedForecasts(self._historian.database).forget(before), self.jobs.forget(before)
        words = f"older than {days} days and removed: {readings:,} readings, {forecasts:,} forecasts, {jobs:,} jobs"
        progress.done(words)
        return words


def serve(worker: Worker, site: Site) -> None:
    """Work by the schedule until a signal comes."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.blocking import BlockingScheduler
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    schedule = site.learning.schedule
    once: dict[str, object] = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    threads = {"default": ThreadPoolExecutor(1), TRAINING: ThreadPoolExecutor(1), FETCHING: ThreadPoolExecutor(1)}
    scheduler = BlockingScheduler(executors=threads, timezone=site.site.timezone)

    def daily(at: str) -> CronTrigger:
        clock = time.fromisoformat(at)
        return CronTrigger(hour=clock.hour, minute=clock.minute, second=clock.second, timezone=site.site.timezone)

    def every(seconds: float) -> IntervalTrigger:
        return IntervalTrigger(seconds=seconds, start_date=floor(wall_now(), seconds), timezone=UTC)

    triggers = {
        "weather": None if site.weather is None else every(site.weather.every_s),
        "prices": None if site.prices is None else daily(site.prices.fetch_at),
        "train": None if schedule.train_at is None else daily(schedule.train_at),
        "forecast": every(schedule.forecast_every_s or site.control.step_s),
        "accuracy": every(schedule.accuracy_every_s),
        "retention": None if schedule.retention_days is None else daily(schedule.retention_at),
    }
    for name, trigger in triggers.items():
        thread = next((thread for thread, names in _THREADS.items() if name in names), "default")
        if trigger is not None:
            scheduler.add_job(worker.do_due, trigger, args=[name], id=name, executor=thread, **once)
            scheduler.add_job(worker.do_due, args=[name], id=f"{name} at the start", executor=thread, **once)
    for thread, names in _THREADS.items():
        scheduler.add_job(worker.do_asked, every(LOOK_S), args=[names], id=f"asked for: {thread}", executor=thread, **once)
    log.info("working for %s until a signal comes", site.site.name)
    try:
        scheduler.start()
    except KeyboardInterrupt:
        worker.stopping = True
        scheduler.shutdown(wait=True)
