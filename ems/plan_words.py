"""A plan in a few lines for a person: what it orders now, what each machine and store does over it, what it costs."""

from __future__ import annotations

from ems.wording import counted, localised, readable
from plant.orders import Command, Course, Plan, StoreCourse


def plan_words(plan: Plan, timezone: str) -> dict[str, str]:
    """What it says, by what it says it of; times on the site's clock."""

    def told(words: str) -> str:
        return readable(localised(words, plan.made_at, timezone)) or "–"

    lines = {
        f"{command.asset} now": f"{_order(command)} ({command.reason.value}: {told(command.words)})" for command in plan.commands
    }
    lines |= {f"{course.asset} over the plan": _course(course) for course in plan.courses}
    lines |= {f"{course.store} over the plan": _levels(course) for course in plan.stores}
    lines["objective"] = "–" if plan.objective is None else f"{plan.objective:,.2f}"
    if plan.expected is not None:
        kpi = plan.expected
        figures = f"cost {kpi.cost:,.2f}, {kpi.energy_kwh:,.0f} kWh, peak {kpi.demand_peak_kw:,.1f} kW"
        lines["expected"] = f"{figures}, {counted(kpi.starts, 'start')}"
    return lines | {"shaped by": told("; ".join(plan.binding)), "in words": told(plan.words)}


def _order(command: Command) -> str:
    return command.action.value + ("" if command.setpoint is None else f" at {command.setpoint:.4g}")


def _course(course: Course) -> str:
    hours = course.on.step_s / 3600.0
    return f"runs {sum(course.on.values) * hours:,.1f} h, {sum(course.power_kw.values) * hours:,.0f} kWh"


def _levels(course: StoreCourse) -> str:
    values = course.level.values
    return f"{min(values):,.4g} to {max(values):,.4g}, at the end {values[-1]:,.4g}"
