"""Telemetry of a site that nobody has commanded yet: its twin under local control, sampled at equal steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from plant.assets import Asset
from plant.physics import Conditions
from plant.ports import instant64
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.drivers import Drivers
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Block, Layout
from twin_sim.mismatch import differing
from twin_sim.model import SiteModel
from twin_sim.noise import spread
from twin_sim.outside import Ints
from twin_sim.state import MachineState, TwinState

TICK_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastLife:
    """What was recorded, and where the machines and stores stood at its end."""

    telemetry: Table
    """Every measured tag that has a number, left-labelled; running states as 0 and 1."""
    state: TwinState
    """At the end: where a run may begin."""


def past_life(
    model: SiteModel,
    drivers: Drivers,
    *,
    start: datetime,
    days: float,
    step_s: float = 900.0,
    seed: int = 0,
    mismatch: float = 0.0,
    noise: bool = True,
    tick_s: float = TICK_S,
) -> PastLife:
    """Live under local control and keep the readings of every step.

    Parameters
    ----------
    model, drivers, seed, mismatch, noise
        As for `twin.Twin`: the same seed and mismatch are the same plant.
    start, days
        The stretch that is lived; the drivers must cover it.
    step_s
        Distance of the readings.
    """
    plant = differing(model, seed, mismatch) if mismatch else model
    layout = Layout(plant, with_loads=True)
    ensemble = Ensemble(layout, drivers, futures=1, start=start, tick_s=tick_s, state=TwinState())
    steps = round(days * 86400.0 / step_s)
    kept = _Kept(ensemble, steps)
    for step in range(steps):
        ensemble.run(step * step_s) if step else None
        ensemble.settle()
        kept.take(step)
    ensemble.run(steps * step_s)
    columns = kept.columns(drivers, start, step_s)
    if noise:
        rng = np.random.default_rng([seed, 78])
        columns = {
            name: column + spread(model.site, name, column) * rng.standard_normal(column.size) for name, column in columns.items()
        }
    times = instant64(start) + np.arange(steps) * np.timedelta64(round(step_s * 1e6), "us")
    return PastLife(telemetry=Table(times=times, columns=columns), state=state_of(ensemble))


def state_of(ensemble: Ensemble, future: int = 0) -> TwinState:
    """Where the machines and stores of one future stand now."""
    layout = ensemble.layout
    machines = []
    for row, name in enumerate(layout.names):
        since_s = min(float(ensemble.tick_number * ensemble.tick_s - ensemble.since_s[row, future]), 1e9)
        machines.append(
            (
                name,
                MachineState(
                    running=bool(ensemble.on[row, future]),
                    since_s=since_s,
                    setpoint=float(ensemble.setpoint[row, future]),
                    released=bool(ensemble.released[row, future]),
                ),
            )
        )
    levels = tuple((store.name, float(ensemble.level[row, future])) for row, store in enumerate(layout.stores))
    return TwinState(machines=tuple(machines), levels=levels)


class _Kept:
    """Arrays (rows, steps) of what an ensemble of one future showed."""

    def __init__(self, ensemble: Ensemble, steps: int) -> None:
        self._ensemble = ensemble
        rows, stores = len(ensemble.layout.assets), ensemble.layout.real
        self.power, self.output, self.setpoint = np.zeros((rows, steps)), np.zeros((rows, steps)), np.zeros((rows, steps))
        self.on, self.producing = np.zeros((rows, steps)), np.zeros((rows, steps))
        self.level, self.site = np.zeros((stores + 1, steps)), np.zeros(steps)

    def take(self, step: int) -> None:
        """Keep the present instant."""
        ensemble = self._ensemble
        self.power[:, step], self.output[:, step] = ensemble.power[:, 0], ensemble.output[:, 0]
        self.setpoint[:, step] = ensemble.setpoint[:, 0]
        self.on[:, step], self.producing[:, step] = ensemble.on[:, 0], ensemble.producing[:, 0]
        self.level[:-1, step] = ensemble.level[: self.level.shape[0] - 1, 0]
        self.site[step] = ensemble.bill_kw.sum() + ensemble.followed_kw.sum() + ensemble.base_kw[0]

    def columns(self, drivers: Drivers, start: datetime, step_s: float) -> dict[str, Floats]:
        """One column per measured tag."""
        layout, site, steps = self._ensemble.layout, self._ensemble.layout.model.site, self.site.size
        at = np.array([drivers.step_at(start + timedelta(seconds=step * step_s)) for step in range(steps)])
        shown: dict[str, Floats] = {name: np.asarray(column[at, 0]) for name, column in drivers.tags.items()}
        shown |= {store.level: self.level[row] for row, store in enumerate(layout.stores)}
        if site.limits.power:
            shown[site.limits.power] = self.site
        for row, asset in enumerate(layout.assets):
            shown |= self._of_asset(asset, row)
        for block in layout.blocks:
            shown |= self._of_sensors(block, drivers, site, at)
        known = {tag.name for tag in site.tags}
        return {name: np.array(column, dtype=np.float64) for name, column in shown.items() if name in known}

    def _of_asset(self, asset: Asset, row: int) -> dict[str, Floats]:
        pairs = (("power", self.power), ("output", self.output), ("setpoint", self.setpoint), ("running", self.on))
        return {tag: array[row] for part, array in pairs if (tag := getattr(asset.tags, part)) is not None}

    def _of_sensors(self, block: Block, drivers: Drivers, site: Site, at: Ints) -> dict[str, Floats]:
        names = self._ensemble.layout.names[block.rows]
        outdoor = drivers.tags.get(site.limits.outdoor or "")
        conditions = Conditions(
            level=self.level[np.minimum(block.stores, self.level.shape[0] - 1)],
            outdoor=15.0 if outdoor is None else outdoor[at, 0],
            health=np.array([drivers.health[name][at, 0] if name in drivers.health else np.ones(at.size) for name in names]),
            availability=self._ensemble.outside.availability_over(block, at),
        )
        shown = block.kind.sensors(self.setpoint[block.rows], conditions, self.producing[block.rows])
        found: dict[str, Floats] = {}
        for word, array in shown.items():
            wide = np.broadcast_to(array, (len(names), at.size))
            for number, asset in enumerate(self._ensemble.layout.assets[block.rows]):
                found |= {tag: wide[number] for tag in asset.tags.sensors if tag.endswith(word)}
        return found
