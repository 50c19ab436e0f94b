"""One asset in detail: power and set-point, sensors and what drives its health, its commands, what the site file says of it."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard import figures
from dashboard.page import Address, Page
from dashboard.parts import action_words, end_mark, facts, graph, mode_mark, panel, running, table, zone
from dashboard.queries import Queries
from dashboard.theme import theme
from dashboard.views import AssetView, Order
from dashboard.words import NONE, percent, quantity, span, words_of
from dashboard.words import figures as to_three
from plant.errors import EmsError
from plant.health import Health

ORDERS_SHOWN = 30


def layout(queries: Queries, page_address: Address) -> Component:
    """List of assets on the left, the chosen one beside it."""
    chosen = page_address.value("asset") or queries.site.assets[0].name
    links = [
        html.Li(
            dcc.Link(
                asset.name.replace("_", " "), href=f"/assets?asset={asset.name}", className="here" if asset.name == chosen else ""
            )
        )
        for asset in queries.site.assets
    ]
    return html.Div(
        className="asset-page",
        children=[
            dcc.Store(id="asset-chosen", data=chosen),
            panel("Assets", html.Ul(links, className="choose"), None, "choice"),
            html.Div(id="asset-head", className="asset-head"),
            panel("Power and set-point", graph("asset-power"), "measured, and by plan", "asset-power-panel", "flush"),
            panel("Sensors", graph("asset-sensors"), "24 h", "sensors", "flush"),
            panel("Health", None, "what drives it", "drivers", body_id="asset-health"),
            panel("Commands", None, dcc.Link("All commands", href="/commands"), "asset-orders", body_id="asset-orders"),
            panel("Site file", None, None, "spec", body_id="asset-spec"),
        ],
    )


def register(app: Dash, queries: Queries) -> None:
    """Refill whenever the journal moved, another asset was chosen or the theme changed."""

    @app.callback(
        Output("asset-head", "children"),
        Output("asset-power", "figure"),
        Output("asset-sensors", "figure"),
        Output("asset-health", "children"),
        Output("asset-orders", "children"),
        Output("asset-spec", "children"),
        Input("pulse", "data"),
        Input("theme", "data"),
        State("asset-chosen", "data"),
    )
    def fill(_pulse: dict[str, Any] | None, theme_name: str | None, chosen: str) -> tuple[Any, ...]:
        colours = theme(theme_name)
        try:
            view = queries.asset_view(chosen)
        except EmsError as error:
            said = html.P(str(error), className="none")
            empty = figures.nothing_to_show(str(error), colours)
            return said, empty, empty, said, said, said
        return (
            head(view, queries),
            figures.asset_power(view, colours, queries.local),
            figures.sensors(view, colours, queries.local),
            health(view.health),
            orders(view.orders, queries),
            spec(view, queries),
        )


def head(view: AssetView, queries: Queries) -> list[Component]:
    """State in one line."""
    row, now = view.row, view.now
    permits = [word for word, ok in (("no permit to start", view.may_start), ("no permit to stop", view.may_stop)) if not ok]
    permits += [word for word, bad in (("selector not on remote", not view.remote), ("tripped", view.tripped)) if bad]
    warnings = [*permits, *([row.words] if row.words else []), *([f"locked: {view.lock}"] if view.lock else [])]
    pairs: list[tuple[str, Any]] = [
        ("State", html.Span([running(row.running), html.Span(f" {running_since(view)}", className="muted")])),
        ("Power", quantity(row.power_kw, "kW")),
        ("Set-point", quantity(row.setpoint, row.setpoint_unit)),
        ("Health", zone(row.score, row.severity, alarm=row.health_alarm)),
        ("Mode", mode_mark(row.mode)),
        ("Run by", "local control" if row.released else "our orders"),
        ("Starts today", str(row.starts_today)),
        ("Next by plan", _next(view, queries)),
    ]
    boxes = [_fact(name, value) for name, value in pairs]
    title = html.H1([row.name.replace("_", " "), html.Small(f" {row.kind.replace('_', ' ')}, {row.path or 'no path'}")])
    at = html.Span(f"at {queries.local.full(now)}", className="muted")
    warned = [html.Span(word, className="attention-word") for word in warnings]
    return [html.Div([title, *warned, at], className="titles"), html.Div(boxes, className="facts-row")]


def _fact(name: str, value: Any) -> Component:
    return html.Div([html.Span(name, className="label"), html.Span(value, className="value")], className="fact")


def running_since(view: AssetView) -> str:
    """For how long the state has held."""
    if view.row.since is None:
        return ""
    held_s = (view.now - view.row.since).total_seconds()
    return f"for {span(held_s)}" if held_s >= 1 else "since now"


def _next(view: AssetView, queries: Queries) -> str:
    step = view.row.coming
    if step is None:
        return NONE
    words = action_words(step.action, queries.setpoint_words(step.asset, step.setpoint))
    return f"{queries.local.near(step.at, view.now)} {words}"


def health(found: Health | None) -> list[Component]:
    """Score, what it comes from, and how long it may last."""
    if found is None:
        return [html.P("No model watches this asset.", className="none")]
    if found.score is None:
        return [html.P(found.words or "Not enough data to judge.", className="none")]
    left = NONE
    if found.hours_to_d is not None:
        low, mid, high = (span(hours * 3600) for hours in found.hours_to_d)
        left = f"{mid} ({low} … {high}) by the present trend"
    parts: list[Component] = [
        facts(
            ("Score", f"{percent(found.score, 0)}, zone {found.severity.value if found.severity else NONE}"),
            ("Alarm", "yes" if found.alarm else "no"),
            ("Until zone D", left),
            ("Judged", f"{percent(found.confidence, 0)} of sensors and window"),
            ("Model", found.model_id),
        )
    ]
    if found.words:
        parts.append(html.P(found.words, className="why"))
    if found.drivers:
        rows = [
            html.Tr(
                [
                    html.Td(driver.tag),
                    html.Td(to_three(driver.expected), className="num"),
                    html.Td(to_three(driver.actual), className="num strong"),
                    html.Td(percent(driver.share, 0), className="num"),
                ]
            )
            for driver in found.drivers
        ]
        parts += [html.H3("Drivers"), table([("Sensor", ""), ("expected", "num"), ("actual", "num"), ("share", "num")], rows)]
    if found.parts:
        shown = [html.Tr([html.Td(name), html.Td(to_three(value), className="num")]) for name, value in found.parts]
        parts += [html.H3("Detectors (1 = their threshold)"), table([("Detector", ""), ("deviation", "num")], shown)]
    return parts


def orders(found: tuple[Order, ...], queries: Queries) -> list[Component]:
    """The asset's last commands."""
    lines: list[Component] = [
        html.Div(
            className="order",
            children=[
                html.Span(queries.local.stamp(order.command.at), className="when"),
                dcc.Link(
                    action_words(order.command.action, queries.setpoint_words(order.command.asset, order.command.setpoint)),
                    href=f"/commands?id={order.command.id}",
                    className="strong",
                ),
                end_mark(order),
                html.Span(f"{words_of(order.command.reason.value)}: {order.command.words}", className="why"),
            ],
        )
        for order in found[:ORDERS_SHOWN]
    ]
    return lines or [html.P("It has had no command yet.", className="none")]


