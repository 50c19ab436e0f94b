"""The demo as a newcomer meets it: from an empty folder, by its command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from ems.commands.demo import shown
from ems.config import historian_url
from ems.demo import MISMATCH, lay_out
from ems.historian import Historian
from ems.report import Report, remarks
from ems.served import read_drivers, served_twin
from ems.site import calibration_of
from twin_sim.mismatch import differing
from twin_sim.model import SiteModel


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
    assert "cannot be judged by its cost" in document["remarks"][0]
    assert document["folder"] == "demo"
    assert {store["store"] for store in document["stores"]} == {name for name, _ in document["plant"]["levels_end"]}
    assert all(store["level"] is not None and store["nothing"] is not None for store in document["stores"])
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
    gone = ems("doctor", "--site", "site.toml", cwd=folder)
    assert gone.returncode == 1
    assert "the plant of a demo ends with the demo" in " ".join(gone.stdout.replace("│", " ").split())
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
def test_a_command_leads_to_its_decision_and_before_and_after_are_told_in_words(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    commands = json.loads(ems("commands", "list", "--site", "site.toml", "--json", cwd=folder).stdout)
    planned = next(item["command"]["id"] for item in commands if item["cycle"])
    same = ems("replay", planned, "--site", "site.toml", cwd=folder)
    assert same.returncode == 0, same.stdout + same.stderr
    assert same.stdout == "1 decision: 1 identical, 0 different, 0 cut by the clock (those are verified, not derived again)\n"
    released = next(item["command"] for item in commands if not item["cycle"])
    assert released["words"] == "the run ends: its time is over"
    lost = ems("replay", released["id"], "--site", "site.toml", cwd=folder)
    assert lost.returncode == 3
    assert "belongs to no plan" in lost.stderr
    other = ems("replay", planned, "--with", "prices.energy.values=9.0", "--site", "site.toml", cwd=folder)
    assert "changed prices.energy.values: " in other.stdout
    assert "as it was" in other.stdout
    assert "{" not in other.stdout
    every = ems("replay", planned, "--with", "limits.starts_per_day.high=1", "--site", "site.toml", cwd=folder)
    assert every.stdout.count("changed limits.starts_per_day[") > 1, every.stdout + every.stderr
    wrong = ems("replay", planned, "--with", "stores.towr.level=2", "--site", "site.toml", cwd=folder)
    assert wrong.returncode == 2
    assert "there is no 'towr' (there is: warehouse, receiver, tower, " in wrong.stderr
    assert ems("replay", "--all", "--with", "seed=1", "--site", "site.toml", cwd=folder).returncode == 2


@pytest.mark.xdist_group("demo")
def test_a_person_reads_one_clock_and_a_program_another(demo: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = demo
    listed = ems("commands", "--site", "site.toml", cwd=folder).stdout
    assert " CET" in listed
    assert "UTC" not in listed
    assert "e+0" not in listed
    assert not [line for line in listed.splitlines() if line != line.rstrip()]
    commands = json.loads(ems("commands", "--site", "site.toml", "--json", cwd=folder).stdout)
    assert commands[0]["command"]["at"].endswith("Z")
    shown = ems("commands", "show", commands[-1]["command"]["id"], "--site", "site.toml", cwd=folder).stdout
    assert " CET" in shown
    assert "UTC" not in shown
    alone = ems("alarms", "--site", "site.toml", cwd=folder)
    assert alone.returncode == 0
    assert alone.stdout.startswith("Alarms\n")
    misplaced = ems("alarms", "--site", "site.toml", "ack", "a-1", cwd=folder)
    assert misplaced.returncode == 2
    assert "write options after the command" in misplaced.stderr


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


@pytest.mark.xdist_group("demo")
def test_a_person_sees_whose_figures_are_whose(demo: tuple[Path, dict[str, Any]]) -> None:
    _, document = demo
    tables, words = shown(TypeAdapter(Report).validate_python(document), document)
    titles = [str(table.title) for table in tables]
    assert titles[0].startswith("By the plant's own account (EUR): this is the judge")
    assert titles[1] == "In the stores at the end, by the plant's own account (not in the cost)"
    assert tables[1].row_count == len(document["plant"]["levels_end"])
    assert titles[2].startswith("By the controller: what it read, beside what its model thinks of doing nothing")
    assert "2 h, less than a day: this run cannot be judged by its cost" in words
    assert "0 different, 0 cut by the clock (those are verified, not derived again)" in words
    assert "the plant received the same" in words
    assert "`ems serve --site demo/site.toml`" in words
    assert "`ems replay --all --site demo/site.toml`" in words


def test_a_day_can_be_judged() -> None:
    assert remarks(24.0) == ()
    assert remarks(2.0)


def test_calibration_learns_the_plant_and_leaves_it_as_it_is(tmp_path: Path) -> None:
    laid = lay_out(tmp_path, 3, 1.0, lambda _: None, calibrated=True)
    with Historian(historian_url(laid.loaded)) as historian:
        learned = calibration_of(historian)
    assert learned is not None
    plant = served_twin(
        laid.loaded, read_drivers(laid.drivers), start=laid.start, end=None, seed=3, mismatch=MISMATCH, as_stated=True
    )
    true = differing(SiteModel(laid.loaded.site), 3, MISMATCH).kind("compressor_1")
    assert plant.ensemble.layout.model.kind("compressor_1") == true
    for name in ("flow_per_h", "power_kw"):
        assert learned.of_asset("compressor_1")[name] == pytest.approx(getattr(true, name), rel=0.01)
