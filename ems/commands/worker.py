"""`ems worker` and `ems jobs`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ems.options import JsonOption, SiteOption, WhoOption, lists_by_itself, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.table import Table as RichTable

    from ems.jobs import Job, Jobs


def mount(app: typer.Typer) -> None:
    """Register `ems worker` and `ems jobs`."""
    app.command("worker", epilog="Example: ems worker --site site.toml")(worker)
    jobs = typer.Typer(help="Jobs of the worker: list, ask for, cancel.")
    jobs.command("list", epilog="Example: ems jobs list --site site.toml")(list_jobs)
    jobs.command("run", epilog="Example: ems jobs run train --site site.toml")(run)
    jobs.command("cancel", epilog="Example: ems jobs cancel j-1f0c --who anna")(cancel)
    lists_by_itself(jobs, list_jobs)
    app.add_typer(jobs, name="jobs")


def worker(
    once: Annotated[bool, typer.Option("--once", help="Do what is due and asked for, then stop.")] = False,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch weather and prices, train, forecast, watch accuracy and remove old readings by the site's schedule, until a signal.

    What it does is said on stderr, line by line; `ems jobs list --log` shows it later.
    """
    import logging

    from connectors import wall
    from ems import console
    from ems.jobs import JobState
    from ems.runs import stoppable
    from ems.wording import localised
    from ems.worker import NAMES, Worker, serve
    from plant.errors import EmsError

    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # it warns whenever a look for jobs waits for one being done
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes down whole questions, keys included
    with opened(site) as (loaded, historian), stoppable():
        _log_in(loaded.site.site.timezone)
        works = Worker(loaded, historian)
        if not once:
            serve(works, loaded.site)
            return
        done = [job for name in NAMES if (job := works.do_due(name)) is not None] + works.do_asked()
        left = {name: works.why_not(name) for name in NAMES if name not in [job.name for job in done]}
    zone = loaded.site.site.timezone
    words = [*([] if done else ["nothing was due"])]
    words += [f"not done: {name}: {localised(why, wall.now(), zone)}" for name, why in left.items()]
    console.emit({"jobs": done, "not_done": left}, as_json, (_table(done, zone),) if done else (), "\n".join(words))
    failed = [job for job in done if job.state is JobState.FAILED]
    if failed:
        raise EmsError("; ".join(f"{job.name}: {job.words}" for job in failed))


def _log_in(timezone: str) -> None:
    """Log on stderr, in the site's own time."""
    import logging
    from zoneinfo import ZoneInfo

    from ems.wording import localised
    from plant.times import UTC

    class Line(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            time = datetime.fromtimestamp(record.created, UTC)
            return f"{time.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M:%S %Z} {localised(super().format(record), time, timezone)}"

    shown = logging.StreamHandler()
    shown.setFormatter(Line("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[shown])


def _table(jobs: Sequence[Job], timezone: str) -> RichTable:
    from ems.console import table
    from ems.wording import clock, localised

    shown = table("Jobs", "id", "name", "due", "state", "progress", "words")
    for column in (0, 2):
        shown.columns[column].no_wrap = True
    for job in jobs:
        progress = f"{job.done}/{job.total}" if job.total else ""
        shown.add_row(
            job.id, job.name, clock(job.due, timezone), job.state.value, progress, localised(job.words, job.due, timezone)
        )
    return shown


def list_jobs(
    log: Annotated[bool, typer.Option("--log", help="With each job's log.")] = False,
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first, and the worker's latest events and alarms."""
    from ems import console
    from ems.issued import Notices, time_of
    from ems.jobs import Jobs
    from ems.wording import clock, localised

    with opened(site) as (loaded, historian):
        jobs, notices = Jobs(historian.database).newest(), Notices(historian.database).latest(20)
    timezone = loaded.site.site.timezone
    lines = [f"{job.id}: {line}" for job in jobs for line in job.log] if log else []
    said = [f"{clock(time_of(notice), timezone)} {localised(notice.words, time_of(notice), timezone)}" for notice in notices]
    words = "\n".join([*lines, *said])
    console.emit({"jobs": jobs, "notices": notices}, as_json, (_table(jobs, timezone),), words)


def run(
    name: Annotated[str, typer.Argument(help="weather, prices, train, forecast, accuracy or retention.")],
    who: WhoOption = "operator",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask for a job now; a running worker takes it within seconds."""
    from connectors.wall import now
    from ems.worker import NAMES
    from plant.errors import NotFoundError

    if name not in NAMES:
        raise NotFoundError(f"there is no job {name!r}: one of {', '.join(NAMES)}")
    _changed(site, as_json, lambda jobs: jobs.ask(name, now(), who))


def cancel(
    job: Annotated[str, typer.Argument(help="Id, or its beginning.")],
    who: WhoOption = "operator",
    site: SiteOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a waiting or running job."""
    from connectors.wall import now

    _changed(site, as_json, lambda jobs: jobs.cancel(job, now(), who))


def _changed(site: Path | None, as_json: bool, change: Callable[[Jobs], Job]) -> None:
    from ems import console
    from ems.jobs import Jobs

    with opened(site) as (_, historian):
        job = change(Jobs(historian.database))
    console.emit({"job": job}, as_json, words=f"{job.id} ({job.name}) is {job.state.value}: {job.words}")
