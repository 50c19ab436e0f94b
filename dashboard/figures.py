"""From records to plotly figures. Pure: the same view and theme give the same figure.

Each figure is written down as plotly's own document and checked once, when the `Figure` is made of it: piecewise updates
of a figure check themselves again and again and cost seven times as much.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import plotly.graph_objects as go
from tsdownsample import MinMaxLTTBDownsampler

from dashboard.theme import Theme
from dashboard.views import AssetView, Band, PowerView, StoreView
from dashboard.words import LocalTime, figures
from plant.series import Series
from plant.table import Floats, Table, Times

POINTS_SHOWN = 2000
"""A trace longer than this is thinned, keeping its peaks."""
FONT = 'Inter, "Noto Sans", "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
CONFIG: Any = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]],
    "toImageButtonOptions": {"format": "png", "scale": 2},
}
"""For every graph: an explicit list of buttons, so that none that would send data elsewhere can appear."""
CLEAR = "rgba(0,0,0,0)"
PRICE_FROM = 0.82
"""Where, from below, the price's part of the power chart begins."""

Part = dict[str, Any]
"""A piece of a plotly document."""


def power(view: PowerView, theme: Theme, local: LocalTime, currency: str) -> go.Figure:
    """Price above, the site's power below: measured, expected with its band, and local control for comparison."""
    shift = local.offset(view.now)
    traces: list[Part] = []
    if view.price is not None:
        price = steps(view.price, shift, "Price", theme.muted, f"{currency}/kWh", width=1.4)
        traces.append({**price, "yaxis": "y2"})
    if view.nothing is not None:
        traces.append(line(view.nothing, "load", shift, "Doing nothing", theme.other, "kW", width=1.2, dash="dot", shape="hv"))
    traces.append(line(view.past, "load", shift, "Measured", theme.measured, "kW", width=2.0))
    if view.expected is not None:
        traces += band(view.expected, shift, "Expected", theme, "kW")
    limits = ((view.limit_kw, "import limit"), (view.peak_kw, "peak so far"))
    shown = [(level, name) for level, name in limits if level is not None and level > 0]
    layout = dressed(theme, view.start + shift, view.end + shift)
    layout |= {
        "yaxis": axis(theme, "kW") | {"domain": [0.0, PRICE_FROM - 0.06], "rangemode": "tozero"},
        "yaxis2": axis(theme, f"{currency}/kWh") | {"domain": [PRICE_FROM, 1.0], "nticks": 3, "anchor": "x"},
        "shapes": [*(level_line(level, theme) for level, _ in shown), now_line(view.now + shift, theme)],
        "annotations": [
            *(level_words(level, f"{name} {figures(level)} kW", theme) for level, name in shown),
            *_unplanned(view, theme),
        ],
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}},
        "margin": {"l": 56, "r": 14, "t": 8, "b": 40},
        "uirevision": "power",
    }
    return go.Figure({"data": traces, "layout": layout})


def _unplanned(view: PowerView, theme: Theme) -> list[Part]:
    """Why the time ahead is empty."""
    if not view.unplanned:
        return []
    font = {"size": 12, "color": theme.muted}
    place = {"xref": "paper", "yref": "paper", "x": 0.75, "y": 0.4, "xanchor": "center"}
    return [{"text": view.unplanned, "showarrow": False, "font": font} | place]


def stores(views: Sequence[StoreView], start: datetime, now: datetime, end: datetime, theme: Theme, local: LocalTime) -> go.Figure:
    """Level of each store in a strip of its own: measured, planned, operating limits as the edges of a band."""
    shift, traces, shapes = local.offset(now), list[Part](), list[Part]()
    layout = dressed(theme, start + shift, end + shift)
    for number, view in enumerate(views, start=1):
        name = "" if number == 1 else str(number)
        low, high = _strip(number, len(views))
        traces += [{**trace, "yaxis": f"y{name}"} for trace in store_traces(view, theme, shift)]
        shapes += store_shapes(view, theme, f"y{name}")
        layout[f"yaxis{name}"] = axis(theme) | {"domain": [low, high], "nticks": 4, "range": _around(view), "anchor": "x"}
    layout["xaxis"] |= {
        "nticks": 4,
        "tickangle": 0,
        "tickformatstops": [],
        "tickformat": "%H:%M<br>%a",
        "anchor": "y" if len(views) < 2 else f"y{len(views)}",
    }
    layout |= {
        "shapes": [*shapes, now_line(now + shift, theme)],
        "margin": {"l": 44, "r": 10, "t": 4, "b": 38},
        "showlegend": False,
        "uirevision": "stores",
    }
    return go.Figure({"data": traces, "layout": layout})


