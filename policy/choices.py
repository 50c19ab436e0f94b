"""Between a program's solutions and the regimes that machines run: shares of binaries, what they promise, and back."""

from __future__ import annotations

import numpy as np

from plant.table import Floats
from policy.compiled import Places, Program
from policy.fixed import Fixed
from policy.layout import Layout
from policy.rounding import Choices, Room


def off_curve(problem: Program, x: Floats) -> Places:
    """Columns of weights that keep a machine between points that are no neighbours."""
    found = []
    for regime in problem.compiled.layout.regimes:
        if len(regime.output) < 3:
            continue
        columns = np.asarray([problem.compiled.column["w"][regime.first_point + p] for p in range(len(regime.output))])
        weights = x[columns]
        used = weights > 1e-6
        first = np.argmax(used, axis=0)
        last = len(regime.output) - 1 - np.argmax(used[::-1], axis=0)
        for t in np.flatnonzero(used.any(axis=0) & (last - first > 1)):
            share = weights[:, t] / max(float(weights[:, t].sum()), 1e-9)
            low = int(np.clip(np.floor(share @ np.arange(len(share)) + 1e-9), 0, len(share) - 2))
            found += [int(columns[p, t]) for p in range(len(share)) if p not in (low, low + 1)]
    return np.asarray(found, dtype=np.int64)


def promised_of(problem: Program, x: Floats, shares: Floats) -> Floats:
    """Shares for which regimes have to run: a machine that can be turned down runs longer at less.

    Running half the time at full output is running all the time at half of it, as far down as the machine goes.
    """
    model, found = problem.compiled, shares.copy()
    for k, regime in enumerate(problem.compiled.layout.regimes):
        made = np.abs(np.asarray(regime.output)) if any(regime.output) else np.abs(np.asarray([sum(p) for p in regime.power]))
        if len(made) == 1:
            continue
        weights = x[np.asarray([model.column["w"][regime.first_point + p] for p in range(len(made))])]
        given = made @ weights
        found[k] = np.where(given > 1e-6, np.minimum(1.0, given / max(float(made.min()), 1e-9)), shares[k])
    for machine in problem.compiled.layout.machines:
        total = found[list(machine.regimes)].sum(axis=0)
        found[list(machine.regimes)] /= np.maximum(total, 1.0)
    return found


def room_of(problem: Program, x: Floats, shares: Floats) -> Room:
    """The room that limits and the planned peak leave to the machines, and what each regime draws when it runs."""
    model, plan = problem.compiled, problem.compiled.layout
    drawn, full = np.zeros_like(shares), np.zeros_like(shares)
    for k, regime in enumerate(plan.regimes):
        power = np.asarray([sum(powers) for powers in regime.power])
        factor = power_factor(problem, regime.assets[0])
        if len(power) == 1:
            drawn[k], full[k] = shares[k] * power[0] * factor, power[0] * factor
            continue
        weights = x[np.asarray([model.column["w"][regime.first_point + p] for p in range(len(power))])]
        drawn[k] = (power @ weights) * factor
        promised = drawn[k] / np.maximum(shares[k], 0.05)
        full[k] = np.where(power.max() <= 0.0, promised, power.min() * factor)
    limit = problem.row_upper[model.row["import_hard"][()]] - model.base[model.row["import_hard"][()]]
    total = x[model.column["bought"][()]] - x[model.column["sold"][()]]
    for a, asset in enumerate(plan.assets):
        if asset.own_price and asset.regimes:
            total = total + x[model.column["p"][a]]
    if plan.windows:
        limit = np.minimum(limit, max(float(x[place]) for place in model.column["peak"][()]))
    return Room(total_kw=np.maximum(limit, total) - total + drawn.sum(axis=0), regime_kw=full)


def power_factor(problem: Program, a: int) -> Floats | float:
    """The factor over time on an asset's power."""
    model = problem.compiled
    if a not in model.column["x"]:
        return 1.0
    return np.asarray(-problem.matrix.data[model.place(("drawn", a), ("x", a))])


def local_choices(plan: Layout, fixed: Fixed) -> Choices:
    """The regimes that local control would run."""
    found = np.full((len(plan.machines), plan.steps), -1, dtype=np.int64)
    for i, machine in enumerate(plan.machines):
        on = np.asarray([fixed.local.on[plan.assets[a].name] >= 0.5 for a in machine.assets])
        for place, k in reversed(list(enumerate(machine.regimes))):
            runs = np.asarray([a in plan.regimes[k].assets for a in machine.assets])
            found[i][np.all(on == runs[:, None], axis=0)] = place
    return found


def shares_of(problem: Program, x: Floats) -> Floats:
    """Regime binaries of a solution, shape (regimes, steps)."""
    plan = problem.compiled.layout
    found = np.zeros((len(plan.regimes), plan.steps))
    for k in range(len(plan.regimes)):
        if (places := problem.compiled.column["u"].get(k)) is not None:
            found[k] = np.clip(x[places], 0.0, 1.0)
    return found


def binaries_of(problem: Program, choices: Choices, relaxed: Floats) -> Floats:
    """Values of all binaries for choices; jobs and the meter's direction are rounded from the relaxed plan."""
    model, plan = problem.compiled, problem.compiled.layout
    values = np.zeros(model.matrix.shape[1])
    for i, machine in enumerate(plan.machines):
        for place, k in enumerate(machine.regimes):
            values[model.column["u"][k]] = choices[i] == place
    for j in range(len(plan.jobs)):
        places = model.column["job"][j]
        open_steps = problem.upper[places] > 0.5
        if open_steps.any() and relaxed[model.column["missed"][()][j]] < 0.5:
            values[places[int(np.argmax(np.where(open_steps, relaxed[places], -1.0)))]] = 1.0
    for places in model.column["buys"].values():
        values[places] = relaxed[model.column["bought"][()]] >= relaxed[model.column["sold"][()]]
    return values[model.binary]
