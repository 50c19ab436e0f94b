"""A site as arrays: which rows are which machines, what feeds what, and every constant of machines and stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from plant.assets import Asset, LevelTrigger, LocalControl, ScheduleControl, SelfConsumptionControl
from plant.envelopes import Regime
from plant.ports import AssetModel
from plant.table import Floats
from twin_sim.model import SiteModel

Ints = npt.NDArray[np.int64]
Reach = slice | Ints
"""Rows of stores: neighbouring ones, or one for all, as a slice, which NumPy reaches without copying."""


FEW_GROUPS = 4
"""More groups of triggers than this are faster looked up row by row at once than one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Neighbouring rows of one kind under one kind of local control."""

    kind: AssetModel
    """Its fields are columns, one row per asset."""
    rows: slice
    stores: Ints
    """Row of the store each feeds."""
    feeds: Reach | None
    """The same; None where nothing is fed."""
    draws: Reach | None
    """Rows of the stores they draw from; None where nothing is drawn."""
    per_tick: bool
    """Follows the site's power from tick to tick (a battery)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Companions:
    """Machines with learned curves per combination."""

    rows: Ints
    names: tuple[str, ...]
    regimes: tuple[Regime, ...]
    masks: tuple[int, ...]
    """Per regime: bit i is set where machine i runs."""


def stacked(models: Sequence[AssetModel]) -> AssetModel:
    """One object of the same kind whose fields are columns, one row per model; where all agree the field stays a number."""
    first = models[0]
    made = object.__new__(type(first))
    for item in fields(cast(Any, first)):
        values = [getattr(model, item.name) for model in models]
        same = all(value == values[0] for value in values)
        object.__setattr__(made, item.name, values[0] if same else np.array(values)[:, None])
    return made


def reach(stores: Ints, dummy: int) -> Reach | None:
    """How the stores of neighbouring machines are best reached; None if they have none.

    A slice of one row stands for one store that all of them share.
    """
    return None if bool((stores == dummy).all()) else _slice_of(stores)


def _slice_of(stores: Ints) -> Reach:
    found = stores.tolist()
    if all(row == found[0] for row in found):
        return slice(found[0], found[0] + 1)
    if found == list(range(found[0], found[-1] + 1)):
        return slice(found[0], found[-1] + 1)
    return stores


def _order(control: LocalControl | None) -> int:
    kinds = (LevelTrigger, ScheduleControl, SelfConsumptionControl)
    return next((number for number, kind in enumerate(kinds) if isinstance(control, kind)), len(kinds))


