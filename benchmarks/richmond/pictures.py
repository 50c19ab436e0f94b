"""A run as one picture: price, who ran at which speed, power against its limit, and levels beside what was planned at midnight.

python pictures.py SITE.toml OUT.svg [FIRST_DAY] [DAYS]
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from ems.config import historian_url, load
from ems.historian import Historian
from plant.orders import Plan
from plant.ports import instant64
from plant.site import Site
from plant.table import Table

WIDTH, LEFT, RIGHT, HIGH, GAP = 960, 70, 20, 84, 14
INK, PALE, PLAN, BAR = "#1b2a33", "#d5dde1", "#c2571a", "#2a6f97"


class Sheet:
    """Panels one below the other over one span of time."""

    def __init__(self, start: datetime, days: float) -> None:
        self.start, self.span_s, self.top, self.parts = start, days * 86400.0, 10.0, list[str]()

    def x(self, seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.span_s

    def panel(self, name: str, low: float, high: float, unit: str, height: float = HIGH) -> tuple[float, float]:
        """A frame with its name; returns (y of high, pixels per unit)."""
        top, scale = self.top, height / (high - low)
        self.parts.append(
            f'<rect x="{LEFT}" y="{top:.1f}" width="{WIDTH - LEFT - RIGHT}" height="{height:.1f}" fill="none" stroke="{PALE}"/>'
        )
        self.text(6, top + height / 2, name)
        self.text(LEFT - 6, top + 9, f"{high:g}", "end")
        self.text(LEFT - 6, top + height, f"{low:g} {unit}", "end")
        self.top += height + GAP
        return top, scale

    def text(self, x: float, y: float, words: str, anchor: str = "start") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>')

    def line(
        self, seconds: np.ndarray, values: np.ndarray, at: tuple[float, float], high: float, colour: str, dash: str = ""
    ) -> None:
        top, scale = at
        inside = np.isfinite(values) & (seconds >= 0) & (seconds <= self.span_s)
        points = " ".join(
            f"{self.x(s):.1f},{top + (high - v) * scale:.1f}" for s, v in zip(seconds[inside], values[inside], strict=True)
        )
        stroke = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.3"{stroke}/>')

    def written(self) -> str:
        for day in range(int(self.span_s // 86400) + 1):
            self.text(self.x(day * 86400.0), self.top + 4, f"{self.start + timedelta(days=day):%a %d}")
        size = f'viewBox="0 0 {WIDTH} {self.top + 14:.0f}" font-family="sans-serif" font-size="11" fill="{INK}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
        return head + "".join(self.parts) + "</svg>\n"


def picture(site: Site, table: Table, plans: list[Plan], start: datetime, days: float) -> str:
    sheet = Sheet(start, days)
    seconds = (table.times - instant64(start)).astype(np.float64) / 1e6
    price = site.asset_prices[0].price
    at = sheet.panel("price", 0.0, 10.0, "p/kWh", 40)
    hours = np.arange(0.0, sheet.span_s + 1, 900.0)
    cheap = np.array([(hour % 86400) < 7 * 3600 for hour in hours])
    values = np.where(cheap, price.bands[0].per_kwh, price.otherwise_per_kwh) * 100  # type: ignore[union-attr]  # bands, as the file states
    sheet.line(hours, values, at, 10.0, INK)
    for asset in site.assets:
        top, _ = sheet.panel(asset.name, 0.0, 1.0, "", 16)
        running = table.columns[asset.tags.running or ""] >= 0.5
        for row in np.flatnonzero(running[1:]):
            if 0 <= seconds[row] < sheet.span_s:
                wide = max(0.5, sheet.x(min(seconds[row + 1], sheet.span_s)) - sheet.x(seconds[row]))
                sheet.parts.append(
                    f'<rect x="{sheet.x(seconds[row]):.1f}" y="{top:.1f}" width="{wide:.1f}" height="16" fill="{BAR}"/>'
                )
    limit = site.limits.import_target_kw or site.limits.import_kw or 120.0
    at = sheet.panel("power", 0.0, 150.0, "kW", 60)
    sheet.line(seconds, table.columns[site.limits.power or ""], at, 150.0, BAR)
    sheet.line(np.array([0.0, sheet.span_s]), np.array([limit, limit]), at, 150.0, PLAN, "4 3")
    for store in (store for store in site.stores if any(store.name == asset.into for asset in site.assets)):
        at = sheet.panel(f"tank {store.name}", store.bottom, store.top, store.unit)
        sheet.line(seconds, table.columns[store.level], at, store.top, BAR)
        sheet.line(np.array([0.0, sheet.span_s]), np.array([store.low, store.low]), at, store.top, PALE, "2 3")
        for plan in plans:
            course = next((found for found in plan.stores if found.store == store.name), None)
            if course is None or plan.made_at.hour or plan.made_at.minute:
                continue
            begin = (course.level.start - start).total_seconds()
            steps = begin + course.level.step_s * np.arange(len(course.level.values))
            sheet.line(steps, np.array(course.level.values), at, store.top, PLAN, "5 3")
    return sheet.written()


def main() -> int:
    loaded = load(Path(sys.argv[1]))
    first, days = (int(sys.argv[3]) if len(sys.argv) > 3 else 2), (float(sys.argv[4]) if len(sys.argv) > 4 else 3.0)
    lock_step = loaded.site.connection.lock_step
    assert lock_step is not None  # this plant's clock is told to advance
    start = lock_step.epoch + timedelta(days=first)
    tags = [tag.name for tag in loaded.site.tags if tag.type.value != "text"]
    with Historian(historian_url(loaded)) as historian:
        table = historian.table(tags, start, start + timedelta(days=days))
        plans = historian.records("plan", Plan, since=start - timedelta(hours=1), until=start + timedelta(days=days))
    Path(sys.argv[2]).write_text(picture(loaded.site, table, plans, start, days))
    return 0


if __name__ == "__main__":
    sys.exit(main())
