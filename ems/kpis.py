"""Key figures of what the plant really did, from its readings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ems.history import History
from ems.prices import Billing
from plant.kpi import SECONDS_PER_HOUR, Kpi
from plant.orders import Violation
from plant.site import Site
from plant.table import Table
from plant.tags import Snapshot
from plant.times import floor

LEVEL_TOLERANCE = 0.01
"""Share of a store's span that counts as measuring error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What happened from one snapshot to the next; the later one tells the power that was drawn between them."""

    start: datetime
    end: datetime
    energy_kwh: float
    """Import less export."""
    cost: float
    co2_kg: float
    demanded: float
    served: float
    """Share-weighted: each service counts by its demand relative to its own mean."""
    starts: int


class Meter:
    """Sums the figures of a run from snapshot to snapshot.

    Parameters
    ----------
    site, billing
        The site and its tariff.
    """

    def __init__(self, site: Site, billing: Billing) -> None:
        self._site, self._billing = site, billing
        self._last: Snapshot | None = None
        self._windows: dict[datetime, float] = {}
        self._spans: list[Span] = []
        self._violations: list[Violation] = []
        self._reported = 0

    def take(self, snapshot: Snapshot, history: History) -> None:
        """Take the next snapshot."""
        if self._last is not None and snapshot.time > self._last.time:
            self._spans.append(self._span(self._last, snapshot, history.table()))
        self._violations += violations(self._site, snapshot)
        self._last = snapshot

    @property
    def last(self) -> Snapshot | None:
        """The newest snapshot that was taken."""
        return self._last

    def _span(self, before: Snapshot, after: Snapshot, table: Table) -> Span:
        site, hours = self._site, (after.time - before.time).total_seconds() / SECONDS_PER_HOUR
        power = site_power_kw(site, after)
        own = {name: price.price for price in site.asset_prices for name in price.assets}
        cost = 0.0
        shared = power
        for name, source in own.items():
            kw = self._power_of(name, after)
            cost += kw * hours * self._billing.values(source, [before.time], table)[0]
            shared -= kw
        energy = site.tariff.energy if shared >= 0 else site.tariff.export
        cost += shared * hours * self._billing.values(energy, [before.time], table)[0]
        intensity = self._billing.values(site.tariff.co2_g_per_kwh, [before.time], table)[0]
        self._fill_windows(before.time, after.time, power)
        demanded, served = service_shares(site, after)
        cost += sum(site.asset(name).life.start_cost for name in self._started(before, after))
        return Span(
            start=before.time,
            end=after.time,
            energy_kwh=max(power, 0.0) * hours,
            cost=cost,
            co2_kg=max(power, 0.0) * hours * intensity / 1000.0,
            demanded=demanded * hours,
            served=served * hours,
            starts=len(self._started(before, after)),
        )

    def _power_of(self, asset: str, snapshot: Snapshot) -> float:
        tag = self._site.asset(asset).tags.power
        return (snapshot.number(tag) or 0.0) if tag else 0.0

    def _started(self, before: Snapshot, after: Snapshot) -> list[str]:
        tags = ((asset.name, asset.tags.running) for asset in self._site.assets if asset.tags.running)
        return [name for name, tag in tags if before.truth(tag) is False and after.truth(tag) is True]

    def _fill_windows(self, begin: datetime, end: datetime, power_kw: float) -> None:
        window_s = self._site.tariff.demand_window_s
        edges = [begin]
        while (edge := _next_edge(edges[-1], window_s)) < end:
            edges.append(edge)
        for first, last in pairwise([*edges, end]):
            window = floor(first, window_s)
            share = (last - first).total_seconds() / window_s
            self._windows[window] = self._windows.get(window, 0.0) + power_kw * share

    def on_course(self, snapshot: Snapshot) -> tuple[datetime, float]:
        """Begin of the metering window that a snapshot lies in, and its mean power, kW, if the power of now stays to its end."""
        window_s, power = self._site.tariff.demand_window_s, site_power_kw(self._site, snapshot)
        window = floor(snapshot.time, window_s)
        known = max(window, self._last.time) if self._last is not None else window
        left = max(0.0, (_next_edge(window, window_s) - known).total_seconds())
        return window, self._windows.get(window, 0.0) + power * left / window_s

    def since_last(self, until: datetime, health_min: float | None) -> Kpi | None:
        """The figures from where this was last asked to `until`; None if no time has passed."""
        spans = [span for span in self._spans[self._reported :] if span.end <= until]
        self._reported += len(spans)
        return self._kpi(spans, health_min, charged=False) if spans else None

    def total(self, health_min: float | None) -> Kpi | None:
        """The figures of the whole run, with the demand charge of its peak; None if no time has passed."""
        return self._kpi(self._spans, health_min, charged=True) if self._spans else None

    @property
    def violations(self) -> tuple[Violation, ...]:
        """Limits that the plant was seen to break."""
        return tuple(self._violations)

    def _kpi(self, spans: list[Span], health_min: float | None, *, charged: bool) -> Kpi:
        begin, end = spans[0].start, spans[-1].end
        peaks = [kw for window, kw in self._windows.items() if floor(begin, self._site.tariff.demand_window_s) <= window < end]
        peak = max(peaks, default=0.0)
        demanded = sum(span.demanded for span in spans)
        charge = self._site.tariff.demand_charge_per_kw * peak if charged else 0.0
        return Kpi(
            start=begin,
            end=end,
            energy_kwh=sum(span.energy_kwh for span in spans),
            cost=sum(span.cost for span in spans) + charge,
            demand_peak_kw=peak,
            co2_kg=sum(span.co2_kg for span in spans),
            served_share=sum(span.served for span in spans) / demanded if demanded > 0 else 1.0,
            starts=sum(span.starts for span in spans),
            violations=sum(1 for item in self._violations if begin <= item.time <= end),
            health_min=health_min,
        )


