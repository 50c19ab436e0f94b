"""The first page: how the site stands, what it costs against doing nothing, what was ordered and why, what comes."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, dcc, html, no_update
from dash.development.base_component import Component

from dashboard import figures
from dashboard.page import Address, Page
from dashboard.parts import action_words, end_mark, graph, mode_mark, panel, running, table, tile, zone
from dashboard.queries import Queries
from dashboard.theme import theme
from dashboard.views import AssetRow, KeyFigures, Order, Overview, Step, StoreView
from dashboard.words import NONE, LocalTime, money, number, percent, quantity, words_of
from dashboard.words import figures as to_three
from plant.errors import EmsError
from plant.health import Severity

NEAR_LIMIT = 0.95


def layout(queries: Queries, _address: Address) -> Component:
    """The page's frame; figures arrive with the first pulse."""
    zone_name = queries.site.site.timezone
    stores = html.Div(
        [html.Div(id="stores-words", className="words"), graph("stores-figure")],
        className="strips",
        style={"--count": len(queries.site.stores)},
    )
    shown: Component = stores if queries.site.stores else html.P("The site has no stores.", className="none")
    return html.Div(
        children=[
            html.Div(id="tiles", className="tiles"),
            html.Div(
                className="overview",
                children=[
                    panel("Power and price", graph("power"), f"24 h past and horizon, {zone_name}", "power", "flush"),
                    panel("Commands", None, dcc.Link("All commands", href="/commands"), "orders", body_id="orders"),
                    panel("Assets", None, "power, state and health as measured", "assets", body_id="assets"),
                    panel("Stores", shown, "level, plan, limits", "stores", "flush"),
                ],
            ),
        ]
    )


def register(app: Dash, queries: Queries) -> None:
    """Refill the page whenever the journal moved or the theme changed."""
    outputs = [Output("tiles", "children"), Output("power", "figure"), Output("orders", "children"), Output("assets", "children")]
    if queries.site.stores:
        outputs += [Output("stores-words", "children"), Output("stores-figure", "figure")]

    @app.callback(*outputs, Input("pulse", "data"), Input("theme", "data"))
    def fill(_pulse: dict[str, Any] | None, theme_name: str | None) -> tuple[Any, ...]:
        try:
            return content(queries, theme_name)[: len(outputs)]
        except EmsError:
            # The pulse carries the fault to the banner in words; what stood here stays, greyed by it.
            return (no_update,) * len(outputs)


def content(queries: Queries, theme_name: str | None) -> tuple[Any, ...]:
    """Everything on the page, in the order of the callback's outputs."""
    view, colours = queries.overview(), theme(theme_name)
    power = stores = figures.nothing_to_show("No cycle has been recorded yet", colours)
    if view.power is not None and view.now is not None:
        power = figures.power(view.power, colours, queries.local, queries.currency)
        stores = figures.stores(view.stores, view.power.start, view.now, view.power.end, colours, queries.local)
    words = [_store_words(store) for store in view.stores]
    return tiles(view.figures, queries), power, order_list(view, queries), asset_table(view, queries), words, stores


def _store_words(store: StoreView) -> Component:
    inside = store.level is not None and store.low <= store.level <= store.high
    limits = f"{to_three(store.low)} … {to_three(store.high)}"
    return html.Div(
        className="store" if inside else "store attention",
        children=[
            html.Div(store.name.replace("_", " "), className="name"),
            html.Div(
                [quantity(store.level, store.unit), html.Span(limits, className="range", title="Operating limits")],
                className="level",
            ),
        ],
    )


def tiles(key: KeyFigures, queries: Queries) -> list[Component]:
    """The row of key figures."""
    return [
        _load_tile(key),
        _peak_tile(key, queries),
        _cost_tile(key, queries),
        _saving_tile(key, queries),
        _service_tile(key),
        _health_tile(key),
        _running_tile(key),
    ]


