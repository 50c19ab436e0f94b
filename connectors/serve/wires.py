"""Several wires on one desk, each by the scheme of its endpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlparse

from connectors import wall
from connectors.security import secret
from connectors.serve.desk import Desk
from connectors.serve.doors import door_of
from connectors.serve.opcua import OpcuaServer
from connectors.serve.websocket import WebsocketServer
from plant.errors import ConfigError

_GLANCE_S = 0.05


class Wires:
    """Serves a desk's plant on all endpoints (a context manager).

    Parameters
    ----------
    desk
        An open desk.
    endpoints
        `opc.tcp://…` and `ws://…` URLs.
    folder
        Where certificate files are looked for.

    Raises
    ------
    ConfigError
        If an endpoint is neither, or security is incomplete.
    """

    def __init__(self, desk: Desk, endpoints: Sequence[str], folder: Path) -> None:
        self._stack = ExitStack()
        self._servers = [_server(desk, endpoint, folder) for endpoint in endpoints]

    def __enter__(self) -> Self:
        """Begin to listen on all endpoints."""
        with ExitStack() as opening:
            for server in self._servers:
                opening.enter_context(server)
            self._stack = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where clients find it, with the ports that were taken."""
        return tuple(server.endpoint for server in self._servers)

    def empty(self, within_s: float) -> bool:
        """Wait until every client has left; False if some have not by then."""
        end = time.monotonic() + within_s
        while any(server.guests for server in self._servers):
            if time.monotonic() >= end:
                return False
            wall.pause(_GLANCE_S)
        return True


def _server(desk: Desk, endpoint: str, folder: Path) -> OpcuaServer | WebsocketServer:
    security = desk.site.connection.security
    scheme = urlparse(endpoint).scheme
    if scheme == "opc.tcp":
        return OpcuaServer(desk, endpoint, door_of(security, folder))
    if scheme == "ws":
        return WebsocketServer(desk, endpoint, secret(security.token_env, "token_env"))
    raise ConfigError(f"endpoint {endpoint!r}: write opc.tcp://127.0.0.1:4840 or ws://127.0.0.1:8765")
