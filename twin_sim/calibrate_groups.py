"""Operating points of machines learned from their telemetry: who runs together, at which set-points, gives and takes how much."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from plant.assets import Asset, Group
from plant.envelopes import Point, Regime
from plant.kinds import find
from plant.site import Site
from plant.table import Floats, Table
from twin_sim.calibrate_cells import Booleans, Cell, Observed, cells, observe, stalled
from twin_sim.calibrate_main import Main, fit
from twin_sim.calibration import Learned, LearnedAsset, LearnedGroup, LevelEffect

SETPOINT_STEP = 0.05
MIN_SETPOINT_DISTANCE = 0.02
"""Two set-points nearer than this are one for learning."""
STRETCH_LOW, STRETCH_HIGH = 0.75, 1.35
"""How far beyond the flows seen (relative to speed) a point may lie; the power law is held at its end there."""
STRAIGHT_SHARE = 0.01
"""A point that lies nearer to the line between its neighbours than this share of power tells nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLaw:
    """Power of one machine over the cube of its speed, as a polynomial of flow over speed (affinity laws)."""

    coefficients: Floats
    """Highest order first."""
    low: float
    high: float
    """Range of flow over speed that was seen."""
    slope: float
    """Mean rise over that range: what is taken beyond it."""

    def power_kw(self, flow_per_h: Floats, speed: Floats) -> Floats:
        """Power at a flow and a relative speed; beyond the range seen the law goes on straight."""
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = flow_per_h / speed
        inside = np.clip(relative, self.low, self.high)
        return np.asarray((np.polyval(self.coefficients, inside) + self.slope * (relative - inside)) * speed**3)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLaw:
    """All that was learned of machines that share a main."""

    name: str
    observed: Observed
    cells: tuple[Cell, ...]
    main: Main
    powers: tuple[PowerLaw, ...]
    corrections: dict[tuple[int, ...], float]
    """Per combination: measured over modelled flow."""
    scatter: dict[tuple[int, ...], float]
    """Per combination: relative scatter of the measured flow around the law."""
    adjustable: tuple[bool, ...]
    """Per asset: whether it was seen at more than one set-point."""
    floors: dict[tuple[int, ...], Floats]
    """Per combination and asset: set-point at and below which it was seen near shut-off."""

    def predict(self, running: Floats, setpoints: Floats, head_level: Floats) -> tuple[Floats, Floats]:
        """Total output per hour, shape (cases,), and power per asset in kW, shape (cases, assets)."""
        total, own = self.main.flows(running, setpoints, head_level)
        factor = np.ones(len(total))
        for combination, correction in self.corrections.items():
            wanted = np.zeros(running.shape[1])
            wanted[list(combination)] = 1.0
            factor[np.all(running == wanted, axis=1)] = correction
        powers = [law.power_kw(own[:, i] * factor, setpoints[:, i]) * running[:, i] for i, law in enumerate(self.powers)]
        return total * factor, np.column_stack(powers)


def groups_of(site: Site) -> tuple[tuple[str, tuple[Asset, ...]], ...]:
    """Machines whose curves are learned: groups that share theirs, then metered machines that follow the affinity laws."""
    shared = [group for group in site.groups if group.shared_curves]
    taken = {name for group in shared for name in group.assets}
    alone = [Group(name=asset.name, assets=(asset.name,)) for asset in site.assets if asset.name not in taken and _learnable(asset)]
    return tuple((group.name, tuple(site.asset(name) for name in group.assets)) for group in (*shared, *alone))


def learn(site: Site, name: str, assets: Sequence[Asset], table: Table) -> GroupLaw | None:
    """The law of a group; None where its output was never seen."""
    observed = observe(site, assets, table)
    found = cells(observed)
    if not found or not any(observed.metered):
        return None
    units = {store.unit for store in (observed.target, observed.source) if store is not None}
    metres = units == {"m"} and site.service(assets[0].produces or "").unit == "m3"
    main, off = fit(found, observed.metered, metres)
    corrections, scatter = _by_combination(found, off)
    return GroupLaw(
        name=name,
        observed=observed,
        cells=found,
        main=main,
        powers=tuple(_power_law(found, observed, i) for i in range(len(assets))),
        corrections=corrections,
        scatter=scatter,
        adjustable=tuple(
            asset.tags.setpoint_write is not None and _span(found, i) >= MIN_SETPOINT_DISTANCE for i, asset in enumerate(assets)
        ),
        floors=stalled(observed, found),
    )


def _by_combination(found: Sequence[Cell], off: Floats) -> tuple[dict[tuple[int, ...], float], dict[tuple[int, ...], float]]:
    """Per combination what the law's flow must be multiplied by, and the relative scatter that remains."""
    corrections, scatter = {}, {}
    for combination in sorted({cell.running for cell in found}):
        weights = np.array([np.sqrt(cell.rows) if cell.running == combination else 0.0 for cell in found])
        bias = float((off * weights).sum() / weights.sum())
        corrections[combination] = 1.0 / (1.0 + bias)
        scatter[combination] = float(np.sqrt(((off - bias) ** 2 * weights).sum() / weights.sum()))
    return corrections, scatter


