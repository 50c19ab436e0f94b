"""Rows of the twin: a day of a hundred machines once and in a thousand futures, and one rehearsal of a plan."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from ems.bench.frame import Bench, Row, cpu_s, limit_row, ratio_row
from ems.bench.naive import NaiveSite, naive_day
from plant.assets import (
    Asset,
    AssetTags,
    LevelTrigger,
    Life,
    LocalControl,
    Mode,
    ScheduleControl,
    SelfConsumptionControl,
    Service,
    Store,
)
from plant.orders import Action, Command, Course, Plan, Reason
from plant.series import Forecast, Series
from plant.site import Connection, Control, Identity, Site, SiteLimits
from plant.situation import AssetState, Limit, Permit, Situation, StoreState
from plant.tags import Snapshot
from plant.tariff import FlatPrice, Prices, Tariff
from twin_sim.drivers import Drivers
from twin_sim.ensemble import Ensemble
from twin_sim.layout import Layout
from twin_sim.lived import Recorder
from twin_sim.model import SiteModel
from twin_sim.rehearsal import rehearse
from twin_sim.state import MachineState, TwinState

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY_S = 86400.0
TICK_S = 900.0
"""Changes are located inside a tick; the energy rows beside the times show what that is worth."""
KINDS = ("heat_pump", "pump", "compressor", "production_line", "battery", "pv", "load")
SPACED = {"heat_pump": 34, "pump": 11, "compressor": 11, "production_line": 11}
"""So many machines of a kind have triggers at their full distance; those of more are spread over the same span."""
GROWTH_ASSETS, GROWTH_FUTURES = (50, 100, 200, 350, 500), (1, 10, 100, 1000, 10000)


def counts_of(assets: int) -> dict[str, int]:
    """Machines per kind: the demo's kinds in equal parts, but at least a third with a room of their own."""
    each = assets * 2 // 3 // (len(KINDS) - 1)
    return {kind: assets - each * (len(KINDS) - 1) if kind == "heat_pump" else each for kind in KINDS}


def site_of(assets: int, futures: int = 200) -> Site:
    """A works of so many machines: every heat pump has its room, the rest share four stores."""
    counts = counts_of(assets)
    stores, machines = [*_shared(counts)], []
    for kind in KINDS:
        for number in range(counts[kind]):
            name = f"{kind}_{number}"
            if kind == "heat_pump":
                stores.append(_store(f"room_{number}", f"heat_{number}", 40.0 + number, 19.0, 23.0, loss_b=1.2, ambient="outdoor"))
            machines.append(_asset(kind, name, number, number * min(1.0, SPACED.get(kind, 1) / counts[kind])))
    names = dict.fromkeys(store.service for store in stores)
    return Site(
        site=Identity(name="bench", simulated=True),
        connection=Connection(endpoint="none"),
        tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.1)),
        tags=(),
        services=tuple(Service(name=name, unit="u", demand=f"{name}.demand" if "_" not in name else None) for name in names),
        stores=tuple(stores),
        assets=tuple(machines),
        limits=SiteLimits(import_kw=1e5, outdoor="outdoor"),
        control=Control(futures=futures, horizon_s=DAY_S, rehearsal_s=DAY_S, tail_s=14400.0),
    )


def _store(name: str, service: str, size: float, low: float, high: float, **rest: Any) -> Store:
    span = high - low
    fields = {
        "bottom": low - 4 * span,
        "top": high + 4 * span,
        "low": low,
        "high": high,
        "unit": "u",
        "size_per_level": size,
        **rest,
    }
    return Store(name=name, service=service, level=f"{name}.level", **fields)


def _shared(counts: dict[str, int]) -> list[Store]:
    pumps, lines = counts["pump"], counts["production_line"]
    return [
        _store("tank", "water", 60.0 * pumps, 2.0, 5.0),
        _store("receiver", "air", 300.0 * counts["compressor"], 6.0, 8.0),
        _store("goods", "pieces", 1.0 * lines, 200.0, 1500.0),
        _store("cells", "charge", 100.0 * counts["battery"], 0.1, 0.9, bottom=0.0, top=1.0),
    ]


