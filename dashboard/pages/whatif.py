"""Strategies side by side: what `ems whatif` found, each figure with its spread over the futures."""

from __future__ import annotations

from typing import Any

from dash import Dash, Input, Output, State, dcc, html
from dash.development.base_component import Component

from dashboard import spreads
from dashboard.figures import nothing_to_show
from dashboard.page import Address, Page
from dashboard.parts import graph, panel, table
from dashboard.queries import Queries
from dashboard.theme import theme
from dashboard.whatifs import BOUND, FOLDER, Answer, Document, Figure, answers
from dashboard.words import GAP, KEYS, NONE, figure_words, figures, percent, quantity, words_of

HOW = "ems whatif --strategies hold,optimal --days 2 --futures 20 --json > {folder}/two-days.json"


def layout(_queries: Queries, page_address: Address) -> Component:
    """List of answers on the left, the chosen one beside it."""
    return html.Div(
        className="whatif-page",
        children=[
            dcc.Store(id="whatif-chosen", data=page_address.value("name")),
            panel("Answers", None, None, "choice", body_id="whatif-list"),
            panel("Key figures", graph("whatif-figure"), "dot: median; line: nine of ten futures", "spreads", "flush"),
            panel("In figures", None, None, "figures", body_id="whatif-table"),
        ],
    )


def register(app: Dash, queries: Queries) -> None:
    """Read the answers whenever the page opens, the journal moved or the theme changed."""

    @app.callback(
        Output("whatif-list", "children"),
        Output("whatif-figure", "figure"),
        Output("whatif-table", "children"),
        Input("pulse", "data"),
        Input("theme", "data"),
        State("whatif-chosen", "data"),
    )
    def fill(_pulse: dict[str, Any] | None, theme_name: str | None, chosen: str | None) -> tuple[Any, ...]:
        found, colours = answers(queries.loaded.folder), theme(theme_name)
        answer = next((item for item in found if item.name == chosen), found[0] if found and chosen is None else None)
        if answer is None:
            words = "No what-if has been asked yet." if chosen is None else f"There is no answer {chosen!r}."
            return listed(found, None, queries), nothing_to_show(words, colours), html.P(words, className="none")
        if answer.document is None:
            return listed(found, answer, queries), nothing_to_show("", colours), html.P(answer.fault, className="attention-word")
        drawn = spreads.strategies(answer.document, colours, queries.currency)
        return listed(found, answer, queries), drawn, in_figures(answer.document, queries)


def listed(found: tuple[Answer, ...], chosen: Answer | None, queries: Queries) -> list[Component]:
    """All answers, and how to ask for another."""
    links = [
        html.Li(dcc.Link(item.name, href=f"/whatif?name={item.name}", className="here" if item is chosen else "")) for item in found
    ]
    how = HOW.format(folder=queries.loaded.folder / FOLDER)
    asked = [html.P("Ask on the command line; the answer appears here:", className="muted"), html.Code(how, className="how")]
    return [html.Ul(links, className="choose"), *asked]


def in_figures(document: Document, queries: Queries) -> list[Component]:
    """One column per strategy, one line per figure and per rule that was broken."""
    names = list(document.strategies)
    told = dict.fromkeys(key for lived in document.strategies.values() for key in lived.kpi)
    keys = [*(key for key in KEYS if key in told), *(key for key in told if key not in KEYS)]
    rules = sorted({rule for lived in document.strategies.values() for rule in lived.violations})
    lines = [
        html.Tr([_head(KEYS.get(key, words_of(key))), *(_cell(document, name, key, queries) for name in names)]) for key in keys
    ]
    broken = [html.Tr([html.Td(words_of(rule)), *(_broken(document, name, rule) for name in names)]) for rule in rules]
    units = {store.name: store.unit for store in queries.loaded.site.stores}
    stores = dict.fromkeys(store for lived in document.strategies.values() for store in lived.levels_end)
    ends = [
        html.Tr([_head(store), *(_end(document.strategies[name].levels_end.get(store), units.get(store, "")) for name in names)])
        for store in stores
    ]
    heads = [("", ""), *((words_of(name), "num") for name in names)]
    days = f"{document.days:g} day{'s' if document.days != 1 else ''} from {document.start}"
    days += f", {document.futures} future{'s' if document.futures != 1 else ''}"
    found: list[Component] = [html.P(days, className="muted"), table(heads, lines)]
    if broken:
        found += [html.H3("Rules broken, share of futures"), table(heads, broken)]
    if ends:
        found += [html.H3("Stores at the end"), table(heads, ends)]
    return found


def _head(words: str) -> Component:
    return html.Td(words, className="strong")


def _cell(document: Document, name: str, key: str, queries: Queries) -> Component:
    figure = document.strategies[name].kpi.get(key)
    if figure is None:
        return html.Td(NONE, className="num")
    low, high = (figure_words(key, value, queries.currency).split(GAP, maxsplit=1)[0] for value in (figure.p5, figure.p95))
    middle = html.Span(figure_words(key, figure.p50, queries.currency), className="strong")
    return html.Td([middle, *_between(low, high)], className="num")


def _end(figure: Figure | None, unit: str) -> Component:
    if figure is None:
        return html.Td(NONE, className="num")
    spread = _between(figures(figure.p5), figures(figure.p95))
    return html.Td([html.Span(quantity(figure.p50, unit), className="strong"), *spread], className="num")


def _between(low: str, high: str) -> list[Component]:
    return [] if low == high else [html.Span(f" ({low} … {high})", className="muted")]


def _broken(document: Document, name: str, rule: str) -> Component:
    lived = document.strategies[name]
    share, far = lived.violations.get(rule, 0.0), lived.broken.get(rule)
    if not share:
        return html.Td(NONE if name == BOUND else percent(0.0, 0), className="num")
    words = [html.Span(percent(share, 0), className="attention-word")]
    if far is not None:
        words.append(html.Span(f" up to {quantity(far.worst, far.unit)}, {quantity(far.hours, 'h')}", className="muted"))
    return html.Td(words, className="num")


PAGE = Page(path="/whatif", title="What if", order=60, layout=layout, register=register)
