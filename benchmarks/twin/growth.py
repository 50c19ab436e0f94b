"""What a day costs in the twin against machines and futures: a table and a picture.

Usage: python benchmarks/twin/growth.py [PICTURE.svg|PICTURE.png] [ROWS.json]

`ROWS.json` is what `ems bench twin.growth --json` wrote; without it the rows are measured now, in a minute or two. A PNG
needs Playwright and Chromium (they are there where the tests ran), an SVG nothing.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from pathlib import Path

from ems.bench.twin import growth

WIDE, HIGH, LEFT, TOP = 400, 260, 70, 30
INK, PALE, LINE = "#1b2a33", "#d5dde1", "#2a6f97"
Points = list[tuple[float, float]]


def rows(file: Path | None) -> dict[str, float]:
    """Value per row of the bench."""
    if file is not None:
        return {row["name"]: row["value"] for row in json.loads(file.read_text())["rows"]}
    return {row.name: row.value for row in growth()}


def points(found: dict[str, float], prefix: str) -> Points:
    """Rows of one kind as numbers."""
    return sorted((float(name.removeprefix(prefix)), value) for name, value in found.items() if name.removeprefix(prefix).isdigit())


def panel(left: float, title: str, under: str, course: Points, x_ticks: list[float], y_ticks: list[float], *, logs: bool) -> str:
    """One diagram."""

    def place(value: float, ticks: list[float]) -> float:
        if logs:
            return math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])
        return (value - ticks[0]) / (ticks[-1] - ticks[0])

    def x(value: float) -> float:
        return left + WIDE * place(value, x_ticks)

    def y(value: float) -> float:
        return TOP + HIGH * (1.0 - place(value, y_ticks))

    parts = [f'<text x="{left}" y="{TOP - 12}" font-weight="bold">{title}</text>']
    for tick in x_ticks:
        parts.append(f'<line x1="{x(tick):.1f}" y1="{TOP}" x2="{x(tick):.1f}" y2="{TOP + HIGH}" stroke="{PALE}"/>')
        parts.append(f'<text x="{x(tick):.1f}" y="{TOP + HIGH + 16}" text-anchor="middle">{tick:,.0f}</text>')
    for tick in y_ticks:
        parts.append(f'<line x1="{left}" y1="{y(tick):.1f}" x2="{left + WIDE}" y2="{y(tick):.1f}" stroke="{PALE}"/>')
        parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,g}</text>')
    line = " ".join(f"{x(one):.1f},{y(other):.1f}" for one, other in course)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    for one, other in course:
        parts.append(f'<circle cx="{x(one):.1f}" cy="{y(other):.1f}" r="3.5" fill="{LINE}"/>')
        anchor = "start" if one == x_ticks[0] else "middle"
        parts.append(f'<text x="{x(one) + 3:.1f}" y="{y(other) - 9:.1f}" text-anchor="{anchor}" fill="{LINE}">{other:,.0f}</text>')
    parts.append(f'<text x="{left + WIDE / 2}" y="{TOP + HIGH + 36}" text-anchor="middle">{under}</text>')
    return "".join(parts)


def picture(found: dict[str, float]) -> str:
    """Both diagrams side by side, as SVG."""
    machines, futures = points(found, "twin.assets_"), points(found, "twin.futures_")
    most = math.ceil(max(value for _, value in machines) / 100.0) * 100.0
    steps = [most * share / 4.0 for share in range(5)]
    least, peak = (math.log10(end(value for _, value in futures)) for end in (min, max))
    decades = [10.0**power for power in range(math.floor(least), math.ceil(peak) + 1)]
    one = panel(LEFT, "1,000 futures", "machines", machines, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0], steps, logs=False)
    numbers = [1.0, 10.0, 100.0, 1000.0, 10000.0]
    other = panel(LEFT + WIDE + 90, "100 machines", "futures", futures, numbers, decades, logs=True)
    size = f'viewBox="0 0 {2 * WIDE + LEFT + 120} {HIGH + TOP + 66}" font-family="sans-serif" font-size="12" fill="{INK}"'
    words = f'<text x="{LEFT}" y="{HIGH + TOP + 58}">CPU milliseconds for one day, drivers given</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="100%" height="100%" fill="white"/>{one}{other}{words}</svg>\n'
    )


def written(drawn: str, file: Path, size: tuple[int, int]) -> None:
    """As SVG, or as PNG by a browser."""
    if file.suffix == ".svg":
        file.write_text(drawn)
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_content(f'<body style="margin:0">{drawn}</body>')
        page.screenshot(path=str(file))
        browser.close()


def main() -> int:
    """Measure or read, print, draw."""
    found = rows(Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    for name, value in found.items():
        print(f"{name} {value:.0f}")
    if len(sys.argv) > 1:
        written(picture(found), Path(sys.argv[1]), (2 * WIDE + LEFT + 120, HIGH + TOP + 66))
    return 0


if __name__ == "__main__":
    sys.exit(main())
