"""The web process: pages, REST and metrics of one site behind one port."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import uvicorn
from dash import Dash
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard import shell
from dashboard.page import pages
from dashboard.queries import Queries
from ems import api, metrics
from ems.config import LoadedSite, historian_url
from ems.historian import Historian
from plant.errors import EmsError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
HEARTBEAT_MS = 5000
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing is loaded from or sent to anywhere else. Plotly and Dash need inline script and style of their own."""


def build(loaded: LoadedSite, historian: Historian, host: str = "127.0.0.1") -> FastAPI:
    """The web application of one site.

    Parameters
    ----------
    loaded, historian
        The site and its open historian.
    host
        Address it will listen on: besides loopback, the only name under which a browser may ask for it.
    """
    server = FastAPI(title="twin-ems", docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json")
    server.add_middleware(TrustedHostMiddleware, allowed_hosts=sorted({*LOOPBACK, host}))
    server.middleware("http")(_guarded)
    server.add_exception_handler(EmsError, _fault)
    server.include_router(metrics.router(loaded, historian))
    server.include_router(api.router(loaded, historian))
    queries = Queries(loaded, historian)
    app = Dash(
        "dashboard",
        server=cast("Any", server),  # typed as a flag, documented to take a server too
        assets_folder=str(Path(__file__).parent / "static"),
        assets_url_path="static",
        title=f"{loaded.site.site.name} – twin-ems",
        update_title="",
        serve_locally=True,
        suppress_callback_exceptions=True,
        websocket_callbacks=True,
        websocket_heartbeat_interval=HEARTBEAT_MS,
        websocket_inactivity_timeout=0,
        add_log_handler=False,
    )
    app.layout = lambda: shell.layout(queries)
    shell.register(app, queries)
    known = pages()
    for page in known:
        page.register(app, queries)
    server.add_middleware(Pages, paths=frozenset(page.path for page in known))
    server.add_api_route("/{path:path}", _missing, methods=["GET", "HEAD"], include_in_schema=False)
    return server


async def _guarded(request: Request, call_next: object) -> Response:
    answer: Response = await call_next(request)  # type: ignore[operator]  # starlette leaves its type open
    answer.headers["Content-Security-Policy"] = POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


async def _fault(_request: Request, error: Exception) -> Response:
    status = api.status(error) if isinstance(error, EmsError) else 500
    return JSONResponse({"detail": str(error)}, status_code=status)


class Pages:
    """Answers every page's address with the one document of the application, which then shows that page.

    Parameters
    ----------
    app
        The rest of the application.
    paths
        Addresses of the pages.
    """

    def __init__(self, app: ASGIApp, paths: frozenset[str]) -> None:
        self._app, self._paths = app, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, a page's as one for `/`."""
        if scope["type"] == "http" and scope["path"] in self._paths:
            scope = {**scope, "path": "/", "raw_path": b"/"}
        await self._app(scope, receive, send)


def _missing(path: str) -> Response:
    """An honest 404: Dash alone would answer any path with the first page."""
    raise HTTPException(status_code=404, detail=f"there is no /{path}")


def serve(loaded: LoadedSite, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM."""
    with Historian(historian_url(loaded)) as historian:
        uvicorn.run(
            build(loaded, historian, host), host=host, port=port, log_level="warning", ws_ping_interval=20.0, server_header=False
        )
