"""The health of all machines of a site, as one cycle of control asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np

from anomaly.detectors.isolation_forest import IsolationForest
from anomaly.features import matrix, utc_of
from anomaly.health import RECOVERY_ROWS
from anomaly.learner import Learner
from anomaly.machines import RUNNING, Machine, machine
from anomaly.modes import switched
from plant.errors import ConfigError, DataError
from plant.health import Health
from plant.ports import instant64
from plant.site import Site
from plant.table import Table

WINDOW_ROWS = 8 * RECOVERY_ROWS
"""Rows that are looked at: what lies further back hardly changes the score."""
LEAST_DAYS = 7.0
"""Less history than a week, with its nights and its weekend, is too little to say what is healthy."""
TRIP_DAYS = 14.0
"""What a week brings must have been seen twice before it may stop a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    machine: Machine
    learner: Learner | None
    words: str = ""
    """Why there is no learner."""


class HealthMonitor:
    """Judges every asset of a site.

    Parameters
    ----------
    site
        Whose assets are judged.
    learners
        Fitted detectors by asset; machines of one kind may share one. An asset without one gets no score.
    words
        Why an asset has no detector, by asset.
    """

    def __init__(self, site: Site, learners: Mapping[str, Learner], words: Mapping[str, str] | None = None) -> None:
        found = (machine(site, asset) for asset in site.assets)
        reasons = words or {}
        self._watched = tuple(
            _Watched(machine=each, learner=learners.get(each.asset), words=reasons.get(each.asset, "nothing was learned yet"))
            for each in found
            if each is not None
        )
        self._renewed: dict[str, datetime] = {}
        self._taken_days: dict[str, float] = {}

    @classmethod
    def fit(
        cls,
        site: Site,
        history: Table,
        *,
        seed: int = 0,
        kind: type[Learner] = IsolationForest,
        since: Mapping[str, datetime] | None = None,
    ) -> Self:
        """Learn all assets from healthy history; assets of one kind share a model and keep their own baselines.

        Parameters
        ----------
        site, history
            Whose assets, and readings by tag.
        seed
            Of whatever is random.
        kind
            Which detector.
        since
            By asset: healthy history begins here (commissioning, overhaul); earlier rows are not used for it.

        Raises
        ------
        ConfigError
            If the detector has no baseline to learn.
        """
        if not issubclass(kind, Learner):
            raise ConfigError(
                "learning.detector: a site learns by isolation_forest, t2q, residual or a detector derived from Learner"
            )
        shapes: dict[tuple[str, ...], list[Machine]] = {}
        for asset in site.assets:
            found = machine(site, asset)
            if found is not None:
                shapes.setdefault(found.shape, []).append(found)
        learners: dict[str, Learner] = {}
        words: dict[str, str] = {}
        for machines in shapes.values():
            learned, why = _learned(machines, history, since or {}, kind, seed)
            learners.update(learned)
            words.update(why)
        return cls(site, learners, words)

    @property
    def learners(self) -> Mapping[str, Learner]:
        """Fitted detectors by asset."""
        return {each.machine.asset: each.learner for each in self._watched if each.learner is not None}

    def renew(self, asset: str, since: datetime) -> None:
        """Begin an asset's baseline anew: it was commissioned or overhauled, and only what follows tells how it should run."""
        self._renewed[asset] = max(since, self._renewed.get(asset, since))

    def observe(self, window: Table) -> tuple[Health, ...]:
        """The health of every asset at the last row of a window, of which the last `WINDOW_ROWS` rows are looked at.

        An asset that cannot be judged has no score, and the words say why. A renewed one learns from the rows since then as
        soon as they are a week, and again whenever they have doubled: then the window should reach back so far.
        """
        if len(window) == 0:
            raise DataError("no readings to judge health from: the window is empty")
        return tuple(self._one(each, window) for each in self._watched)

    def _one(self, watched: _Watched, window: Table) -> Health:
        since = self._renewed.get(watched.machine.asset)
        if since is None or watched.learner is None:
            return _health(watched, _last(window))
        rows = window.since(instant64(since))
        known = self._adopted(watched, watched.learner, rows, since)
        if known < LEAST_DAYS:
            return _unknown(watched, window, _too_few(known, since))
        return _health(watched, _last(rows))

    def _adopted(self, watched: _Watched, learner: Learner, rows: Table, since: datetime) -> float:
        """Days that the baseline of a renewed machine stands on, after having learned what there is to learn."""
        name = watched.machine.asset
        own = learner.baseline(name)
        if own.begin >= instant64(since) and name not in self._taken_days:
            return own.days
        taken, known = self._taken_days.get(name, 0.0), _days(watched.machine, rows)
        if known >= max(LEAST_DAYS, 2.0 * taken):
            learner.adopt(name, watched.machine.table(rows))
            self._taken_days[name] = known
        return self._taken_days.get(name, known)