def spec(view: AssetView, queries: Queries) -> Component:
    """What the site file says of it."""
    asset = queries.site.asset(view.row.name)
    life = asset.life
    feeds = " into ".join(word for word in (asset.produces, asset.into) if word) or NONE
    draws = " out of ".join(word for word in (asset.consumes, asset.out_of) if word) or NONE
    stated = "; ".join(f"{key} {value}" for key, value in asset.spec.items() if not isinstance(value, dict | list)) or NONE
    return facts(
        ("Kind", asset.kind),
        ("Produces", feeds),
        ("Draws", draws),
        ("Specification", stated),
        ("Shortest run, stop", f"{span(life.min_up_s)}, {span(life.min_down_s)}"),
        ("Set-point", f"{to_three(life.setpoint_low)} … {quantity(life.setpoint_high, view.row.setpoint_unit)}"),
        ("May start, stop", f"{'yes' if asset.may_start else 'no'}, {'yes' if asset.may_stop else 'no'}"),
        ("Cost of a start", f"{to_three(life.start_cost)} {queries.currency}"),
        ("Given back by", ", ".join(f"{write.tag} = {write.value}" for write in asset.release) or NONE),
        ("With bad data", asset.on_bad_data.replace("_", " ")),
    )


PAGE = Page(path="/assets", title="Assets", order=20, layout=layout, register=register)
