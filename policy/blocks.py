"""The Pyomo rules of one machine and of one store.

Families are indexed (part, step). Start variables follow Rajan and Takriti (2005): the sum of starts within a minimum
time bounds the state, which is the tightest description of minimum up and down times.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from policy.layout import AssetPart, FlowPart, Layout, MachinePart, RegimePart, StorePart

Model = Any
"""A Pyomo ConcreteModel: Pyomo ships no types."""
Term = Any
"""A Pyomo expression or a number."""


def weights(model: Model, plan: Layout, k: int, t: int) -> list[Term]:
    """One weight per point of a regime: the regime's own binary where it has a single point."""
    regime = plan.regimes[k]
    if len(regime.output) == 1:
        return [model.u[k, t]]
    return [model.w[regime.first_point + p, t] for p in range(len(regime.output))]


def on(model: Model, plan: Layout, a: int, t: int) -> Term:
    """Whether an asset runs: its only regime's binary, or the sum over its regimes."""
    part = plan.assets[a]
    return model.u[part.regimes[0], t] if len(part.regimes) == 1 else model.on[a, t]


def raw_output(model: Model, plan: Layout, machine: MachinePart, t: int) -> Term:
    """Output of an envelope before its factor over time, less what its starts miss."""
    made = pyo.quicksum(
        weight * value
        for k in machine.regimes
        for weight, value in zip(weights(model, plan, k, t), plan.regimes[k].output, strict=True)
    )
    missed = pyo.quicksum(
        model.start[a, t - back] * lost
        for a in machine.assets
        for back, lost in enumerate(plan.assets[a].lost)
        if plan.assets[a].counted and t - back >= 0
    )
    return made - missed


def side_rate(model: Model, plan: Layout, machine: MachinePart, t: int, second: bool) -> Term:
    """What an envelope draws from its input store, or gives to its second store."""

    def values(regime: RegimePart) -> tuple[float, ...]:
        return regime.second if second else regime.input

    return pyo.quicksum(
        weight * value
        for k in machine.regimes
        for weight, value in zip(weights(model, plan, k, t), values(plan.regimes[k]), strict=True)
        if value
    )


def raw_power(model: Model, plan: Layout, a: int, t: int) -> Term:
    """Power of an asset while it runs, before its factor over time."""
    found = []
    for k in plan.assets[a].regimes:
        regime = plan.regimes[k]
        place = regime.assets.index(a)
        found += [weight * power[place] for weight, power in zip(weights(model, plan, k, t), regime.power, strict=True)]
    return pyo.quicksum(found)


def extra_power(model: Model, plan: Layout, a: int, t: int) -> Term:
    """Standby power and the energy of a start."""
    part = plan.assets[a]
    starting = model.start[a, t] * (part.start_kwh / plan.step_h) if part.start_kwh and part.counted else 0.0
    return starting + (part.standby_kw * (1 - on(model, plan, a, t)) if part.standby_kw else 0.0)


def machine_rules(model: Model, plan: Layout, i: int) -> None:
    """Rules of one envelope: one regime at a time, points between neighbours, ramps, companions."""
    machine = plan.machines[i]
    for t in range(plan.steps):
        if len(machine.regimes) > 1:
            model.one_regime[i, t] = pyo.quicksum(model.u[k, t] for k in machine.regimes) <= 1
        for k in machine.regimes:
            if len(plan.regimes[k].output) > 1:
                model.point[k, t] = pyo.quicksum(weights(model, plan, k, t)) == model.u[k, t]
        if machine.scaled_output or machine.ramp is not None:
            model.makes[i, t] = model.y[i, t] - raw_output(model, plan, machine, t) == 0
        if machine.scaled_output:
            model.yields[i, t] = model.out[i, t] - model.y[i, t] == 0
        if machine.at_most is not None and len(machine.assets) > machine.at_most:
            model.at_most[i, t] = pyo.quicksum(on(model, plan, a, t) for a in machine.assets) <= 0
        for n, (one, other) in enumerate(machine.needs):
            model.needs[i, n, t] = on(model, plan, one, t) - on(model, plan, other, t) <= 0
        if machine.ramp is not None:
            _ramp(model, plan, i, t)
    for a in machine.assets:
        _asset_rules(model, plan, a)


def _ramp(model: Model, plan: Layout, i: int, t: int) -> None:
    machine = plan.machines[i]
    a = machine.assets[0]
    before = model.y[i, t - 1] if t else 0.0
    stopping = 1 - on(model, plan, a, t)
    hasty = model.hasty[i, t]
    model.ramp_up[i, t] = model.y[i, t] - before - machine.ramp_start * model.start[a, t] - hasty <= machine.ramp
    model.ramp_down[i, t] = before - model.y[i, t] - machine.ramp_start * stopping - hasty <= machine.ramp