def _load_tile(key: KeyFigures) -> Component:
    if key.load_kw is None:
        return tile("Load now", NONE, "kW", "the site's power cannot be read", "attention")
    share = key.load_kw / key.limit_kw if key.limit_kw else None
    look = "" if share is None or share < NEAR_LIMIT else "attention" if share <= 1.0 else "alarm"
    note = f"{percent(share, 0)} of import limit {quantity(key.limit_kw, 'kW')}" if share is not None else "no import limit"
    return tile("Load now", to_three(key.load_kw), "kW", note, look, share)


def _peak_tile(key: KeyFigures, queries: Queries) -> Component:
    tariff = queries.site.tariff
    minutes = number(tariff.demand_window_s / 60)
    note = f"{minutes} min mean; {money(tariff.demand_charge_per_kw, queries.currency)}/kW"
    peak = key.peak_kw if key.peak_kw is not None else key.today.demand_peak_kw if key.today else None
    return tile(f"Peak this {tariff.billing}", to_three(peak), "kW", note if tariff.demand_charge_per_kw else f"{minutes} min mean")


def _cost_tile(key: KeyFigures, queries: Queries) -> Component:
    if key.today is None:
        return tile("Cost today", NONE, queries.currency, "no cycle finished today")
    return tile(
        "Cost today",
        number(key.today.cost, 2 if abs(key.today.cost) < 1000 else 0),
        queries.currency,
        f"{quantity(key.today.energy_kwh, 'kWh')}, {quantity(key.today.co2_kg, 'kg')} CO₂",
    )


def _saving_tile(key: KeyFigures, queries: Queries) -> Component:
    if key.saving is None or key.nothing is None:
        return tile("Saving today", NONE, queries.currency, "against doing nothing: not known yet")
    share = key.saving / abs(key.nothing.cost) if key.nothing.cost else None
    note = f"{percent(share)} against doing nothing"
    whole = f"All recorded: {money(key.whole_saving, queries.currency)} against doing nothing, demand charge not counted"
    value = number(key.saving, 2 if abs(key.saving) < 1000 else 0)
    return tile("Saving today", value, queries.currency, html.Span(note, title=whole))


def _service_tile(key: KeyFigures) -> Component:
    if key.today is None:
        return tile("Service today", NONE, "%")
    short = key.today.served_share < 0.9995
    broken = key.today.violations
    note = f"{broken} limit violation{'s' if broken != 1 else ''} today" if broken else "all limits kept today"
    return tile("Service today", number(key.today.served_share * 100, 1), "%", note, "attention" if short or broken else "")


def _health_tile(key: KeyFigures) -> Component:
    worst = key.weakest
    if worst is None or worst.score is None:
        return tile("Weakest health", NONE, "", "no asset can be judged yet")
    look = _health_look(worst.severity, alarm=worst.alarm)
    zone_word = f"zone {worst.severity.value}" if worst.severity else ""
    return tile("Weakest health", number(worst.score * 100), "%", f"{worst.asset.replace('_', ' ')}, {zone_word}", look)


def _health_look(severity: Severity | None, *, alarm: bool) -> str:
    """Red only for a bad zone that lasted long enough to raise the health alarm."""
    if severity is Severity.D and alarm:
        return "alarm"
    return "attention" if alarm or severity in (Severity.C, Severity.D) else ""


def _running_tile(key: KeyFigures) -> Component:
    starts = key.today.starts if key.today else None
    return tile("Assets running", str(key.running), f"of {key.assets}", f"{number(starts)} starts today")


def order_list(view: Overview, queries: Queries) -> list[Component]:
    """What comes next by plan, then the last commands with their reasons and ends."""
    soon = [_soon(step, view, queries) for step in view.coming] or [html.P("The plan intends no change.", className="none")]
    past = [_past(order, view, queries) for order in view.orders] or [html.P("No command has been given yet.", className="none")]
    return [
        html.Div([html.Span("Next by plan"), html.Span("decided anew at every cycle")], className="sub"),
        *soon,
        html.Div([html.Span("Last commands"), html.Span("with reason and end")], className="sub"),
        *past,
    ]