def _learned(
    machines: Sequence[Machine], history: Table, since: Mapping[str, datetime], kind: type[Learner], seed: int
) -> tuple[dict[str, Learner], dict[str, str]]:
    """The model of machines of one shape, and why some of them have none."""
    words: dict[str, str] = {}
    tables: dict[str, Table] = {}
    for each in machines:
        begin = since.get(each.asset)
        rows = history if begin is None else history.since(instant64(begin))
        known = _days(each, rows)
        if known < LEAST_DAYS:
            words[each.asset] = _too_few(known, begin)
        else:
            tables[each.asset] = each.table(rows)
    if not tables:
        return {}, words
    first = machines[0]
    learner = kind(
        seed=seed, context=[part for part, _ in first.context], curved=[part for part, _ in first.context], power=first.power,
        running=RUNNING if first.running else None, sensors=[part for part, _ in first.sensors],
    )  # fmt: skip
    try:
        learner.fit_kind(tables)
    except DataError as error:
        return {}, {**words, **dict.fromkeys(tables, str(error))}
    return dict.fromkeys(tables, learner), words


def _days(machine: Machine, readings: Table) -> float:
    """Days in which at least one sensor of a machine was known."""
    known = np.isfinite(matrix(readings, [tag for _, tag in machine.sensors])).any(axis=1)
    return float(known.sum()) * readings.step_s / 86400.0


def _too_few(days: float, since: datetime | None) -> str:
    after = "" if since is None else f" since the work of {since:%d %b %Y %H:%M}"
    return f"only {days:.1f} days of readings{after} to learn from: at least {LEAST_DAYS:g} are needed"


def _last(window: Table) -> Table:
    return window.since(window.times[-WINDOW_ROWS]) if len(window) > WINDOW_ROWS else window


def _unknown(watched: _Watched, window: Table, words: str) -> Health:
    return Health(
        asset=watched.machine.asset, time=utc_of(window.times[-1]), score=None, severity=None, alarm=False,
        model_id="none" if watched.learner is None else watched.learner.model_id, confidence=0.0,
        words=f"not enough data: {words}",
    )  # fmt: skip


def _health(watched: _Watched, window: Table) -> Health:
    name = watched.machine.asset
    if watched.learner is None:
        return _unknown(watched, window, watched.words)
    rows = watched.machine.table(window)
    found = replace(watched.learner.judge(rows, name).health(_steady(rows)), time=utc_of(window.times[-1]))
    drivers = tuple(replace(driver, tag=watched.machine.tag(driver.tag)) for driver in found.drivers)
    days, words = watched.learner.baseline(name).days, _named(found.words, watched.machine)
    if days < TRIP_DAYS - 0.5 and not words:
        words = f"learned from {days:.0f} days only: no trip before {TRIP_DAYS:g}"
    return replace(found, drivers=drivers, words=words, trip=found.trip and days >= TRIP_DAYS - 0.5)


def _steady(rows: Table) -> int:
    """The last row in which a machine did not switch: how it was then is how it is, until it runs or stands through a row."""
    share = rows.columns.get(RUNNING, np.zeros(len(rows)))
    steady = np.flatnonzero(~switched(share))
    return int(steady[-1]) if steady.size else len(rows) - 1


def _named(words: str, machine: Machine) -> str:
    """The same words with the machine's tags instead of their parts."""
    for part, tag in machine.sensors:
        words = re.sub(rf"\b{part}\b", tag, words)
    return words
