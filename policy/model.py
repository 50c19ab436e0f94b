"""The site's model: machines, stores, services, jobs, the meter and its charges, compiled once per layout."""

from __future__ import annotations

import pyomo.environ as pyo

from policy.blocks import Model, Term, flow_rules, inventory_rules, machine_rules, needs_power, output, power, store_rules
from policy.layout import Layout

ROWS = (
    "one_regime", "point", "makes", "yields", "at_most", "needs", "ramp_up", "ramp_down", "runs", "drawn", "drive", "cap",
    "day_starts", "begins", "min_up", "min_down", "balance", "floor", "ceiling", "closing", "held", "carried", "served",
    "job_once", "job_runs", "meter", "import_hard", "import_soft", "export_most", "peak_window", "buying", "selling",
)  # fmt: skip
"""Every family of constraints."""
COLUMNS = (
    "u", "w", "on", "start", "y", "out", "p", "x", "over_cap", "over_starts", "level", "below", "scant", "above", "brim",
    "short", "surplus", "lean", "rich", "draw", "spill", "lack", "flow", "shut", "unmet", "excess", "job", "missed", "bought",
    "sold", "over_hard", "over_soft", "over_export", "peak", "buys", "hasty",
)  # fmt: skip
"""Every family of variables."""


def build(plan: Layout) -> Model:
    """The Pyomo model of a layout; all bounds, costs and right-hand sides that vary are left at zero."""
    model = pyo.ConcreteModel()
    _variables(model, plan)
    for name in ROWS:
        setattr(model, name, pyo.Constraint(pyo.Any))
    for i in range(len(plan.machines)):
        machine_rules(model, plan, i)
    for s in range(len(plan.stores)):
        store_rules(model, plan, s)
    for g in range(len(plan.inventories)):
        inventory_rules(model, plan, g)
    for f in range(len(plan.flows)):
        flow_rules(model, plan, f)
    for t in range(plan.steps):
        _services(model, plan, t)
        _meter(model, plan, t)
    _jobs(model, plan)
    _peak(model, plan)
    model.cost = pyo.Objective(expr=0.0)
    return model


def _variables(model: Model, plan: Layout) -> None:
    steps = range(plan.steps)

    def family(name: str, parts: list[int], times: range = steps) -> None:
        setattr(model, name, pyo.Var(parts, times))

    assets, stores, flows = list(range(len(plan.assets))), list(range(len(plan.stores))), list(range(len(plan.flows)))
    machines, services, jobs = list(range(len(plan.machines))), list(range(len(plan.services))), list(range(len(plan.jobs)))
    counted = [a for a in assets if plan.assets[a].counted]
    metered = [a for a in assets if needs_power(plan, a)]
    factored = [i for i in machines if plan.machines[i].scaled_output]
    multi = [r.first_point + p for r in plan.regimes if len(r.output) > 1 for p in range(len(r.output))]
    family("u", list(range(len(plan.regimes))))
    family("w", multi)
    family("on", [a for a in assets if len(plan.assets[a].regimes) > 1])
    family("start", counted)
    family("y", [i for i in machines if plan.machines[i].scaled_output or plan.machines[i].ramp is not None])
    family("out", factored)
    family("hasty", [i for i in machines if plan.machines[i].ramp is not None])
    family("p", metered)
    family("x", [a for a in metered if plan.machines[plan.assets[a].machine].scaled_power])
    family("over_cap", [a for a in assets if plan.assets[a].capped])
    family("over_starts", counted, range(2))
    family("level", stores, range(plan.steps + 1))
    for name in ("below", "scant", "above", "brim", "draw", "spill", "lack"):
        family(name, stores)
    model.short, model.surplus = pyo.Var(stores), pyo.Var(stores)
    inventories = list(range(len(plan.inventories)))
    family("lean", inventories)
    family("rich", inventories)
    family("flow", flows)
    family("shut", flows)
    family("unmet", services)
    family("excess", services)
    family("job", jobs)
    model.missed = pyo.Var(jobs)
    for name in ("bought", "sold", "over_hard", "over_soft", "over_export"):
        setattr(model, name, pyo.Var(steps))
    model.peak = pyo.Var(sorted({window.period for window in plan.windows}))
    model.buys = pyo.Var(steps if plan.two_way else [])


def _services(model: Model, plan: Layout, t: int) -> None:
    for v in range(len(plan.services)):
        stores = [s for s, store in enumerate(plan.stores) if store.service == v]
        direct: list[Term] = [
            output(model, plan, i, t)
            for i, machine in enumerate(plan.machines)
            if machine.service == v and machine.store is None and machine.regimes
        ]
        drawn = pyo.quicksum(model.draw[s, t] for s in stores) + pyo.quicksum(direct)
        model.served[v, t] = drawn + model.unmet[v, t] - model.excess[v, t] == 0


def _meter(model: Model, plan: Layout, t: int) -> None:
    billed = [power(model, plan, a, t) for a, part in enumerate(plan.assets) if not part.own_price and part.regimes]
    for j, job in enumerate(plan.jobs):
        if job.asset is None:
            billed += [model.job[j, t - back] * kw for back, kw in enumerate(job.profile_kw) if kw and t - back >= 0]
    model.meter[t] = model.bought[t] - model.sold[t] - pyo.quicksum(billed) == 0
    total = site_power(model, plan, t)
    model.import_hard[t] = total - model.over_hard[t] <= 0
    model.import_soft[t] = total - model.over_soft[t] <= 0
    model.export_most[t] = -total - model.over_export[t] <= 0
    if plan.two_way:
        model.buying[t] = model.bought[t] - model.buys[t] <= 0
        model.selling[t] = model.sold[t] + model.buys[t] <= 0


def site_power(model: Model, plan: Layout, t: int) -> Term:
    """Power at the site's connection, kW; negative = export."""
    own = pyo.quicksum(power(model, plan, a, t) for a, part in enumerate(plan.assets) if part.own_price and part.regimes)
    return model.bought[t] - model.sold[t] + own


def _jobs(model: Model, plan: Layout) -> None:
    for j, job in enumerate(plan.jobs):
        model.job_once[j] = pyo.quicksum(model.job[j, t] for t in range(plan.steps)) + model.missed[j] == 1
        if job.asset is None or not plan.assets[job.asset].regimes:
            continue
        for t in range(plan.steps):
            begun = pyo.quicksum(model.job[j, t - back] for back in range(len(job.profile_kw)) if t - back >= 0)
            running = pyo.quicksum(model.u[k, t] for k in plan.assets[job.asset].regimes)
            model.job_runs[j, t] = begun - running <= 0


def _peak(model: Model, plan: Layout) -> None:
    for n, window in enumerate(plan.windows):
        mean = pyo.quicksum(share * site_power(model, plan, t) for t, share in window.shares)
        model.peak_window[n] = mean - model.peak[window.period] <= 0
