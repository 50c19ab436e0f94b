"""One cycle of the works: from reading to decision, beside what planning alone takes."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from ems.bench.frame import Bench, Row, limit_row, ratio_row
from plant.ports import Strategy
from plant.situation import Situation

HOURS = 3.0
MOST_S = 2.0
MOST_RATIO = 4.0


def cycle() -> tuple[Row, ...]:
    """The demo's works on its own twin, in this process: median seconds of a cycle's decision, and of its planning alone."""
    from ems.config import historian_url
    from ems.demo import MISMATCH, lay_out
    from ems.historian import Historian
    from ems.learned import learned
    from ems.runs import run
    from ems.served import read_drivers, read_state, served_twin
    from ems.site import build

    with tempfile.TemporaryDirectory() as folder:
        laid = lay_out(Path(folder), 1, 1.0, lambda _: None)
        plant = served_twin(
            laid.loaded,
            read_drivers(laid.drivers),
            start=laid.start,
            end=None,
            seed=laid.seed,
            mismatch=MISMATCH,
            state=read_state(laid.state),
        )
        with Historian(historian_url(laid.loaded)) as historian:
            works = build(laid.loaded, historian, plant, *learned(laid.loaded, historian))
            situations: list[Situation] = []
            done = run(works, for_s=HOURS * 3600.0, on_cycle=lambda _, each: situations.append(each.situation))
            planned = [_seconds(works.strategy, situation) for situation in situations]
        took = statistics.median(each.took_s for each in done.cycles)
    return (
        limit_row(name="cycle", value=took, unit="s", most=MOST_S),
        ratio_row(
            name="cycle-overhead",
            value=took,
            unit="s",
            reference="proposing the plan alone",
            reference_value=statistics.median(planned),
            most=MOST_RATIO,
        ),
    )


def _seconds(strategy: Strategy, situation: Situation) -> float:
    begin = time.perf_counter()
    strategy.propose(situation)
    return time.perf_counter() - begin


BENCHES = (Bench(name="cycle", run=cycle),)
