"""From the physics of machines to what a strategy knows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from plant.assets import Asset, ScheduleControl
from plant.envelopes import Envelope, Point, Regime
from plant.health import Health
from plant.physics import Conditions
from plant.ports import AssetModel
from plant.series import Forecast, Series
from plant.site import Site
from plant.situation import AssetState
from plant.table import Floats
from twin_sim.calibration import LearnedGroup
from twin_sim.machine import hazard_per_h

if TYPE_CHECKING:
    from twin_sim.model import SiteModel

REFERENCE = Conditions()
SAME = 1e-5 + 1e-9
"""A factor so near to 1 is left out."""


def envelopes(
    model: SiteModel,
    time: datetime,
    step_s: float,
    steps: int,
    states: tuple[AssetState, ...],
    forecasts: tuple[Forecast, ...],
    ambient: tuple[tuple[str, Series], ...],
    health: tuple[Health, ...],
) -> tuple[Envelope, ...]:
    """One envelope per machine that takes orders, or per group with learned curves; see `SiteModel.envelopes`."""
    ahead = _Ahead(model, time, step_s, steps, forecasts, ambient)
    scores = {item.asset: item.score for item in health if item.score is not None}
    by_name = {state.asset: state for state in states}
    made = []
    grouped = {name for group in model.groups for name in group.assets}
    for group in model.groups:
        members = tuple(model.site.asset(name) for name in group.assets)
        if any(model.commandable(asset) for asset in members):
            made.append(_of_group(model, group, members, by_name, scores, time))
    for asset in model.site.assets:
        if asset.name not in grouped and model.commandable(asset):
            made.append(_of_asset(model, asset, by_name, scores, ahead))
    return tuple(made)


def at_levels(site: Site, levels: Mapping[str, float]) -> Site:
    """A site whose machines' envelopes are those at some levels of their stores, not in the middle of the bands."""
    stores = tuple(
        replace(store, low=levels[store.name], high=levels[store.name]) if store.name in levels else store for store in site.stores
    )
    return replace(site, stores=stores)


class _Ahead:
    """What comes, as arrays over the horizon."""

    def __init__(
        self,
        model: SiteModel,
        time: datetime,
        step_s: float,
        steps: int,
        forecasts: tuple[Forecast, ...],
        ambient: tuple[tuple[str, Series], ...],
    ) -> None:
        self.time, self.step_s, self.steps = time, step_s, steps
        self._known = dict(ambient) | {item.target: item.p50 for item in forecasts}
        self.outdoor = self._values(model.site.limits.outdoor)

    def _values(self, tag: str | None) -> Floats | None:
        series = self._known.get(tag) if tag else None
        return None if series is None else np.array(series.resampled(self.time, self.step_s, self.steps))

    def conditions(self, asset: Asset, kind: AssetModel, level: float) -> Conditions:
        """What the machine finds at each step."""
        power = self._values(asset.tags.power) if "availability" in kind.depends_on else None
        nominal = float(np.asarray(kind.running(1.0, REFERENCE).power_kw)) if power is not None else 1.0
        return Conditions(
            level=level,
            outdoor=REFERENCE.outdoor if self.outdoor is None else self.outdoor,
            availability=1.0 if power is None else np.clip(power / nominal, 0.0, 1.0),
        )

    def series(self, values: Floats, unit: str = "1") -> Series:
        """An array over the horizon as a Series."""
        return Series(start=self.time, step_s=self.step_s, values=tuple(np.round(values, 9).tolist()), unit=unit)


def setpoint_range(asset: Asset) -> tuple[float, float]:
    """Lowest and highest set-point; equal where the machine is not adjustable."""
    life = asset.life
    if asset.tags.setpoint_write is None or life.setpoint_low is None or life.setpoint_high is None:
        one = 1.0 if life.setpoint_nominal is None else life.setpoint_nominal
        return one, one
    return life.setpoint_low, life.setpoint_high


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lasting:
    """What is always so of a machine."""

    into: str | None
    out_of: str | None
    high: float
    """Highest set-point."""
    level: float
    """The middle of its store."""
    at: Conditions
    """What it finds where nothing is known of the hours ahead."""
    regimes: tuple[Regime, ...]
    off_power_kw: tuple[float, ...]


@lru_cache(maxsize=2)
def _lasting(model: SiteModel) -> dict[str, _Lasting]:
    """What is always so of the machines that take orders, by name; neither model nor machine changes."""
    grouped = {name for group in model.groups for name in group.assets}
    return {
        asset.name: _of_machine(model, asset)
        for asset in model.site.assets
        if asset.name not in grouped and model.commandable(asset)
    }


def _of_machine(model: SiteModel, asset: Asset) -> _Lasting:
    kind, into = model.kind(asset.name), model.into(asset)
    level = 0.0 if into is None else (model.store(into).low + model.store(into).high) / 2.0
    low, high = setpoint_range(asset)
    at = Conditions(level=level)
    regimes = tuple(
        Regime(
            name=asset.name if number == 0 else f"{asset.name} {number + 1}",
            running=(asset.name,),
            points=tuple(_point(kind, setpoint, at) for setpoint in piece),
        )
        for number, piece in enumerate(kind.pieces(low, high))
    )
    resting = (float(np.asarray(kind.idle_kw(at))),)
    return _Lasting(into=into, out_of=model.out_of(asset), high=high, at=at, level=level, regimes=regimes, off_power_kw=resting)


