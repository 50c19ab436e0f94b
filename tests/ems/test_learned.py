"""What is learned at the start of a run, by whom ever it is learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ems.config import LoadedSite
from ems.historian import Historian
from ems.learned import Learning, learned
from plant.series import Forecast
from plant.table import Table
from tests.connectors.tank_plant import START
from tests.ems.small import small_site

DAYS, STEP_S = 14, 900.0


class Busy(Executor):
    """A process that has something else to do."""

    def submit(self, fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        return Future()


class Killed(Executor):
    """A process that dies over its work."""

    def submit(self, fn: Callable[..., Any], /, *_args: Any, **_kwargs: Any) -> Future[Any]:
        failed: Future[Any] = Future()
        failed.set_exception(BrokenProcessPool("terminated abruptly"))
        return failed


def history() -> Table:
    rows = round(DAYS * 86400 / STEP_S)
    times = np.datetime64(START.replace(tzinfo=None) - timedelta(days=DAYS), "us") + np.arange(rows) * np.timedelta64(900, "s")
    demand = 2.0 + np.sin(np.arange(rows) / 96.0 * 2.0 * np.pi) + np.random.default_rng(5).normal(scale=0.1, size=rows)
    return Table(times=times, columns={"demand": demand})


@pytest.fixture
def site() -> LoadedSite:
    made = small_site()
    # a seasonal mean learns in no time
    quick = replace(made, learning=replace(made.learning, forecaster="week_mean"))
    return LoadedSite(site=quick, folder=Path(), file=Path("site.toml"))


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    with Historian(f"sqlite:///{tmp_path / 'tank.sqlite'}") as opened:
        yield opened


def forecast(learning: Learning, said: list[str]) -> tuple[Forecast, list[str]]:
    return learning.forecasters()["demand"].predict(history(), None, START, 8), said


@pytest.mark.parametrize("beside", [ThreadPoolExecutor(1), Busy(), Killed(), None])
def test_who_learned_a_forecaster_changes_nothing(site: LoadedSite, historian: Historian, beside: Executor | None) -> None:
    historian.write_table(history(), {"demand": "m3/h"})
    alone, with_other = list[str](), list[str]()
    expected = forecast(Learning(site, historian, alone.append), alone)
    assert forecast(Learning(site, historian, with_other.append, beside), with_other) == expected
    assert alone == ["learned to forecast demand"]


def test_without_history_nothing_is_learned_and_that_is_said(site: LoadedSite, historian: Historian) -> None:
    said = list[str]()
    forecasters, monitor = learned(site, historian, said.append)
    assert forecasters == {}
    assert monitor.learners == {}
    assert said == ["the historian is empty: forecasts stay flat and health is unknown until there is history"]