def regimes(law: GroupLaw) -> LearnedGroup:
    """The learned operating points as an envelope has them: per combination the points that no other one beats in power."""
    found: list[Regime] = []
    cv: list[tuple[str, float]] = []
    effects: list[LevelEffect] = []
    for combination in sorted(law.corrections, key=lambda each: (len(each), each)):
        for suffix, settings in _settings(law, combination):
            regime = _regime(law, combination, suffix, settings)
            if regime is None or (suffix and found and _holds(found[-1], regime)):
                continue
            found.append(regime)
            cv.append((regime.name, round(law.scatter[combination], 5)))
            effects.append(_effect(law, regime, combination))
    return LearnedGroup(
        name=law.name,
        assets=tuple(asset.name for asset in law.observed.assets),
        regimes=tuple(found),
        cv_rmse=tuple(cv),
        level_effects=tuple(effects),
        words=_words(law),
    )


def _regime(law: GroupLaw, combination: tuple[int, ...], suffix: str, settings: Floats) -> Regime | None:
    """The efficient points of a combination; None if none lies near enough to what was seen."""
    head = np.repeat(middle_head(law.observed), len(settings))
    running = np.zeros((len(settings), len(law.observed.assets)))
    running[:, list(combination)] = 1.0
    kept = _within(law, combination, running, settings, head)
    if not kept.any():
        return None
    settings = settings[kept]
    output, power = law.predict(running[kept], settings, head[kept])
    names = tuple(law.observed.assets[i].name for i in combination)
    return Regime(
        name=f"{'+'.join(names)}{suffix}",
        running=names,
        points=tuple(
            Point(
                setpoints=tuple(round(float(settings[k, i]), 4) for i in combination),
                output_per_h=round(float(output[k]), 4),
                power_kw=tuple(round(float(power[k, i]), 4) for i in combination),
                input_per_h=round(float(output[k]), 4) if law.observed.source is not None else 0.0,
            )
            for k in _efficient(output, power.sum(axis=1))
        ),
    )


def middle_head(observed: Observed) -> float:
    """Difference of levels when the stores are at the middle of what their operators accept: there the points hold."""
    target, source = observed.target, observed.source
    return (0.0 if target is None else (target.low + target.high) / 2) - (0.0 if source is None else (source.low + source.high) / 2)


def _holds(regime: Regime, other: Regime) -> bool:
    """Whether a regime already has the only point of another one."""
    return regime.running == other.running and any(point.setpoints == other.points[0].setpoints for point in regime.points)


def parameters(law: GroupLaw) -> tuple[LearnedAsset, ...]:
    """Per asset: its power and own flow at nominal set-point, with what is uncertain."""
    learned = []
    for i, asset in enumerate(law.observed.assets):
        chosen = [cell for cell in law.cells if i in cell.running]
        if not chosen:
            learned.append(LearnedAsset(asset=asset.name, words=f"{asset.name} was never seen running"))
            continue
        rows = np.array([cell.rows for cell in chosen], dtype=np.float64)
        power = np.array([cell.power_kw[i] for cell in chosen])
        mean = float(np.average(power, weights=rows))
        spread = float(np.sqrt(np.average((power - mean) ** 2, weights=rows)))
        words = (
            "" if law.adjustable[i] else f"seen at one set-point only: an hour at another speed would tell how {asset.name} follows"
        )
        item = Learned(
            name="running_power_kw",
            value=round(mean, 4),
            low=round(mean - 1.96 * spread, 4),
            high=round(mean + 1.96 * spread, 4),
            unit="kW",
            samples=int(rows.sum()),
            words=words,
        )
        learned.append(LearnedAsset(asset=asset.name, parameters=(item,), words=words))
    return tuple(learned)


def _learnable(asset: Asset) -> bool:
    return (
        asset.produces is not None
        and asset.tags.output is not None
        and asset.tags.power is not None
        and getattr(find("twin_sim.assets", asset.kind), "affinity", False) is True
    )


def _span(found: Sequence[Cell], asset: int) -> float:
    seen = [cell.setpoints[asset] for cell in found if asset in cell.running]
    return float(max(seen) - min(seen)) if seen else 0.0


def _power_law(found: Sequence[Cell], observed: Observed, asset: int) -> PowerLaw:
    chosen = [cell for cell in found if asset in cell.running]
    if not chosen:
        return PowerLaw(coefficients=np.array([0.0]), low=0.0, high=np.inf, slope=0.0)
    speed = np.array([cell.setpoints[asset] for cell in chosen])
    own = np.array([cell.own_per_h[asset] if observed.metered[asset] else cell.output_per_h for cell in chosen])
    relative = own / speed
    weights = np.sqrt([cell.rows for cell in chosen])
    width = (relative.max() - relative.min()) / relative.mean()
    order = 0 if width < 0.03 else 1 if width < 0.15 or len(chosen) < 4 else 2
    scaled = np.array([cell.power_kw[asset] for cell in chosen]) / speed**3
    coefficients = np.polyfit(relative, scaled, order, w=weights / scaled)
    slope = float(np.polyfit(relative, scaled, 1, w=weights / scaled)[0]) if order else 0.0
    return PowerLaw(coefficients=np.asarray(coefficients), low=float(relative.min()), high=float(relative.max()), slope=slope)


