"""Answers of `ems whatif --json` as the page reads them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dashboard import spreads
from dashboard.theme import LIGHT
from dashboard.whatifs import answers

FIGURE = {"mean": 2.0, "p5": 1.0, "p50": 2.0, "p95": 4.0}
GOOD = {
    "from": "2026-03-09T06:00:00Z",
    "days": 2,
    "futures": 20,
    "added_later": True,
    "strategies": {
        "nothing": {"kpi": {"cost": FIGURE, "starts": FIGURE}, "violations": {"store_low": 0.1}},
        "optimal": {"kpi": {"cost": {**FIGURE, "p50": 1.5}}, "violations": {}},
    },
}


def write(folder: Path, name: str, text: str, age_s: int = 0) -> None:
    (folder / "whatif").mkdir(exist_ok=True)
    file = folder / "whatif" / name
    file.write_text(text, encoding="utf-8")
    os.utime(file, (1_800_000_000 - age_s, 1_800_000_000 - age_s))


def test_no_folder_no_answers(tmp_path: Path) -> None:
    assert answers(tmp_path) == ()


def test_newest_file_first_and_keys_may_be_added(tmp_path: Path) -> None:
    write(tmp_path, "older.json", json.dumps(GOOD), age_s=60)
    write(tmp_path, "newer.json", json.dumps(GOOD))
    found = answers(tmp_path)
    assert [item.name for item in found] == ["newer", "older"]
    assert found[0].document is not None
    assert found[0].document.strategies["optimal"].kpi["cost"].p50 == 1.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "broken.json is no answer"),
        (json.dumps({**GOOD, "days": "two"}), "days"),
        (json.dumps({**GOOD, "strategies": {}}), "strategies"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, "broken.json", text)
    found = answers(tmp_path)
    assert found[0].document is None
    assert said in found[0].fault


def test_figure_spans_from_p5_to_p95_per_strategy(tmp_path: Path) -> None:
    write(tmp_path, "a.json", json.dumps(GOOD))
    document = answers(tmp_path)[0].document
    assert document is not None
    drawn = spreads.strategies(document, LIGHT, "EUR").to_plotly_json()
    cost, starts = drawn["data"]
    assert list(cost["y"]) == ["nothing", "optimal"]
    assert list(cost["error_x"]["array"]) == [2.0, 2.5]
    assert list(cost["error_x"]["arrayminus"]) == [1.0, 0.5]
    assert list(starts["y"]) == ["nothing"]
    assert [item["text"] for item in drawn["layout"]["annotations"]] == ["<b>Cost, EUR</b>", "<b>Starts</b>"]


def test_charts_do_not_reach_into_each_other(tmp_path: Path) -> None:
    """With regret there are seven: two rows, each with room for its ticks and the titles below."""
    kpi = dict.fromkeys(spreads.SHOWN, FIGURE)
    write(
        tmp_path, "a.json", json.dumps({**GOOD, "strategies": {"nothing": {"kpi": kpi}, "clairvoyant": {"kpi": {"cost": FIGURE}}}})
    )
    document = answers(tmp_path)[0].document
    assert document is not None
    layout = spreads.strategies(document, LIGHT, "EUR").to_plotly_json()["layout"]
    rows = sorted({tuple(axis["domain"]) for name, axis in layout.items() if name.startswith("yaxis")})
    assert len(rows) == 2
    assert rows[1][0] - rows[0][1] >= 0.15
    assert layout["annotations"][1]["text"] == "<b>Regret, EUR</b>"