def _soon(step: Step, view: Overview, queries: Queries) -> Component:
    shown = queries.setpoint_words(step.asset, step.setpoint)
    return html.Div(
        className="order soon",
        children=[
            html.Span(queries.local.near(step.at, view.now), className="when"),
            html.Span([html.Span(step.asset.replace("_", " "), className="strong"), f" {action_words(step.action, shown)}"]),
            html.Span(quantity(step.power_kw, "kW"), className="muted"),
        ],
    )


def _past(order: Order, view: Overview, queries: Queries) -> Component:
    command = order.command
    shown = queries.setpoint_words(command.asset, command.setpoint)
    return html.Div(
        className="order",
        children=[
            html.Span(queries.local.near(command.at, view.now), className="when"),
            html.Span([html.Span(command.asset.replace("_", " "), className="strong"), f" {action_words(command.action, shown)}"]),
            end_mark(order),
            html.Span(f"{words_of(command.reason.value)}: {command.words}", className="why"),
        ],
    )


def asset_table(view: Overview, queries: Queries) -> Component:
    """One line per asset."""
    if view.now is None:
        return html.P("No cycle has been recorded yet.", className="none")
    heads = [
        ("Asset", ""),
        ("State", ""),
        ("Power", "num"),
        ("Set-point", "num"),
        ("Health", ""),
        ("Mode", ""),
        ("Run by", ""),
        ("Starts", "num"),
        ("Last command", ""),
        ("Next by plan", ""),
    ]
    return table(heads, [_asset_line(row, view, queries.local) for row in view.assets])


def _asset_line(row: AssetRow, view: Overview, local: LocalTime) -> Component:
    look = _health_look(row.severity, alarm=row.health_alarm) or ("" if row.good else "attention")
    since = f"since {local.near(row.since, view.now)}" if row.since else ""
    name = dcc.Link(row.name.replace("_", " "), href=f"/assets?asset={row.name}", className="strong")
    return html.Tr(
        className=look,
        children=[
            html.Td([name, html.Span(f" {row.words}", className="attention-word") if row.words else ""], className="tight"),
            html.Td(running(row.running), title=since),
            html.Td(_with_unit(row.power_kw, "kW"), className="num"),
            html.Td(_with_unit(row.setpoint, row.setpoint_unit), className="num"),
            html.Td(zone(row.score, row.severity, alarm=row.health_alarm)),
            html.Td(mode_mark(row.mode)),
            html.Td("local control" if row.released else "our orders", className="tight muted" if row.released else "tight"),
            html.Td(number(row.starts_today), className="num"),
            html.Td(_last_words(row, view, local), className="tight"),
            html.Td(_next_words(row, view, local), className="tight muted"),
        ],
    )


def _with_unit(value: float | None, unit: str) -> Any:
    if value is None:
        return html.Span(NONE, className="muted")
    return [to_three(value), html.Span(f" {unit}", className="unit") if unit not in ("", "1") else ""]


def _last_words(row: AssetRow, view: Overview, local: LocalTime) -> Any:
    if row.last is None:
        return html.Span(NONE, className="muted")
    command = row.last.command
    shown = quantity(command.setpoint, row.setpoint_unit) if command.setpoint is not None else ""
    words = f"{local.near(command.at, view.now)} {action_words(command.action, shown)} "
    return html.Span([words, html.Span(words_of(command.reason.value), className="muted")], title=command.words)


def _next_words(row: AssetRow, view: Overview, local: LocalTime) -> str:
    if row.coming is None:
        return NONE
    shown = quantity(row.coming.setpoint, row.setpoint_unit) if row.coming.setpoint is not None else ""
    return f"{local.near(row.coming.at, view.now)} {action_words(row.coming.action, shown)}"


PAGE = Page(path="/", title="Overview", order=10, layout=layout, register=register)
