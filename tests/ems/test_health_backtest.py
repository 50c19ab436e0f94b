"""`ems health backtest` from file to file, with the files that people really have."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from ems.commands.health import mount
from plant.errors import ConfigError, DataError, EmsError, NotFoundError
from tests.anomaly.blower import SENSORS, Fault, table

ROWS, TRAIN, FAULT_AT = 900, 500, 650
Lines = list[list[str]]


def _lines(seed: int = 0, faults: tuple[Fault, ...] = (Fault("vibration", 12.0, FAULT_AT),), rows: int = ROWS) -> Lines:
    readings = table(seed, rows, step_s=60.0, faults=faults, always_on=True)
    head = ["stamp", *SENSORS, "ill"]
    begin = faults[0].begin if faults else rows
    return [head] + [
        [str(time), *(f"{readings.columns[name][row]:.6f}" for name in SENSORS), str(int(row >= begin))]
        for row, time in enumerate(readings.times)
    ]


def _written(file: Path, lines: Lines, delimiter: str = ",") -> Path:
    text = "\n".join(delimiter.join(line) for line in lines) + "\n"
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def _run(file: Path, out: Path, *options: str) -> dict[str, Any]:
    app = typer.Typer()
    mount(app)
    arguments = [
        "health",
        "backtest",
        "--csv",
        str(file),
        "--time",
        "stamp",
        "--train-rows",
        str(TRAIN),
        "--out",
        str(out),
        "--json",
    ]
    arguments += ["--detector", "t2q"] if "--detector" not in options else []
    result = CliRunner().invoke(app, [*arguments, *options])
    if isinstance(result.exception, EmsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _scores(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_row_per_reading_an_alarm_after_the_fault_and_the_sensor_named(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    found = _run(_written(tmp_path / "run.csv", _lines()), out, "--label", "ill", "--detector", "isolation_forest")
    rows = _scores(out)
    assert list(rows[0]) == ["time", "group", "score", "severity", "alarm", "driver"]
    assert [row["time"] for row in rows] == [line[0] for line in _lines()[1:]]
    assert (found["rows"], found["groups"], found["alarms"]) == (ROWS, 1, 1)
    assert found["fit_s"] > 0
    assert found["score_ms"] > 0
    assert found["metrics"]["far"] <= 0.01
    assert found["metrics"]["f1"] >= 0.95
    assert found["metrics"]["before_fault"] == 0.0
    alarmed = [index for index, row in enumerate(rows) if row["alarm"] == "1"]
    assert FAULT_AT <= alarmed[0] <= FAULT_AT + 20
    assert rows[alarmed[0]]["driver"] == "vibration"
    assert all(0.0 <= float(row["score"]) <= 1.0 and row["severity"] in "ABCD" for row in rows)


def test_the_label_is_never_seen_and_neither_is_what_comes_later(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    _run(_written(tmp_path / "whole.csv", _lines()), out, "--label", "ill")
    whole = _scores(out)
    turned = [[*line[:-1], "1" if index % 2 else "0"] for index, line in enumerate(_lines())]
    turned[0] = _lines()[0]
    _run(_written(tmp_path / "turned.csv", turned), out, "--label", "ill")
    assert _scores(out) == whole
    _run(_written(tmp_path / "part.csv", _lines()[: FAULT_AT + 30]), out, "--label", "ill")
    part = _scores(out)
    assert part == whole[: len(part)]


def test_semicolons_tabs_gzip_and_a_running_number_are_read_alike(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    _run(_written(tmp_path / "a.csv", _lines()), out)
    expected = [row["score"] for row in _scores(out)]
    _run(_written(tmp_path / "a.csv.gz", _lines(), ";"), out)
    assert [row["score"] for row in _scores(out)] == expected
    _run(_written(tmp_path / "a.tsv", _lines(), "\t"), out)
    assert [row["score"] for row in _scores(out)] == expected
    numbered = [[str(index - 1), *line[1:]] for index, line in enumerate(_lines())]
    numbered[0] = _lines()[0]
    _run(_written(tmp_path / "n.csv", numbered), out)
    assert [row["score"] for row in _scores(out)] == expected


def test_reordered_and_repeated_times_are_put_right_and_said(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    _run(_written(tmp_path / "a.csv", _lines()), out)
    expected = {row["time"]: row["score"] for row in _scores(out)}
    lines = _lines()
    body = [*lines[1:], lines[300], lines[700]]
    order = np.random.default_rng(0).permutation(len(body))
    found = _run(_written(tmp_path / "b.csv", [lines[0], *(body[i] for i in order)]), out)
    assert {row["time"]: row["score"] for row in _scores(out)} == expected
    assert len(_scores(out)) == ROWS + 2
    assert any("sorted" in words for words in found["words"])
    assert any("2 rows repeat" in words for words in found["words"])


def test_a_column_without_numbers_and_a_constant_sensor_are_left_out_with_the_reason(tmp_path: Path) -> None:
    lines = [[*line, "", "5.0"] for line in _lines()]
    lines[0][-2:] = ["dead", "still"]
    found = _run(_written(tmp_path / "a.csv", lines), tmp_path / "scores.csv", "--label", "ill")
    assert any(words.startswith("dead: no numbers") for words in found["words"])
    assert any(words.startswith("still is not judged: constant") for words in found["words"])
    assert found["sensors"] == list(SENSORS)


def test_a_sensor_that_vanishes_does_not_alarm_and_all_of_them_give_no_score(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    gone = [line if index <= FAULT_AT else [*line[:2], "", *line[3:]] for index, line in enumerate(_lines(faults=()))]
    found = _run(_written(tmp_path / "one.csv", gone), out)
    assert found["alarms"] == 0
    assert any(words.startswith(f"flow has no values after row {FAULT_AT} of {ROWS}") for words in found["words"])
    assert all(row["score"] for row in _scores(out))
    gone = [line if index <= FAULT_AT else [line[0], "", "", "", "", line[-1]] for index, line in enumerate(_lines(faults=()))]
    assert _run(_written(tmp_path / "all.csv", gone), out)["alarms"] == 0
    last = _scores(out)[-1]
    assert (last["score"], last["severity"], last["alarm"], last["driver"]) == ("", "", "0", "")


def test_groups_have_their_own_baselines_and_fit_groups_teach(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    lines = [["unit", *_lines()[0]]]
    for unit in range(1, 5):
        body = _lines(seed=unit, faults=(Fault("bearing_c", 12.0, FAULT_AT),) if unit == 4 else ())[1:]
        lines += [[str(unit), line[0], *(str(float(value) + 10.0 * unit) for value in line[1:-1]), line[-1]] for line in body]
    file = _written(tmp_path / "fleet.csv", lines)
    found = _run(file, out, "--group", "unit", "--fit-groups", "1-2", "--label", "ill")
    assert found["groups"] == 4
    assert {row["group"] for row in _scores(out) if row["alarm"] == "1"} == {"4"}
    with pytest.raises(NotFoundError, match="1, 2, 3, 4"):
        _run(file, out, "--group", "unit", "--fit-groups", "7-9")


def test_ten_rows_are_too_few_and_the_numbers_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="only 10 rows, --train-rows asks for 500"):
        _run(_written(tmp_path / "a.csv", _lines()[:11]), tmp_path / "scores.csv")
    with pytest.raises(DataError, match="at least 20"):
        _run(_written(tmp_path / "a.csv", _lines()[:11]), tmp_path / "scores.csv", "--train-rows", "10")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--time", "when"), "--time 'when' is not a column; there are stamp"),
        (("--label", "truth"), "--label 'truth' is not a column"),
        (("--profile", "bold"), "advisory, control"),
    ],
)
def test_wrong_options_are_named_with_what_would_be_right(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        _run(_written(tmp_path / "a.csv", _lines()), tmp_path / "scores.csv", *options)


def test_files_that_are_no_recordings_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "scores.csv"
    with pytest.raises(NotFoundError, match="no such file"):
        _run(tmp_path / "none.csv", out)
    with pytest.raises(DataError, match="no rows"):
        _run(_written(tmp_path / "head.csv", _lines()[:1]), out)
    lines = _lines()
    lines[42][0] = ""
    with pytest.raises(DataError, match="line 43"):
        _run(_written(tmp_path / "hole.csv", lines), out)
    words = [["stamp", "note"], ["2025-01-01", "fine"], ["2025-01-02", "fine"]]
    with pytest.raises(DataError, match="no column besides 'stamp' holds numbers"):
        _run(_written(tmp_path / "words.csv", words), out)
