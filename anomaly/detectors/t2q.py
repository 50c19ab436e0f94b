"""Principal components: Hotelling's T² inside their plane and the squared distance Q from it."""

from __future__ import annotations

import numpy as np

from anomaly.learner import Learner
from anomaly.part import Part
from anomaly.profiles import Profile
from anomaly.views import View
from plant.table import Floats

_EXPLAINED = 0.9
_LEAST_VARIANCE = 1e-6


class T2qPart(Part):
    """The combined index of Yue and Qin (2001): T² + Q over the mean variance outside the plane, per sensor, square root.

    1 is an ordinary healthy row whatever the number of sensors, and it grows in proportion to the deviation without bound:
    it sees what lies outside the box that a forest was trained in.
    """

    name = "t2q"

    def __init__(self) -> None:
        self._precision: Floats = np.empty((0, 0))

    def learn(self, smooth: Floats) -> None:
        """Learn the plane from healthy rows."""
        # About the baseline itself, not about the rows' own mean: what is left of it here is the baseline's uncertainty.
        covariance = smooth.T @ smooth / max(len(smooth), 1)
        variances, axes = np.linalg.eigh(covariance)
        variances, axes = np.maximum(variances[::-1], _LEAST_VARIANCE), axes[:, ::-1]
        count = int(np.searchsorted(np.cumsum(variances) / variances.sum(), _EXPLAINED)) + 1
        if count < variances.size:
            variances = np.concatenate([variances[:count], np.full(variances.size - count, variances[count:].mean())])
        self._precision = (axes / variances) @ axes.T

    def distances(self, view: View) -> Floats:
        """Square root of the combined index per sensor."""
        square = np.einsum("ij,jk,ik->i", view.smooth, self._precision, view.smooth)
        distance: Floats = np.sqrt(np.maximum(square, 0.0) / max(view.smooth.shape[1], 1))
        return distance

    def contributions(self, view: View) -> Floats:
        """How much smaller the index were if the sensor read what the others let expect (Alcala and Qin 2009)."""
        contribution: Floats = (view.smooth @ self._precision) ** 2 / np.diag(self._precision)
        return contribution


class T2q(Learner):
    """Detector of T² and Q alone."""

    name = "t2q"

    def parts(self, _profile: Profile) -> tuple[Part, ...]:
        """T² and Q."""
        return (T2qPart(),)
