"""The demo as a newcomer meets it: from an empty folder, by its command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def ems(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ems.cli", *words], cwd=cwd, capture_output=True, text=True, timeout=280, check=False
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("empty")
    done = ems("demo", "--hours", "2", "--headless", "--json", "--seed", "3", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "demo", json.loads(done.stdout)


@pytest.mark.xdist_group("demo")
def test_the_loop_is_closed_over_the_wire_and_every_decision_replays(demo: tuple[Path, dict[str, Any]]) -> None:
    _, document = demo
    assert document["simulated_hours"] == 2.0
    assert document["finished"] == "for"
    assert document["orders"]["agree"] is True
    assert sum(counts["confirmed"] for counts in document["commands"].values()) > 0
    assert document["replay"]["identical"] == document["replay"]["decisions"] >= document["cycles"] == 4
    assert document["kpi"]["currency"] == "EUR"
    assert document["plant"]["end"] == document["plant_untouched"]["end"]


@pytest.mark.xdist_group("demo")
def test_what_was_done_can_be_looked_at_afterwards(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, document = demo
    listed = ems("commands", "list", "--site", "site.toml", "--json", cwd=folder)
    assert listed.returncode == 0, listed.stderr
    commands = json.loads(listed.stdout)
    sent = sum(sum(counts.values()) for counts in document["commands"].values())
    assert len(commands) == min(sent, 50)
    shown = ems("commands", "show", commands[-1]["command"]["id"], "--site", "site.toml", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "verdict" in shown.stdout
    doctor = ems("doctor", "--site", "site.toml", "--no-plant", "--json", cwd=folder)
    assert doctor.returncode == 0, doctor.stdout
    assert ems("commands", "show", "c-none", "--site", "site.toml", cwd=folder).returncode == 3


@pytest.mark.xdist_group("demo")
def test_one_decision_replays_and_one_thing_changed_is_told(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    listed = json.loads(
        ems("export", "journal", "--site", "site.toml", "--format", "jsonl", "--out", "j.jsonl", "--json", cwd=folder).stdout
    )
    assert listed
    rows = [json.loads(line) for line in (folder / "j.jsonl").read_text().splitlines()][1:]
    plan = next(row for row in rows if row["kind"] == "plan")
    same = ems("replay", plan["id"], "--site", "site.toml", "--json", cwd=folder)
    assert same.returncode == 0, same.stdout + same.stderr
    assert json.loads(same.stdout)["identical"] == 1
    other = ems("replay", plan["id"], "--with", "prices.energy.values=9.0", "--site", "site.toml", "--json", cwd=folder)
    assert other.returncode == 0, other.stderr
    assert json.loads(other.stdout)["different"]
    wrong = ems("replay", plan["id"], "--with", "prices.gas=1", "--site", "site.toml", cwd=folder)
    assert wrong.returncode == 2
    assert "there is no 'gas'" in wrong.stderr.replace("\n", " ")


@pytest.mark.xdist_group("demo")
def test_what_an_operator_asks_is_filed(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    filed = ems("mode", "pump", "observe", "--why", "bearing", "--who", "shift", "--site", "site.toml", "--json", cwd=folder)
    assert filed.returncode == 0, filed.stderr
    assert json.loads(filed.stdout)["wish"] == "mode"
    assert ems("mode", "boiler", "observe", "--site", "site.toml", cwd=folder).returncode == 3
    assert ems("mode", "pump", "sideways", "--site", "site.toml", cwd=folder).returncode == 2
    given = ems("commands", "give", "pump", "shutdown", "--site", "site.toml", "--json", cwd=folder)
    assert given.returncode == 0, given.stderr
    assert ems("alarms", "list", "--all", "--site", "site.toml", "--json", cwd=folder).returncode == 0
    assert ems("monitor", "--max-age", "15m", "--site", "site.toml", cwd=folder).returncode == 6


@pytest.mark.xdist_group("demo")
def test_a_command_is_explained_by_what_would_have_to_be_otherwise(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    listed = json.loads(ems("commands", "list", "--site", "site.toml", "--json", cwd=folder).stdout)
    command = next(item["command"] for item in listed if item["command"]["action"] != "RELEASE")
    explained = ems("explain", command["id"], "--site", "site.toml", "--json", cwd=folder)
    assert explained.returncode == 0, explained.stderr
    document = json.loads(explained.stdout)
    assert document["command"]["id"] == command["id"]
    assert document["alternatives"]
    assert document["alternatives"] == sorted(document["alternatives"], key=lambda item: item["objective"])
    assert any(flip["what"].startswith("price") for flip in document["flips"])
    whole = ems("explain", "--site", "site.toml", cwd=folder)
    assert whole.returncode == 0, whole.stderr
    assert "rejected" in whole.stdout or "limit" in whole.stdout
    assert ems("explain", "c-none", "--site", "site.toml", cwd=folder).returncode == 3