def _asset_rules(model: Model, plan: Layout, a: int) -> None:
    part = plan.assets[a]
    machine = plan.machines[part.machine]
    for t in range(plan.steps):
        if len(part.regimes) > 1:
            model.runs[a, t] = model.on[a, t] - pyo.quicksum(model.u[k, t] for k in part.regimes) == 0
        if needs_power(plan, a):
            factored = machine.scaled_power
            model.drawn[a, t] = (
                model.p[a, t] - (model.x[a, t] if factored else raw_power(model, plan, a, t)) - extra_power(model, plan, a, t) == 0
            )
            if factored:
                model.drive[a, t] = model.x[a, t] - raw_power(model, plan, a, t) == 0
        if part.capped:
            model.cap[a, t] = model.p[a, t] - model.over_cap[a, t] <= 0
        if part.counted:
            _times(model, plan, part, a, t)
    if part.counted:
        for day in range(2):
            model.day_starts[a, day] = pyo.quicksum(model.start[a, t] for t in range(plan.steps)) - model.over_starts[a, day] <= 0


def _times(model: Model, plan: Layout, part: AssetPart, a: int, t: int) -> None:
    now, start = on(model, plan, a, t), model.start
    model.begins[a, t] = now - (on(model, plan, a, t - 1) if t else 0) - start[a, t] <= 0
    if part.up_steps > 1:
        model.min_up[a, t] = pyo.quicksum(start[a, s] for s in range(max(0, t - part.up_steps + 1), t + 1)) - now <= 0
    if part.down_steps > 1 and t >= part.down_steps - 1:
        recent = pyo.quicksum(start[a, s] for s in range(t - part.down_steps + 1, t + 1))
        before = on(model, plan, a, t - part.down_steps) if t >= part.down_steps else 0
        model.min_down[a, t] = recent + before <= 1


def needs_power(plan: Layout, a: int) -> bool:
    """Whether an asset's power is a variable of its own."""
    part = plan.assets[a]
    return part.own_price or part.capped or plan.machines[part.machine].scaled_power


def power(model: Model, plan: Layout, a: int, t: int) -> Term:
    """Power of an asset, kW."""
    if needs_power(plan, a):
        return model.p[a, t]
    return raw_power(model, plan, a, t) + extra_power(model, plan, a, t)


def output(model: Model, plan: Layout, i: int, t: int) -> Term:
    """Output of an envelope, service units per hour."""
    machine = plan.machines[i]
    if machine.scaled_output:
        return model.out[i, t]
    return model.y[i, t] if machine.ramp is not None else raw_output(model, plan, machine, t)


def store_rules(model: Model, plan: Layout, s: int) -> None:
    """Rules of one store: its balance, its accepted band, and what is left at the end."""
    store = plan.stores[s]
    for t in range(plan.steps):
        model.balance[s, t] = _kept(model, plan, store, s, t) - _entering(model, plan, s, t) == 0
        model.floor[s, t] = model.level[s, t + 1] + model.below[s, t] + model.scant[s, t] >= 0
        model.ceiling[s, t] = model.level[s, t + 1] - model.above[s, t] - model.brim[s, t] <= 0
    model.closing[s] = model.level[s, plan.steps] + model.short[s] - model.surplus[s] == 0


def _kept(model: Model, plan: Layout, store: StorePart, s: int, t: int) -> Term:
    change = (store.size / plan.step_h) * (model.level[s, t + 1] - model.level[s, t])
    lost = (0.5 * store.loss_b) * (model.level[s, t] + model.level[s, t + 1]) if store.loss_b else 0.0
    return change + lost + model.draw[s, t] + model.spill[s, t] - model.lack[s, t]


def _entering(model: Model, plan: Layout, s: int, t: int) -> Term:
    found: list[Term] = []
    for i, machine in enumerate(plan.machines):
        if machine.store == s:
            found.append(output(model, plan, i, t))
        if machine.input_store == s:
            found.append(-side_rate(model, plan, machine, t, second=False))
        if machine.second_store == s:
            found.append(side_rate(model, plan, machine, t, second=True))
    for f, flow in enumerate(plan.flows):
        if flow.target == s:
            found.append(model.flow[f, t])
        if flow.source == s:
            found.append(-model.flow[f, t])
    return pyo.quicksum(found)


def inventory_rules(model: Model, plan: Layout, g: int) -> None:
    """What several stores hold together at the end of each step; what it is to be, and when, is in the numbers."""
    stores = plan.inventories[g].stores
    for t in range(plan.steps):
        held = pyo.quicksum(plan.stores[s].size * model.level[s, t + 1] for s in stores)
        model.held[g, t] = held + model.lean[g, t] - model.rich[g, t] == 0


def flow_rules(model: Model, plan: Layout, f: int) -> None:
    """A transport that follows the mean difference of two levels over the step, unless its target is full."""
    part: FlowPart = plan.flows[f]
    for t in range(plan.steps):
        head = 0.5 * part.b * sum(
            model.level[part.source, step] - model.level[part.target, step] for step in (t, t + 1)
        )  # fmt: skip
        model.carried[f, t] = model.flow[f, t] - (head if part.b else 0.0) + model.shut[f, t] == 0
