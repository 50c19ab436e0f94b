"""The works under control for days, beside what no plan at all could beat.

Usage, from the root of a checkout: python -m benchmarks.policy.closed_loop FOLDER [--days 14] [--seeds 1 2 3 4 5] [--seconds 40]

Each seed is one `ems demo --calibrated`: the plant behind OPC UA differs from its site file by ± 10 %, surprises, and one effect
that the model has no term for; the controller has calibrated its twin on four weeks of history, as a customer would.
Afterwards the whole window is one model: the plant's own physics, the demands, the weather and the losses that came, its
compressor to foul as it did, machines against the levels that ours had on average, its stores to end no emptier than they
did. What branch and bound proves of its pieces, days of machines that stores tie together, in so many seconds each is a lower
bound on the cost of any control that keeps the stores' limits, in steps of the controller (`policy.proof`).
The controller is also to spare machines that may fail. That is in nobody's bill, so it is counted beside it: once more with a
price on every running hour, hazard × consequence as journalled when it came, for ours and for the bound.
A folder that holds a finished run of a seed and as many days is not run again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ems.config import LoadedSite, historian_url, load
from ems.demo import MISMATCH
from ems.historian import Historian
from ems.observe import limits_of
from ems.served import read_drivers, read_state, served_prices
from ems.virtual import VirtualTags
from plant.assets import Mode, Service
from plant.envelopes import Envelope
from plant.physics import Conditions
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.situation import AssetState, Permit, Situation, StoreState
from plant.table import Floats
from plant.tags import Snapshot
from plant.tariff import Prices
from policy.hindsight import Reached, hindsight
from policy.proof import proven_apart
from twin_sim.drivers import Drivers, as_table
from twin_sim.envelopes import at_levels
from twin_sim.mismatch import differing
from twin_sim.model import SiteModel
from twin_sim.state import TwinState

SEEDS = (1, 2, 3, 4, 5)
PIECE_S = 86400.0
"""Length of a piece of the bound."""


def main() -> int:
    """Run, bound, print, and write `closed_loop.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=float, default=14.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--seconds", type=float, default=40.0)
    asked = parser.parse_args()
    rows = []
    print("seed | own control | ours | bound | ratio | with risk: ours | bound | ratio | served | refused plans | replay")
    for seed in asked.seeds:
        folder = asked.folder / f"{seed}-{asked.days:g}d"
        document = ran(folder, seed, asked.days)
        row = summed(seed, document, Judge(folder / "demo", document, seed, asked.seconds))
        rows.append(row)
        replay = f"{row['replay']['identical']} of {row['replay']['decisions']}"
        print(
            f"{seed} | {row['own']:.1f} | {row['ours']:.1f} | {row['bound']:.1f} | {row['ratio']:.3f} | {row['ours_risk']:.1f} "
            f"| {row['bound_risk']:.1f} | {row['ratio_risk']:.3f} | {row['served']:.4f} | {row['refused']} of {row['proposed']} "
            f"| {replay}",
            flush=True,
        )
    (asked.folder / "closed_loop.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


def ran(folder: Path, seed: int, days: float) -> dict[str, Any]:
    """The document of a demo of so many days; run if it is not there."""
    file = folder / "out.json"
    if not file.is_file() or not file.stat().st_size:
        folder.mkdir(parents=True, exist_ok=True)
        words = ["demo", "--calibrated", "--hours", str(24.0 * days), "--headless", "--json", "--seed", str(seed)]
        words += ["--dir", str(folder / "demo")]
        done = subprocess.run([sys.executable, "-m", "ems.cli", *words], stdout=subprocess.PIPE, text=True, check=True)
        file.write_text(done.stdout, encoding="utf-8")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def summed(seed: int, document: Mapping[str, Any], judge: Judge) -> dict[str, Any]:
    """The figures of one seed."""
    ours, own, plans = document["plant"], document["plant_untouched"], document["plans"]
    bound, with_risk, ours_risk = judge.bound(), judge.bound(risky=True), ours["cost"] + judge.risked()
    return {
        "seed": seed,
        "own": own["cost"],
        "ours": ours["cost"],
        "bound": bound,
        "ratio": ours["cost"] / bound,
        "ours_risk": ours_risk,
        "bound_risk": with_risk,
        "ratio_risk": ours_risk / with_risk,
        "served": ours["served_share"],
        "violations": len(ours["violations"]),
        "peak_kw": [own["demand_peak_kw"], ours["demand_peak_kw"]],
        "refused": plans["refused"],
        "proposed": plans["proposed"],
        "replay": document["replay"],
    }


class Judge:
    """What no control of the plant in a folder could have cost less than.

    Parameters
    ----------
    folder, document, seed
        Of the demo, its report, and what it was drawn from.
    time_limit_s
        For each piece of a bound.
    """

    def __init__(self, folder: Path, document: Mapping[str, Any], seed: int, time_limit_s: float) -> None:
        self._loaded, self._time_limit_s = load(folder / "site.toml"), time_limit_s
        self._ends = dict(document["plant"]["levels_end"])
        until = datetime.fromisoformat(document["plant"]["end"])
        drivers = read_drivers(folder / "drivers.parquet")
        site, start, step_s = self._loaded.site, drivers.start, self._loaded.site.control.step_s
        running = {asset.name: asset.tags.running for asset in site.assets if asset.tags.running is not None}
        levels = {store.name: store.level for store in site.stores}
        with Historian(historian_url(self._loaded)) as historian:
            seen = historian.records("situation", Situation)
            shown = historian.table((*running.values(), *levels.values()), start, until, step_s=step_s)
        means = {name: float(np.nanmean(shown.columns[tag])) for name, tag in levels.items()}
        self.situation = window(self._loaded, drivers, read_state(folder / "state.json"), until, seed, means)
        times = np.array([instant64(each.time) for each in seen])
        steps = instant64(self.situation.time) + np.arange(self.situation.steps) * np.timedelta64(round(self.situation.step_s), "s")
        self._hours = self.situation.step_s / 3600.0
        told, read = (np.clip(np.searchsorted(known, steps, side="right") - 1, 0, None) for known in (times, shown.times))
        self._price = {name: np.array([_risks(each).get(name, 0.0) for each in seen])[told] for name in running}
        self._ran = {name: np.nan_to_num(shown.columns[tag])[read] for name, tag in running.items()}

    def risked(self) -> float:
        """What our running hours risked, hazard × consequence."""
        return float(sum((self._price[name] * ran).sum() for name, ran in self._ran.items()) * self._hours)

    def bound(self, *, risky: bool = False) -> float:
        """The bound on the bill, or on bill and risk together."""
        program = hindsight(self._loaded.site, self.situation, Reached(ends=self._ends))
        if risky:
            plan = program.compiled.layout
            for k, places in program.compiled.column["u"].items():
                for a in plan.regimes[k].assets:
                    program.cost[places] += self._price.get(plan.assets[a].name, 0.0) * self._hours
        return proven_apart(program, round(PIECE_S / self.situation.step_s), self._time_limit_s)


def _risks(situation: Situation) -> dict[str, float]:
    """Price of a running hour of each machine."""
    return {
        name: price for envelope in situation.envelopes for name, price in zip(envelope.assets, envelope.risk_per_h, strict=False)
    }


def window(
    loaded: LoadedSite, drivers: Drivers, state: TwinState, until: datetime, seed: int, levels: Mapping[str, float]
) -> Situation:
    """A whole run as one situation: the plant as it is and what came, machines against the levels that ours had on average."""
    site, step_s = loaded.site, loaded.site.control.step_s
    model = differing(SiteModel(site), seed, MISMATCH)
    working = differing(SiteModel(at_levels(site, levels)), seed, MISMATCH)
    start = drivers.start
    steps = round((until - start).total_seconds() / step_s)
    known = VirtualTags(site).extend_table(as_table(drivers)).columns
    losses = {f"loss of {name}": column[:, 0] for name, column in drivers.losses.items()}

    def told(target: str, values: Floats) -> Forecast:
        made = Series(start=start, step_s=drivers.step_s, values=tuple(values.tolist()), unit="1")
        return Forecast(target=target, made_at=start, model_id="what came", p10=made, p50=made, p90=made)

    forecasts = tuple(told(name, values) for name, values in (*known.items(), *losses.items()))
    lossy = {store.service: f"loss of {store.name}" for store in site.stores if store.name in drivers.losses}
    states = tuple(_state(asset.name, state) for asset in site.assets)
    ambient = tuple((found.target, found.p50) for found in forecasts)
    energy, export = served_prices(loaded, drivers, start, until)
    return Situation(
        id="window",
        site=site.site.name,
        time=start,
        step_s=step_s,
        steps=steps,
        snapshot=Snapshot(time=start, readings=()),
        assets=states,
        stores=tuple(StoreState(store=name, level=level) for name, level in state.levels),
        envelopes=tuple(
            worn(envelope, model, drivers, step_s, steps)
            for envelope in working.envelopes(start, step_s, steps, states, forecasts, ambient, ())
        ),
        store_specs=model.stores,
        flows=model.flows,
        services=tuple(_drawn(service, lossy) for service in site.services),
        jobs=(),
        load_target=site.limits.load,
        forecasts=forecasts,
        ambient=ambient,
        health=(),
        credibility=(),
        prices=Prices(
            energy=energy,
            export=export,
            demand_charge_per_kw=site.tariff.demand_charge_per_kw,
            demand_window_s=site.tariff.demand_window_s,
            billing_end=until,
        ),
        limits=limits_of(site),
        locks=(),
        previous=None,
        seed=seed,
        versions=(),
    )


def worn(envelope: Envelope, model: SiteModel, drivers: Drivers, step_s: float, steps: int) -> Envelope:
    """What a machine draws and gives as it fouls, step by step, at full load."""
    name = envelope.assets[0]
    if name not in drivers.health or len(envelope.assets) > 1:
        return envelope
    health = drivers.health[name][:, 0].repeat(round(drivers.step_s))[:: round(step_s)][:steps]
    kind = model.kind(name)
    new, now = kind.running(1.0, Conditions()), kind.running(1.0, Conditions(health=health))

    def times(factor: Series | None, ratio: Floats) -> Series:
        before = 1.0 if factor is None else np.asarray(factor.values[:steps])
        return Series(start=drivers.start, step_s=step_s, values=tuple((before * ratio).tolist()), unit="1")

    return replace(
        envelope,
        power_factor=times(envelope.power_factor, np.asarray(now.power_kw) / new.power_kw),
        output_factor=times(envelope.output_factor, np.asarray(now.output_per_h) / new.output_per_h),
    )


def _drawn(service: Service, lossy: Mapping[str, str]) -> Service:
    """A service whose store loses what no model has a term for: it is known here, and drawn like a demand."""
    return replace(service, demand=lossy[service.name]) if service.demand is None and service.name in lossy else service


def _state(name: str, state: TwinState) -> AssetState:
    found = dict(state.machines).get(name)
    return AssetState(
        asset=name,
        running=None if found is None else found.running,
        since=None,
        setpoint=None if found is None else found.setpoint,
        power_kw=None,
        starts_today=0,
        mode=Mode.CONTROL,
        permit=Permit(),
        released=False,
    )


if __name__ == "__main__":
    raise SystemExit(main())
