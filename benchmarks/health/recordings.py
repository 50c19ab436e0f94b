"""Health on public recordings: the SKAB valve runs and the C-MAPSS turbofans, with the product's frozen defaults.

Usage: EMS_DATA=folder python benchmarks/health/recordings.py [seeds]

`EMS_DATA` holds `anomaly/skab_valve1/NN.csv.gz` and `anomaly/cmapss/fd001_units_1_50.csv.gz`. Prints one line per set and seed as
soon as it is known, and what it is at on stderr; four seeds take two minutes on one core.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from anomaly import backtest, recordings
from anomaly.detectors.isolation_forest import IsolationForest
from anomaly.judgement import Judgement
from anomaly.profiles import PROFILES
from anomaly.recordings import Recording

SKAB_TRAIN, CMAPSS_TRAIN = 400, 30
HEALTHY_LEFT = 125
"""A turbofan with more cycles than this to live counts as healthy."""


def say(words: str) -> None:
    """What it is at."""
    print(words, file=sys.stderr, flush=True)


def skab(folder: Path, seed: int) -> None:
    """Each run by itself: fit on its first 400 rows, judge all, count over the rest of all runs together."""
    runs: list[Recording] = []
    judged: dict[str, Judgement] = {}
    for number, file in enumerate(sorted(folder.glob("*.csv*"))):
        say(f"skab seed {seed}: {file.name}")
        read = recordings.read(file, time="datetime", group=None, label="anomaly", ignore=("changepoint",)).groups[0]
        run = Recording(group=str(number), table=read.table, rows=read.rows, lines=read.lines, labels=read.labels)
        judged[run.group] = backtest.fit(IsolationForest(seed=seed), [run], SKAB_TRAIN, [run]).judge(run.table, run.group)
        runs.append(run)
    for profile in PROFILES.values():
        alarms = {name: backtest.alarms_of(judgement, profile) for name, judgement in judged.items()}
        found = backtest.metrics(runs, alarms, SKAB_TRAIN)
        print(
            f"skab seed {seed} {profile.name}: F1 {found.f1:.3f} FAR {found.far:.1%} MAR {found.mar:.1%} "
            f"before {found.before_fault:.1%} "
            f"runs alarmed before {found.groups_alarmed_before} caught {found.faults_caught}/{found.faults}",
            flush=True,
        )


def cmapss(file: Path, seed: int, fit_groups: str, judge_groups: str) -> None:
    """Fit on the first 30 cycles of some units, judge the others, each by its own first 30 cycles."""
    say(f"c-mapss seed {seed}: fit {fit_groups}")
    read = recordings.read(file, time="cycle", group="unit", label=None, ignore=())
    learner = backtest.fit(IsolationForest(seed=seed), read.named(fit_groups), CMAPSS_TRAIN, read.groups)
    judged = [learner.judge(unit.table, unit.group) for unit in read.named(judge_groups)]
    print(f"c-mapss seed {seed} fit {fit_groups}: {_lives(judged)}", flush=True)


def _lives(judged: Sequence[Judgement]) -> str:
    warnings, false, orders, rebounds = [], 0, [], []
    for unit in judged:
        rows = unit.alarm.size
        starts = np.flatnonzero(unit.alarm & ~np.concatenate([[False], unit.alarm[:-1]]))
        warnings.append(rows - int(starts[0]) if starts.size else 0)
        false += int((starts < rows - HEALTHY_LEFT).sum())
        orders.append(-float(spearmanr(np.arange(rows), unit.scores).statistic))
        rebounds.append(float((unit.scores - np.minimum.accumulate(unit.scores)).max()))
    at = {left: float(np.median([unit.scores[-1 - left] for unit in judged])) for left in (50, 20, 0)}
    return (
        f"missed {warnings.count(0)} of {len(judged)}, warning p10 {np.percentile(warnings, 10):.0f} "
        f"median {np.median(warnings):.0f}, "
        f"false alarms per unit {false / len(judged):.2f}, worst rank correlation {min(orders):.3f}, "
        f"health at 50/20/0 {at[50]:.2f}/{at[20]:.2f}/{at[0]:.2f}, rebound p90 {100 * np.percentile(rebounds, 90):.2f} points"
    )


if __name__ == "__main__":
    data = Path(os.environ["EMS_DATA"]) / "anomaly"
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4):
        skab(data / "skab_valve1", number)
        cmapss(data / "cmapss" / "fd001_units_1_50.csv.gz", number, "1-25", "26-50")
        cmapss(data / "cmapss" / "fd001_units_1_50.csv.gz", number, "26-50", "1-25")