def asset_power(view: AssetView, theme: Theme, local: LocalTime) -> go.Figure:
    """Power of one asset, measured and planned; below, its set-point."""
    shift, traces = local.offset(view.now), list[Part]()
    layout = dressed(theme, view.start + shift, view.end + shift)
    both = view.setpoint is not None
    if view.power is not None:
        traces.append(line(view.power.past, "value", shift, "Power", theme.measured, "kW", width=1.8))
    if view.course is not None:
        traces.append(steps(view.course.power_kw, shift, "Power by plan", theme.planned, "kW", width=1.6, dash="dash"))
    if view.setpoint is not None:
        unit = view.setpoint.unit if view.setpoint.unit != "1" else ""
        traces.append(
            line(view.setpoint.past, "value", shift, "Set-point", theme.measured, unit, width=1.4, shape="hv") | {"yaxis": "y2"}
        )
        if view.course is not None and view.course.setpoint is not None:
            planned = steps(view.course.setpoint, shift, "Set-point by plan", theme.planned, unit, width=1.4, dash="dash")
            traces.append(planned | {"yaxis": "y2"})
        layout["yaxis2"] = axis(theme, unit or "set-point") | {"domain": [0.0, 0.26], "anchor": "x", "nticks": 3}
        layout["xaxis"] |= {"anchor": "y2"}
    layout |= {
        "yaxis": axis(theme, "kW") | {"domain": [0.34 if both else 0.0, 1.0]},
        "shapes": [now_line(view.now + shift, theme)],
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
        "margin": {"l": 56, "r": 14, "t": 8, "b": 40},
        "uirevision": f"asset-{view.row.name}",
    }
    return go.Figure({"data": traces, "layout": layout})


def sensors(view: AssetView, theme: Theme, local: LocalTime) -> go.Figure:
    """The asset's sensors, each in a strip of its own; what its health model expected of a driver is drawn beside."""
    if not view.sensors:
        return nothing_to_show("The site file names no further sensors", theme)
    shift, traces, shapes, words = local.offset(view.now), list[Part](), list[Part](), list[Part]()
    expected = {driver.tag: driver.expected for driver in (view.health.drivers if view.health else ())}
    layout = dressed(theme, view.start + shift, view.now + shift)
    for number, trace in enumerate(view.sensors, start=1):
        name = "" if number == 1 else str(number)
        low, high = _strip(number, len(view.sensors))
        traces.append(line(trace.past, "value", shift, trace.tag, theme.measured, trace.unit, width=1.6) | {"yaxis": f"y{name}"})
        layout[f"yaxis{name}"] = axis(theme, trace.unit) | {"domain": [low, high - 0.04], "nticks": 4, "anchor": "x"}
        words.append(strip_words(trace.tag, high, theme))
        if trace.tag in expected:
            shapes.append(level_line(expected[trace.tag], theme) | {"yref": f"y{name}"})
            words.append(level_words(expected[trace.tag], "expected by the model", theme) | {"yref": f"y{name}"})
    layout["xaxis"] |= {"nticks": 6, "anchor": "y" if len(view.sensors) < 2 else f"y{len(view.sensors)}"}
    layout |= {"shapes": shapes, "annotations": words, "showlegend": False, "margin": {"l": 56, "r": 14, "t": 8, "b": 40}}
    return go.Figure({"data": traces, "layout": layout | {"uirevision": f"sensors-{view.row.name}"}})


def strip_words(words: str, top: float, theme: Theme) -> Part:
    """The name of a strip, in its upper left corner."""
    font = {"size": 12, "color": theme.ink}
    place = {"xref": "paper", "yref": "paper", "x": 0, "xanchor": "left", "y": top, "yanchor": "top"}
    return {"text": words, "showarrow": False, "font": font} | place


def _strip(number: int, count: int) -> tuple[float, float]:
    """Vertical domain of a strip; the first one is on top."""
    height = 1.0 / count
    return 1.0 - number * height + 0.09 * height, 1.0 - (number - 1) * height - 0.03 * height


def store_traces(view: StoreView, theme: Theme, shift: timedelta) -> list[Part]:
    """Measured and planned level."""
    found = [line(view.past, "level", shift, "Measured", theme.measured, view.unit, width=1.8)]
    if view.planned is not None:
        times = naive([view.planned.time(i) + shift for i in range(len(view.planned.values))])
        found.append(scatter(times, list(view.planned.values), "Planned", theme.planned, view.unit, width=1.6, dash="dash"))
    return found


def store_shapes(view: StoreView, theme: Theme, axis_name: str) -> list[Part]:
    """The operating limits and the band between them."""
    across = {"xref": "paper", "yref": axis_name, "x0": 0, "x1": 1}
    edge = {"type": "line", "line": {"color": theme.limit, "width": 1, "dash": "dash"}}
    filled = {"type": "rect", "fillcolor": theme.fill, "line": {"width": 0}, "layer": "below", "y0": view.low, "y1": view.high}
    return [across | filled, *(across | edge | {"y0": level, "y1": level} for level in (view.low, view.high))]


def _around(view: StoreView) -> list[float]:
    """A range that holds the limits, what was measured and what is planned."""
    held = view.past.columns["level"]
    values = [view.low, view.high, *held[np.isfinite(held)].tolist(), *(view.planned.values if view.planned else ())]
    margin = 0.08 * max(max(values) - min(values), 1e-9)
    return [min(values) - margin, max(values) + margin]