def _settings(law: GroupLaw, combination: tuple[int, ...]) -> list[tuple[str, Floats]]:
    """Candidate set-points of a combination, and those of local control as a regime of its own."""
    choices = [
        _choices(asset, float(law.floors[combination][i]))
        if i in combination and law.adjustable[i]
        else [float(law.observed.nominal[i])]
        for i, asset in enumerate(law.observed.assets)
    ]
    grid = np.array(list(itertools.product(*choices)))
    nominal = law.observed.nominal[None, :].copy()
    return [("", nominal)] if len(grid) == 1 else [("", grid), (" nominal", nominal)]


def _choices(asset: Asset, floor: float) -> list[float]:
    life = asset.life
    nominal = 1.0 if life.setpoint_nominal is None else life.setpoint_nominal
    low = nominal if life.setpoint_low is None else life.setpoint_low
    high = nominal if life.setpoint_high is None else life.setpoint_high
    step = max(life.setpoint_step or 0.0, SETPOINT_STEP * nominal)
    grid = {nominal, high, *np.round(np.arange(low, high + 1e-9, step), 6).tolist()}
    return sorted(value for value in grid if value > floor + 1e-9 or value == nominal)


def _within(law: GroupLaw, combination: tuple[int, ...], running: Floats, settings: Floats, head: Floats) -> Booleans:
    """Which settings lie near enough to what was seen."""
    _, own = law.main.flows(running, settings, head)
    own = own * law.corrections[combination]
    kept = np.ones(len(settings), dtype=np.bool_)
    for i in combination:
        relative = own[:, i] / settings[:, i]
        kept &= (relative >= STRETCH_LOW * law.powers[i].low) & (relative <= STRETCH_HIGH * law.powers[i].high)
    return kept


def _efficient(output_per_h: Floats, power_kw: Floats) -> list[int]:
    """Indices of the lower convex hull of power over output, by rising output, straight pieces thinned."""
    order = sorted(range(len(output_per_h)), key=lambda k: (output_per_h[k], power_kw[k]))
    hull: list[int] = []
    for k in order:
        if hull and output_per_h[k] - output_per_h[hull[-1]] < 1e-9:
            continue
        while len(hull) >= 2 and _turn(output_per_h, power_kw, hull[-2], hull[-1], k) <= 0:
            hull.pop()
        hull.append(k)
    while len(hull) > 2:
        gaps = [_sag(output_per_h, power_kw, *hull[j - 1 : j + 2]) for j in range(1, len(hull) - 1)]
        least = int(np.argmin(gaps))
        if gaps[least] > STRAIGHT_SHARE:
            break
        hull.pop(least + 1)
    return hull


def _turn(x: Floats, y: Floats, a: int, b: int, c: int) -> float:
    return float((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]))


def _sag(x: Floats, y: Floats, a: int, b: int, c: int) -> float:
    chord = y[a] + (y[c] - y[a]) * (x[b] - x[a]) / (x[c] - x[a])
    return float(chord - y[b]) / float(y[b])


def _effect(law: GroupLaw, regime: Regime, combination: tuple[int, ...]) -> LevelEffect:
    middle = regime.points[len(regime.points) // 2]
    running = np.zeros((2, len(law.observed.assets)))
    running[:, list(combination)] = 1.0
    setpoints = np.repeat(law.observed.nominal[None, :], 2, axis=0)
    setpoints[:, list(combination)] = middle.setpoints
    head = middle_head(law.observed)
    output, _ = law.predict(running, setpoints, np.array([head - 0.5, head + 0.5]))
    target, source = law.observed.target, law.observed.source
    return LevelEffect(
        regime=regime.name,
        target=None if target is None else target.name,
        source=None if source is None else source.name,
        reference_level=round(head, 5),
        output_share_per_level=round(float((output[1] - output[0]) / output.mean()), 6),
    )


def _words(law: GroupLaw) -> str:
    names = [asset.name for asset in law.observed.assets]
    fixed = [name for name, adjustable in zip(names, law.adjustable, strict=True) if not adjustable]
    never = [name for i, name in enumerate(names) if not any(i in cell.running for cell in law.cells)]
    parts = [f"{len(law.corrections)} combinations from {sum(cell.rows for cell in law.cells)} rows"]
    if fixed:
        parts.append(f"set-point of {', '.join(fixed)} not tested: kept at nominal")
    if never:
        parts.append(f"{', '.join(never)} never seen running")
    return "; ".join(parts)