def _asset(kind: str, name: str, number: int, apart: float) -> Asset:
    made: dict[str, tuple[dict[str, Any], str | None, str | None, LocalControl]] = {
        "heat_pump": (
            {"power_kw": 14.0, "cop": 3.2},
            f"heat_{number}",
            f"room_{number}",
            LevelTrigger(kind="level", store=f"room_{number}", start=20.0 + 0.01 * apart, stop=21.5),
        ),
        "pump": ({"flow_per_h": 60.0, "power_kw": 20.0}, "water", "tank", _trigger("tank", 2.9, 4.6, 0.08 * apart)),
        "compressor": ({"flow_per_h": 400.0, "power_kw": 45.0}, "air", "receiver", _trigger("receiver", 6.9, 7.9, 0.06 * apart)),
        "production_line": (
            {"rate_per_h": 100.0, "power_kw": 80.0},
            "pieces",
            "goods",
            _trigger("goods", 800.0, 1400.0, 40.0 * apart),
        ),
        "battery": ({"power_kw": 40.0}, "charge", "cells", SelfConsumptionControl(kind="self_consumption")),
        "pv": ({"peak_kw": 90.0}, None, None, ScheduleControl(kind="schedule", on=("00:00-24:00",))),
        "load": (
            {"power_kw": 30.0},
            None,
            None,
            ScheduleControl(kind="schedule", on=(f"{5 + number % 3:02d}:00-{18 + number % 4:02d}:00",)),
        ),
    }
    spec, service, store, control = made[kind]
    tags = AssetTags(power=f"{name}.kw", command=f"{name}.command", setpoint_write=f"{name}.write")
    top = 40.0 if kind == "battery" else 1.0
    life = Life(
        min_up_s=600.0, min_down_s=600.0, setpoint_low=-top if kind == "battery" else 0.4, setpoint_high=top, setpoint_nominal=top
    )
    return Asset(name=name, kind=kind, produces=service, into=store, spec=spec, life=life, local_control=control, tags=tags)


def _trigger(store: str, start: float, stop: float, lower: float) -> LevelTrigger:
    return LevelTrigger(kind="level", store=store, start=start - lower, stop=stop - lower)


def drivers_of(site: Site, futures: int, seed: int = 3) -> Drivers:
    """A day of weather, sun and demand in so many futures."""
    rng, steps = np.random.default_rng(seed), 96
    hour = np.arange(steps)[:, None] / 4.0

    def varied(mean: Any, sd: float) -> Any:
        noise = rng.standard_normal((steps, futures)).cumsum(axis=0) / np.sqrt(np.arange(1, steps + 1))[:, None]
        return mean * (1.0 + sd * noise)

    count = {kind: sum(asset.kind == kind for asset in site.assets) for kind in KINDS}
    shift = 0.5 + 0.5 * ((hour > 6) & (hour < 20))
    tags = {
        "outdoor": 3.0 - 4.0 * np.cos(2 * np.pi * (hour - 3) / 24) + varied(1.0, 0.5),
        "water.demand": np.maximum(varied(25.0 * count["pump"] * shift, 0.1), 0.0),
        "air.demand": np.maximum(varied(200.0 * count["compressor"] * shift, 0.1), 0.0),
        "pieces.demand": np.maximum(varied(45.0 * count["production_line"] * shift, 0.1), 0.0),
    }
    sun = np.clip(np.sin((hour - 7.0) / 10.0 * np.pi), 0.0, None) * ((hour > 7) & (hour < 17))
    tags |= {asset.tags.power or "": -90.0 * np.clip(varied(sun, 0.15), 0.0, 1.0) for asset in site.assets if asset.kind == "pv"}
    return Drivers(start=START, step_s=900.0, tags=tags)


