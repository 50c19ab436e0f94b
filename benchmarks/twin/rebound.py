"""The picture of a pause that is refused because of its rebound: power of the plan and of doing nothing in its worst future.

Usage, from the root of a checkout: python -m benchmarks.twin.rebound PICTURE.svg|PICTURE.png

It is the case of `tests/twin_sim/test_rehearsal.py`: a heat pump and two compressors rest for five hours before the
evening's load.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.twin.growth import INK, PALE, written
from plant.series import Series
from tests.twin_sim.little import plan, situation
from tests.twin_sim.test_rehearsal import EVENING, HOURS, evening_site
from twin_sim.rehearsal import rehearse

WIDE, HIGH, LEFT, TOP, MOST_KW = 760, 240, 60, 30, 160.0
PLAN, NOTHING, LIMIT = "#c2571a", "#2a6f97", "#8a1f2d"


def steps(course: Series) -> str:
    """A course of power as points of a stepped line; twelve hours from the start."""
    found = []
    for number, value in enumerate(course.values[: round(12.0 * 3600.0 / course.step_s)]):
        for edge in (number, number + 1):
            x = LEFT + WIDE * edge * course.step_s / 3600.0 / 12.0
            found.append(f"{x:.1f},{TOP + HIGH * (1.0 - value / MOST_KW):.1f}")
    return " ".join(found)


def main() -> int:
    """Rehearse, print the verdict, draw its worst future."""
    model, of = evening_site()
    rest = np.where(HOURS < 5.0, 0.0, 1.0)
    now = situation(of, load=EVENING, band=4.0, running=("lead",))
    verdict = rehearse(plan({"heating": rest, "lead": rest, "lag": rest}), now, model)
    print("passed" if verdict.ok else f"refused: {verdict.words}")
    worst = verdict.worst
    if worst is None or len(sys.argv) < 2:
        return 0 if worst is not None else 1
    limit = of.limits.import_kw or 0.0
    parts = []
    for tick in range(0, int(MOST_KW) + 1, 40):
        y = TOP + HIGH * (1.0 - tick / MOST_KW)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDE}" y2="{y:.1f}" stroke="{PALE}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>')
    for hour in range(0, 13, 2):
        parts.append(f'<text x="{LEFT + WIDE * hour / 12:.1f}" y="{TOP + HIGH + 16}" text-anchor="middle">{hour} h</text>')
    for course, colour in ((worst.nothing_kw, NOTHING), (worst.power_kw, PLAN)):
        parts.append(f'<polyline points="{steps(course)}" fill="none" stroke="{colour}" stroke-width="2"/>')
    y = TOP + HIGH * (1.0 - limit / MOST_KW)
    dashed = f'stroke="{LIMIT}" stroke-dasharray="6 4"'
    parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDE}" y2="{y:.1f}" {dashed}/>')
    named = (("the plan", PLAN), ("doing nothing", NOTHING), (f"contracted power, {limit:g} kW", LIMIT))
    for number, (words, colour) in enumerate(named):
        parts.append(f'<text x="{LEFT + 130 * number}" y="{TOP - 12}" fill="{colour}" font-weight="bold">{words}</text>')
    size = f'viewBox="0 0 {WIDE + LEFT + 30} {HIGH + TOP + 28}" font-family="sans-serif" font-size="12" fill="{INK}"'
    drawn = "".join(parts)
    written(
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}><rect width="100%" height="100%" fill="white"/>{drawn}</svg>\n',
        Path(sys.argv[1]),
        (WIDE + LEFT + 30, HIGH + TOP + 28),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
