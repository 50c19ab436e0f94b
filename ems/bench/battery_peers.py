"""Peers by name (extra `bench`): battery, PV and load over 192 steps in oemof.solph and PyPSA, beside ours and direct highspy."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ems.bench.frame import Bench, Row, cpu_s, ratio_row
from ems.bench.policy import battery_case, direct

POWER_KW, CONTENT_KWH, START_KWH, EFFICIENCY = 50.0, 200.0, 100.0, 0.95
SAME = 1e-4
"""A peer whose optimum differs by more has solved another case."""


def _oemof(situation: Any) -> float:
    """The case in oemof.solph, built and solved; its cost."""
    import pandas as pd
    from oemof import solph
    from pyomo.contrib.appsi.solvers import Highs

    begin, step_s, load = situation.time, situation.step_s, _load(situation)
    index = pd.date_range(begin, periods=len(load) + 1, freq=pd.Timedelta(seconds=step_s))
    system = solph.EnergySystem(timeindex=index, infer_last_interval=False)
    bus = solph.buses.Bus(label="site")
    buy, sell = list(situation.prices.energy.values), [-price for price in situation.prices.export.values]
    parts = solph.components
    system.add(
        bus,
        parts.Source(label="buy", outputs={bus: solph.Flow(variable_costs=buy)}),
        parts.Sink(label="sell", inputs={bus: solph.Flow(variable_costs=sell)}),
        parts.Sink(label="load", inputs={bus: solph.Flow(fix=[max(kw, 0.0) for kw in load], nominal_capacity=1)}),
        parts.Source(label="sun", outputs={bus: solph.Flow(fix=[max(-kw, 0.0) for kw in load], nominal_capacity=1)}),
        parts.GenericStorage(
            label="battery", nominal_capacity=CONTENT_KWH, initial_storage_level=START_KWH / CONTENT_KWH, balanced=True,
            inflow_conversion_factor=EFFICIENCY, outflow_conversion_factor=EFFICIENCY,
            inputs={bus: solph.Flow(nominal_capacity=POWER_KW)}, outputs={bus: solph.Flow(nominal_capacity=POWER_KW)},
        ),
    )  # fmt: skip
    model = solph.Model(system)
    Highs().solve(model)  # `model.solve` writes a file for a solver outside: this hands over in memory, as ours does
    return float(model.objective())


def _pypsa(situation: Any) -> float:
    """The case in PyPSA, built and solved; its cost."""
    import numpy as np
    import pandas as pd
    import pypsa

    load = _load(situation)
    step = pd.Timedelta(seconds=situation.step_s)
    index = pd.date_range(situation.time.replace(tzinfo=None), periods=len(load), freq=step)
    network = pypsa.Network(snapshots=index)
    network.snapshot_weightings = network.snapshot_weightings.astype(float) * (situation.step_s / 3600.0)
    network.add("Bus", "site")
    network.add("Load", "load", bus="site", p_set=pd.Series(load, index=index))
    buy, sell = (pd.Series(series.values, index=index) for series in (situation.prices.energy, situation.prices.export))
    network.add("Generator", "buy", bus="site", p_nom=1e4, marginal_cost=buy)
    network.add("Generator", "sell", bus="site", p_nom=1e4, p_min_pu=-1.0, p_max_pu=0.0, marginal_cost=sell)
    wanted = pd.Series(np.nan, index=index)
    wanted.iloc[-1] = START_KWH
    network.add(
        "StorageUnit", "battery", bus="site", p_nom=POWER_KW, max_hours=CONTENT_KWH / POWER_KW, efficiency_store=EFFICIENCY,
        efficiency_dispatch=EFFICIENCY, state_of_charge_initial=START_KWH, state_of_charge_set=wanted,
    )  # fmt: skip
    network.optimize(solver_name="highs", output_flag=False, threads=1)
    return float(network.objective)


def _load(situation: Any) -> list[float]:
    forecast = next(item for item in situation.forecasts if item.target == "load")
    return list(forecast.p50.values)


PEERS: tuple[tuple[str, Callable[[Any], float]], ...] = (("oemof.solph", _oemof), ("PyPSA", _pypsa))


def _beside() -> tuple[Row, ...]:
    """CPU from the situation to the plan: ours on a warm model, the peers as they are used, direct highspy."""
    from policy.strategies.optimal import Optimal

    site, situation = battery_case()
    strategy = Optimal(site)
    ours, due = cpu_s(lambda: strategy.propose(situation), repeat=3), direct(situation)
    rows = [
        ratio_row(
            name="policy.peers.battery", value=ours, unit="s", reference="direct highspy build and solve",
            reference_value=cpu_s(lambda: direct(situation), repeat=3), most=5.0,
        )
    ]  # fmt: skip
    for name, peer in PEERS:
        row = Row(
            name=f"policy.peers.{name.lower()}", value=ours, unit="s", reference=f"{name} build and solve",
            reference_value=None, ratio=None, goal="for information", ok=None,
        )  # fmt: skip
        with _silent():
            try:
                cost = peer(situation)
            except ImportError:
                rows.append(replace(row, goal=f"not installed: {name} (extra `bench`)"))
                continue
            spent = cpu_s(lambda peer=peer: peer(situation), repeat=3)  # type: ignore[misc]
        same = abs(cost - due) <= SAME * abs(due)
        goal = "for information" if same else f"another optimum: {cost:.2f} against {due:.2f}"
        rows.append(replace(row, reference_value=spent, ratio=ours / spent, goal=goal, ok=None if same else False))
    return tuple(rows)


@contextmanager
def _silent() -> Iterator[None]:
    """Peers talk on stdout, where one JSON document is due."""
    before, copied = logging.root.manager.disable, os.dup(1)
    logging.disable(logging.WARNING)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(copied, 1)
        os.close(copied)
        os.close(nowhere)
        logging.disable(before)


BENCHES = (Bench(name="policy.peers", run=_beside, by_name_only=True),)
