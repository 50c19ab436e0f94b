"""A site with the physics of its machines: built once, shared by twin, rehearsal and what-if."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from plant import kinds
from plant.assets import Asset, Flow, Store
from plant.envelopes import Envelope
from plant.errors import ConfigError, DataError
from plant.health import Health
from plant.ports import AssetModel
from plant.series import Forecast, Series
from plant.site import Site
from plant.situation import AssetState
from twin_sim.calibration import Calibration, LearnedGroup
from twin_sim.envelopes import envelopes


class SiteModel:
    """Machines, stores and flows of a site with learned numbers filled in.

    Parameters
    ----------
    site
        As its file states it.
    calibration
        What telemetry taught; None = the site file's numbers only.
    specs
        Numbers that replace those of single assets' specs, by asset and field: a plant that differs from its data sheet.

    Raises
    ------
    ConfigError
        If a kind is unknown or a spec does not fit it.
    DataError
        If a store's size or a flow is neither stated nor learned.
    """

    def __init__(
        self, site: Site, calibration: Calibration | None = None, specs: Mapping[str, Mapping[str, float]] | None = None
    ) -> None:
        self.site = site
        self.calibration = calibration
        self.stores: tuple[Store, ...] = tuple(_store(store, calibration) for store in site.stores)
        self.flows: tuple[Flow, ...] = tuple(_flow(flow, calibration) for flow in site.flows)
        self._kinds = {asset.name: _kind(asset, calibration, (specs or {}).get(asset.name, {})) for asset in site.assets}
        self.groups: tuple[LearnedGroup, ...] = _groups(site, calibration)
        self._load = _load_members(site)

    def kind(self, asset: str) -> AssetModel:
        """The physics of an asset."""
        return self._kinds[asset]

    def store(self, name: str) -> Store:
        """The store of a name, learned numbers filled in; KeyError if there is none."""
        return next(store for store in self.stores if store.name == name)

    def size(self, store: str) -> float:
        """Service units per unit of level."""
        return float(self.store(store).size_per_level or 1.0)

    def into(self, asset: Asset) -> str | None:
        """Store that an asset feeds; None = none, or straight to the demand."""
        return self._store_name(asset.into, asset.produces)

    def out_of(self, asset: Asset) -> str | None:
        """Store that an asset draws from; None = an endless source."""
        return self._store_name(asset.out_of, asset.consumes)

    def _store_name(self, stated: str | None, service: str | None) -> str | None:
        if stated is not None or service is None:
            return stated
        only = self.site.store_of(service)
        return None if only is None else only.name

    def commandable(self, asset: Asset) -> bool:
        """Whether the plant takes orders for it."""
        return asset.tags.command is not None or asset.tags.setpoint_write is not None

    def in_load(self, asset: Asset) -> bool:
        """Whether its power is part of the site's load tag, so that it must not be counted twice."""
        return asset.tags.power is not None and asset.tags.power in self._load and not self.commandable(asset)

    def envelopes(
        self,
        time: datetime,
        step_s: float,
        steps: int,
        states: tuple[AssetState, ...],
        forecasts: tuple[Forecast, ...],
        ambient: tuple[tuple[str, Series], ...],
        health: tuple[Health, ...],
    ) -> tuple[Envelope, ...]:
        """Where the machines that take orders can run over a horizon.

        Parameters
        ----------
        time, step_s, steps
            The horizon.
        states
            The machines now: minimum times already running, permits.
        forecasts, ambient
            What comes: PV from the forecast of its power, outdoor temperature for coefficients of performance.
        health
            For the risk of running: failure rate × consequence.
        """
        return envelopes(self, time, step_s, steps, states, forecasts, ambient, health)

    def changed(self, *, site: Site | None = None, specs: Mapping[str, Mapping[str, float]] | None = None) -> SiteModel:
        """The same model with another site record or other specs."""
        return SiteModel(site or self.site, self.calibration, specs)


def _store(store: Store, calibration: Calibration | None) -> Store:
    learned = calibration.of_store(store.name) if calibration else {}
    allowed: dict[str, Any] = {name: value for name, value in learned.items() if name in {"size_per_level", "loss_a", "loss_b"}}
    made = replace(store, **allowed) if allowed else store
    if made.size_per_level is None:
        raise DataError(
            f"stores[{store.name}].size_per_level is neither stated nor learned: state it, or run `ems twin calibrate` on telemetry"
        )
    return made


def _flow(flow: Flow, calibration: Calibration | None) -> Flow:
    learned: dict[str, Any] = calibration.of_flow(flow.source, flow.target) if calibration else {}
    made = replace(flow, **{name: learned[name] for name in ("a_per_h", "b_per_h") if name in learned})
    if made.a_per_h is None and made.b_per_h is None:
        raise DataError(f"flow {flow.source} to {flow.target}: a_per_h and b_per_h are neither stated nor learned")
    return made


def _kind(asset: Asset, calibration: Calibration | None, specs: Mapping[str, float]) -> AssetModel:
    found = kinds.find("twin_sim.assets", asset.kind)
    names = {item.name for item in dataclasses.fields(cast(Any, found))}
    learned = calibration.of_asset(asset.name) if calibration else {}
    return kind_of(asset, {**{name: value for name, value in learned.items() if name in names}, **specs})


def kind_of(asset: Asset, numbers: Mapping[str, float] | None = None) -> AssetModel:
    """The physics of an asset with the site file's numbers, some of them replaced.

    Raises
    ------
    ConfigError
        If no machine of the kind can have such numbers.
    """
    try:
        kind: type = kinds.find("twin_sim.assets", asset.kind)
        return cast(AssetModel, TypeAdapter(kind).validate_python({**asset.spec, **(numbers or {})}))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"assets[{asset.name}].spec.{key}: {first['msg']} (kind {asset.kind!r})") from error


def _groups(site: Site, calibration: Calibration | None) -> tuple[LearnedGroup, ...]:
    if calibration is None:
        return ()
    names = {asset.name for asset in site.assets}
    return tuple(group for group in calibration.groups if set(group.assets) <= names and group.regimes)


def _load_members(site: Site) -> frozenset[str]:
    """Power tags that the site's load tag is made of."""
    tag = site.limits.load
    if tag is None:
        return frozenset()
    powers = {asset.tags.power for asset in site.assets if asset.tags.power is not None}
    virtual = next((item for item in site.virtual_tags if item.name == tag), None)
    if virtual is None:
        return frozenset(name for name in powers if name is not None)
    if virtual.kind == "sum":
        return frozenset(name for name in virtual.tags if name in powers)
    return frozenset(name for name in powers if name is not None and name not in virtual.tags[1:])
