"""One isolation forest per kind of machine, with T² and Q beside it for what lies outside the box it was trained in."""

from __future__ import annotations

from typing import Any

import numpy as np

from anomaly.detectors.t2q import T2qPart
from anomaly.forests import PackedForests, grown
from anomaly.learner import Learner
from anomaly.part import Part
from anomaly.profiles import CONTROL, Profile
from anomaly.views import View
from plant.table import Floats

_TREES = 50
_SAMPLES = 256
_MOST_SCORED = 50_000
"""Rows whose score is remembered: from cycle to cycle nearly all rows of a window are the same."""


class ForestPart(Part):
    """Anomaly score of an isolation forest (Liu, Ting and Zhou 2008) over smoothed deviations."""

    name = "isolation_forest"

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._forest: PackedForests | None = None
        self._scored: dict[bytes, float] = {}

    def learn(self, smooth: Floats) -> None:
        """Grow the forest on healthy rows."""
        self._forest = grown(smooth, trees=_TREES, samples=min(_SAMPLES, len(smooth)), seed=self._seed)
        self._scored = {}

    def distances(self, view: View) -> Floats:
        """The score 0..1; it saturates outside what was seen, which is why it never stands alone."""
        if self._forest is None:
            raise RuntimeError("the forest was not grown: call learn first")
        rows = np.ascontiguousarray(view.smooth, dtype=np.float32)
        keys = [bytes(row) for row in rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel().tolist()]
        new = [number for number, key in enumerate(keys) if key not in self._scored]
        if len(self._scored) + len(new) > _MOST_SCORED:
            self._scored, new = {}, list(range(len(keys)))
        self._scored.update(zip((keys[number] for number in new), self._forest.scores(view.smooth[new]).tolist(), strict=True))
        return np.array([self._scored[key] for key in keys])

    def __getstate__(self) -> dict[str, Any]:
        """What was scored is no part of what was learned."""
        return {name: value for name, value in self.__dict__.items() if name != "_scored"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """As it was learned, with nothing scored yet."""
        self.__dict__.update(state, _scored={})

    def contributions(self, view: View) -> Floats:
        """Squared deviations: a forest isolates along the axes that stick out."""
        contribution: Floats = view.smooth**2
        return contribution


class IsolationForest(Learner):
    """Detector of an isolation forest and T²/Q together."""

    name = "isolation_forest"

    def parts(self, profile: Profile) -> tuple[Part, ...]:
        """The forest with T² and Q for people; T² and Q alone for what may stop a machine, far beyond where a forest saturates."""
        return (T2qPart(),) if profile is CONTROL else (ForestPart(self.seed), T2qPart())