def _of_asset(model: SiteModel, asset: Asset, states: dict[str, AssetState], scores: dict[str, float], ahead: _Ahead) -> Envelope:
    kind, lasting = model.kind(asset.name), _lasting(model)[asset.name]
    varied = ahead.conditions(asset, kind, lasting.level)
    power_factor, output_factor = _factors(kind, lasting.high, lasting.at, varied)
    fixed = "availability" in kind.depends_on
    return Envelope(
        assets=(asset.name,),
        lives=(asset.life,),
        regimes=lasting.regimes,
        service=asset.produces,
        store=lasting.into,
        input_store=lasting.out_of,
        off_power_kw=lasting.off_power_kw,
        power_factor=_series(ahead, power_factor, fixed),
        output_factor=_series(ahead, output_factor, False),
        must_run=(_must_run(model, asset, ahead),),
        **_now(model, (asset,), states, scores, ahead.time),
    )


def _point(kind: AssetModel, setpoint: float, at: Conditions) -> Point:
    working = kind.running(setpoint, at)
    return Point(
        setpoints=(setpoint,),
        output_per_h=float(np.asarray(working.output_per_h)),
        power_kw=(float(np.asarray(working.power_kw)),),
        input_per_h=float(np.asarray(working.input_per_h)),
        second_output_per_h=float(np.asarray(working.second_output_per_h)),
    )


def _factors(kind: AssetModel, setpoint: float, at: Conditions, varied: Conditions) -> tuple[Floats, Floats]:
    """Power and output over the horizon relative to the reference conditions, at one set-point."""
    reference, working = kind.running(setpoint, at), kind.running(setpoint, varied)

    def ratio(now: object, then: object) -> Floats:
        base = float(np.asarray(then))
        return np.asarray(now, dtype=float) / base if base else np.ones(1)

    return ratio(working.power_kw, reference.power_kw), ratio(working.output_per_h, reference.output_per_h)


def _series(ahead: _Ahead, factor: Floats, always: bool) -> Series | None:
    known = factor.size in {1, ahead.steps}
    if not always and (not known or bool((np.abs(factor - 1.0) <= SAME).all())):
        return None
    return ahead.series(np.broadcast_to(factor, (ahead.steps,)) if known else np.ones(ahead.steps))


def _must_run(model: SiteModel, asset: Asset, ahead: _Ahead) -> Series | None:
    """A machine that no store and no service gives slack to runs as its schedule says."""
    if not isinstance(asset.local_control, ScheduleControl) or model.into(asset) is not None or asset.produces is not None:
        return None
    from twin_sim.machine import on_schedule

    times = [ahead.time + timedelta(seconds=ahead.step_s * step) for step in range(ahead.steps)]
    return ahead.series(on_schedule(model.site, asset.local_control, times).astype(float))


def _now(
    model: SiteModel, assets: tuple[Asset, ...], states: dict[str, AssetState], scores: dict[str, float], time: datetime
) -> dict[str, Any]:
    """The fields of an envelope that depend on the machines' states and health."""
    found = [states.get(asset.name) for asset in assets]
    changes = tuple(earliest_change(asset, state, time) for asset, state in zip(assets, found, strict=True))
    groups = [group for group in model.site.groups if set(group.assets) <= {asset.name for asset in assets}]
    return {
        "may_start": tuple(
            asset.may_start and (state is None or state.permit.start) for asset, state in zip(assets, found, strict=True)
        ),
        "may_stop": tuple(
            asset.may_stop and (state is None or state.permit.stop) for asset, state in zip(assets, found, strict=True)
        ),
        "needs": tuple((asset.name, other) for asset in assets for other in asset.needs),
        "at_least": max((group.at_least for group in groups), default=0),
        "at_most": min((group.at_most for group in groups if group.at_most is not None), default=None),
        "earliest_change": changes if any(changes) else (),
        "risk_per_h": tuple(hazard_per_h(asset.life, scores.get(asset.name, 1.0)) * asset.consequence for asset in assets),
    }


def earliest_change(asset: Asset, state: AssetState | None, time: datetime) -> datetime | None:
    """When the minimum time already running ends; None if it may change now."""
    if state is None or state.since is None or state.running is None:
        return None
    least = asset.life.min_up_s if state.running else asset.life.min_down_s
    until = state.since + timedelta(seconds=least)
    return until if until > time else None


def _of_group(
    model: SiteModel,
    group: LearnedGroup,
    members: tuple[Asset, ...],
    states: dict[str, AssetState],
    scores: dict[str, float],
    time: datetime,
) -> Envelope:
    first = members[0]
    return Envelope(
        assets=group.assets,
        lives=tuple(asset.life for asset in members),
        regimes=group.regimes,
        service=first.produces,
        store=model.into(first),
        input_store=model.out_of(first),
        off_power_kw=tuple(float(np.asarray(model.kind(asset.name).idle_kw(REFERENCE))) for asset in members),
        **_now(model, members, states, scores, time),
    )


__all__ = ["earliest_change", "envelopes", "setpoint_range"]
