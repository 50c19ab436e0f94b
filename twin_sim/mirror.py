"""The twin beside the plant: what it expects of every machine's power at the measured state, and how far it may be believed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from plant.assets import Asset
from plant.mirror import Credibility, Residual
from plant.physics import Conditions
from plant.table import Floats, Table
from twin_sim.companions import at_setpoints
from twin_sim.layout import nominal_setpoint
from twin_sim.model import SiteModel
from twin_sim.outside import MILD_C

LEAST_SAMPLES = 8
"""Fewer settled readings than these say nothing about a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored:
    """Twin and plant compared over a window."""

    residuals: tuple[Residual, ...]
    """Power tags at the window's last row."""
    credibility: tuple[Credibility, ...]


def mirror(model: SiteModel, window: Table) -> Mirrored:
    """Compare expected and measured power of every metered machine over a window of telemetry.

    The twin is set to the measured state (running, set-point, levels, outdoor temperature) in every row, so an error of one
    hour does not carry into the next. Rows in which a machine has just started or stopped are left out.

    Parameters
    ----------
    window
        Telemetry in time order, newest row last.
    """
    if not len(window):
        return Mirrored(residuals=(), credibility=())
    time = datetime.fromisoformat(f"{window.times[-1]}+00:00")
    residuals, believed = [], []
    for asset in model.site.assets:
        expected = expected_kw(model, asset, window)
        actual = window.columns.get(asset.tags.power or "")
        if expected is None or actual is None:
            continue
        if np.isfinite(expected[-1]) and np.isfinite(actual[-1]):
            residuals.append(
                Residual(tag=asset.tags.power or "", time=time, expected=float(expected[-1]), actual=float(actual[-1]))
            )
        believed.append(_credibility(asset, time, expected, actual, _settled(asset, window), model.site.control.cv_rmse_bound))
    return Mirrored(residuals=tuple(residuals), credibility=tuple(believed))


def expected_kw(model: SiteModel, asset: Asset, window: Table) -> Floats | None:
    """What the twin expects a machine to draw in every row; NaN where it is not known whether it runs; None if never."""
    running = window.columns.get(asset.tags.running or "")
    kind = model.kind(asset.name)
    if running is None or "availability" in kind.depends_on:
        return None
    setpoint = _setpoint(asset, window)
    conditions = _conditions(model, asset, window)
    group = next((group for group in model.groups if asset.name in group.assets), None)
    if group is None:
        power = np.broadcast_to(np.asarray(kind.running(setpoint, conditions).power_kw, dtype=np.float64), running.shape)
    else:
        power = _of_group(model, group.assets, asset, window)
    idle = np.asarray(kind.idle_kw(conditions), dtype=np.float64)
    return np.asarray(np.where(np.isnan(running), np.nan, np.where(running >= 0.5, power, idle)))


def _setpoint(asset: Asset, window: Table) -> Floats:
    column = window.columns.get(asset.tags.setpoint or "")
    nominal = nominal_setpoint(asset)
    return np.full(len(window), nominal) if column is None else np.where(np.isfinite(column), column, nominal)


def _conditions(model: SiteModel, asset: Asset, window: Table) -> Conditions:
    def column(tag: str | None, other: float) -> Floats:
        found = window.columns.get(tag or "")
        return np.full(len(window), other) if found is None else np.where(np.isfinite(found), found, other)

    into, out_of = model.into(asset), model.out_of(asset)
    store = None if into is None else model.store(into)
    source = None if out_of is None else model.store(out_of)
    return Conditions(
        level=0.0 if store is None else column(store.level, (store.low + store.high) / 2.0),
        input_level=0.0 if source is None else column(source.level, (source.low + source.high) / 2.0),
        outdoor=column(model.site.limits.outdoor, MILD_C),
    )


def _of_group(model: SiteModel, names: tuple[str, ...], asset: Asset, window: Table) -> Floats:
    """Power of one companion by the curve of the combination that was running; NaN where that was never learned."""
    group = next(group for group in model.groups if group.assets == names)
    members = [model.site.asset(name) for name in names]
    on = [window.columns.get(member.tags.running or "", np.zeros(len(window))) >= 0.5 for member in members]
    setpoints = np.array([_setpoint(member, window) for member in members])
    found = np.full(len(window), np.nan)
    for row in range(len(window)):
        running = tuple(name for name, state in zip(names, on, strict=True) if state[row])
        regimes = [regime for regime in group.regimes if set(regime.running) == set(running)]
        if regimes and asset.name in running:
            order = [names.index(name) for name in regimes[0].running]
            _, power, _ = at_setpoints(regimes, setpoints[order][:, [row]])
            found[row] = power[regimes[0].running.index(asset.name), 0]
    return found


def _settled(asset: Asset, window: Table) -> npt.NDArray[np.bool_]:
    """Rows in which the machine was as in the row before and after, all through (rows may be means of several readings)."""
    share = window.columns[asset.tags.running or ""]
    running = share >= 0.5
    same: npt.NDArray[np.bool_] = (share == 0.0) | (share == 1.0)
    same[1:] &= running[1:] == running[:-1]
    same[:-1] &= running[:-1] == running[1:]
    return same


def _credibility(
    asset: Asset, time: datetime, expected: Floats, actual: Floats, settled: npt.NDArray[np.bool_], bound: float
) -> Credibility:
    """CV(RMSE) and NMBE of ASHRAE Guideline 14-2014, over the settled rows in which the machine ran."""
    used = settled & np.isfinite(expected) & np.isfinite(actual) & (np.abs(actual) > 0.1 * np.nanmax(np.abs(actual), initial=1e-9))
    if int(used.sum()) < LEAST_SAMPLES:
        words = f"only {int(used.sum())} settled readings while it ran: nothing can be said yet"
        return Credibility(asset=asset.name, time=time, samples=int(used.sum()), cv_rmse=0.0, nmbe=0.0, ok=True, words=words)
    error, mean = expected[used] - actual[used], float(np.abs(actual[used]).mean())
    cv, bias = float(np.sqrt(np.mean(error**2))) / mean, float(error.mean()) / mean
    ok = cv <= bound
    words = "" if ok else f"the twin is {cv:.0%} off the measured power of {asset.name} (bound {bound:.0%}): calibrate it"
    return Credibility(asset=asset.name, time=time, samples=int(used.sum()), cv_rmse=cv, nmbe=bias, ok=ok, words=words)
