"""From records to plotly figures. Pure: the same view and theme give the same figure."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots
from tsdownsample import MinMaxLTTBDownsampler

from dashboard.theme import Theme
from dashboard.views import Band, PowerView, StoreView
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


def power(view: PowerView, theme: Theme, local: LocalTime, currency: str) -> go.Figure:
    """Price above, the site's power below: measured, expected with its band, and local control for comparison."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.07, row_heights=[0.2, 0.8])
    shift = local.offset(view.now)
    if view.price is not None:
        figure.add_trace(_steps(view.price, shift, "Price", theme.muted, f"{currency}/kWh", width=1.4, digits=4), row=1, col=1)
    if view.nothing is not None:
        figure.add_trace(
            _line(view.nothing, "load", shift, "Doing nothing", theme.other, "kW", width=1.2, dash="dot", shape="hv"), row=2, col=1
        )
    figure.add_trace(_line(view.past, "load", shift, "Measured", theme.measured, "kW", width=2.0), row=2, col=1)
    if view.expected is not None:
        for trace in _band(view.expected, shift, "Expected", theme, "kW"):
            figure.add_trace(trace, row=2, col=1)
    for level, name in ((view.limit_kw, "import limit"), (view.peak_kw, "peak so far")):
        if level is not None and level > 0:
            _level(figure, level, f"{name} {figures(level)} kW", theme, row=2)
    _now(figure, view.now, shift, theme, rows=2)
    _dress(figure, theme, view.start + shift, view.end + shift)
    figure.update_yaxes(title_text=f"{currency}/kWh", row=1, col=1, nticks=3)
    figure.update_yaxes(title_text="kW", row=2, col=1, rangemode="tozero")
    figure.update_layout(
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12}}, uirevision="power"
    )
    return figure


def store(view: StoreView, start: datetime, now: datetime, end: datetime, theme: Theme, local: LocalTime) -> go.Figure:
    """Level of one store: measured, planned, and the operating limits as the edges of a band."""
    figure, shift = go.Figure(), local.offset(now)
    figure.add_shape(
        type="rect", xref="x domain", x0=0, x1=1, y0=view.low, y1=view.high, fillcolor=theme.fill, line_width=0, layer="below"
    )
    for level in (view.low, view.high):
        figure.add_shape(
            type="line", xref="x domain", x0=0, x1=1, y0=level, y1=level, line={"color": theme.limit, "width": 1, "dash": "dash"}
        )
    figure.add_trace(_line(view.past, "level", shift, "Measured", theme.measured, view.unit, width=1.8))
    if view.planned is not None:
        times = _naive([view.planned.time(i) + shift for i in range(len(view.planned.values))])
        figure.add_trace(_scatter(times, view.planned.values, "Planned", theme.planned, view.unit, width=1.6, dash="dash"))
    _now(figure, now, shift, theme, rows=1)
    _dress(figure, theme, start + shift, end + shift)
    figure.update_yaxes(nticks=4, range=_around(view))
    figure.update_xaxes(nticks=5, tickformatstops=[], tickformat="%H:%M")
    figure.update_layout(margin={"l": 42, "r": 8, "t": 4, "b": 22}, showlegend=False, uirevision=f"store-{view.name}")
    return figure


def _around(view: StoreView) -> list[float]:
    """A range that holds the limits, what was measured and what is planned."""
    held = view.past.columns["level"]
    values = [view.low, view.high, *held[np.isfinite(held)].tolist(), *(view.planned.values if view.planned else ())]
    margin = 0.08 * max(max(values) - min(values), 1e-9)
    return [min(values) - margin, max(values) + margin]


def _scatter(times: Any, values: Any, name: str, colour: str, unit: str, **line: Any) -> go.Scatter:
    digits = line.pop("digits", None)
    shown = f"%{{y:,.{digits}f}}" if digits is not None else "%{y:,.4~g}"
    return go.Scatter(
        x=times,
        y=values,
        name=name,
        mode="lines",
        line={"color": colour, **line},
        connectgaps=False,
        hovertemplate=f"{shown} {unit}<extra>{name}</extra>",
    )


