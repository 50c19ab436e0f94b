"""A run's progress on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ems.console import progress, stderr
from ems.cycle import Cycle
from ems.runs import Run
from ems.wording import clock
from plant.kpi import SECONDS_PER_HOUR
from plant.orders import OutcomeKind


@contextmanager
def watched(for_s: float | None) -> Iterator[Callable[[Run, Cycle], None]]:
    """A bar over plant time, with a line for every command that did not do what it should."""
    total = None if for_s is None else for_s / SECONDS_PER_HOUR
    with progress() as bar:
        task = bar.add_task("controlling", total=total)

        def show(run: Run, cycle: Cycle) -> None:
            at = clock(cycle.time, run.works.site.site.timezone)
            hours = (cycle.time - run.started).total_seconds() / SECONDS_PER_HOUR
            bar.update(task, completed=round(hours, 2), description=f"controlling {at}")
            for item in cycle.ended:
                if item.outcome.kind not in {OutcomeKind.CONFIRMED, OutcomeKind.NOT_SENT}:
                    command, outcome = item.command, item.outcome
                    words = f"{command.action.value} {command.asset}: {outcome.kind.value} {outcome.words}"
                    stderr.print(f"{at} {words}", markup=False)

        yield show
