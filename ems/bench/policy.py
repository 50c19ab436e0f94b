"""Rows of the policy: model handling against plain arrays, proven gap, re-plan, battery case."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from ems.bench.frame import Bench, Row, cpu_s, limit_row, ratio_row

STEPS = 96
STEP_S = 900.0


def _handled(assets: int) -> tuple[Row, ...]:
    """A re-plan's model handling (numbers into the compiled model, hand-over) against the same arrays made by hand."""
    from scipy import sparse

    from policy.instances import works
    from policy.layout import layout
    from policy.numbers import numbers
    from policy.solve import Purse, Solver
    from policy.strategies.optimal import Optimal

    made = works(assets, STEPS, step_s=STEP_S)
    strategy = Optimal(made.site)
    facts = strategy.facts(made.situation)
    model = strategy.model(layout(made.site, made.situation, facts.ahead))
    ready = numbers(model, facts)
    triplets = ready.matrix.tocoo()
    purse = Purse(iterations=1, time_limit_s=60.0)

    def by_hand() -> object:
        matrix = sparse.csc_array((triplets.data.copy(), (triplets.coords[0], triplets.coords[1])), shape=triplets.shape)
        vectors = [vector.copy() for vector in (ready.cost, ready.lower, ready.upper, ready.row_lower, ready.row_upper)]
        cost, lower, upper, row_lower, row_upper = vectors
        arrays = replace(
            ready, cost=cost, lower=lower, upper=upper, row_lower=row_lower, row_upper=row_upper, matrix=sparse.csc_array(matrix)
        )
        return Solver(arrays, purse)

    value = cpu_s(lambda: Solver(numbers(model, facts), purse))
    row = ratio_row(
        name=f"policy.handling.{assets}", value=value, unit="s", reference="direct highspy from arrays",
        reference_value=cpu_s(by_hand), most=3.0,
    )  # fmt: skip
    return (row if assets <= 100 else replace(row, goal="for information", ok=None),)


def _planned(assets: int, most_s: float) -> tuple[Row, ...]:
    """CPU and gap of a first plan, then CPU of the re-plan one step later with small changes."""
    from policy.instances import works
    from policy.strategies.optimal import Optimal

    now, later = works(assets, STEPS, step_s=STEP_S), works(assets, STEPS, step_s=STEP_S, shift=1)
    roomy = replace(now.site, control=replace(now.site.control, work_limit=100_000, time_limit_s=120.0))
    strategy = Optimal(roomy)
    strategy.worked(strategy.facts(replace(now.situation, steps=STEPS)))
    begin = time.process_time()
    plan = strategy.propose(now.situation)
    spent = time.process_time() - begin
    begin = time.process_time()
    again = strategy.propose(replace(later.situation, previous=plan))
    respent = time.process_time() - begin
    gaps = [1.0 if found.gap is None else found.gap for found in (plan, again)]
    replan_most = 0.7 if assets <= 20 else 4.0
    return (
        limit_row(name=f"policy.plan.{assets}", value=spent, unit="s", most=most_s),
        limit_row(name=f"policy.gap.{assets}", value=100.0 * gaps[0], unit="%", most=1.0),
        limit_row(name=f"policy.replan.{assets}", value=respent, unit="s", most=replan_most),
        limit_row(name=f"policy.replan_gap.{assets}", value=100.0 * gaps[1], unit="%", most=1.0),
    )


def _at_most_60_s() -> tuple[Row, ...]:
    """What 500 assets reach where no solve may take longer than 60 s: CPU, and the gap that is proven (100 % = none)."""
    from policy.instances import works
    from policy.layout import layout
    from policy.strategies.optimal import Optimal

    made = works(500, STEPS, step_s=STEP_S)
    strategy = Optimal(replace(made.site, control=replace(made.site.control, work_limit=100_000, time_limit_s=60.0)))
    facts = strategy.facts(made.situation)
    strategy.model(layout(made.site, made.situation, facts.ahead))  # built once in the life of a process
    begin = time.process_time()
    plan = strategy.propose(made.situation)
    rows = (
        limit_row(name="policy.plan.500", value=time.process_time() - begin, unit="s", most=60.0),
        limit_row(name="policy.gap.500", value=100.0 * (1.0 if plan.gap is None else plan.gap), unit="%", most=1.0),
    )
    return tuple(replace(row, goal="for information", ok=None) for row in rows)


