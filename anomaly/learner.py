"""What all learned detectors share: baselines of the machines of one kind, thresholds from held-out rows, judgement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
from scipy import special

from anomaly import health
from anomaly.baseline import Baseline, Normal, pooled_spread
from anomaly.features import LEAST_ROWS, Bools, Dropped, judged_sensors, matrix
from anomaly.judgement import Judgement
from anomaly.modes import Modes
from anomaly.part import Part
from anomaly.profiles import ADVISORY, CONTROL, Profile
from anomaly.views import View, alarms, filled, precision, streams, telling, view
from plant.errors import DataError, NotFoundError
from plant.health import Health
from plant.identity import content_id
from plant.table import Floats, Table

_FOLDS = 5
_UNSEEN_SHARE = 0.12
_ONLY = ""
"""Name of the machine that `fit` learns without being told one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """The parts of one profile with their thresholds."""

    profile: Profile
    parts: tuple[Part, ...]
    thresholds: Floats
    together: Floats
    """Inverse covariance of the averaged deviations, for sensors that are missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fold:
    """One block of each machine's history, and all of it beside what the other blocks let expect."""

    inside: tuple[Bools, ...]
    normals: tuple[Normal, ...]


@dataclass(slots=True)
class _Memory:
    """What was learned of a kind of machine."""

    sensors: tuple[str, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    modes: Modes = field(default_factory=Modes)
    spread: Floats = field(default_factory=lambda: np.empty((0, 0)))
    baselines: dict[str, Baseline] = field(default_factory=dict)
    fitted: dict[str, _Fitted] = field(default_factory=dict)
    model_id: str = ""


class Learner(ABC):
    """A detector that learns one kind of machine.

    Parameters
    ----------
    seed
        Of whatever is random in the parts.
    context
        Columns that act on the machine from outside (weather, load, product): they explain readings, and are never judged.
    curved
        Context whose effect may bend.
    power
        Column that tells the operating mode; None = one mode.
    running
        Column of the running state, which tells rows in which it switched; None = not known.
    sensors
        Columns to judge; empty = all but the context.
    profiles
        Which alarms to learn.
    """

    name: ClassVar[str]

    def __init__(
        self,
        *,
        seed: int = 0,
        context: Sequence[str] = (),
        curved: Sequence[str] = (),
        power: str | None = None,
        running: str | None = None,
        sensors: Sequence[str] = (),
        profiles: Sequence[Profile] = (ADVISORY, CONTROL),
    ) -> None:
        self.seed = seed
        self.context = tuple(context)
        self.curved = tuple(curved)
        self.power = power
        self.running = running
        self.candidates = tuple(sensors)
        self.profiles = tuple(profiles)
        self._memory = _Memory()

    @abstractmethod
    def parts(self, profile: Profile) -> tuple[Part, ...]:
        """New parts of a profile that have learned nothing yet."""

    @property
    def sensors(self) -> tuple[str, ...]:
        """Sensors that are judged."""
        return self._memory.sensors

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """Sensors that are not judged, and why."""
        return self._memory.dropped

    @property
    def model_id(self) -> str:
        """Name and a hash of what was learned."""
        return self._memory.model_id

    def baseline(self, asset: str) -> Baseline:
        """The baseline of a machine; where it has none of its own, that of the only one learned.

        Raises
        ------
        NotFoundError
            If the machine is unknown and there is not exactly one other.
        """
        known = self._memory.baselines
        if asset in known:
            return known[asset]
        if len(known) == 1:
            return next(iter(known.values()))
        raise NotFoundError(f"{asset!r} has no baseline: {self.name} knows {', '.join(sorted(known)) or 'no machine yet'}")

    def fit(self, history: Table) -> Self:
        """Learn one machine from healthy rows.

        Raises
        ------
        DataError
            If there are too few rows, or no sensor can be judged.
        """
        return self.fit_kind({_ONLY: history})

    def fit_kind(self, histories: Mapping[str, Table]) -> Self:
        """Learn a kind of machine from the healthy rows of several, each with its own baseline.

        Raises
        ------
        DataError
            If a machine has too few rows, or no sensor can be judged.
        """
        for asset, history in histories.items():
            _enough(asset, history)
        memory = self._memory = _Memory()
        tables = list(histories.values())
        memory.modes = self._modes(tables[0])
        candidates = self.candidates or tuple(name for name in tables[0].columns if name not in (*self.context, self.running))
        raw = [matrix(table, candidates) for table in tables]
        rough = [
            Baseline.learned(table, candidates, self.context, self.curved, self._modes(table)).normal(table).z for table in tables
        ]
        memory.sensors, memory.dropped = judged_sensors(candidates, raw, rough)
        memory.spread = pooled_spread([self._own(table) for table in tables])
        memory.baselines = {asset: self._own(table).pooled(memory.spread) for asset, table in histories.items()}
        folds = [self._fold(tables, number) for number in range(_FOLDS)]
        for profile in self.profiles:
            memory.fitted[profile.name] = self._fitted(profile, tables, folds)
        numbers = [fitted.thresholds.tolist() for fitted in memory.fitted.values()]
        memory.model_id = content_id(self.name, self.seed, list(memory.sensors), numbers)
        return self

    def adopt(self, asset: str, history: Table) -> Self:
        """Give a machine of the kind its own baseline, after commissioning or an overhaul.

        Raises
        ------
        DataError
            If there are too few rows.
        """
        _enough(asset, history)
        self._memory.baselines[asset] = self._own(history).pooled(self._memory.spread)
        return self

    def judge(self, window: Table, asset: str = _ONLY) -> Judgement:
        """Distances, score and alarms of every row, causal."""
        normal = self.baseline(asset).normal(window)
        views, raised, distances, parts = {}, {}, {}, {}
        for profile in self.profiles:
            fitted = self._memory.fitted[profile.name]
            counted = normal.only_familiar() if profile.only_familiar else normal
            seen = views[profile.name] = filled(view(counted, profile.average_rows), fitted.together)
            each = np.stack([part.distances(seen) for part in fitted.parts], axis=1) / fitted.thresholds
            each = np.where(health.judgeable(seen.confidence)[:, None], each, np.nan)
            parts[profile.name], distances[profile.name] = each, each.max(axis=1)
            raised[profile.name] = alarms(distances[profile.name], normal.modes, profile)
        first = self.profiles[0]
        shown = telling(distances[first.name], normal.modes)
        slow = health.settled(distances[first.name][shown])
        shares = self._shares(views[first.name], parts[first.name], self._memory.fitted[first.name])
        return Judgement(
            asset=asset, model_id=self.model_id, normal=normal, rows=first.average_rows, part_names=self._part_names(),
            parts=parts[first.name], distance=distances[first.name], settled=slow, shown=shown,
            rows_to_d=health.rows_to_zone_d(slow),
            alarm=raised[first.name], trip=raised.get(CONTROL.name, np.zeros(len(window), dtype=bool)),
            shares=shares, confidence=views[first.name].confidence,
        )  # fmt: skip

    def score(self, window: Table, asset: str) -> Sequence[Health]:
        """One Health per row of a window, causal."""
        judgement = self.judge(window, asset)
        return [judgement.health(row) for row in range(len(window))]

    def _modes(self, table: Table) -> Modes:
        return Modes.learned(table, self.power, self.running)

    def _own(self, table: Table, used: Bools | None = None) -> Baseline:
        return Baseline.learned(table, self._memory.sensors, self.context, self.curved, self._modes(table), used)

    def _part_names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self._memory.fitted[self.profiles[0].name].parts)

    def _shares(self, seen: View, each: Floats, fitted: _Fitted) -> Floats:
        """Each sensor's share in the part that is furthest out, shape (rows, sensors)."""
        worst = np.nan_to_num(each).argmax(axis=1)
        shares = np.zeros_like(seen.smooth)
        for index, part in enumerate(fitted.parts):
            at = worst == index
            if at.any():
                shares[at] = part.contributions(seen)[at]
        total: Floats = shares / np.maximum(shares.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        return total

    def _fitted(self, profile: Profile, tables: Sequence[Table], folds: Sequence[_Fold]) -> _Fitted:
        held_out = np.concatenate([self._held_out(profile, fold) for fold in folds])
        quantile = profile.quantile(len(held_out) / profile.average_rows)
        each = np.maximum(np.quantile(held_out, quantile, axis=0), np.finfo(float).tiny)
        together = float(np.quantile((held_out / each).max(axis=1), quantile))
        rarest = [min((at.size for at in streams(self._modes(table).codes(table))), default=1) for table in tables]
        windows = float(np.median(rarest)) / profile.average_rows
        normals = [baseline.normal(table) for baseline, table in zip(self._memory.baselines.values(), tables, strict=True)]
        thresholds = each * together * profile.margin * _unseen(windows)
        smooth = self._smooth(profile, normals)
        return _Fitted(profile=profile, parts=self._learned(profile, smooth), thresholds=thresholds, together=precision(smooth))

    def _fold(self, tables: Sequence[Table], number: int) -> _Fold:
        inside = tuple(np.arange(len(table)) * _FOLDS // len(table) == number for table in tables)
        own = [self._own(table, ~block).pooled(self._memory.spread) for table, block in zip(tables, inside, strict=True)]
        return _Fold(inside=inside, normals=tuple(each.normal(table) for each, table in zip(own, tables, strict=True)))

    def _held_out(self, profile: Profile, fold: _Fold) -> Floats:
        """Distances of one block of each machine by what the other blocks teach, shape (rows, parts)."""
        parts = self._learned(profile, self._smooth(profile, fold.normals, [~block for block in fold.inside]))
        found = []
        for normal, block in zip(fold.normals, fold.inside, strict=True):
            seen = view(normal, profile.average_rows)
            found.append(np.stack([part.distances(seen) for part in parts], axis=1)[block & seen.complete])
        return np.concatenate(found)

    def _smooth(self, profile: Profile, normals: Sequence[Normal], used: Sequence[Bools] | None = None) -> Floats:
        """Averaged deviations of the healthy rows of all machines, shape (rows, sensors)."""
        rows = []
        for index, normal in enumerate(normals):
            seen = view(normal, profile.average_rows, inside=True)
            rows.append(seen.smooth[seen.complete if used is None else seen.complete & used[index]])
        smooth = np.concatenate(rows)
        if len(smooth) < LEAST_ROWS:
            names = ", ".join(self.sensors)
            raise DataError(f"only {len(smooth)} healthy rows know all of {names}: at least {LEAST_ROWS} are needed")
        return smooth

    def _learned(self, profile: Profile, smooth: Floats) -> tuple[Part, ...]:
        parts = self.parts(profile)
        for part in parts:
            part.learn(smooth)
        return parts


def _unseen(windows: float) -> float:
    """How much wider the spread may be than so many independent windows showed: the upper limit of its confidence interval.

    sqrt((m − 1) / χ²(α, m − 1)). What a machine does slowly cannot be seen in three windows, nor learned from its neighbours;
    what it rarely does (running, or standing) counts.
    """
    freedom = max(windows - 1.0, 1.0)
    return max(1.0, float(np.sqrt(freedom / (2.0 * special.gammaincinv(freedom / 2.0, _UNSEEN_SHARE)))))


def _enough(asset: str, history: Table) -> None:
    if len(history) < LEAST_ROWS:
        name = f"{asset!r}: " if asset else ""
        raise DataError(f"{name}{len(history)} healthy rows are too few to learn from: at least {LEAST_ROWS} are needed")
