"""Key figures of strategies with their spread over the futures, as a figure. Pure, like `figures`."""

from __future__ import annotations

import plotly.graph_objects as go

from dashboard.figures import CLEAR, FONT, Part
from dashboard.theme import Theme
from dashboard.whatifs import Document, Figure
from dashboard.words import KEYS, MONEY, UNITS

SHORT = ",.4~g"
MOST = 6
"""Charts in two rows of three; more get narrower, not lower."""
SHOWN = ("cost", "regret", "energy_kwh", "demand_peak_kw", "co2_kg", "starts", "served_share")


def strategies(document: Document, theme: Theme, currency: str) -> go.Figure:
    """One small chart per key figure, one line per strategy: dot at the median, bar from p5 to p95."""
    keys = [key for key in SHOWN if any(key in lived.kpi for lived in document.strategies.values())]
    columns = -(-len(keys) // 2) if len(keys) > MOST else min(3, len(keys)) or 1
    rows = -(-len(keys) // columns) or 1
    traces: list[Part] = []
    layout: Part = {
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "template": {},
        "font": {"family": FONT, "size": 12, "color": theme.muted},
        "showlegend": False,
        "margin": {"l": 90, "r": 20, "t": 34, "b": 36},
        "annotations": [],
        "uirevision": "strategies",
    }
    for number, key in enumerate(keys):
        name = "" if number == 0 else str(number + 1)
        across, down = _place(number % columns, columns, 0.06), _place(rows - 1 - number // columns, rows, 0.17)
        grid = {"gridcolor": theme.grid, "linecolor": theme.grid, "zeroline": False}
        rows_of_names = {"range": [len(document.strategies) - 0.5, -0.5], "showticklabels": number % columns == 0}
        layout[f"xaxis{name}"] = (
            grid | {"tickangle": 0} | {"domain": across, "anchor": f"y{name}", "nticks": 3 if key.endswith("_share") else 5}
        )
        layout[f"yaxis{name}"] = grid | rows_of_names | {"domain": down, "anchor": f"x{name}"}
        layout["annotations"].append(_title(key, across[0], down[1], theme, currency))
        traces.append(_dots(document, key, f"x{name}", f"y{name}", theme))
    return go.Figure({"data": traces, "layout": layout})


def _place(index: int, count: int, gap: float) -> list[float]:
    """Where one of several charts lies along an axis of the figure: the first begins and the last ends at its edge."""
    width = (1.0 - gap * (count - 1)) / count
    return [index * (width + gap), index * (width + gap) + width]


def _title(key: str, x: float, y: float, theme: Theme, currency: str) -> Part:
    unit = currency if key in MONEY else UNITS.get(key, "share" if key.endswith("_share") else "")
    text = f"{KEYS.get(key, key)}, {unit}" if unit else KEYS.get(key, key)
    place = {"xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": "left", "yanchor": "bottom"}
    return {"text": f"<b>{text}</b>", "showarrow": False, "font": {"size": 13, "color": theme.ink}} | place


def _dots(document: Document, key: str, x: str, y: str, theme: Theme) -> Part:
    found: list[tuple[str, Figure]] = [(name, lived.kpi[key]) for name, lived in document.strategies.items() if key in lived.kpi]
    middles = [figure.p50 for _, figure in found]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": middles,
        "y": [name for name, _ in found],
        "xaxis": x,
        "yaxis": y,
        "marker": {"size": 10, "color": theme.planned},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [figure.p95 - figure.p50 for _, figure in found],
            "arrayminus": [figure.p50 - figure.p5 for _, figure in found],
            "color": theme.planned,
            "thickness": 2,
            "width": 5,
        },
        "customdata": [[figure.p5, figure.p95] for _, figure in found],
        "hovertemplate": f"%{{y}}: %{{x:{SHORT}}} (%{{customdata[0]:{SHORT}}} … %{{customdata[1]:{SHORT}}})<extra></extra>",
    }
