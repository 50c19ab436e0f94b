"""The health of all machines of a site, as one cycle of control asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

import numpy as np

from anomaly.detectors.isolation_forest import IsolationForest
from anomaly.features import LEAST_ROWS, matrix, utc_of
from anomaly.health import RECOVERY_ROWS
from anomaly.learner import Learner
from anomaly.machines import Machine, machine
from plant.errors import ConfigError, DataError
from plant.health import Health
from plant.ports import instant64
from plant.site import Site
from plant.table import Table

WINDOW_ROWS = 8 * RECOVERY_ROWS
"""Rows that are looked at: what lies further back hardly changes the score."""


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

    def observe(self, window: Table) -> tuple[Health, ...]:
        """The health of every asset at the last row of a window, of which the last `WINDOW_ROWS` rows are looked at.

        An asset that cannot be judged has no score, and the words say why.
        """
        if len(window) == 0:
            raise DataError("no readings to judge health from: the window is empty")
        recent = window.since(window.times[-WINDOW_ROWS]) if len(window) > WINDOW_ROWS else window
        return tuple(_health(each, recent) for each in self._watched)


def _learned(
    machines: Sequence[Machine], history: Table, since: Mapping[str, datetime], kind: type[Learner], seed: int
) -> tuple[dict[str, Learner], dict[str, str]]:
    """The model of machines of one shape, and why some of them have none."""
    words: dict[str, str] = {}
    tables: dict[str, Table] = {}
    for each in machines:
        rows = each.table(history)
        if each.asset in since:
            rows = rows.since(instant64(since[each.asset]))
        known = int((np.isfinite(matrix(rows, [part for part, _ in each.sensors])).any(axis=1)).sum())
        if known < LEAST_ROWS:
            words[each.asset] = f"only {known} healthy rows to learn from: at least {LEAST_ROWS} are needed"
        else:
            tables[each.asset] = rows
    if not tables:
        return {}, words
    first = machines[0]
    learner = kind(
        seed=seed, context=[part for part, _ in first.context], curved=[part for part, _ in first.context], power=first.power,
        sensors=[part for part, _ in first.sensors],
    )  # fmt: skip
    try:
        learner.fit_kind(tables)
    except DataError as error:
        return {}, {**words, **dict.fromkeys(tables, str(error))}
    return dict.fromkeys(tables, learner), words


def _health(watched: _Watched, window: Table) -> Health:
    name = watched.machine.asset
    if watched.learner is None:
        return Health(
            asset=name, time=utc_of(window.times[-1]), score=None, severity=None, alarm=False, model_id="none",
            confidence=0.0, words=f"not enough data: {watched.words}",
        )  # fmt: skip
    found = watched.learner.judge(watched.machine.table(window), name).health(len(window) - 1)
    drivers = tuple(replace(driver, tag=watched.machine.tag(driver.tag)) for driver in found.drivers)
    return replace(found, drivers=drivers, words=_named(found.words, watched.machine))


def _named(words: str, machine: Machine) -> str:
    """The same words with the machine's tags instead of their parts."""
    for part, tag in machine.sensors:
        words = re.sub(rf"\b{part}\b", tag, words)
    return words
