"""Health over recordings: fit on first rows, judge every row causally, and count against labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomaly.features import LEAST_ROWS, Bools, Dropped
from anomaly.judgement import Judgement
from anomaly.learner import Learner
from anomaly.profiles import ADVISORY, CONTROL, Profile
from anomaly.recordings import Recording
from plant.errors import DataError
from plant.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """How well alarms met the labels, over the rows after each group's training rows."""

    f1: float
    """0..1 over all rows."""
    far: float
    """False alarm rate: share of healthy rows with an alarm."""
    mar: float
    """Missed alarm rate: share of faulty rows without one."""
    precision: float
    before_fault: float
    """Share of the rows before each group's first fault that had an alarm."""
    groups_alarmed_before: int
    """Groups with any alarm before their first fault, training rows included."""
    faults: int
    """Groups that have a fault."""
    faults_caught: int
    """Groups with an alarm while their first fault lasts."""


def fit(learner: Learner, recordings: Sequence[Recording], train_rows: int, own: Sequence[Recording]) -> Learner:
    """Learn from the first rows of some groups, and give others a baseline from their own first rows.

    Raises
    ------
    DataError
        If a group has fewer rows than asked for, or too few to learn from.
    """
    if train_rows < LEAST_ROWS:
        raise DataError(f"--train-rows {train_rows}: at least {LEAST_ROWS} healthy rows are needed to learn a spread")
    learner.fit_kind({recording.group: _first(recording, train_rows) for recording in recordings})
    known = {recording.group for recording in recordings}
    for recording in own:
        if recording.group not in known:
            learner.adopt(recording.group, _first(recording, train_rows))
    return learner


def alarms_of(judgement: Judgement, profile: Profile) -> Bools:
    """The alarms that a profile raises, shape (rows,)."""
    return judgement.trip if profile is CONTROL else judgement.alarm


def raised(alarm: Bools) -> int:
    """How often an alarm was raised."""
    return int((alarm & ~np.concatenate([[False], alarm[:-1]])).sum())


def metrics(recordings: Sequence[Recording], alarms: Mapping[str, Bools], train_rows: int) -> Metrics:
    """Alarms against the labels of all groups together."""
    pairs = [(alarms[r.group], r.labels) for r in recordings if r.labels is not None]
    alarm = np.concatenate([a[train_rows:] for a, _ in pairs])
    truth = np.concatenate([y[train_rows:] for _, y in pairs])
    hit, false = int((alarm & truth).sum()), int((alarm & ~truth).sum())
    missed = int((~alarm & truth).sum())
    faulty = [(a, y, int(np.argmax(y))) for a, y in pairs if y.any()]
    before = np.concatenate([a[train_rows:first] for a, _, first in faulty]) if faulty else np.zeros(0, dtype=bool)
    return Metrics(
        f1=_share(2 * hit, 2 * hit + false + missed),
        far=_share(false, int((~truth).sum())),
        mar=_share(missed, int(truth.sum())),
        precision=_share(hit, hit + false),
        before_fault=_share(int(before.sum()), before.size),
        groups_alarmed_before=sum(bool(a[:first].any()) for a, _, first in faulty),
        faults=len(faulty),
        faults_caught=sum(bool(a[first : _end(y, first)].any()) for a, y, first in faulty),
    )


def dropped_words(dropped: Sequence[Dropped]) -> tuple[str, ...]:
    """One sentence per sensor that is not judged."""
    return tuple(f"{entry.sensor} is not judged: {entry.words}" for entry in dropped)


def vanished_words(recordings: Sequence[Recording], sensors: Sequence[str]) -> tuple[str, ...]:
    """One sentence per judged sensor that falls silent for good before its group ends."""
    words = []
    for recording in recordings:
        rows, label = len(recording.table), f"group {recording.group}: " if recording.group else ""
        for sensor in sensors:
            known = np.flatnonzero(np.isfinite(recording.table.columns[sensor]))
            last = int(known[-1]) + 1 if known.size else 0
            if rows - last >= ADVISORY.average_rows:
                words.append(f"{label}{sensor} has no values after row {last} of {rows}: the others stand in for it while they can")
    return tuple(words)


def _first(recording: Recording, rows: int) -> Table:
    table = recording.table
    if len(table) < rows:
        name = f"group {recording.group} has" if recording.group else "there are"
        raise DataError(f"{name} only {len(table)} rows, --train-rows asks for {rows}")
    return Table(times=table.times[:rows], columns={name: column[:rows] for name, column in table.columns.items()})


def _end(labels: Bools, first: int) -> int:
    after = np.flatnonzero(~labels[first:])
    return first + int(after[0]) if after.size else labels.size


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