def _next_edge(time: datetime, window_s: float) -> datetime:
    from plant.times import after

    return after(floor(time, window_s), window_s)


def site_power_kw(site: Site, snapshot: Snapshot) -> float:
    """Import of the site: its meter where it has one, else the sum of its assets and the uncommanded load."""
    measured = snapshot.number(site.limits.power) if site.limits.power else None
    if measured is not None:
        return measured
    tags = [asset.tags.power for asset in site.assets if asset.tags.power] + ([site.limits.load] if site.limits.load else [])
    return sum(snapshot.number(tag) or 0.0 for tag in tags)


def service_shares(site: Site, snapshot: Snapshot) -> tuple[float, float]:
    """Number of services that were demanded, and how many of them were served (a store at its bottom serves nothing)."""
    demanded = served = 0.0
    for service in site.services:
        rate = snapshot.number(service.demand) if service.demand else None
        if rate is None or rate <= 0:
            continue
        demanded += 1.0
        stores = [store for store in site.stores if store.service == service.name]
        levels = [(store, snapshot.number(store.level)) for store in stores]
        empty = any(
            level is not None and level <= store.bottom + LEVEL_TOLERANCE * (store.top - store.bottom) for store, level in levels
        )
        served += 0.0 if empty else 1.0
    return demanded, served


def violations(site: Site, snapshot: Snapshot) -> list[Violation]:
    """Limits of the site file that a snapshot shows broken."""
    found = []
    power = site_power_kw(site, snapshot)
    limit = site.limits.import_kw
    if limit is not None and power > limit:
        found.append(_broken("import_kw", "site", snapshot, power, limit))
    for store in site.stores:
        level, allowed = snapshot.number(store.level), LEVEL_TOLERANCE * (store.high - store.low)
        if level is not None and level < store.low - allowed:
            found.append(_broken("store_low", store.name, snapshot, level, store.low))
        if level is not None and level > store.high + allowed:
            found.append(_broken("store_high", store.name, snapshot, level, store.high))
    return found


def _broken(rule: str, asset: str, snapshot: Snapshot, found: float, limit: float) -> Violation:
    words = f"{asset}: {rule} {found:.2f}, limit {limit:.2f}"
    return Violation(rule=rule, asset=asset, time=snapshot.time, found=found, limit=limit, words=words)