class Layout:
    """Rows and constants of the machines and stores that are simulated.

    Parameters
    ----------
    model
        The site.
    with_loads
        True: every asset is simulated. False: those whose power is part of the site's load tag are left to it.
    """

    def __init__(self, model: SiteModel, *, with_loads: bool) -> None:
        site = model.site
        self.model = model
        self.with_loads = with_loads
        kept = [asset for asset in site.assets if with_loads or not model.in_load(asset)]
        learned = {name: number for number, group in enumerate(model.groups) for name in group.assets}
        kept.sort(key=lambda asset: (_order(asset.local_control), learned.get(asset.name, -1), asset.kind))
        self.assets: tuple[Asset, ...] = tuple(kept)
        self.names = tuple(asset.name for asset in kept)
        self.index = {name: row for row, name in enumerate(self.names)}
        self._stores(model)
        self._life(kept)
        self._blocks(model, kept)
        self._companions(model)
        self._controls(kept)
        self.bills, self.bill_of = _bills(model, self.names)

    def _stores(self, model: SiteModel) -> None:
        site = model.site
        held = {store.service for store in model.stores}
        direct = [service.name for service in site.services if service.name not in held]
        self.store_names = tuple(store.name for store in model.stores) + tuple(f"to {name}" for name in direct)
        self.stores = model.stores
        self.real = len(model.stores)
        self.dummy = len(self.store_names)
        """Row that takes what goes nowhere."""
        count = self.dummy + 1
        services = [store.service for store in model.stores] + direct

        def column(name: str, other: float) -> Floats:
            values = [getattr(store, name) for store in model.stores]
            return np.array([other if value is None else value for value in values] + [other] * (count - self.real))[:, None]

        self.size = column("size_per_level", 1.0)
        self.bottom, self.top = column("bottom", 0.0), column("top", np.inf)
        self.bottom[self.dummy] = -np.inf
        self.low, self.high = column("low", -np.inf), column("high", np.inf)
        self.loss_a, self.loss_b = column("loss_a", 0.0), column("loss_b", 0.0)
        self.ambient = tuple(store.ambient for store in model.stores)
        self.demand_tag = tuple(site.service(name).demand for name in services)
        self.demand_share = np.array([1.0 / services.count(name) for name in services])
        self.service_of = tuple(services)
        rows = {name: row for row, name in enumerate(self.store_names)}
        self.flows = tuple((rows[flow.source], rows[flow.target], flow.a_per_h or 0.0, flow.b_per_h or 0.0) for flow in model.flows)
        """From, to, constant and slope of what runs between stores by itself."""
        self.flow_ends = np.array([flow[:2] for flow in self.flows], dtype=np.int64).reshape(-1, 2).T.copy()
        self.flow_rates = np.array([flow[2:] for flow in self.flows], dtype=np.float64).reshape(-1, 2).T.copy()

    def store_row(self, store: str | None, service: str | None) -> int:
        """Row that an output to a store, or straight to a service's demand, enters."""
        if store is not None:
            return self.store_names.index(store)
        name = f"to {service}"
        return self.store_names.index(name) if name in self.store_names else self.dummy

    def _life(self, assets: Sequence[Asset]) -> None:
        def column(name: str, other: float = 0.0) -> Floats:
            values = [getattr(asset.life, name) for asset in assets]
            return np.array([other if value is None else float(value) for value in values])

        self.min_up_s, self.startup_s = column("min_up_s"), column("startup_s")
        self.min_down_s = column("min_down_s") + column("shutdown_s")
        self.start_energy_kwh, self.start_cost = column("start_energy_kwh"), column("start_cost")
        self.wear_per_h, self.ramp_per_h = column("wear_per_h"), column("ramp_per_h", np.inf)
        self.mtbf_h, self.repair_h = column("mtbf_h", np.inf), column("repair_h")
        self.nominal = np.array([nominal_setpoint(asset) for asset in assets])
        self.setpoint_low = column("setpoint_low", -np.inf)
        self.setpoint_high = column("setpoint_high", np.inf)

    def _blocks(self, model: SiteModel, assets: Sequence[Asset]) -> None:
        into = [self.store_row(model.into(asset), asset.produces) for asset in assets]
        out_of = [self.dummy if (name := model.out_of(asset)) is None else self.store_row(name, None) for asset in assets]
        self.into, self.out_of = np.array(into, dtype=np.int64), np.array(out_of, dtype=np.int64)
        self.has_inputs = bool((self.out_of != self.dummy).any())
        keys = [(_order(asset.local_control), asset.kind) for asset in assets]
        blocks, first = [], 0
        for row in range(1, len(keys) + 1):
            if row < len(keys) and keys[row] == keys[first]:
                continue
            rows = slice(first, row)
            follows = any(isinstance(asset.local_control, SelfConsumptionControl) for asset in assets[rows])
            blocks.append(
                Block(
                    kind=stacked([model.kind(name) for name in self.names[rows]]),
                    rows=rows,
                    stores=self.into[rows],
                    feeds=reach(self.into[rows], self.dummy),
                    draws=reach(self.out_of[rows], self.dummy),
                    per_tick=follows or assets[first].kind == "battery",
                )
            )
            first = row
        self.blocks = tuple(blocks)
        self.asked = tuple((block, block.rows) for block in blocks if not block.per_tick)
        """Blocks whose kinds are asked when they are told something else."""
        self.block_of = np.repeat(np.arange(len(blocks)), [block.rows.stop - block.rows.start for block in blocks])
        followed = {row for block in blocks if block.per_tick for row in block.stores.tolist()}
        others = {
            row for block in blocks if not block.per_tick for row in (*block.stores.tolist(), *self.out_of[block.rows].tolist())
        }
        self.managed = np.array([row in followed - others for row in range(self.dummy + 1)], dtype=bool)
        """Stores that a machine's own management keeps inside their limits (batteries)."""

    def _companions(self, model: SiteModel) -> None:
        found = []
        for group in model.groups:
            if all(name in self.index for name in group.assets):
                masks = tuple(sum(1 << group.assets.index(name) for name in regime.running) for regime in group.regimes)
                rows = np.array([self.index[name] for name in group.assets], dtype=np.int64)
                found.append(Companions(rows=rows, names=group.assets, regimes=group.regimes, masks=masks))
        self.companions = tuple(found)

    def _controls(self, assets: Sequence[Asset]) -> None:
        triggers = [asset.local_control for asset in assets if isinstance(asset.local_control, LevelTrigger)]
        self.triggers = len(triggers)
        self.trigger_store = np.array([self.store_names.index(item.store) for item in triggers], dtype=np.int64)
        sign = np.array([1.0 if item.start < item.stop else -1.0 for item in triggers])[:, None]
        self.trigger_sign = sign
        edges = [row for row in range(1, self.triggers) if self.block_of[row] != self.block_of[row - 1]]
        bounds = zip([0, *edges], [*edges, self.triggers], strict=True)
        groups = [(slice(first, last), _slice_of(self.trigger_store[first:last])) for first, last in bounds if last > first]
        self.trigger_groups = groups if len(groups) <= FEW_GROUPS else [(slice(0, self.triggers), self.trigger_store)]
        self.signed = bool((sign < 0).any())
        self.trigger_start = np.array([item.start for item in triggers])[:, None] * sign
        self.trigger_stop = np.array([item.stop for item in triggers])[:, None] * sign
        self.schedules = tuple(
            (row, asset.local_control) for row, asset in enumerate(assets) if isinstance(asset.local_control, ScheduleControl)
        )
        self.always = np.array([row for row, asset in enumerate(assets) if _runs_always(asset)], dtype=np.int64)


@lru_cache(maxsize=2)
def layout_of(model: SiteModel, *, with_loads: bool) -> Layout:
    """The layout of a model, made once: neither changes."""
    return Layout(model, with_loads=with_loads)


def _runs_always(asset: Asset) -> bool:
    """Machines that run whenever local control has them; without a local control they keep their state."""
    kind = getattr(asset.local_control, "kind", None)
    return kind in {"always", "self_consumption"}


def nominal_setpoint(asset: Asset) -> float:
    """Where local control, or STARTUP, runs it."""
    own = getattr(asset.local_control, "setpoint", None)
    for value in (own, asset.life.setpoint_nominal, asset.life.setpoint_high):
        if value is not None:
            return float(value)
    return 1.0


def startup_setpoint(asset: Asset) -> float:
    """Where STARTUP runs it."""
    nominal = asset.life.setpoint_nominal
    return nominal_setpoint(asset) if nominal is None else float(nominal)


def _bills(model: SiteModel, names: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    """Names of the bills (the site's first, then one per asset price) and the bill of every row."""
    bills, of = ["site"], dict.fromkeys(names, 0)
    for own in model.site.asset_prices:
        for name in own.assets:
            if name in of:
                of[name] = len(bills)
        bills.append(own.assets[0])
    return tuple(bills), np.array([of[name] for name in names], dtype=np.int64)
