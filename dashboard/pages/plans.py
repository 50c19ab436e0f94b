"""Plans and their evidence: what is intended, what living through it showed, which rules it broke, and how to derive it again."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import figures, timeline
from dashboard.grids import column, grid, number_column
from dashboard.page import Address, Page
from dashboard.parts import facts, graph, panel, spread_table, table
from dashboard.queries import Queries
from dashboard.theme import theme
from dashboard.views import PlanView
from dashboard.words import NONE, money, percent, quantity, words_of
from dashboard.words import figures as to_three
from plant.errors import EmsError
from plant.orders import Cut, Violation


def layout(_queries: Queries, page_address: Address) -> Component:
    """List on top, the chosen plan below: its course on the left, its verdict on the right."""
    columns = [
        column("made", "Made", 140),
        column("strategy", "Strategy", 115),
        column("rung", "Rung", 90),
        column("verdict", "Verdict", 105),
        number_column("cost", "Cost, p50", 125),
        number_column("nothing", "Doing nothing", 150),
        number_column("gap", "Proven within", 145),
        number_column("commands", "Commands", 125),
        column("words", "Words"),
    ]
    return html.Div(
        className="plans",
        children=[
            dcc.Store(id="plan-chosen", data=page_address.value("id")),
            panel("Plans", grid("plan-grid", columns), "newest first; choose one to see it", "list", "flush"),
            panel("Course", graph("plan-course"), html.Span(id="plan-name"), "course", "flush"),
            panel("Verdict", None, "lived through before it was sent", "verdict", body_id="plan-verdict"),
        ],
    )


def register(app: Dash, queries: Queries) -> None:
    """Connect list and evidence."""

    @app.callback(Output("plan-grid", "rowData"), Input("pulse", "data"))
    def fill(_pulse: dict[str, Any] | None) -> Any:
        try:
            return [row(view, queries) for view in queries.plans()]
        except EmsError:
            return no_update

    @app.callback(
        Output("plan-chosen", "data"), Input("plan-grid", "selectedRows"), State("plan-chosen", "data"), prevent_initial_call=True
    )
    def choose(rows: list[dict[str, Any]] | None, before: str | None) -> Any:
        return rows[0]["id"] if rows and rows[0]["id"] != before else no_update

    @app.callback(
        Output("plan-course", "figure"),
        Output("plan-verdict", "children"),
        Output("plan-name", "children"),
        Input("plan-chosen", "data"),
        Input("pulse", "data"),
        Input("theme", "data"),
    )
    def show(chosen: str | None, _pulse: dict[str, Any] | None, theme_name: str | None) -> tuple[Any, ...]:
        colours = theme(theme_name)
        try:
            view = queries.plan_view(chosen)
        except EmsError as error:
            return figures.nothing_to_show(str(error), colours), html.P(str(error), className="none"), NONE
        if view is None:
            words = "No plan has been recorded yet."
            return figures.nothing_to_show(words, colours), html.P(words, className="none"), NONE
        named = f"{view.plan.id}, {queries.local.full(view.plan.made_at)}"
        return timeline.courses(view.plan, colours, queries.local), verdict_of(view, queries), named


def row(view: PlanView, queries: Queries) -> dict[str, Any]:
    """One plan as a row of the grid."""
    plan, verdict = view.plan, view.verdict
    cost = next((spread.p50 for spread in verdict.expected if spread.key == "cost"), None) if verdict else None
    alone = next((spread.p50 for spread in verdict.nothing if spread.key == "cost"), None) if verdict else None
    return {
        "id": plan.id,
        "made": queries.local.stamp(plan.made_at),
        "strategy": plan.strategy,
        "rung": plan.rung,
        "verdict": NONE if verdict is None else "approved" if verdict.ok else "refused",
        "cost": money(cost, queries.currency),
        "nothing": money(alone, queries.currency),
        "gap": percent(plan.gap, 2),
        "commands": str(len(plan.commands)),
        "words": plan.words or (verdict.words if verdict else ""),
        "look": "attention" if verdict is not None and not verdict.ok else "",
    }


def verdict_of(view: PlanView, queries: Queries) -> list[Component]:
    """What the rehearsal showed, what shaped the plan, and whether it can be derived again."""
    verdict = view.verdict
    parts: list[Component] = []
    if verdict is None:
        parts.append(html.P("It was not rehearsed.", className="attention-word"))
    else:
        word = "Approved" if verdict.ok else "Refused"
        head = f"{word} after {verdict.futures} futures (seed {verdict.seed}, credibility {percent(verdict.credibility, 0)})"
        parts += [
            html.H3(head, className="" if verdict.ok else "attention-word"),
            html.P(verdict.words, className="why"),
            spread_table(verdict, queries.currency),
            html.H3("Rules it breaks" if verdict.violations else "It breaks no rule"),
            *violation_table(verdict.violations, queries),
        ]
        if verdict.tolerated:
            parts += [
                html.H3("Tolerated: doing nothing breaks them as well, or too few futures"),
                *violation_table(verdict.tolerated, queries),
            ]
    return parts + _shape(view, queries)


def _shape(view: PlanView, queries: Queries) -> list[Component]:
    plan = view.plan
    replay = {
        Cut.NONE: "identical: the solver ended by its own",
        Cut.WORK: "identical: the solver ended after a fixed amount of work",
        Cut.TIME: "verified: the clock ended the solver, so its result is checked instead of derived again",
    }[plan.cut]
    return [
        html.H3("What shaped it"),
        facts(
            ("Strategy", f"{plan.strategy}, rung {words_of(plan.rung)}"),
            ("Objective", money(plan.objective, queries.currency)),
            ("No plan can be below", money(plan.bound, queries.currency)),
            ("Binding limits", "; ".join(plan.binding) or NONE),
            ("Best alternative rejected", _rejected(view, queries)),
            ("Replay promises", replay),
            ("Derive it again", f"ems replay {plan.id}"),
            ("Situation", plan.situation or NONE),
        ),
    ]


def _rejected(view: PlanView, queries: Queries) -> str:
    other = view.plan.rejected
    return NONE if other is None else f"{other.words} ({money(other.objective, queries.currency)})"


def violation_table(broken: tuple[Violation, ...], queries: Queries) -> list[Component]:
    """Rules broken: where, when, by how much, in how many futures."""
    if not broken:
        return []
    heads = [("Rule", ""), ("Where", ""), ("When", ""), ("Found", "num"), ("Limit", "num"), ("Futures", "num")]
    rows = [
        html.Tr(
            [
                html.Td(words_of(item.rule), title=item.words),
                html.Td(item.asset.replace("_", " ")),
                html.Td(queries.local.stamp(item.time), className="tight"),
                html.Td(to_three(item.found), className="num"),
                html.Td(quantity(item.limit, ""), className="num"),
                html.Td(percent(item.share, 0), className="num"),
            ]
        )
        for item in broken
    ]
    return [table(heads, rows)]


PAGE = Page(path="/plans", title="Plans & evidence", order=30, layout=layout, register=register)
