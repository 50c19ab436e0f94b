"""Key figures of many cycles as one: what the tiles sum up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from ems.historian import Historian, parse
from plant.kpi import Kpi


def total(parts: Sequence[Kpi]) -> Kpi | None:
    """Key figures of consecutive spans as those of their whole; None if there are none.

    Energy, cost, emission, starts and violations add up; the peak is the highest; service is weighted by duration.
    """
    if not parts:
        return None
    weights = [max((part.end - part.start).total_seconds(), 0.0) for part in parts]
    healths = [part.health_min for part in parts if part.health_min is not None]
    served = sum(weight * part.served_share for weight, part in zip(weights, parts, strict=True))
    return Kpi(
        start=min(part.start for part in parts),
        end=max(part.end for part in parts),
        energy_kwh=sum(part.energy_kwh for part in parts),
        cost=sum(part.cost for part in parts),
        demand_peak_kw=max(part.demand_peak_kw for part in parts),
        co2_kg=sum(part.co2_kg for part in parts),
        served_share=served / sum(weights) if sum(weights) > 0 else parts[-1].served_share,
        starts=sum(part.starts for part in parts),
        violations=sum(part.violations for part in parts),
        health_min=min(healths, default=None),
    )


def since(parts: Iterable[Kpi], start: datetime) -> list[Kpi]:
    """The spans that began at or after a time."""
    return [part for part in parts if part.start >= start]


def common(one: Sequence[Kpi], other: Sequence[Kpi]) -> tuple[list[Kpi], list[Kpi]]:
    """The spans that both know: only these may be compared."""
    theirs = {part.start: part for part in other}
    both = [part for part in one if part.start in theirs]
    return both, [theirs[part.start] for part in both]


class Ledger:
    """All key figures of one kind, read once and then only what is new.

    Parameters
    ----------
    historian
        Where they are journalled.
    kind
        `kpi` for what happened, `nothing` for local control as if we had never connected.
    """

    def __init__(self, historian: Historian, kind: str) -> None:
        self._historian, self._kind = historian, kind
        self._by_start: dict[datetime, Kpi] = {}
        self._read = 0

    def spans(self) -> list[Kpi]:
        """Key figures of each cycle, oldest first; a span journalled again counts once, as last told."""
        for entry in self._historian.entries(self._kind, after=self._read):
            span = parse(entry, Kpi)
            self._by_start[span.start] = span
            self._read = entry.seq
        return sorted(self._by_start.values(), key=lambda span: span.start)
