"""The frame around every page: who and where, the plant's time, the state of the connection, navigation."""

from __future__ import annotations

import asyncio
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, callback_context, dcc, html, no_update
from dash.development.base_component import Component

from dashboard.page import Page, address, pages
from dashboard.queries import Queries
from dashboard.views import Pulse
from dashboard.words import LocalTime
from plant.errors import EmsError

BEAT_S = 1.0
STALE_OWN_TIME_S = 120.0
"""A plant in lock-step goes as fast as plans are made: so long without a row is silence."""
STALE_CYCLES = 2.0
"""A plant on the wall clock is stale after so many missed cycles …"""
LATE_S = 60.0
"""… and a while for the cycle itself."""


def layout(queries: Queries) -> Component:
    """The frame; the page itself is filled in by its address."""
    identity = queries.site.site
    pills: list[Component] = [html.Span("Simulated plant", className="pill")] if identity.simulated else []
    return html.Div(
        className="frame",
        children=[
            dcc.Location(id="url"),
            dcc.Store(id="pulse"),
            dcc.Store(id="beat"),
            dcc.Store(id="theme"),
            html.Header(
                className="top",
                children=[
                    html.Span(identity.name, className="site"),
                    html.Span(identity.path, className="path"),
                    *pills,
                    html.Span(id="mode-pill", className="pill"),
                    html.Span(id="alarm-pill", className="pill"),
                    html.Span(className="gap"),
                    html.Div(id="plant-clock", className="clock"),
                    html.Span([html.Span(className="state-word")], id="link-pill", className="pill", role="status"),
                    html.Button("Dark", id="theme-button", className="ghost", type="button", title="Light or dark"),
                ],
            ),
            html.Div(html.Span(id="link-words"), className="link", role="alert"),
            html.Nav(html.Ul(id="nav-links"), className="nav"),
            html.Main(id="page", className="page"),
        ],
    )


def beat(queries: Queries, pulse: Pulse) -> dict[str, Any]:
    """What the browser's watchdog is told, as JSON."""
    control = queries.site.control
    owns_time = queries.site.connection.lock_step is not None
    return {
        "last": pulse.last,
        "time_ms": None if pulse.time is None else pulse.time.timestamp() * 1000.0,
        "shown": queries.local.full(pulse.time),
        "quiet_s": pulse.quiet_s,
        "owns_time": owns_time,
        "stale_s": STALE_OWN_TIME_S if owns_time else STALE_CYCLES * control.every_s + LATE_S,
        "fault": pulse.fault,
    }


def register(app: Dash, queries: Queries) -> None:
    """Connect the frame: the beat, the clock and pills, navigation, the theme."""
    known = {page.path: page for page in pages()}

    _register_live(app, queries)
    app.clientside_callback(ClientsideFunction("watchdog", "beat"), Output("link-pill", "title"), Input("beat", "data"))
    app.clientside_callback(
        ClientsideFunction("watchdog", "theme"),
        Output("theme", "data"),
        Output("theme-button", "children"),
        Input("theme-button", "n_clicks"),
    )

    @app.callback(Output("page", "children"), Output("nav-links", "children"), Input("url", "pathname"), Input("url", "search"))
    def turn(path: str, search: str | None) -> tuple[Component, list[Component]]:
        page = known.get(path)
        shown = page.layout(queries, address(path, search)) if page else html.P(f"There is no page {path}.", className="none")
        return shown, navigation(tuple(known.values()), path)

    @app.callback(
        Output("plant-clock", "children"),
        Output("mode-pill", "children"),
        Output("alarm-pill", "children"),
        Output("alarm-pill", "className"),
        Input("pulse", "data"),
    )
    def head(_pulse: dict[str, Any] | None) -> tuple[Any, ...]:
        try:
            return heading(queries)
        except EmsError:
            # The pulse carries the fault in words to the banner; what stood there stays, greyed by it.
            return (no_update,) * 4


def _register_live(app: Dash, queries: Queries) -> None:
    @app.callback(persistent=True)
    async def live() -> None:
        """Tell this browser every second that the server lives, and at once when the journal moved."""
        socket, told = callback_context.websocket, None
        while socket is not None and not socket.is_shutdown:
            pulse = await asyncio.to_thread(queries.pulse)
            if (pulse.last, pulse.fault) != told:
                told = (pulse.last, pulse.fault)
                # The moment makes it a new value after a reconnect too: every page then fills the gap it missed.
                await socket.set_prop("pulse", "data", {"last": pulse.last, "moment": asyncio.get_running_loop().time()})
            await socket.set_prop("beat", "data", beat(queries, pulse))
            await asyncio.sleep(BEAT_S)


def navigation(known: tuple[Page, ...], here: str) -> list[Component]:
    """The links to all pages."""
    return [html.Li(dcc.Link(page.title, href=page.path, className="here" if page.path == here else "")) for page in known]


def heading(queries: Queries) -> tuple[Any, ...]:
    """Clock, mode and open alarms for the head of the page."""
    view = queries.overview()
    waiting = sum(1 for alarm in view.alarms if alarm.state.value.endswith("UNACKNOWLEDGED"))
    urgent = any(alarm.priority.value in ("URGENT", "HIGH") for alarm in view.alarms)
    looks = "pill" + (" alarm" if urgent else " attention" if view.alarms else "")
    words = f"{len(view.alarms)} alarm{'s' if len(view.alarms) != 1 else ''}" if view.alarms else "No alarms"
    return (
        clock(queries.local, view.now),
        f"Site mode {queries.site_mode()}",
        f"{words}, {waiting} new" if waiting else words,
        looks,
    )


def clock(local: LocalTime, now: Any) -> list[Component]:
    """The plant's time."""
    if now is None:
        return [html.B("–"), html.Span("no data")]
    there = now.astimezone(local.zone)
    return [html.B(f"{there:%H:%M}"), html.Span(f"{there:%a %d %b %Y}, plant time {there:%Z}")]
