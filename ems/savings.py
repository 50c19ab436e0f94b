"""Doing nothing: the twin under local control, driven by what really came, beside the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from ems.history import History
from ems.kpis import Meter
from ems.memory import Memory
from ems.prices import Billing
from ems.served import driving
from ems.virtual import VirtualTags
from plant.kpi import Kpi
from plant.ports import instant64
from plant.site import Site
from plant.table import Table
from plant.tags import Snapshot
from plant.times import after
from twin_sim.drivers import from_table
from twin_sim.model import SiteModel
from twin_sim.state import MachineState, TwinState
from twin_sim.twin import Twin

LOOK_S = 300.0
"""How often the meter looks at the twin: local control switches between two cycles."""


class Nothing:
    """Lives on from cycle to cycle as the plant would have, had this product never connected.

    Parameters
    ----------
    site, model, billing
        The site, its twin and its tariff.
    """

    def __init__(self, site: Site, model: SiteModel, billing: Billing) -> None:
        self._site, self._model = site, model
        self._virtual = VirtualTags(site)
        self._meter = Meter(site, billing)
        self._names = driving(site)
        self._state: TwinState | None = None
        self._now: datetime | None = None

    def advance(self, memory: Memory, snapshot: Snapshot) -> Kpi | None:
        """Live until a snapshot's time on what came until then; the figures since the last call, None at the first.

        The first snapshot tells where doing nothing begins: as the plant was found, everything under local control.
        """
        if self._now is None or self._state is None:
            self._state, self._now = found_state(self._site, snapshot), snapshot.time
            self._meter.take(snapshot, memory.history)
            return None
        self._live(memory.history, snapshot)
        self._now = snapshot.time
        return self._meter.since_last(snapshot.time, None)

    @property
    def levels(self) -> Mapping[str, float]:
        """Level of each store where doing nothing has come to; empty before the first snapshot."""
        return {} if self._state is None else dict(self._state.levels)

    def total(self) -> Kpi | None:
        """The figures since the first snapshot; None if no time has passed."""
        return self._meter.total(None)

    def _live(self, history: History, snapshot: Snapshot) -> None:
        assert self._now is not None
        drivers = from_table(self._driven(history.table(), snapshot))
        twin = Twin(
            self._model,
            drivers,
            start=self._now,
            state=self._state,
            capacity_s=(snapshot.time - self._now).total_seconds(),
        )
        time = self._now
        while time < snapshot.time:
            time = min(after(time, LOOK_S), snapshot.time)
            twin.wait_until(time)
            self._meter.take(self._virtual.extend(twin.read()), history)
        self._state = twin.state()

    def _driven(self, table: Table, snapshot: Snapshot) -> Table:
        """What came since the last call; a tag that was not read holds its last value."""
        assert self._now is not None
        rows = table.since(instant64(self._now)).before(instant64(snapshot.time))
        times = rows.times if len(rows) else np.array([instant64(self._now)])
        columns: Mapping[str, np.ndarray] = {
            name: rows.columns[name] if len(rows) and np.isfinite(rows.columns[name]).any() else np.full(times.size, value)
            for name in self._names
            if (value := snapshot.number(name)) is not None or (len(rows) and np.isfinite(rows.columns[name]).any())
        }
        return Table(times=times, columns=dict(columns))


def found_state(site: Site, snapshot: Snapshot) -> TwinState:
    """Machines and stores as a snapshot shows them, everything under local control."""
    machines = []
    for asset in site.assets:
        running = bool(asset.tags.running and snapshot.truth(asset.tags.running))
        setpoint = snapshot.number(asset.tags.setpoint) if asset.tags.setpoint else None
        machines.append((asset.name, MachineState(running=running, setpoint=setpoint)))
    levels = [(store.name, snapshot.number(store.level)) for store in site.stores]
    return TwinState(machines=tuple(machines), levels=tuple((name, level) for name, level in levels if level is not None))
