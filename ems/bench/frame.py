"""What a row of `ems bench` is, and how rows are found and run."""

from __future__ import annotations

import importlib
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from plant.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One promise with what was measured beside its reference in the same run."""

    name: str
    value: float
    unit: str
    reference: str
    """What it was measured against, in words; empty for an absolute promise."""
    reference_value: float | None
    ratio: float | None
    """value / reference_value."""
    goal: str
    """The promise in words, for example `ratio <= 3`."""
    ok: bool | None
    """None = for information, or the peer is not installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One or more rows measured together."""

    name: str
    run: Callable[[], tuple[Row, ...]]
    by_name_only: bool = False
    """Peers and rows of hours: not run unless named."""


def found() -> tuple[Bench, ...]:
    """All benches of `ems/bench`, in the order of their files."""
    package = importlib.import_module("ems.bench")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "frame")
    return tuple(bench for name in names for bench in importlib.import_module(f"ems.bench.{name}").BENCHES)


def chosen(names: list[str]) -> tuple[Bench, ...]:
    """The benches to run: those named (a name or the start of one), or all that need not be named.

    Raises
    ------
    NotFoundError
        If a name fits no bench; the text lists them.
    """
    benches = found()
    for name in names:
        if not any(bench.name.startswith(name) for bench in benches):
            raise NotFoundError(f"no bench {name!r}: there are {', '.join(bench.name for bench in benches)}")
    if not names:
        return tuple(bench for bench in benches if not bench.by_name_only)
    return tuple(bench for bench in benches if any(bench.name.startswith(name) for name in names))


def run(benches: tuple[Bench, ...]) -> Iterator[Row]:
    """The rows of benches, one bench after the other."""
    for bench in benches:
        yield from bench.run()


def ratio_row(*, name: str, value: float, unit: str, reference: str, reference_value: float, most: float) -> Row:
    """A row that promises `value <= most × reference_value`."""
    ratio = value / reference_value
    return Row(
        name=name, value=value, unit=unit, reference=reference, reference_value=reference_value, ratio=ratio,
        goal=f"ratio <= {most:g}", ok=ratio <= most,
    )  # fmt: skip


def limit_row(*, name: str, value: float, unit: str, most: float) -> Row:
    """A row that promises `value <= most`."""
    return Row(
        name=name,
        value=value,
        unit=unit,
        reference="",
        reference_value=None,
        ratio=None,
        goal=f"<= {most:g} {unit}",
        ok=value <= most,
    )


def cpu_s(work: Callable[[], object], repeat: int = 5) -> float:
    """Median CPU seconds (user and system, this process) of `repeat` calls, after one that does not count."""
    work()
    spans = []
    for _ in range(repeat):
        begin = time.process_time()
        work()
        spans.append(time.process_time() - begin)
    return statistics.median(spans)


def wall_s(work: Callable[[], object], repeat: int = 5) -> float:
    """Median wall seconds of `repeat` calls, after one that does not count."""
    work()
    spans = []
    for _ in range(repeat):
        begin = time.perf_counter()
        work()
        spans.append(time.perf_counter() - begin)
    return statistics.median(spans)