def _line(table: Table, column: str, shift: timedelta, name: str, colour: str, unit: str, **line: Any) -> go.Scatter:
    times, values = thinned(table.times, table.columns[column])
    local = times + np.timedelta64(round(shift.total_seconds() * 1e6), "us")
    numbers = [None if math.isnan(value) else value for value in values.tolist()]
    return _scatter(local.astype("datetime64[ms]").astype(str).tolist(), numbers, name, colour, unit, **line)


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


def _steps(series: Series, shift: timedelta, name: str, colour: str, unit: str, **line: Any) -> go.Scatter:
    times = [series.time(i) + shift for i in range(len(series.values) + 1)]
    return _scatter(_naive(times), [*series.values, series.values[-1]], name, colour, unit, shape="hv", **line)


def _band(band: Band, shift: timedelta, name: str, theme: Theme, unit: str) -> list[go.Scatter]:
    count = len(band.p50.values)
    times = _naive([band.p50.time(i) + shift for i in range(count + 1)])

    def closed(series: Series) -> list[float]:
        return [*series.values, series.values[-1]]

    silent: dict[str, Any] = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip"}
    return [
        go.Scatter(x=times, y=closed(band.p10), name="p10", showlegend=False, **silent),
        go.Scatter(x=times, y=closed(band.p90), name="80 % band", fill="tonexty", fillcolor=theme.planned_band, **silent),
        _scatter(times, closed(band.p50), name, theme.planned, unit, width=1.8, dash="dash", shape="hv"),
    ]


def _naive(times: list[datetime]) -> list[str]:
    """Local times as plotly takes them: without a zone, so that the browser does not shift them again."""
    return [f"{time:%Y-%m-%dT%H:%M:%S}" for time in times]


def _level(figure: go.Figure, level: float, words: str, theme: Theme, row: int) -> None:
    figure.add_hline(
        y=level,
        row=row,
        col=1,
        line={"color": theme.limit, "width": 1, "dash": "dash"},
        annotation={"text": words, "font": {"size": 11, "color": theme.muted}},
        annotation_position="top left",
    )


def _now(figure: go.Figure, now: datetime, shift: timedelta, theme: Theme, rows: int) -> None:
    at = _naive([now + shift])[0]
    for row in range(1, rows + 1):
        axis = "" if row == 1 else str(row)
        figure.add_shape(
            type="line",
            xref=f"x{axis}",
            yref=f"y{axis} domain",
            x0=at,
            x1=at,
            y0=0,
            y1=1,
            line={"color": theme.ink, "width": 1},
        )


def _dress(figure: go.Figure, theme: Theme, start: datetime, end: datetime) -> None:
    figure.update_layout(
        template=None,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 12, "color": theme.muted},
        margin={"l": 56, "r": 14, "t": 28, "b": 26},
        hovermode="x unified",
        hoverlabel={"bgcolor": theme.panel, "bordercolor": theme.grid, "font": {"color": theme.ink}},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": theme.other, "activecolor": theme.ink, "orientation": "h"},
        dragmode="zoom",
    )
    figure.update_xaxes(
        type="date",
        range=_naive([start, end]),
        showgrid=True,
        gridcolor=theme.grid,
        linecolor=theme.grid,
        zeroline=False,
        tickformatstops=[
            {"dtickrange": [None, 86400000 - 1], "value": "%H:%M\n%a %d %b"},
            {"dtickrange": [86400000, None], "value": "%a %d %b"},
        ],
    )
    figure.update_yaxes(gridcolor=theme.grid, linecolor=theme.grid, zerolinecolor=theme.grid, title_standoff=6, ticks="")


def nothing_to_show(words: str, theme: Theme) -> go.Figure:
    """An empty figure that says why."""
    figure = go.Figure()
    figure.update_layout(
        template=None,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        xaxis={"visible": False},
        yaxis={"visible": False},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
    )
    figure.add_annotation(
        text=words, showarrow=False, font={"size": 13, "color": theme.muted}, x=0.5, y=0.5, xref="paper", yref="paper"
    )
    return figure
