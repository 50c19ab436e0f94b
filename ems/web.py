"""Starting the web, as a process of its own or as this one.

The web is found by its entry point (group `ems.web`), never imported upwards: the controller can run where it is not
installed, and the web can die without the plant noticing.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO

import httpx

from ems.config import LoadedSite
from plant.errors import ConfigError, NotConnectedError, NotFoundError

GROUP, NAME = "ems.web", "dashboard"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
STARTS_WITHIN_S = 120.0
"""A loaded machine takes its time to import a web server; a process that ends is noticed at once."""
ASKED_EVERY_S = 0.1
STOPS_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A web process that answers."""

    url: str
    pid: int


def serve(loaded: LoadedSite, host: str, port: int) -> None:
    """Serve a site in this process until SIGINT or SIGTERM.

    Raises
    ------
    ConfigError
        If `host` is not this machine alone: whoever reaches the pages may approve commands.
    NotConnectedError
        If the port is taken.
    NotFoundError
        If the dashboard is not installed.
    """
    if host not in LOOPBACK:
        raise ConfigError(
            f"--host {host}: the web has no log-in, so it listens on this machine only (127.0.0.1, localhost or ::1); "
            "for others put a proxy with log-in and TLS before it"
        )
    _free(host, port)
    _entry()(loaded, host, port)


def _entry() -> Callable[[LoadedSite, str, int], None]:
    found = list(entry_points(group=GROUP, name=NAME))
    if not found:
        raise NotFoundError(f"no web is installed: entry point {NAME!r} of group {GROUP!r} is missing; install twin-ems again")
    entry: Callable[[LoadedSite, str, int], None] = found[0].load()
    return entry


def _free(host: str, port: int) -> None:
    """Refuse a port that another program holds, in words instead of a server's own trace."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise NotConnectedError(f"{host}:{port} cannot be served ({error.strerror}): choose another --port") from error


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody uses now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(site_file: Path, host: str = "127.0.0.1", port: int | None = None) -> Iterator[Web]:
    """The web of a site as a process of its own, for as long as the `with` block lasts.

    Raises
    ------
    NotConnectedError
        If it does not answer within half a minute; the text ends with what it said.
    """
    chosen = port or free_port(host)
    command = [sys.executable, "-m", "ems.cli", "serve", "--site", str(site_file), "--host", host, "--port", str(chosen)]
    url = f"http://[{host}]:{chosen}" if ":" in host else f"http://{host}:{chosen}"
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        try:
            _until_it_answers(process, url, said)
            yield Web(url=url, pid=process.pid)
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOPS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_it_answers(process: subprocess.Popen[bytes], url: str, said: IO[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said.seek(0)
            words = said.read().decode(errors="replace").strip()
            raise NotConnectedError(f"the web ended at once with code {process.returncode}: {words[-500:]}")
        try:
            if httpx.get(f"{url}/healthz", timeout=2.0).status_code == 200:
                return
        except httpx.TransportError:
            pass
        try:
            process.wait(ASKED_EVERY_S)
        except subprocess.TimeoutExpired:
            continue
    raise NotConnectedError(f"the web at {url} did not answer within {STARTS_WITHIN_S:g} s")
