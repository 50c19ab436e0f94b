"""The twin: a plant whose time is SimPy's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self

import numpy as np

from plant.assets import Asset, TagWrite
from plant.errors import NotFoundError, WriteRefusedError
from plant.series import Series
from plant.tags import Quality, Reading, Snapshot, Tag, Value, ValueType
from twin_sim.drivers import Drivers
from twin_sim.ensemble import Ensemble
from twin_sim.history import state_of
from twin_sim.layout import Layout, startup_setpoint
from twin_sim.lived import Recorder
from twin_sim.mismatch import differing
from twin_sim.model import SiteModel
from twin_sim.noise import spread
from twin_sim.report import Order, PlantReport, report
from twin_sim.state import TwinState

TICK_S = 60.0


class Twin:
    """A site as a plant that can be read, told and waited for.

    Parameters
    ----------
    model
        Machines, stores and flows as somebody believes them to be.
    drivers
        What comes from outside, one future.
    start
        Its first instant.
    seed
        Of mismatch and noise.
    mismatch
        Largest share by which the physics of each machine and store may be off from `model`, drawn once from `seed`.
    noise
        Whether readings carry measuring noise.
    state
        Where machines and stores stand; None = as local control would have it after a while.
    end
        When it ends (`wait_until` then answers False); None = never.
    tick_s
        How often the plant's controllers look.
    """

    def __init__(
        self,
        model: SiteModel,
        drivers: Drivers,
        *,
        start: datetime,
        seed: int = 0,
        mismatch: float = 0.0,
        noise: bool = False,
        state: TwinState | None = None,
        end: datetime | None = None,
        tick_s: float = TICK_S,
        capacity_s: float | None = None,
    ) -> None:
        self._model = differing(model, seed, mismatch) if mismatch else model
        self._site = model.site
        self._drivers, self._seed, self._noise, self._end = drivers, seed, noise, end
        layout = Layout(self._model, with_loads=not _measured_load(model, drivers))
        base = None if layout.with_loads else self._site.limits.load
        ends = end if end is not None else drivers.start + timedelta(seconds=drivers.step_s * drivers.steps)
        span = capacity_s if capacity_s is not None else (ends - start).total_seconds()
        ticks = max(1, math.ceil(span / tick_s))
        self._recorder = Recorder(ticks, len(layout.bills), layout.real, 1)
        self._ensemble = Ensemble(
            layout,
            drivers,
            futures=1,
            start=start,
            tick_s=tick_s,
            state=state or TwinState(),
            base=base,
            recorder=self._recorder,
        )
        self._layout = layout
        self._writes = _writes(self._site)
        self._written: dict[str, Value] = {}
        self._asked: dict[str, float] = {}
        self._orders: list[Order] = []
        self._sources = _sources(self._site, layout)
        self._cache: tuple[float, int, Snapshot] | None = None
        self._version = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for asset in self._site.assets:
            for write in asset.release:
                self.write(write.tag, write.value)

    def now(self) -> datetime:
        """The simulated instant."""
        return self._ensemble.now()

    def wait_until(self, time: datetime) -> bool:
        """Live on until a time; False once the twin has ended."""
        until = time if self._end is None else min(time, self._end)
        target = (until - self._ensemble.start).total_seconds()
        if target > self._ensemble.environment.now:
            self._ensemble.run(target)
        return self._end is None or self.now() < self._end

    def read(self) -> Snapshot:
        """Every tag of the site file at this instant."""
        at = float(self._ensemble.environment.now)
        if self._cache is not None and self._cache[:2] == (at, self._version):
            return self._cache[2]
        self._ensemble.settle()
        time = self.now()
        values = self._values()
        rng = np.random.default_rng([self._seed, 77, int(at)]) if self._noise else None
        readings = tuple(self._reading(tag, values.get(tag.name), time, rng) for tag in self._site.tags)
        snapshot = Snapshot(time=time, readings=readings)
        self._cache = (at, self._version, snapshot)
        return snapshot

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        """Take one order, set-point or release; it moves the machines from now on.

        Raises
        ------
        NotFoundError
            If there is no such tag.
        WriteRefusedError
            If the tag is not writable, the value is not one the machine knows, or `expires` has passed.
        """
        found = next((item for item in self._site.tags if item.name == tag), None)
        if found is None:
            raise NotFoundError(f"no tag {tag!r}: the plant has {len(self._site.tags)} others")
        if not found.writable or tag not in self._writes:
            raise WriteRefusedError(f"tag {tag!r} is not writable")
        if expires is not None and self.now() > expires:
            raise WriteRefusedError(f"write to {tag!r} expired at {expires.isoformat()}; it is {self.now().isoformat()}")
        asset, part = self._writes[tag]
        self._take(asset, part, value, tag)
        self._written[tag] = value
        self._orders.append(Order(time=self.now(), tag=tag, asset=asset.name, value=value))
        self._version += 1

    def _take(self, asset: Asset, part: str, value: Value, tag: str) -> None:
        row = self._layout.index[asset.name]
        if any(write == TagWrite(tag=tag, value=value) for write in asset.release):
            self._asked.pop(asset.name, None)
            self._ensemble.release(row)
            return
        if part == "setpoint":
            if isinstance(value, str):
                raise WriteRefusedError(f"{tag!r} takes a number, not {value!r}")
            self._asked[asset.name] = float(value)
            if self._running_on_orders(row):
                self._ensemble.adjust(row, float(value))
            return
        orders = asset.orders
        if value == orders.shutdown:
            self._ensemble.order(row, False, None)
        elif value == orders.startup:
            self._ensemble.order(row, True, startup_setpoint(asset) if asset.tags.setpoint_write else None)
        elif value == orders.optimize:
            self._ensemble.order(row, True, self._asked.get(asset.name))
        else:
            known = ", ".join(repr(item) for item in (orders.startup, orders.shutdown, orders.optimize))
            raise WriteRefusedError(f"{tag!r} does not know {value!r}: it knows {known} and the release value")

    def _running_on_orders(self, row: int) -> bool:
        return not bool(self._ensemble.released[row, 0]) and bool(self._ensemble.want[row, 0])

    # reading

    def _values(self) -> dict[str, Any]:
        ensemble, layout = self._ensemble, self._layout
        values: dict[str, Any] = {name: self._driven(column) for name, column in self._drivers.tags.items()}
        for row, store in enumerate(layout.stores):
            values[store.level] = float(ensemble.level[row, 0])
        for name, (what, row) in self._sources.items():
            values[name] = self._of_asset(what, row)
        if self._site.limits.power:
            values[self._site.limits.power] = float(ensemble.bill_kw.sum() + ensemble.followed_kw.sum() + ensemble.base_kw[0])
        values |= self._sensors()
        return values | self._written

    def _driven(self, column: Any) -> float:
        return float(column[self._drivers.step_at(self.now()), 0])

    def _of_asset(self, what: str, row: int) -> Value:
        ensemble = self._ensemble
        if what == "power":
            return float(ensemble.power[row, 0])
        if what == "output":
            return float(ensemble.output[row, 0])
        if what == "setpoint":
            asked = self._asked.get(self._layout.names[row])
            return float(ensemble.setpoint[row, 0]) if asked is None or not ensemble.released[row, 0] else asked
        if what == "running":
            return bool(ensemble.on[row, 0])
        if what == "tripped":
            return bool(ensemble.failed[row, 0])
        return not bool(ensemble.failed[row, 0])

    def _sensors(self) -> Mapping[str, float]:
        found: dict[str, float] = {}
        ensemble = self._ensemble
        for block in self._layout.blocks:
            rows = block.rows
            on = ensemble.producing[rows].astype(float)
            shown = block.kind.sensors(ensemble.setpoint[rows], ensemble.conditions_of(block), on)
            for name, array in shown.items():
                column = np.broadcast_to(array, (rows.stop - rows.start, 1))
                for offset, asset in enumerate(self._layout.assets[rows]):
                    for tag in asset.tags.sensors:
                        if tag.endswith(name):
                            found[tag] = float(column[offset, 0])
        return found

    def _reading(self, tag: Tag, value: Any, time: datetime, rng: np.random.Generator | None) -> Reading:
        if value is None:
            if tag.writable:
                empty: Value = "" if tag.type is ValueType.TEXT else 0.0
                return Reading(tag=tag.name, time=time, value=empty, quality=Quality.UNCERTAIN, words="nothing written yet")
            return Reading(tag=tag.name, time=time, value=None, quality=Quality.BAD, words="the twin has no such value")
        if rng is not None:
            shift = rng.normal()
            if isinstance(value, float) and not tag.writable:
                value = value + shift * float(np.asarray(spread(self._site, tag.name, value)))
        return Reading(tag=tag.name, time=time, value=value)

    # afterwards

    @property
    def ensemble(self) -> Ensemble:
        """The machines and stores themselves, one future."""
        return self._ensemble

    @property
    def recorder(self) -> Recorder:
        """Powers and levels since the start."""
        return self._recorder

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every write it took, in order."""
        return tuple(self._orders)

    def state(self) -> TwinState:
        """Where machines and stores stand: another twin may begin there."""
        return state_of(self._ensemble)

    def report(
        self, energy: Series | None = None, export: Series | None = None, co2_g_per_kwh: Series | None = None
    ) -> PlantReport:
        """What it received, and its own account of energy, cost, peak, service, starts and broken rules.

        Parameters
        ----------
        energy, export
            Prices per kWh; None = energy costs nothing.
        co2_g_per_kwh
            Grid intensity; None = emissions are not told.
        """
        return report(self._model, self._ensemble, self._recorder, self.orders, energy, export, co2_g_per_kwh)


def _measured_load(model: SiteModel, drivers: Drivers) -> bool:
    """Whether the drivers give the load as one figure and not machine by machine."""
    tag = model.site.limits.load
    members = [asset.tags.power for asset in model.site.assets if model.in_load(asset)]
    return tag is not None and tag in drivers.tags and not (members and all(name in drivers.tags for name in members))


def _writes(site: Any) -> dict[str, tuple[Asset, str]]:
    found: dict[str, tuple[Asset, str]] = {}
    for asset in site.assets:
        for write in (*asset.release, *asset.safe_state):
            found.setdefault(write.tag, (asset, "order"))
        if asset.tags.command is not None:
            found[asset.tags.command] = (asset, "order")
        if asset.tags.setpoint_write is not None:
            found[asset.tags.setpoint_write] = (asset, "setpoint")
    return found


def _sources(site: Any, layout: Layout) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for asset in site.assets:
        row = layout.index.get(asset.name)
        if row is None:
            continue
        for part in ("power", "running", "output", "setpoint", "permit_start", "permit_stop", "remote", "tripped"):
            tag = getattr(asset.tags, part)
            if tag is not None:
                found[tag] = (part, row)
    return found