def scatter(times: list[str], values: list[Any], name: str, colour: str, unit: str, **look: Any) -> Part:
    """A line through values; None is a gap."""
    return {
        "type": "scatter",
        "x": times,
        "y": values,
        "name": name,
        "mode": "lines",
        "line": {"color": colour, **look},
        "connectgaps": False,
        "hovertemplate": f"%{{y:,.4~g}} {unit}<extra>{name}</extra>",
    }


def line(table: Table, column: str, shift: timedelta, name: str, colour: str, unit: str, **look: Any) -> Part:
    """A line through a column of readings; NaN is a gap."""
    times, values = thinned(table.times, table.columns[column])
    local = times + np.timedelta64(round(shift.total_seconds() * 1e6), "us")
    numbers = [None if math.isnan(value) else round(value, 4) for value in values.tolist()]
    return scatter(local.astype("datetime64[s]").astype(str).tolist(), numbers, name, colour, unit, **look)


def thinned(times: Times, values: Floats) -> tuple[Times, Floats]:
    """At most `POINTS_SHOWN` points with the extremes kept; a gap stays a gap."""
    if times.size <= POINTS_SHOWN:
        return times, values
    known = np.isfinite(values)
    filled = np.where(known, values, np.nanmean(values) if known.any() else 0.0)
    chosen = MinMaxLTTBDownsampler().downsample(times.astype(np.int64), filled, n_out=POINTS_SHOWN)
    edges = np.flatnonzero(known[1:] != known[:-1])
    rows = np.unique(np.concatenate([chosen.astype(np.int64), edges, edges + 1]))
    return times[rows], values[rows]


def steps(series: Series, shift: timedelta, name: str, colour: str, unit: str, **look: Any) -> Part:
    """A line of steps through a series: each value holds until the next."""
    times = naive([series.time(i) + shift for i in range(len(series.values) + 1)])
    return scatter(times, [*series.values, series.values[-1]], name, colour, unit, shape="hv", **look)


def band(values: Band, shift: timedelta, name: str, theme: Theme, unit: str) -> list[Part]:
    """An expectation with its 80 % band."""
    times = naive([values.p50.time(i) + shift for i in range(len(values.p50.values) + 1)])
    silent = {"type": "scatter", "x": times, "mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip"}
    filled = {"name": "80 % band", "fill": "tonexty", "fillcolor": theme.planned_band}
    return [
        silent | {"y": [*values.p10.values, values.p10.values[-1]], "name": "p10", "showlegend": False},
        silent | filled | {"y": [*values.p90.values, values.p90.values[-1]]},
        steps(values.p50, shift, name, theme.planned, unit, width=1.8, dash="dash"),
    ]


def naive(times: list[datetime]) -> list[str]:
    """Local times as plotly takes them: without a zone, so that the browser does not shift them again."""
    return [f"{time:%Y-%m-%dT%H:%M:%S}" for time in times]


def level_line(level: float, theme: Theme) -> Part:
    """A dashed line across the whole chart."""
    dashed = {"color": theme.limit, "width": 1, "dash": "dash"}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level, "line": dashed}


def level_words(level: float, words: str, theme: Theme) -> Part:
    """The words on such a line."""
    font = {"size": 11, "color": theme.muted}
    return {
        "text": words,
        "xref": "paper",
        "x": 1,
        "xanchor": "right",
        "y": level,
        "yanchor": "bottom",
        "showarrow": False,
        "font": font,
    }


def now_line(now: datetime, theme: Theme) -> Part:
    """Where the past ends."""
    at = naive([now])[0]
    return {"type": "line", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1, "line": {"color": theme.ink, "width": 1}}


def axis(theme: Theme, title: str = "") -> Part:
    """A value axis."""
    return {
        "title": {"text": title, "standoff": 6},
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zerolinecolor": theme.grid,
        "ticks": "",
    }


def dressed(theme: Theme, start: datetime, end: datetime) -> Part:
    """What all charts over time share; `start` and `end` are local already."""
    time_axis = {
        "type": "date",
        "range": naive([start, end]),
        "showgrid": True,
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "zeroline": False,
        "tickformatstops": [
            {"dtickrange": [None, 86399999], "value": "%H:%M\n%a %d %b"},
            {"dtickrange": [86400000, None], "value": "%a %d %b"},
        ],
    }
    return {
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "font": {"family": FONT, "size": 12, "color": theme.muted},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": theme.panel, "bordercolor": theme.grid, "font": {"color": theme.ink}},
        "modebar": {"bgcolor": CLEAR, "color": theme.other, "activecolor": theme.ink, "orientation": "h"},
        "dragmode": "zoom",
        "template": {},
        "xaxis": time_axis,
    }


def nothing_to_show(words: str, theme: Theme) -> go.Figure:
    """An empty figure that says why."""
    font = {"family": FONT, "size": 13, "color": theme.muted}
    said = {"text": words, "showarrow": False, "font": font, "x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper"}
    return go.Figure(
        {
            "layout": {
                "template": {},
                "paper_bgcolor": CLEAR,
                "plot_bgcolor": CLEAR,
                "xaxis": {"visible": False},
                "yaxis": {"visible": False},
                "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
                "annotations": [said],
            }
        }
    )
