"""A plan's course as a figure: when each asset runs, and with what power. Pure, like `figures`."""

from __future__ import annotations

from datetime import timedelta

import plotly.graph_objects as go

from dashboard.figures import Part, axis, dressed, naive, nothing_to_show, steps
from dashboard.theme import Theme
from dashboard.words import LocalTime
from plant.orders import Course, Plan
from plant.series import Series

POWER_SHARE = 0.26
"""Height of the summed power below the bars."""
OFF = 0.02
"""Share of a step below which an asset counts as stopped."""


def courses(plan: Plan, theme: Theme, local: LocalTime) -> go.Figure:
    """One bar per asset over the horizon, darker with more of its own largest power; their sum below."""
    if not plan.courses:
        return _empty(plan, theme)
    shift = local.offset(plan.made_at)
    first = plan.courses[0].power_kw
    layout = dressed(theme, first.start + shift, first.end + shift)
    total = Series(start=first.start, step_s=first.step_s, values=_sum(plan, first), unit="kW")
    power = steps(total, shift, "Planned power of these assets", theme.planned, "kW", width=1.8)
    layout |= {
        "yaxis": axis(theme)
        | {"domain": [POWER_SHARE + 0.06, 1.0], "autorange": "reversed", "showgrid": False, "automargin": True},
        "yaxis2": axis(theme, "kW") | {"domain": [0.0, POWER_SHARE], "anchor": "x"},
        "margin": {"l": 56, "r": 14, "t": 8, "b": 40},
        "showlegend": False,
        "hovermode": "closest",
        "uirevision": "courses",
    }
    layout["xaxis"] |= {"anchor": "y2"}
    return go.Figure({"data": [_bars(plan, theme, shift), {**power, "yaxis": "y2"}], "layout": layout})


def _bars(plan: Plan, theme: Theme, shift: timedelta) -> Part:
    first = plan.courses[0].on
    count = len(first.values)
    times = naive([first.time(i) + shift for i in range(count + 1)])
    return {
        "type": "heatmap",
        "x": times,
        "y": [course.asset.replace("_", " ") for course in plan.courses],
        "z": [_strength(course, first) for course in plan.courses],
        "customdata": [_told(course, first) for course in plan.courses],
        "hovertemplate": "%{x|%H:%M} %{y}: %{customdata}<extra></extra>",
        "colorscale": [[0.0, theme.fill], [1.0, theme.planned]],
        "zmin": 0.0,
        "zmax": 1.0,
        "showscale": False,
        "xgap": 0,
        "ygap": 3,
        "hoverongaps": False,
    }


def _strength(course: Course, grid: Series) -> list[float | None]:
    """0.3 for just running to 1 for its largest power of the horizon; None where it stands still."""
    count = len(grid.values)
    on = course.on.resampled(grid.start, grid.step_s, count)
    power = course.power_kw.resampled(grid.start, grid.step_s, count)
    most = max((abs(value) for value in power), default=0.0) or 1.0
    return [None if share <= OFF else 0.3 + 0.7 * abs(kw) / most for share, kw in zip(on, power, strict=True)]


def _told(course: Course, grid: Series) -> list[str]:
    count = len(grid.values)
    on = course.on.resampled(grid.start, grid.step_s, count)
    power = course.power_kw.resampled(grid.start, grid.step_s, count)
    return [f"{kw:.1f} kW" if share > OFF else "stopped" for share, kw in zip(on, power, strict=True)]


def _sum(plan: Plan, grid: Series) -> tuple[float, ...]:
    count = len(grid.values)
    columns = [course.power_kw.resampled(grid.start, grid.step_s, count) for course in plan.courses]
    return tuple(sum(values) for values in zip(*columns, strict=True))


def _empty(plan: Plan, theme: Theme) -> go.Figure:
    return nothing_to_show(f"A plan of rung {plan.rung} states no course of the assets", theme)
