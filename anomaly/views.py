"""Averaged deviations, running and standing rows apart: what parts judge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from anomaly.baseline import Normal
from anomaly.features import Bools, trailing_sum
from anomaly.health import delayed
from anomaly.modes import OFF, Codes
from anomaly.profiles import Profile
from plant.table import Floats

_SHRINK = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One machine's rows as the parts see them.

    Attributes
    ----------
    normal
        Readings beside their expectation.
    smooth
        Shape (rows, sensors): mean of z over the last rows of the same kind, with the spread that a full window of healthy
        rows has; 0 where nothing is known.
    known
        Shape (rows, sensors): where anything is known.
    ripe
        Shape (rows,): the window is full.
    confidence
        Shape (rows,): share of sensors that were known in at least half of the window.
    """

    normal: Normal
    smooth: Floats
    known: Bools
    ripe: Bools
    confidence: Floats

    @property
    def complete(self) -> Bools:
        """Rows with a full window of every sensor, shape (rows,)."""
        complete: Bools = self.ripe & np.logical_and.reduce(self.known, axis=1)
        return complete


def view(normal: Normal, rows: int, inside: bool = False) -> View:
    """Average deviations over the last `rows` rows in which the machine ran, or stood, as it does in the row itself.

    A fault that shows only while a machine runs must not be averaged away by the hours in which it stands. The mean of n
    readings has variance 1/n, to which comes the doubt about the expectation, or from which it is taken where the rows are
    `inside` those that the expectation was fitted to.
    """
    smooth, known = np.zeros_like(normal.z), np.zeros(normal.z.shape, dtype=bool)
    ripe, confidence = np.zeros(len(normal), dtype=bool), np.zeros(len(normal))
    for at in streams(normal.modes):
        there, length = np.isfinite(normal.z[at]), np.minimum(np.arange(at.size) + 1, rows)[:, None]
        parts = (there, np.where(there, normal.z[at], 0.0), normal.doubt[at])
        counted, total, doubts = np.split(trailing_sum(np.concatenate(parts, axis=1), rows), 3, axis=1)
        share, mean = counted / length, np.where(counted > 0, total / np.maximum(counted, 1), np.nan)
        count = share * length
        doubt = count * (doubts / length)
        variance = np.maximum(1.0 - doubt, 0.1) if inside else 1.0 + doubt
        known[at] = np.isfinite(mean)
        smooth[at] = np.where(known[at], mean, 0.0) * np.sqrt(count / rows / variance)
        ripe[at] = np.arange(at.size) >= rows - 1
        confidence[at] = np.minimum(share / 0.5, 1.0).mean(axis=1)
    return View(normal=normal, smooth=smooth, known=known, ripe=ripe, confidence=confidence)


def precision(smooth: Floats) -> Floats:
    """How sensors move together when healthy: the inverse covariance about zero, slightly drawn towards independence."""
    covariance = smooth.T @ smooth / max(len(smooth), 1)
    own = np.diag(np.diag(covariance)) + 1e-9 * np.eye(covariance.shape[0])
    return np.asarray(np.linalg.inv((1.0 - _SHRINK) * covariance + _SHRINK * own), dtype=np.float64)


def filled(seen: View, together: Floats) -> View:
    """The same view with what is missing replaced by what the known sensors let expect of it.

    With the inverse covariance Ω of all sensors, the missing ones are expected at −Ω_mm⁻¹ Ω_mk z_k (Lauritzen 1996): they add
    nothing to the distance of the others.
    """
    partly = seen.known.any(axis=1) & ~seen.known.all(axis=1)
    if not partly.any():
        return seen
    smooth = seen.smooth.copy()
    for pattern in np.unique(seen.known[partly], axis=0):
        at = (seen.known == pattern).all(axis=1)
        gone, there = np.flatnonzero(~pattern), np.flatnonzero(pattern)
        smooth[np.ix_(at, gone)] = -np.linalg.solve(
            together[np.ix_(gone, gone)], together[np.ix_(gone, there)] @ smooth[at][:, there].T
        ).T
    return replace(seen, smooth=smooth)


def streams(modes: Codes) -> tuple[npt.NDArray[np.intp], ...]:
    """Row numbers in which the machine ran, and in which it stood; rows of unknown mode are in neither."""
    return tuple(rows for rows in (np.flatnonzero(modes > OFF), np.flatnonzero(modes == OFF)) if rows.size)


def alarms(distance: Floats, modes: Codes, profile: Profile) -> Bools:
    """The alarm of each row: of the running or of the standing machine, each held while the machine does the other."""
    found: Bools = np.zeros(distance.size, dtype=bool)
    for at in streams(modes):
        own = delayed(distance[at] > 1.0, profile)
        last = np.zeros(distance.size, dtype=np.intp)
        last[at] = np.arange(at.size) + 1
        last = np.maximum.accumulate(last)
        found |= np.concatenate([[False], own])[last]
    return found


def telling(distance: Floats, modes: Codes) -> npt.NDArray[np.intp]:
    """The row that each row's health is told from, shape (rows,).

    A machine that was ill when it last ran does not get well by standing still: of the last judged running and the last
    judged standing row, the one that is further out. A row that could not be judged tells nothing.
    """
    rows = np.arange(distance.size)
    best = rows.copy()
    for at in streams(modes):
        judged = at[np.isfinite(distance[at])]
        last = np.full(distance.size, -1, dtype=np.intp)
        last[judged] = judged
        last = np.maximum.accumulate(last)
        here, there = np.nan_to_num(distance[best], nan=-1.0), np.where(last >= 0, distance[np.maximum(last, 0)], -1.0)
        best = np.where(there > here, last, best)
    return np.where(np.isfinite(distance), best, rows)
