"""Hydraulics of pumps on one main, just detailed enough to be learned from flows: lifts in parallel, boosters in series.

Heads are relative to the first lift's shut-off head, flows to the largest one seen, so that no pressure gauge is needed.
A pump gives the head `a·s² − b·q²` at relative speed s (affinity laws: flow with speed, head with its square, power with its
cube; Karassik et al., *Pump Handbook*, ch. 2.3); the main asks for `static + c·(level difference) + r·Q²`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from plant.table import Floats
from twin_sim.calibrate_cells import Cell

BISECTIONS = 32
SCATTER = 0.01
"""Relative scatter of a cell's flow that many rows cannot average away (demand along the main, levels)."""
ONE_ROW_SCATTER = 0.03
OWN_SCATTER = 0.03
USUAL_HEAD = 0.9
"""Head at the usual flow over shut-off head."""
METRES_PER_KWH_M3 = 367.1
"""Head that one hydraulic kWh gives one cubic metre of water: 3.6e6 / (1000 · 9.81)."""
USUAL_EFFICIENCY = 0.65
"""Of pump and motor together at their usual flow; good to a fifth, which is nearer than levels alone can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Main:
    """A fitted main.

    Attributes
    ----------
    lift
        Per asset: True for a pump in parallel with its own meter, False for a booster in series.
    shut_off, droop
        a and b per asset.
    static, per_level, friction
        What the main asks for.
    flow_scale_per_h
        Flow that counts as 1.
    head_reference_level
        Level difference at which `per_level` adds nothing.
    """

    lift: tuple[bool, ...]
    shut_off: Floats
    droop: Floats
    static: float
    per_level: float
    friction: float
    flow_scale_per_h: float
    head_reference_level: float

    def flows(self, running: Floats, setpoints: Floats, head_level: Floats) -> tuple[Floats, Floats]:
        """Flow through the main and through each machine.

        Parameters
        ----------
        running
            1 or 0; shape (cases, assets).
        setpoints
            Relative speeds; shape (cases, assets).
        head_level
            Level of the target less level of the source; shape (cases,).

        Returns
        -------
        tuple
            Total flow per hour, shape (cases,), and flow of each machine per hour, shape (cases, assets).
        """
        lift = np.array(self.lift)
        gain = np.where(running > 0, self.shut_off * setpoints**2, 0.0)
        boost = gain[:, ~lift].sum(axis=1)
        boost_droop = (running[:, ~lift] * self.droop[~lift]).sum(axis=1)
        asked = self.static + self.per_level * (head_level - self.head_reference_level)
        low, high = np.full(len(gain), -2.0), gain[:, lift].max(axis=1, initial=0.0)

        def through(head: Floats) -> Floats:
            spare = np.maximum(gain[:, lift] - head[:, None], 0.0)
            return np.asarray(np.where(running[:, lift] > 0, np.sqrt(spare / self.droop[lift]), 0.0))

        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            total = through(middle).sum(axis=1)
            needed = asked + self.friction * total**2 - np.maximum(boost - boost_droop * total**2, 0.0)
            above = needed > middle
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        own = np.zeros_like(gain)
        own[:, lift] = through((low + high) / 2)
        total = own[:, lift].sum(axis=1)
        own[:, ~lift] = running[:, ~lift] * total[:, None]
        return total * self.flow_scale_per_h, own * self.flow_scale_per_h


def fit(found: Sequence[Cell], lift: tuple[bool, ...], metres: bool) -> tuple[Main, Floats]:
    """The main that explains the cells best, with what is usual for pumps where they do not tell.

    Levels rise and fall with the time of day as demand along the main does, so their own effect on flow cannot be told
    from telemetry alone. Where levels are metres of water the head that the pumps must give follows from their power.

    Parameters
    ----------
    lift
        Per asset: in parallel with its own meter, or a booster.
    metres
        Whether levels are in m and flows in m3/h.

    Returns
    -------
    tuple
        The main, and the relative residual of each cell's flow, shape (cells,).
    """
    count = len(lift)
    running = np.zeros((len(found), count))
    for row, cell in enumerate(found):
        running[row, list(cell.running)] = 1.0
    setpoints = np.array([cell.setpoints for cell in found])
    head = np.array([cell.head_level for cell in found])
    measured = np.array([cell.output_per_h for cell in found])
    own = np.array([cell.own_per_h for cell in found])
    rows = np.array([cell.rows for cell in found], dtype=np.float64)
    scale, reference = float(measured.max()), float(np.median(head))
    sigma = SCATTER + ONE_ROW_SCATTER / np.sqrt(rows)
    prior, spread = _prior(lift, _head_m(found, lift) if metres else None)
    metered = np.isfinite(own) & (running > 0) & (own > 0)

    def residuals(vector: Floats) -> Floats:
        total, each = _main(vector, lift, scale, reference).flows(running, setpoints, head)
        own_off = np.where(metered, (each - own) / np.where(metered, own, 1.0) / OWN_SCATTER, 0.0)
        return np.concatenate([(total - measured) / measured / sigma, own_off.ravel(), (vector - prior) / spread])

    solved = least_squares(residuals, prior, x_scale=spread, max_nfev=60)
    main = _main(solved.x, lift, scale, reference)
    total, _ = main.flows(running, setpoints, head)
    return main, (total - measured) / measured


def _head_m(found: Sequence[Cell], lift: tuple[bool, ...]) -> float | None:
    """Head of the lifting pumps at their usual flow, from power and flow; None where no lift was seen alone."""
    heads = [
        (USUAL_EFFICIENCY * METRES_PER_KWH_M3 * cell.power_kw[i] / cell.own_per_h[i], cell.rows)
        for cell in found
        for i in cell.running
        if lift[i] and cell.own_per_h[i] > 0
    ]
    return float(np.average([head for head, _ in heads], weights=[rows for _, rows in heads])) if heads else None


def _prior(lift: tuple[bool, ...], head_m: float | None) -> tuple[Floats, Floats]:
    """Centre and spread of the parameters: log shut-off heads, log droops, static, log per level, log friction."""
    per_level, per_level_spread = (0.02, 1.5) if head_m is None else (USUAL_HEAD / head_m, 0.2)
    shut_off = [0.0 if each else np.log(0.3) for each in lift]
    shut_off_spread = [0.03 if each else 0.5 for each in lift]
    if any(lift):
        shut_off_spread[lift.index(True)] = 1e-4
    centre = np.array([*shut_off, *([np.log(0.3)] * len(lift)), 0.8, np.log(per_level), np.log(0.05)])
    spread = np.array([*shut_off_spread, *([0.7] * len(lift)), 0.25, per_level_spread, 1.0])
    return centre, spread


def _main(vector: Floats, lift: tuple[bool, ...], scale: float, reference: float) -> Main:
    count = len(lift)
    return Main(
        lift=lift,
        shut_off=np.exp(vector[:count]),
        droop=np.exp(vector[count : 2 * count]),
        static=float(vector[2 * count]),
        per_level=float(np.exp(vector[2 * count + 1])),
        friction=float(np.exp(vector[2 * count + 2])),
        flow_scale_per_h=scale,
        head_reference_level=reference,
    )
