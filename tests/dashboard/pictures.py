"""Pictures of every page of a running web: `python -m tests.dashboard.pictures http://127.0.0.1:8050 docs/pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.dashboard.conftest import CHROMIUM, QUIET

PAGES = {
    "overview": ("/", "#power .scatterlayer .trace"),
    "assets": ("/assets?asset=compressor_1", "#asset-power .scatterlayer .trace"),
    "plans": ("/plans", "#plan-verdict h3"),
    "commands": ("/commands", "#command-evidence h3"),
    "alarms": ("/alarms", "#alarm-grid .ag-root"),
    "whatif": ("/whatif", "#whatif-list"),
}
SETTLES_MS = 1500


def take(url: str, folder: Path) -> None:
    """Save `NAME.png` of every page, and the Overview once more in the dark theme."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        for theme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": 1560, "height": 920}, color_scheme="dark" if theme == "dark" else "light"
            )
            page = context.new_page()
            for name, (path, seen) in PAGES.items():
                if theme == "dark" and name != "overview":
                    continue
                page.goto(url + path)
                page.wait_for_selector(seen, timeout=60_000)
                page.wait_for_timeout(SETTLES_MS)
                page.screenshot(path=folder / (f"{name}.png" if theme == "light" else f"{name}-dark.png"))
        browser.close()


if __name__ == "__main__":
    take(sys.argv[1], Path(sys.argv[2]))