def _lived(layout: Layout, drivers: Drivers, futures: int, tick_s: float) -> tuple[Ensemble, Recorder]:
    ticks = round(DAY_S / tick_s)
    recorder = Recorder(ticks, len(layout.bills), layout.real, futures, levels=False)
    ensemble = Ensemble(
        layout, drivers, futures=futures, start=START, tick_s=tick_s, state=TwinState(), recorder=recorder, refresh_s=3600.0
    )
    ensemble.run(DAY_S)
    return ensemble, recorder


def _energy(recorder: Recorder, tick_s: float) -> float:
    return float(recorder.kw.sum() / recorder.kw.shape[-1] * tick_s / 3600.0)


def single() -> tuple[Row, ...]:
    """One day of a hundred machines against a process per machine and minute."""
    site = site_of(100)
    model, drivers = SiteModel(site), drivers_of(site, 1)
    layout, naive = Layout(model, with_loads=True), NaiveSite(model, drivers)
    fine = naive_day(naive)
    _, recorder = _lived(layout, drivers, 1, TICK_S)
    off = abs(_energy(recorder, TICK_S) / fine - 1.0)
    ours, theirs = cpu_s(lambda: _lived(layout, drivers, 1, TICK_S), 3), cpu_s(lambda: naive_day(naive), 3)
    words = "SimPy, one process per machine and minute, same physics in plain numbers"
    return (
        ratio_row(name="twin.single_day", value=ours, unit="s", reference=words, reference_value=theirs, most=0.25),
        limit_row(name="twin.single_day_energy", value=off * 100.0, unit="% off the same", most=0.1),
    )


def thousand() -> tuple[Row, ...]:
    """A thousand futures of the same day."""
    site = site_of(100)
    model, drivers = SiteModel(site), drivers_of(site, 1000)
    layout = Layout(model, with_loads=True)
    tracemalloc.start()
    _lived(layout, drivers, 1000, TICK_S)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    some = Drivers(
        start=drivers.start,
        step_s=drivers.step_s,
        tags={name: np.ascontiguousarray(column[:, :50]) for name, column in drivers.tags.items()},
    )
    _, fine = _lived(layout, some, 50, 60.0)
    _, same = _lived(layout, some, 50, TICK_S)
    off = abs(_energy(same, TICK_S) / _energy(fine, 60.0) - 1.0)
    value = cpu_s(lambda: _lived(layout, drivers, 1000, TICK_S), 3)
    one = cpu_s(lambda: _lived(layout, drivers_of(site, 1), 1, 60.0), 3)
    return (
        limit_row(name="twin.thousand_futures", value=value * 1000.0, unit="ms", most=150.0),
        ratio_row(
            name="twin.thousand_against_one",
            value=value,
            unit="s",
            reference="one future at a 1-min tick",
            reference_value=one,
            most=12.0,
        ),
        limit_row(name="twin.thousand_energy", value=off * 100.0, unit="% off 1 min", most=0.5),
        limit_row(name="twin.thousand_memory", value=peak_mb, unit="MB", most=500.0),
    )


def _series(values: Any) -> Series:
    return Series(start=START, step_s=900.0, values=tuple(np.asarray(values, dtype=float).tolist()), unit="1")


def rehearsal_case(assets: int = 20, futures: int = 200) -> tuple[Plan, Situation, SiteModel]:
    """A plan for a works of so many machines, with what it needs to be rehearsed."""
    site = site_of(assets, futures)
    model = SiteModel(site)
    names = [asset for asset in site.assets if asset.kind in {"heat_pump", "pump", "compressor", "production_line"}]
    hours = np.arange(96) / 4.0
    courses = tuple(
        Course(
            asset=asset.name,
            on=_series((hours + index) % 6.0 < 3.5),
            setpoint=_series(np.full(96, 0.9)),
            power_kw=_series(np.zeros(96)),
        )
        for index, asset in enumerate(names)
    )
    commands = tuple(
        Command(
            id=f"c-{asset.name}", asset=asset.name, action=Action.OPTIMIZE, setpoint=0.9, at=START,
            expires=START + timedelta(minutes=5), reason=Reason.PRICE_LOW, words="cheap",
        )
        for asset in names
    )  # fmt: skip
    plan = Plan(id="p", made_at=START, until=START + timedelta(days=1), strategy="bench", commands=commands, courses=courses)
    return plan, _situation(site, model), model


