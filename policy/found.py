"""A solution of the model in the words of the plant: what runs where, what the stores do, what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.kpi import Kpi, co2_kg, demand_peak_kw, energy_kwh
from plant.orders import Course, StoreCourse
from plant.situation import Situation
from plant.table import Floats
from policy.compiled import Compiled
from policy.outlook import Outlook, asset_price, on_steps
from policy.walk import course_of, store_course


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Arrays per asset (assets, steps), store (stores, steps + 1) and service (services, steps)."""

    on: Floats
    setpoint: Floats
    power_kw: Floats
    levels: Floats
    unmet: Floats
    total_kw: Floats
    """Site power with the load that nobody commands, shape (steps,)."""
    bought: Floats
    sold: Floats


def read(model: Compiled, situation: Situation, x: Floats) -> Found:
    """Read a solution off its columns."""
    plan, steps = model.layout, model.layout.steps
    on, setpoint = np.zeros((len(plan.assets), steps)), np.zeros((len(plan.assets), steps))
    power = np.zeros((len(plan.assets), steps))
    for k, regime in enumerate(plan.regimes):
        envelope = situation.envelopes[regime.machine]
        place = plan.machines[regime.machine].regimes.index(k)
        weights = _weights(model, k, x)
        factor = np.ones(steps) if envelope.power_factor is None else on_steps(situation, envelope.power_factor)
        for n, a in enumerate(regime.assets):
            points = envelope.regimes[place].points
            on[a] += weights.sum(axis=0)
            setpoint[a] += np.asarray([point.setpoints[n] for point in points]) @ weights
            power[a] += (np.asarray([point.power_kw[n] for point in points]) @ weights) * factor
    setpoint = np.divide(setpoint, on, out=np.zeros_like(setpoint), where=on > 1e-6)
    for a, part in enumerate(plan.assets):
        power[a] += part.standby_kw * (1.0 - on[a])
        if part.counted:
            power[a] += part.start_kwh / plan.step_h * x[model.column["start"][a]]
    bought, sold = x[model.column["bought"][()]], x[model.column["sold"][()]]
    own = sum((power[a] for a, part in enumerate(plan.assets) if part.own_price), np.zeros(steps))
    return Found(
        on=on,
        setpoint=setpoint,
        power_kw=power,
        levels=np.asarray([x[model.column["level"][s]] for s in range(len(plan.stores))]).reshape(len(plan.stores), steps + 1),
        unmet=np.asarray([x[model.column["unmet"][v]] for v in range(len(plan.services))]).reshape(len(plan.services), steps),
        total_kw=bought - sold + own,
        bought=bought,
        sold=sold,
    )


def _weights(model: Compiled, k: int, x: Floats) -> Floats:
    regime = model.layout.regimes[k]
    if len(regime.output) == 1:
        return np.asarray(x[model.column["u"][k]][None, :])
    return np.asarray([x[model.column["w"][regime.first_point + p]] for p in range(len(regime.output))])


def courses_of(
    model: Compiled, situation: Situation, found: Found, commanded: frozenset[str]
) -> tuple[tuple[Course, ...], tuple[StoreCourse, ...]]:
    """The courses of the assets that the plan commands, and of all stores."""
    assets = tuple(
        course_of(situation, part.name, np.clip(found.on[a], 0.0, 1.0), found.setpoint[a], found.power_kw[a])
        for a, part in enumerate(model.layout.assets)
        if part.name in commanded
    )
    stores = tuple(store_course(situation, store, found.levels[s]) for s, store in enumerate(situation.store_specs))
    return assets, stores


def expected(model: Compiled, situation: Situation, ahead: Outlook, found: Found) -> Kpi:
    """Key figures that the plan expects over its horizon."""
    plan, prices = model.layout, situation.prices
    own_cost = sum(
        float(found.power_kw[a] @ asset_price(situation, ahead, part.name)) * plan.step_h
        for a, part in enumerate(plan.assets)
        if part.own_price
    )
    before = [1.0 if situation.state(part.name).running else 0.0 for part in plan.assets]
    begun = np.diff(np.column_stack([before, np.round(found.on)]), axis=1) > 0.5
    lives = [life for envelope in situation.envelopes for life in envelope.lives]
    peak = float(demand_peak_kw(found.total_kw, plan.step_s, max(prices.demand_window_s, plan.step_s)))
    charge = prices.demand_charge_per_kw * max(0.0, peak - prices.peak_so_far_kw)
    wanted = sum(float(np.sum(np.maximum(ahead.demand_of(name), 0.0))) for name in plan.services)
    energy = float(found.bought @ ahead.energy - found.sold @ ahead.export) * plan.step_h
    return Kpi(
        start=situation.time,
        end=ahead.time(plan.steps),
        energy_kwh=float(energy_kwh(np.maximum(found.total_kw, 0.0), plan.step_s)),
        cost=energy + own_cost + charge + sum(life.start_cost * int(row.sum()) for life, row in zip(lives, begun, strict=True)),
        demand_peak_kw=peak,
        co2_kg=float(co2_kg(found.total_kw, ahead.carbon_g, plan.step_s)),
        served_share=1.0 if wanted <= 0 else max(0.0, 1.0 - float(found.unmet.sum()) / wanted),
        starts=int(begun.sum()),
        violations=0,
        health_min=min((item.score for item in situation.health if item.score is not None), default=None),
    )
