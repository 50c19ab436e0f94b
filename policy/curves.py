"""Where machines run between the points of their regimes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plant.envelopes import Envelope, Point, Regime


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    """What the machines of an envelope do at one time, before factors over time."""

    regime: int | None
    """Index of the regime; None = none runs, or the combination is not known."""
    setpoints: tuple[float, ...] = ()
    output_per_h: float = 0.0
    input_per_h: float = 0.0
    second_output_per_h: float = 0.0
    power_kw: tuple[float, ...] = ()
    """One per running asset of the regime."""


def between(one: Point, other: Point, share: float) -> Point:
    """The point that lies `share` (0..1) of the way from one to the other."""

    def mix(low: float, high: float) -> float:
        return low + share * (high - low)

    return Point(
        setpoints=tuple(map(mix, one.setpoints, other.setpoints)),
        output_per_h=mix(one.output_per_h, other.output_per_h),
        power_kw=tuple(map(mix, one.power_kw, other.power_kw)),
        input_per_h=mix(one.input_per_h, other.input_per_h),
        second_output_per_h=mix(one.second_output_per_h, other.second_output_per_h),
    )


def nearest(regime: Regime, setpoints: tuple[float, ...]) -> tuple[float, Point]:
    """The point on a regime's polyline nearest to set-points, with its squared distance."""
    best = (_square(regime.points[0].setpoints, setpoints), regime.points[0])
    for one, other in zip(regime.points, regime.points[1:], strict=False):
        span = tuple(end - begin for begin, end in zip(one.setpoints, other.setpoints, strict=True))
        length = sum(part * part for part in span)
        along = sum((want - begin) * part for want, begin, part in zip(setpoints, one.setpoints, span, strict=True))
        share = 0.0 if length == 0.0 else min(max(along / length, 0.0), 1.0)
        reached = tuple(begin + share * part for begin, part in zip(one.setpoints, span, strict=True))
        distance = _square(reached, setpoints)
        if distance < best[0] - 1e-12:
            best = (distance, between(one, other, share))
    return best


def _square(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum((left - right) ** 2 for left, right in zip(one, other, strict=True))


def at_setpoints(envelope: Envelope, running: frozenset[str], setpoints: Mapping[str, float | None]) -> Operating:
    """What the running machines do at set-points; without a set-point, at the end of the curve that gives most.

    A combination that no regime knows gives nothing and draws nothing.
    """
    if not running:
        return Operating(regime=None)
    found: tuple[float, int, Point] | None = None
    for index, regime in enumerate(envelope.regimes):
        if frozenset(regime.running) != running:
            continue
        fallback = max(regime.points, key=lambda point: point.output_per_h).setpoints
        wanted = tuple(
            value if (value := setpoints.get(name)) is not None else other
            for name, other in zip(regime.running, fallback, strict=True)
        )
        distance, point = nearest(regime, wanted)
        if found is None or distance < found[0] - 1e-12:
            found = (distance, index, point)
    return Operating(regime=None) if found is None else operating(found[1], found[2])


def operating(regime: int, point: Point) -> Operating:
    """A point as operating state."""
    return Operating(
        regime=regime,
        setpoints=point.setpoints,
        output_per_h=point.output_per_h,
        input_per_h=point.input_per_h,
        second_output_per_h=point.second_output_per_h,
        power_kw=point.power_kw,
    )


def at_output(regime: Regime, output_per_h: float) -> Point:
    """The cheapest point of a regime with an output, or the one that comes nearest to it."""
    best: tuple[float, float, Point] | None = None
    for one, other in zip(regime.points, regime.points[1:] or regime.points, strict=False):
        low, high = one.output_per_h, other.output_per_h
        share = 0.0 if high == low else min(max((output_per_h - low) / (high - low), 0.0), 1.0)
        point = between(one, other, share)
        key = (round(abs(point.output_per_h - output_per_h), 9), sum(point.power_kw), point)
        if best is None or key[:2] < best[:2]:
            best = key
    assert best is not None  # a regime has at least one point
    return best[2]