def _usable() -> tuple[Row, ...]:
    """CPU until a usable plan exists that needs no solver: the price rule's, lawful by the invariants."""
    from policy.instances import works
    from policy.invariants import check
    from policy.strategies.price_rule import PriceRule

    rows = []
    for assets in (20, 100, 500):
        made = works(assets, STEPS, step_s=STEP_S)
        begin = time.process_time()
        plan = PriceRule(made.site).propose(made.situation)
        row = limit_row(name=f"policy.usable.{assets}", value=time.process_time() - begin, unit="s", most=1.0)
        rows.append(replace(row, ok=bool(row.ok) and not check(plan, made.situation)))
    return tuple(rows)


def battery_case() -> tuple[Any, Any]:
    """Site and situation of battery, PV and load over 192 steps."""
    from plant.assets import Service, Store
    from policy.instances import battery, made_prices, made_site, made_situation

    steps = 192
    cells = Store(
        name="cells", service="held", level="cells_level", unit="kWh", size_per_level=1.0, bottom=0.0, top=200.0,
        low=0.0, high=200.0, end_price=0.0,
    )  # fmt: skip
    hours = np.arange(steps) * STEP_S / 3600.0
    sun = 120.0 * np.maximum(0.0, np.sin(np.pi * ((hours + 22.0) % 24.0 - 6.0) / 12.0))
    machine = battery(50.0)
    site = made_site((machine,), (Service(name="held", unit="kWh"),), (cells,))
    load = 60.0 + 20.0 * np.sin(2 * np.pi * hours / 24.0) - sun
    return site, made_situation(
        site, [machine], [100.0], {}, prices=made_prices(steps, STEP_S), load=load, step_s=STEP_S,
        start=made_prices(1, STEP_S).energy.start,
    )  # fmt: skip


def _battery() -> tuple[Row, ...]:
    """Battery, PV and load over 192 steps: a plan on a warm model against building and solving the bare program."""
    from policy.strategies.optimal import Optimal

    site, situation = battery_case()
    strategy = Optimal(site)
    return (
        ratio_row(
            name="policy.battery", value=cpu_s(lambda: strategy.propose(situation), repeat=3), unit="s",
            reference="direct highspy build and solve", reference_value=cpu_s(lambda: direct(situation), repeat=3), most=5.0,
        ),
    )  # fmt: skip


def direct(situation: Any) -> float:
    """The battery case written straight into highspy: charge, discharge, buy, sell, level."""
    import highspy

    from policy.solve import Silent

    highs: Any = Silent()
    steps, hours = situation.steps, situation.step_s / 3600.0
    load = next(item for item in situation.forecasts if item.target == "load").p50.values
    infinity = highspy.kHighsInf
    for t in range(steps):
        for cost, upper in (
            (0.0, 50.0), (0.0, 50.0), (situation.prices.energy.values[t] * hours, infinity),
            (-situation.prices.export.values[t] * hours, infinity), (0.0, 200.0), (0.0, 1.0),
        ):  # fmt: skip
            highs.addCol(cost, 0.0, upper, 0, [], [])
        highs.changeColIntegrality(6 * t + 5, highspy.HighsVarType.kInteger)
        charge, give, buy, sell, level, mode = range(6 * t, 6 * t + 6)
        highs.addRow(load[t], load[t], 4, [buy, sell, charge, give], [1.0, -1.0, -1.0, 1.0])
        highs.addRow(-infinity, 0.0, 2, [charge, mode], [1.0, -50.0])
        highs.addRow(-infinity, 50.0, 2, [give, mode], [1.0, 50.0])
        start = 100.0 if t == 0 else 0.0
        before = [] if t == 0 else [level - 6]
        ones = [1.0, -0.95 * hours, hours / 0.95, *([-1.0] if before else [])]
        highs.addRow(start, start, 3 + len(before), [level, charge, give, *before], ones)
    highs.changeColBounds(6 * steps - 2, 100.0, 200.0)
    highs.run()
    return float(highs.getInfo().objective_function_value)


BENCHES = (
    Bench(name="policy.handling.20", run=lambda: _handled(20)),
    Bench(name="policy.handling.100", run=lambda: _handled(100)),
    Bench(name="policy.handling.500", run=lambda: _handled(500), by_name_only=True),
    Bench(name="policy.plan.20", run=lambda: _planned(20, 2.0)),
    Bench(name="policy.plan.100", run=lambda: _planned(100, 10.0)),
    Bench(name="policy.plan.500", run=_at_most_60_s, by_name_only=True),
    Bench(name="policy.usable", run=_usable),
    Bench(name="policy.battery", run=_battery),
)
