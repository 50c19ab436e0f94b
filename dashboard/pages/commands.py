"""Every command with its evidence; what waits in ADVISE is approved or rejected here."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, callback_context, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.filing import file
from dashboard.grids import column, grid
from dashboard.page import Address, Page
from dashboard.parts import action_words, facts, panel, spread_table, table
from dashboard.queries import Queries
from dashboard.views import Order
from dashboard.words import NONE, money, number, percent, quantity, words_of
from ems.evidence import Evidence, evidence
from plant.errors import EmsError
from plant.orders import Outcome, OutcomeKind

CALM = frozenset({OutcomeKind.CONFIRMED, OutcomeKind.NOT_SENT})


def layout(_queries: Queries, page_address: Address) -> Component:
    """List on the left, evidence of the chosen command on the right."""
    columns = [
        column("at", "Time", 140),
        column("asset", "Asset", 140),
        column("what", "Command", 130),
        column("end", "End", 130),
        column("reason", "Reason", 105),
        column("words", "Words"),
        column("said", "Approval", 140),
    ]
    return html.Div(
        className="split",
        children=[
            dcc.Store(id="command-chosen", data=page_address.value("id")),
            panel("Commands", grid("command-grid", columns), "newest first; choose one for its evidence", "list", "flush"),
            html.Div(
                className="stack",
                children=[
                    panel("Evidence", None, None, "evidence", body_id="command-evidence"),
                    panel("Decide", _decide(), "in ADVISE a person decides", "decide"),
                ],
            ),
        ],
    )


def _decide() -> Component:
    locked: Any = True
    return html.Div(
        className="form",
        children=[
            dcc.Input(id="command-who", className="field", placeholder="Your name", persistence=True, persistence_type="local"),
            dcc.Input(id="command-why", className="field wide", placeholder="Why, for the record"),
            html.Button("Approve", id="command-approve", className="press main needs-live", disabled=locked, type="button"),
            html.Button("Reject", id="command-reject", className="press needs-live", disabled=locked, type="button"),
            html.P(id="command-answer", className="answer", role="status"),
        ],
    )


def register(app: Dash, queries: Queries) -> None:
    """Connect list, evidence and decision."""

    @app.callback(Output("command-grid", "rowData"), Input("pulse", "data"))
    def fill(_pulse: dict[str, Any] | None) -> Any:
        try:
            return [row(order, queries) for order in queries.told()]
        except EmsError:
            return no_update

    @app.callback(
        Output("command-chosen", "data"),
        Input("command-grid", "selectedRows"),
        State("command-chosen", "data"),
        prevent_initial_call=True,
    )
    def choose(rows: list[dict[str, Any]] | None, before: str | None) -> Any:
        return rows[0]["id"] if rows and rows[0]["id"] != before else no_update

    @app.callback(
        Output("command-evidence", "children"),
        Output("command-approve", "disabled"),
        Output("command-reject", "disabled"),
        Input("command-chosen", "data"),
        Input("pulse", "data"),
    )
    def show(chosen: str | None, _pulse: dict[str, Any] | None) -> tuple[Any, ...]:
        try:
            return shown(queries, chosen)
        except EmsError as error:
            return html.P(str(error), className="none"), True, True

    _register_decision(app, queries)


def _register_decision(app: Dash, queries: Queries) -> None:
    @app.callback(
        Output("command-answer", "children"),
        Input("command-approve", "n_clicks"),
        Input("command-reject", "n_clicks"),
        State("command-chosen", "data"),
        State("command-who", "value"),
        State("command-why", "value"),
        prevent_initial_call=True,
    )
    def answer(_yes: int | None, _no: int | None, chosen: str | None, who: str | None, why: str | None) -> str:
        wish = "approve" if callback_context.triggered_id == "command-approve" else "reject"
        try:
            request = file(queries, wish, who or "", chosen, why or "")  # type: ignore[arg-type]  # one of the two wishes above
        except EmsError as error:
            return str(error)
        return f"Filed: {request.wish} by {request.who}. The controller takes it in its next cycle."


def row(order: Order, queries: Queries) -> dict[str, Any]:
    """One command as a row of the grid."""
    command = order.command
    ended = order.outcome.kind if order.outcome else None
    words = "waits for approval" if order.waits else words_of(ended.value) if ended else "under way"
    calm = ended is None or ended in CALM
    return {
        "id": command.id,
        "at": queries.local.stamp(command.at),
        "asset": command.asset.replace("_", " "),
        "what": action_words(command.action, queries.setpoint_words(command.asset, command.setpoint)),
        "end": words,
        "reason": words_of(command.reason.value),
        "words": command.words,
        "said": order.decided,
        "look": "attention" if order.waits or not calm else "",
    }


def shown(queries: Queries, chosen: str | None) -> tuple[Component | list[Component], bool, bool]:
    """Evidence of the chosen command (the newest if none is), and whether it can be decided no more."""
    orders = queries.told()
    order = next((item for item in orders if item.command.id == chosen), orders[0] if orders and chosen is None else None)
    if order is None and chosen is None:
        return html.P("No command has been given yet.", className="none"), True, True
    found = evidence(queries.historian, order.command.id if order else str(chosen))
    locked = order is None or not order.waits or chosen is None
    return told(found, queries), locked, locked


def told(found: Evidence, queries: Queries) -> list[Component]:
    """All that led to a command and came of it."""
    command = found.command
    what = action_words(command.action, queries.setpoint_words(command.asset, command.setpoint))
    parts: list[Component] = [
        html.H3([command.asset.replace("_", " "), " ", what]),
        html.P(f"{words_of(command.reason.value)}: {command.words}", className="why"),
        facts(
            ("Given", queries.local.full(command.at)),
            ("Expires", queries.local.clock(command.expires)),
            ("Expected power", quantity(command.expected_power_kw, "kW")),
            ("Id", command.id),
        ),
        html.H3("How it ended"),
        _end(found.outcome, queries) if found.outcome else html.P("It is under way.", className="none"),
    ]
    if found.approval is not None:
        said = "Approved" if found.approval.approved else "Rejected"
        parts.append(html.P(f"{said} by {found.approval.who}, {queries.local.full(found.approval.time)}. {found.approval.words}"))
    return parts + _plan(found, queries)


def _end(outcome: Outcome, queries: Queries) -> Component:
    read = NONE if outcome.running_read is None else "running" if outcome.running_read else "stopped"
    return facts(
        ("Outcome", words_of(outcome.kind.value)),
        ("Words", outcome.words or NONE),
        ("Written", queries.local.full(outcome.written_at)),
        ("Read back", queries.local.full(outcome.time)),
        ("State read", read),
        ("Set-point read", number(outcome.setpoint_read, 2)),
        ("Power expected", quantity(outcome.power_expected_kw, "kW")),
        ("Power measured", quantity(outcome.power_measured_kw, "kW")),
    )


def _plan(found: Evidence, queries: Queries) -> list[Component]:
    if found.plan is None:
        return [html.P("It belongs to no plan: a release or a protection.", className="none")]
    plan, verdict = found.plan, found.verdict
    link = dcc.Link("open the plan", href=f"/plans?id={plan.id}")
    parts: list[Component] = [
        html.H3(["The plan behind it, ", link]),
        facts(
            ("Strategy", f"{plan.strategy} ({plan.rung})"),
            ("Objective", money(plan.objective, queries.currency)),
            ("Proven within", percent(plan.gap, 2)),
            ("Rejected alternative", plan.rejected.words if plan.rejected else NONE),
        ),
    ]
    if verdict is not None:
        word = "approved" if verdict.ok else "refused"
        parts.append(html.H3(f"Lived through in {verdict.futures} futures: {word}"))
        parts.append(spread_table(verdict, queries.currency))
    if verdict is not None and verdict.valid_while:
        rows = [
            html.Tr([html.Td(item.tag), html.Td(number(item.low, 2)), html.Td(number(item.high, 2))])
            for item in verdict.valid_while
        ]
        parts += [html.H3("The verdict holds while"), table([("Tag", ""), ("from", "num"), ("to", "num")], rows)]
    return parts


PAGE = Page(path="/commands", title="Commands", order=40, layout=layout, register=register)
