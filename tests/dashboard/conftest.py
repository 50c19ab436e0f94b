from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, expect

from ems.config import historian_url
from ems.historian import Historian
from ems.web import free_port
from plant.assets import Mode
from tests.dashboard import works
from tests.dashboard.scribe import Scribe

expect.set_options(timeout=60_000)
CHROMIUM = os.environ.get("EMS_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    if CHROMIUM is None:
        words = "no chromium: install the package chromium, or name the program in EMS_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(words)
        pytest.skip(words)
    return {**browser_type_launch_args, "executable_path": CHROMIUM, "args": list(QUIET)}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": {"width": 1920, "height": 1080}, "color_scheme": "light"}


@dataclass
class Watched:
    """What a page complained of, and where it asked for things."""

    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    offline: bool = False
    """True while the server is away on purpose: then, and only then, failed requests are expected."""

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not (self.offline and "net::ERR" in message.text):
            self.errors.append(message.text)


@pytest.fixture
def watched(context: BrowserContext) -> Watched:
    return Watched()


@pytest.fixture
def page(context: BrowserContext, watched: Watched) -> Iterator[Page]:
    """A page that fails its test on any error in the browser and on any request to elsewhere."""
    shown = context.new_page()
    shown.on("console", watched.heard)
    shown.on("pageerror", lambda error: watched.errors.append(str(error)))
    shown.on("request", lambda request: watched.hosts.add(httpx.URL(request.url).host))
    yield shown
    assert watched.errors == []
    assert watched.hosts - {"", "127.0.0.1"} == set()


@dataclass
class Site:
    """A works with its historian and the web before it."""

    folder: Path
    scribe: Scribe
    port: int
    flags: tuple[str, ...]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.dashboard.web_process", str(self.folder), str(self.port), *self.flags]
        self.process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/healthz").status_code == 200:
                    return
            assert self.process.poll() is None, "the web ended at once"
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
        raise AssertionError("the web did not answer")

    def stop(self) -> None:
        """As if the machine had lost power."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def made(folder: Path, cycles: int, mode: Mode = Mode.CONTROL, *, lock_step: bool = True) -> Iterator[Site]:
    loaded = works.loaded(folder, mode, lock_step=lock_step)
    with Historian(historian_url(loaded)) as historian:
        flags = (mode.value, "lock_step" if lock_step else "wall_clock")
        site = Site(folder=folder, scribe=Scribe(loaded, historian).run(cycles), port=free_port(), flags=flags)
        site.start()
        try:
            yield site
        finally:
            site.stop()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A works in CONTROL with some hours behind it. Tests may add cycles; none may rely on their number."""
    yield from made(tmp_path_factory.mktemp("works"), 40)
