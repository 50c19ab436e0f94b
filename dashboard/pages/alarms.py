"""Alarms in the manner of ISA-18.2: what stands, what it means, what to do; acknowledge and shelve."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, callback_context, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.filing import file
from dashboard.grids import column, grid
from dashboard.page import Address, Page
from dashboard.parts import facts, panel
from dashboard.queries import Queries
from dashboard.words import NONE, words_of
from ems.raised import NEEDS_A_PERSON, standing
from plant.errors import EmsError
from plant.events import Alarm, AlarmState, Event, Priority

EVENTS_SHOWN = 60
SPANS = ("1h", "8h", "24h", "7d")


def layout(_queries: Queries, _address: Address) -> Component:
    """Alarms with what can be done about them; below, what happened."""
    columns = [
        column("priority", "Priority", 105),
        column("state", "State", 150, wrapText=True),
        column("raised", "Raised", 140),
        column("asset", "Asset", 120),
        column("words", "What", wrapText=True, autoHeight=True),
        column("advice", "What to do", wrapText=True, autoHeight=True),
    ]
    return html.Div(
        className="split",
        children=[
            html.Div(
                className="stack",
                children=[
                    html.Div(_toolbar(), className="toolbar"),
                    panel("Alarms", grid("alarm-grid", columns, "multiRow"), "most urgent first", "list", "flush"),
                ],
            ),
            html.Div(
                className="stack",
                children=[
                    panel("Chosen", html.P("Choose an alarm.", className="none"), None, "chosen", body_id="alarm-chosen"),
                    panel("Events", None, "newest first", "events", body_id="alarm-events"),
                ],
            ),
        ],
    )


def _toolbar() -> list[Component]:
    return [
        dcc.Input(id="alarm-who", className="field", placeholder="Your name", persistence=True, persistence_type="local"),
        html.Button("Acknowledge", id="alarm-ack", className="press main needs-live", type="button"),
        html.Span("shelve for", className="muted"),
        dcc.RadioItems(id="alarm-span", options=list(SPANS), value="8h", inline=True, className="choice"),
        html.Button("Shelve", id="alarm-shelve", className="press needs-live", type="button"),
        html.Span(id="alarm-answer", className="answer", role="status"),
    ]


def register(app: Dash, queries: Queries) -> None:
    """Connect list, details and buttons."""

    @app.callback(Output("alarm-grid", "rowData"), Output("alarm-events", "children"), Input("pulse", "data"))
    def fill(_pulse: dict[str, Any] | None) -> tuple[Any, ...]:
        try:
            return [row(alarm, queries) for alarm in standing(queries.historian)], happened(queries)
        except EmsError:
            return no_update, no_update

    @app.callback(Output("alarm-chosen", "children"), Input("alarm-grid", "selectedRows"), prevent_initial_call=True)
    def show(rows: list[dict[str, Any]] | None) -> Any:
        if not rows:
            return html.P("Choose an alarm.", className="none")
        known = {alarm.id: alarm for alarm in standing(queries.historian)}
        return [part for item in rows if item["id"] in known for part in details(known[item["id"]], queries)]

    @app.callback(
        Output("alarm-answer", "children"),
        Input("alarm-ack", "n_clicks"),
        Input("alarm-shelve", "n_clicks"),
        State("alarm-grid", "selectedRows"),
        State("alarm-who", "value"),
        State("alarm-span", "value"),
        prevent_initial_call=True,
    )
    def answer(_ack: Any, _shelve: Any, rows: list[dict[str, Any]] | None, who: str | None, span: str) -> str:
        if not rows:
            return "Choose an alarm first."
        shelving = callback_context.triggered_id == "alarm-shelve"
        try:
            for item in rows:
                file(queries, "shelve" if shelving else "ack", who or "", item["id"], span if shelving else "")
        except EmsError as error:
            return str(error)
        word = f"shelve for {span}" if shelving else "acknowledge"
        return f"Filed: {word} {len(rows)} alarm{'s' if len(rows) != 1 else ''}. The controller takes it in its next cycle."


def row(alarm: Alarm, queries: Queries) -> dict[str, Any]:
    """One alarm as a row of the grid."""
    pressing = alarm.state in NEEDS_A_PERSON
    look = "alarm" if alarm.priority in (Priority.URGENT, Priority.HIGH) else "attention"
    until = f" until {queries.local.stamp(alarm.shelved_until)}" if alarm.state is AlarmState.SHELVED else ""
    return {
        "id": alarm.id,
        "priority": words_of(alarm.priority.value),
        "state": words_of(alarm.state.value) + until,
        "raised": queries.local.stamp(alarm.raised_at),
        "asset": (alarm.asset or "site").replace("_", " "),
        "words": alarm.words,
        "advice": alarm.advice or NONE,
        "look": look if pressing else "",
    }


def details(alarm: Alarm, queries: Queries) -> list[Component]:
    """What an alarm means and what to do."""
    return [
        html.H3(alarm.words),
        facts(
            ("What to do", alarm.advice or NONE),
            ("Cause", alarm.cause or NONE),
            ("If nothing is done", alarm.consequence or NONE),
            ("Rule", alarm.rule),
            ("State", words_of(alarm.state.value)),
            ("Since", queries.local.full(alarm.changed_at)),
        ),
    ]


def happened(queries: Queries) -> list[Component]:
    """The newest events."""
    events = queries.historian.records("event", Event, newest_first=True, limit=EVENTS_SHOWN)
    found: list[Component] = [
        html.Div(
            className="order",
            children=[
                html.Span(queries.local.stamp(event.time), className="when"),
                html.Span([html.Span((event.asset or "site").replace("_", " "), className="strong"), f" {words_of(event.kind)}"]),
                html.Span(event.words, className="why"),
            ],
        )
        for event in events
    ]
    return found or [html.P("Nothing has happened yet.", className="none")]


PAGE = Page(path="/alarms", title="Alarms", order=50, layout=layout, register=register)