def _situation(site: Site, model: SiteModel) -> Situation:
    forecasts = []
    for tag, column in drivers_of(site, 30).tags.items():
        low, mid, high = np.quantile(column, (0.1, 0.5, 0.9), axis=1)
        forecasts.append(
            Forecast(target=tag, made_at=START, model_id="bench", p10=_series(low), p50=_series(mid), p90=_series(high))
        )
    states = tuple(
        AssetState(
            asset=asset.name,
            running=False,
            since=None,
            setpoint=None,
            power_kw=0.0,
            starts_today=0,
            mode=Mode.CONTROL,
            permit=Permit(),
        )
        for asset in site.assets
    )
    flat = _series(np.full(96, 0.1))
    return Situation(
        id="s", site="bench", time=START, step_s=900.0, steps=96, snapshot=Snapshot(time=START, readings=()), assets=states,
        stores=tuple(StoreState(store=store.name, level=(store.low + store.high) / 2) for store in site.stores), envelopes=(),
        store_specs=model.stores, flows=(), services=site.services, jobs=(), load_target=None, forecasts=tuple(forecasts),
        ambient=(), health=(), credibility=(), prices=Prices(energy=flat, export=flat),
        limits=(Limit(name="import_kw", high=1e5),), locks=(), previous=None, seed=1, versions=(),
    )  # fmt: skip


def rehearsal() -> tuple[Row, ...]:
    """One plan of twenty machines in two hundred futures, drawing included: the 95th percentile of forty rehearsals."""
    plan, situation, model = rehearsal_case()
    rehearse(plan, situation, model)
    spans = []
    for seed in range(40):
        seeded = replace(situation, seed=seed)
        begin = time.process_time()
        rehearse(plan, seeded, model)
        spans.append(time.process_time() - begin)
    p95 = statistics.quantiles(spans, n=20)[-1]
    return (limit_row(name="twin.rehearsal_p95", value=p95 * 1000.0, unit="ms", most=40.0),)


def growth() -> tuple[Row, ...]:
    """Cost against the number of machines and of futures; for information."""
    rows = []
    for assets in GROWTH_ASSETS:
        rows.append(_told(f"twin.assets_{assets}", cost_s(assets, 1000) * 1000.0, "ms"))
    for futures in GROWTH_FUTURES:
        rows.append(_told(f"twin.futures_{futures}", cost_s(100, futures) * 1000.0, "ms"))
    rows.append(_told("twin.futures_10000_memory", _traced_mb(100, 10000), "MB"))
    return tuple(rows)


def cost_s(assets: int, futures: int) -> float:
    """CPU seconds of one day of so many machines in so many futures; the best of three."""
    site = site_of(assets)
    layout, drivers = Layout(SiteModel(site), with_loads=True), drivers_of(site, futures)
    return min(_once(partial(_lived, layout, drivers, futures, TICK_S)) for _ in range(3))


def _traced_mb(assets: int, futures: int) -> float:
    """Most memory of the same, without the drivers."""
    site = site_of(assets)
    layout, drivers = Layout(SiteModel(site), with_loads=True), drivers_of(site, futures)
    tracemalloc.start()
    _lived(layout, drivers, futures, TICK_S)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def _told(name: str, value: float, unit: str) -> Row:
    return Row(name=name, value=value, unit=unit, reference="", reference_value=None, ratio=None, goal="for information", ok=None)


def _once(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


BENCHES = (
    Bench(name="twin.single_day", run=single),
    Bench(name="twin.thousand_futures", run=thousand),
    Bench(name="twin.rehearsal", run=rehearsal),
    Bench(name="twin.growth", run=growth, by_name_only=True),
)
__all__ = ["BENCHES", "MachineState", "rehearsal_case", "site_of"]
