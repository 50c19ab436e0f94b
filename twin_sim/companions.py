"""Machines whose output depends on who else runs: learned curves per combination, looked up per future."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from plant.envelopes import Regime
from plant.table import Floats

if TYPE_CHECKING:
    from twin_sim.ensemble import Ensemble
    from twin_sim.layout import Companions


def shared_output(companions: Companions, ensemble: Ensemble) -> None:
    """Fill what each companion draws and gives in every future from the curve of its combination.

    A combination that was never learned is taken as the sum of the learned ones of its members alone (of nothing where a
    member is not known alone), which overstates flow: companions on one main hinder one another.
    """
    rows = companions.rows
    running = ensemble.producing[rows]
    weights = 1 << np.arange(rows.size)
    mask = (running * weights[:, None]).sum(axis=0)
    ensemble.run_output[rows] = 0.0
    ensemble.run_intake[rows] = 0.0
    for combination in np.unique(mask).tolist():
        futures = np.flatnonzero(mask == combination)
        if combination in companions.masks:
            _fill(companions, _of(companions, combination), ensemble, futures)
            continue
        for number in range(rows.size):
            alone = 1 << number
            if combination & alone and alone in companions.masks:
                _fill(companions, _of(companions, alone), ensemble, futures)


def _of(companions: Companions, mask: int) -> list[Regime]:
    """All regimes in which just these machines run."""
    return [regime for regime, own in zip(companions.regimes, companions.masks, strict=True) if own == mask]


def _fill(companions: Companions, regimes: list[Regime], ensemble: Ensemble, futures: npt.NDArray[np.int64]) -> None:
    """Operating point of a combination at the set-points in some futures; the flow is booked on its first machine."""
    members = [companions.rows[companions.names.index(name)] for name in regimes[0].running]
    setpoints = ensemble.reached[members][:, futures]
    output, power, intake = at_setpoints(regimes, setpoints)
    for number, row in enumerate(members):
        ensemble.run_power[row, futures] = power[number]
    ensemble.run_output[members[0], futures] += output
    ensemble.run_intake[members[0], futures] += intake


def at_setpoints(regimes: list[Regime], setpoints: Floats) -> tuple[Floats, Floats, Floats]:
    """Output, power per machine and input of a combination at set-points of shape (machines, futures).

    The nearest place on the regimes' polylines in set-point space counts; between two neighbouring points all is linear.

    Parameters
    ----------
    regimes
        All regimes of one combination: the same machines in the same order.

    Returns
    -------
    tuple
        Output (futures,), power (machines, futures), input (futures,).
    """
    count = setpoints.shape[1]
    best = np.full(count, np.inf)
    output, intake, power = np.zeros(count), np.zeros(count), np.zeros_like(setpoints, dtype=np.float64)
    for regime in regimes:
        for one, other in zip(regime.points, regime.points[1:] or regime.points, strict=False):
            begin = np.array(one.setpoints)[:, None]
            span = np.array(other.setpoints)[:, None] - begin
            length = float((span * span).sum())
            share = np.zeros(count) if length == 0.0 else np.clip(((setpoints - begin) * span).sum(axis=0) / length, 0.0, 1.0)
            distance = ((begin + share * span - setpoints) ** 2).sum(axis=0)
            nearer = distance < best - 1e-12
            best = np.where(nearer, distance, best)
            output = np.where(nearer, one.output_per_h + share * (other.output_per_h - one.output_per_h), output)
            intake = np.where(nearer, one.input_per_h + share * (other.input_per_h - one.input_per_h), intake)
            ends = np.array(one.power_kw)[:, None], np.array(other.power_kw)[:, None]
            power = np.where(nearer, ends[0] + share * (ends[1] - ends[0]), power)
    return output, power, intake
