"""Each sensor against what the others, the load, the weather and the operating mode let expect of it."""

from __future__ import annotations

import numpy as np

from anomaly.learner import Learner
from anomaly.part import Part
from anomaly.profiles import Profile
from anomaly.views import View, precision
from plant.table import Floats


class ResidualPart(Part):
    """Largest standardised residual of the regressions of every sensor on all others.

    With Ω the inverse covariance of the deviations z, (Ω z)_j / Ω_jj is exactly what is left of sensor j after the linear
    regression on all others, and 1/√Ω_jj its spread (Lauritzen 1996, chapter 5): one inversion instead of one fit per sensor.
    """

    name = "residual"

    def __init__(self) -> None:
        self._precision: Floats = np.empty((0, 0))

    def learn(self, smooth: Floats) -> None:
        """Learn how sensors move together when healthy."""
        self._precision = precision(smooth)

    def _residuals(self, view: View) -> Floats:
        residuals: Floats = view.smooth @ self._precision / np.sqrt(np.diag(self._precision))
        return residuals

    def distances(self, view: View) -> Floats:
        """The largest residual in spreads."""
        distance: Floats = np.abs(self._residuals(view)).max(axis=1)
        return distance

    def contributions(self, view: View) -> Floats:
        """Squared residuals."""
        contribution: Floats = self._residuals(view) ** 2
        return contribution


class Residual(Learner):
    """Detector of residuals alone."""

    name = "residual"

    def parts(self, _profile: Profile) -> tuple[Part, ...]:
        """Residuals."""
        return (ResidualPart(),)
