"""What became of a run, as `ems run` and `ems demo` print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ems.decide import LADDER
from ems.replay import Replay
from ems.runs import Run
from plant.kpi import SECONDS_PER_HOUR, Kpi
from plant.orders import Action, OutcomeKind, Violation

LEAST_HOURS = 24.0
"""A shorter run cannot be judged by its cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures that are compared."""

    energy_kwh: float
    cost: float
    currency: str
    demand_peak_kw: float
    co2_kg: float
    served_share: float
    starts: int

    @classmethod
    def of(cls, kpi: Kpi, currency: str) -> Figures:
        """The figures of a record."""
        return cls(
            energy_kwh=kpi.energy_kwh,
            cost=kpi.cost,
            currency=currency,
            demand_peak_kw=kpi.demand_peak_kw,
            co2_kg=kpi.co2_kg,
            served_share=kpi.served_share,
            starts=kpi.starts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEnd:
    """Where a store stood at the end: what a run took out of it, or put into it, is in no cost."""

    store: str
    unit: str
    low: float
    high: float
    level: float | None
    """As it was last read; None = unknown."""
    nothing: float | None
    """Doing nothing, by the model; None = not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run."""

    simulated_hours: float
    cycles: int
    strategy: str
    mode: str
    finished: str
    commands: Mapping[str, Mapping[str, int]]
    plans: Mapping[str, int]
    refused_because: Mapping[str, int]
    """Rules that refused plans, with how often."""
    violations: tuple[Violation, ...]
    kpi: Figures | None
    nothing: Figures | None
    """Doing nothing: local control as if this product had never connected; None = not known."""
    stores: tuple[StoreEnd, ...]
    remarks: tuple[str, ...]
    """What has to be known to read the figures."""
    cycle_s: Mapping[str, float]
    replay: Mapping[str, int | None]
    failures: tuple[str, ...]


def report(run: Run, replayed: Replay | None) -> Report:
    """Sum up a run."""
    nothing = run.nothing.total()
    site = run.works.site
    commands = {action.value: {kind.value.lower(): 0 for kind in OutcomeKind} for action in Action}
    plans = {"proposed": 0, "refused": 0, "fallback": 0}
    because: dict[str, int] = {}
    for cycle in run.cycles:
        for item in cycle.ended:
            commands[item.command.action.value][item.outcome.kind.value.lower()] += 1
        for rung, ok, rules in cycle.attempts:
            fallback = rung in LADDER
            plans["fallback" if fallback else "proposed"] += 1
            plans["refused"] += not fallback and not ok
            for rule in rules:
                because[rule] = because.get(rule, 0) + 1
    for item in run.parted:
        commands[item.command.action.value][item.outcome.kind.value.lower()] += 1
    took = [cycle.took_s for cycle in run.cycles] or [0.0]
    total = run.memory.meter.total(None)
    currency = site.site.currency
    hours = ((total.end if total else run.started) - run.started).total_seconds() / SECONDS_PER_HOUR
    decisions = sum(len(cycle.attempts) for cycle in run.cycles)
    return Report(
        simulated_hours=hours,
        cycles=len(run.cycles),
        strategy=site.control.strategy,
        mode=site.control.mode.value,
        finished=run.finished,
        commands=commands,
        plans=plans,
        refused_because=because,
        violations=run.memory.meter.violations,
        kpi=Figures.of(total, currency) if total else None,
        nothing=Figures.of(nothing, currency) if nothing else None,
        stores=_stores(run),
        remarks=remarks(hours),
        cycle_s={"p50": float(np.quantile(took, 0.5)), "p95": float(np.quantile(took, 0.95))},
        replay={
            "decisions": decisions,
            "identical": replayed.identical if replayed else None,
            "verified": replayed.verified if replayed else None,
        },
        failures=tuple(run.failures),
    )


def remarks(hours: float) -> tuple[str, ...]:
    """What has to be known to read the figures of a run of so many hours."""
    if hours >= LEAST_HOURS:
        return ()
    return (
        f"{hours:g} h, less than a day: this run cannot be judged by its cost. What it put into its stores, or took out of them, "
        "is not in it; the demand charge of a whole billing period is",
    )


def _stores(run: Run) -> tuple[StoreEnd, ...]:
    seen, nothing = run.memory.meter.last, run.nothing.levels
    return tuple(
        StoreEnd(
            store=store.name,
            unit=store.unit,
            low=store.low,
            high=store.high,
            level=None if seen is None else seen.number(store.level),
            nothing=nothing.get(store.name),
        )
        for store in run.works.site.stores
    )
