"""Pieces that pages are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.figures import CONFIG, nothing_to_show
from dashboard.theme import theme
from dashboard.views import Order
from dashboard.words import GAP, KEYS, NONE, figure_words, percent
from plant.assets import Mode
from plant.health import Severity
from plant.orders import Action, OutcomeKind, Spread, Verdict

Piece = Component | str | None

CALM_ENDS = frozenset({OutcomeKind.CONFIRMED, OutcomeKind.NOT_SENT})


def tile(label: str, value: str, unit: str = "", note: Piece = None, look: str = "", meter: float | None = None) -> Component:
    """One key figure: large number, its unit, and a line that puts it into proportion."""
    parts: list[Component] = [
        html.Div(label, className="label"),
        html.Div([value, html.Small(unit)] if unit else value, className="value"),
    ]
    if meter is not None:
        width = f"{100 * min(max(meter, 0.0), 1.0):.1f}%"
        parts.append(html.Div(html.I(style={"width": width}), className=f"meter {look}"))
    parts.append(html.Div(note if note is not None else "\u00a0", className="note", title=note if isinstance(note, str) else None))
    return html.Div(parts, className=f"tile {look}".strip())


def panel(title: str, body: Any, aside: Any = None, name: str = "", body_look: str = "", body_id: str | None = None) -> Component:
    """A framed part of a page with its title."""
    return html.Section(
        className=f"panel {name}".strip(),
        children=[
            html.Header([html.H2(title), html.Div(aside, className="aside")]),
            html.Div(body, className=f"body {body_look}".strip(), id=body_id or f"{name or 'panel'}-body"),
        ],
    )


def graph(name: str, look: str = "fill") -> dcc.Graph:
    """A chart that sends nothing anywhere; blank until its first figure arrives."""
    blank = nothing_to_show("", theme(None))
    return dcc.Graph(id=name, config=CONFIG, className=look, style={"height": "100%"}, responsive=True, figure=blank)


def table(heads: Sequence[tuple[str, str]], rows: Sequence[Component]) -> Component:
    """A table; each head is (text, class)."""
    head = html.Thead(html.Tr([html.Th(text, className=look) for text, look in heads]))
    return html.Table([head, html.Tbody(list(rows))], className="grid")


def running(on: bool | None) -> Component:
    """Running state: filled for running, hollow for stopped; no colour, because neither is abnormal."""
    if on is None:
        return html.Span("unknown", className="run unknown")
    return html.Span("running" if on else "stopped", className="run on" if on else "run")


def zone(score: float | None, severity: Severity | None, *, alarm: bool = True) -> Component:
    """Health: zone letter, bar and score; zone D is red once its alarm is raised."""
    if score is None or severity is None:
        return html.Span(NONE, className="muted", title="not enough data to judge")
    return html.Span(
        className=f"zone {'C' if severity is Severity.D and not alarm else severity.value}",
        title=f"Health {percent(score, 0)}, zone {severity.value} (A as new … D damage is near)",
        children=[html.B(severity.value), html.Span(html.I(style={"width": f"{100 * score:.0f}%"}), className="bar")],
    )


def mode_mark(mode: Mode) -> Component:
    """How far the product may go with an asset."""
    return html.Span(mode.value, className=f"mode {mode.value}")


def action_words(action: Action, setpoint: str) -> str:
    """An order in words: what is done, and to which set-point."""
    words = {Action.STARTUP: "start", Action.SHUTDOWN: "stop", Action.RELEASE: "give back", Action.OPTIMIZE: "run at"}[action]
    if action is Action.OPTIMIZE:
        return f"{words} {setpoint}" if setpoint else "run"
    return words


def end_mark(order: Order) -> Component:
    """How a command ended."""
    if order.waits:
        return html.Span("WAITS FOR APPROVAL", className="end attention")
    if order.outcome is None:
        return html.Span("UNDER WAY", className="end")
    look = "end" if order.outcome.kind in CALM_ENDS else "end attention"
    return html.Span(order.outcome.kind.value.replace("_", " "), className=look, title=order.outcome.words or None)


def facts(*pairs: tuple[str, str]) -> Component:
    """Names and values, one line each."""
    return html.Dl([piece for name, value in pairs for piece in (html.Dt(name), html.Dd(value))], className="facts")


def spread_table(verdict: Verdict, currency: str) -> Component:
    """Each figure over the futures, beside doing nothing on the same draws: median, and where nine of ten futures lie."""
    alone = {spread.key: spread for spread in verdict.nothing}
    rows = []
    order = list(KEYS)
    for spread in sorted(verdict.expected, key=lambda item: order.index(item.key) if item.key in order else len(order)):
        other = alone.get(spread.key)
        rows.append(
            html.Tr(
                [
                    html.Td(KEYS.get(spread.key, spread.key), className="strong"),
                    html.Td(_spread(spread, currency), className="num"),
                    html.Td(_spread(other, currency) if other else NONE, className="num"),
                    html.Td(_difference(spread, other, currency) if other else NONE, className="num strong"),
                ]
            )
        )
    heads = [("", ""), ("This plan, p50 (p5 … p95)", "num"), ("Doing nothing, p50 (p5 … p95)", "num"), ("Difference", "num")]
    return table(heads, rows) if rows else html.P("No figures were rehearsed.", className="none")


def _spread(spread: Spread, currency: str) -> list[Component | str]:
    low, high = (figure_words(spread.key, value, currency).split(GAP, maxsplit=1)[0] for value in (spread.p5, spread.p95))
    span = f" ({low} … {high})"
    return [html.Span(figure_words(spread.key, spread.p50, currency), className="strong"), html.Span(span, className="muted")]


def _difference(spread: Spread, other: Spread, currency: str) -> str:
    return figure_words(spread.key, spread.p50 - other.p50, currency)
