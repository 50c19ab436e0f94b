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
            _fill(companions, companions.regimes[companions.masks.index(combination)], ensemble, futures)
            continue
        for number in range(rows.size):
            alone = 1 << number
            if combination & alone and alone in companions.masks:
                _fill(companions, companions.regimes[companions.masks.index(alone)], ensemble, futures)


def _fill(companions: Companions, regime: Regime, ensemble: Ensemble, futures: npt.NDArray[np.int64]) -> None:
    """Operating point of a regime at the set-points in some futures; the flow is booked on its first machine."""
    members = [companions.rows[companions.names.index(name)] for name in regime.running]
    setpoints = ensemble.setpoint[members][:, futures]
    output, power, intake = at_setpoints(regime, setpoints)
    for number, row in enumerate(members):
        ensemble.run_power[row, futures] = power[number]
    ensemble.run_output[members[0], futures] += output
    ensemble.run_intake[members[0], futures] += intake


def at_setpoints(regime: Regime, setpoints: Floats) -> tuple[Floats, Floats, Floats]:
    """Output, power per machine and input of a regime at set-points of shape (machines, futures).

    Points lie on a line in set-point space; between two neighbours all is linear. Beyond the ends the end point holds.

    Returns
    -------
    tuple
        Output (futures,), power (machines, futures), input (futures,).
    """
    points = regime.points
    count = setpoints.shape[1]
    if len(points) == 1 or not regime.running:
        only = points[0]
        return (
            np.full(count, only.output_per_h),
            np.repeat(np.array(only.power_kw)[:, None], count, axis=1),
            np.full(count, only.input_per_h),
        )
    table = np.array([point.setpoints for point in points])
    spread = table.max(axis=0) - table.min(axis=0)
    axis = int(np.argmax(spread))
    order = np.argsort(table[:, axis], kind="stable")
    at, where = table[order, axis], setpoints[axis]
    output = np.interp(where, at, np.array([points[i].output_per_h for i in order]))
    intake = np.interp(where, at, np.array([points[i].input_per_h for i in order]))
    power = np.array([np.interp(where, at, np.array([points[i].power_kw[k] for i in order])) for k in range(len(regime.running))])
    return output, power, intake
