"""Decisions derived again by another process while the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from anomaly.monitor import HealthMonitor
from ems.beside import Alongside, beside
from ems.config import LoadedSite
from ems.historian import Historian
from ems.runs import run
from ems.site import build
from plant.errors import HistorianError
from tests.connectors.tank_plant import TankPlant
from tests.ems.small import small_site

HOUR = 3600.0


class Idle(Executor):
    """A process that never begins."""

    def submit(self, fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        return Future()


class Killed(Executor):
    """A process that was killed from outside."""

    def submit(self, fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        raise BrokenProcessPool("terminated abruptly")


class Locked(Executor):
    """A process that cannot read the journal."""

    def submit(self, fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        failed: Future[Any] = Future()
        failed.set_exception(HistorianError("is locked by another program"))
        return failed


def controlled(folder: Path, pool: Executor) -> tuple[int, Any]:
    site = small_site()
    with Historian(f"sqlite:///{folder / 'tank.sqlite'}") as historian:
        works = build(
            LoadedSite(site=site, folder=Path(), file=Path("site.toml")), historian, TankPlant(), {}, HealthMonitor(site, {})
        )
        alongside = Alongside(historian, pool)
        run(works, for_s=2 * HOUR, on_cycle=alongside.follow)
        return len(historian.entries("plan")), alongside.finish()


def test_every_decision_of_a_run_is_derived_again_beside_it(tmp_path: Path) -> None:
    with beside() as pool:
        plans, replay = controlled(tmp_path, pool)
    assert replay.decisions == replay.identical == plans > 0
    assert replay.different == ()


@pytest.mark.parametrize("pool", [Idle(), Killed(), Locked()])
def test_what_the_other_process_has_not_done_is_done_here(tmp_path: Path, pool: Executor) -> None:
    plans, replay = controlled(tmp_path, pool)
    assert replay.decisions == replay.identical == plans > 0
