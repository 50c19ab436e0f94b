"""What a site's model is made of: everything that stays the same from one re-plan to the next.

Two situations with equal layouts share one compiled model; all other numbers are pushed into it as vectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta

from plant.envelopes import Envelope, Job
from plant.site import Site
from plant.situation import Situation
from plant.times import floor
from policy.outlook import Outlook, asset_price

KWH_EPSILON = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetPart:
    """One machine in the model."""

    name: str
    machine: int
    """Index of its envelope."""
    up_steps: int
    down_steps: int
    counted: bool
    """Starts matter: they cost, are limited, take time or bind minimum times."""
    start_kwh: float
    lost: tuple[float, ...]
    """Output that the steps after a start miss, service units per hour."""
    standby_kw: float
    own_price: bool
    capped: bool
    """A limit on this asset's power holds in the horizon."""
    regimes: tuple[int, ...]
    """Indices of the regimes in which it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimePart:
    """One regime in the model."""

    machine: int
    assets: tuple[int, ...]
    """Indices of the running assets."""
    output: tuple[float, ...]
    """Per point, service units per hour."""
    input: tuple[float, ...]
    second: tuple[float, ...]
    power: tuple[tuple[float, ...], ...]
    """Per point, per running asset, kW."""
    first_point: int
    """Index of its first point among all points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePart:
    """One envelope in the model."""

    assets: tuple[int, ...]
    regimes: tuple[int, ...]
    store: int | None
    input_store: int | None
    second_store: int | None
    service: int | None
    scaled_power: bool
    scaled_output: bool
    ramp: float | None
    """Largest change of output per step."""
    ramp_start: float
    """What a start or stop may add to it."""
    needs: tuple[tuple[int, int], ...]
    at_most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePart:
    """One store in the model."""

    name: str
    service: int
    size: float
    loss_b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InventoryPart:
    """Stores whose contents count together."""

    name: str
    stores: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPart:
    """One transport that nobody commands."""

    source: int
    target: int
    b: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPart:
    """One batch."""

    name: str
    asset: int | None
    """Index of its asset where that has an envelope; its own power then counts, not the profile's."""
    profile_kw: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPart:
    """One metering window of the demand charge."""

    shares: tuple[tuple[int, float], ...]
    """Steps with their share of the window."""
    period: int
    """0 = the present billing period, 1 = the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The structure of a site's model."""

    steps: int
    step_s: float
    assets: tuple[AssetPart, ...]
    regimes: tuple[RegimePart, ...]
    machines: tuple[MachinePart, ...]
    stores: tuple[StorePart, ...]
    inventories: tuple[InventoryPart, ...]
    services: tuple[str, ...]
    flows: tuple[FlowPart, ...]
    jobs: tuple[JobPart, ...]
    windows: tuple[WindowPart, ...]
    two_way: bool
    """Export earns more than import costs at some time: buying and selling at once must be excluded."""

    @property
    def step_h(self) -> float:
        """Length of a step in hours."""
        return self.step_s / 3600.0

    @property
    def points(self) -> int:
        """Number of points of all regimes."""
        return sum(len(regime.output) for regime in self.regimes)

    @property
    def split_bill(self) -> bool:
        """Whether some assets are billed by themselves."""
        return any(asset.own_price for asset in self.assets)


def layout(site: Site, situation: Situation, ahead: Outlook) -> Layout:
    """The structure of the model that a situation needs."""
    maker = _Maker(site, situation)
    return Layout(
        steps=situation.steps,
        step_s=situation.step_s,
        assets=maker.assets,
        regimes=maker.regimes,
        machines=tuple(map(maker.machine, range(len(situation.envelopes)))),
        stores=tuple(
            StorePart(name=store.name, service=maker.services[store.service], size=store.size_per_level or 1.0, loss_b=store.loss_b)
            for store in situation.store_specs
        ),
        inventories=tuple(
            InventoryPart(name=inventory.name, stores=tuple(maker.stores[name] for name in inventory.stores))
            for inventory in site.inventories
        ),
        services=tuple(maker.services),
        flows=tuple(
            FlowPart(source=maker.stores[flow.source], target=maker.stores[flow.target], b=flow.b_per_h or 0.0)
            for flow in situation.flows
        ),
        jobs=tuple(maker.job(job) for job in situation.jobs),
        windows=windows(situation),
        two_way=bool((ahead.export > ahead.energy + KWH_EPSILON).any()),
    )


class _Maker:
    def __init__(self, site: Site, situation: Situation) -> None:
        self.site, self.situation = site, situation
        self.services = {service.name: index for index, service in enumerate(situation.services)}
        self.stores = {store.name: index for index, store in enumerate(situation.store_specs)}
        self.names = [name for envelope in situation.envelopes for name in envelope.assets]
        self.index = {name: index for index, name in enumerate(self.names)}
        self.regimes = tuple(self._regimes())
        self.assets = tuple(
            self._asset(number, envelope, name) for number, envelope in enumerate(situation.envelopes) for name in envelope.assets
        )

    def _regimes(self) -> list[RegimePart]:
        found: list[RegimePart] = []
        first = 0
        for number, envelope in enumerate(self.situation.envelopes):
            for regime in envelope.regimes:
                found.append(
                    RegimePart(
                        machine=number,
                        assets=tuple(self.index[name] for name in regime.running),
                        output=tuple(point.output_per_h for point in regime.points),
                        input=tuple(point.input_per_h for point in regime.points),
                        second=tuple(point.second_output_per_h for point in regime.points),
                        power=tuple(point.power_kw for point in regime.points),
                        first_point=first,
                    )
                )
                first += len(regime.points)
        return found

    def _asset(self, number: int, envelope: Envelope, name: str) -> AssetPart:
        life, step_s = envelope.lives[envelope.assets.index(name)], self.situation.step_s
        own = tuple(k for k, regime in enumerate(self.regimes) if self.index[name] in regime.assets)
        limits = self.situation.limits
        starts = life.max_starts_per_day is not None or any(
            limit.name == "starts_per_day" and limit.asset in (None, name) for limit in limits
        )
        up, down = math.ceil(life.min_up_s / step_s - 1e-9), math.ceil(life.min_down_s / step_s - 1e-9)
        costs = life.start_cost > 0 or life.start_energy_kwh > 0 or life.startup_s > 0
        standby = envelope.off_power_kw[envelope.assets.index(name)] if envelope.off_power_kw else 0.0
        return AssetPart(
            name=name,
            machine=number,
            up_steps=up,
            down_steps=down,
            counted=starts or costs or up > 1 or down > 1 or life.ramp_per_h is not None,
            start_kwh=life.start_energy_kwh,
            lost=self._lost(life.startup_s, own),
            standby_kw=standby,
            own_price=self.situation.prices.of(name) is not None,
            capped=any(limit.name == "import_kw" and limit.asset == name for limit in limits),
            regimes=own,
        )

    def _lost(self, startup_s: float, regimes: tuple[int, ...]) -> tuple[float, ...]:
        """Missing output per step after a start, taken from the regime in which fewest run, at its middle."""
        if startup_s <= 0 or not regimes:
            return ()
        alone = min((self.regimes[k] for k in regimes), key=lambda regime: len(regime.assets))
        rate = sum(alone.output) / len(alone.output) / len(alone.assets)
        shares, left = [], startup_s / self.situation.step_s
        while left > 1e-9:
            shares.append(min(1.0, left) * rate)
            left -= 1.0
        return tuple(shares)

    def machine(self, number: int) -> MachinePart:
        envelope = self.situation.envelopes[number]
        own = tuple(k for k, regime in enumerate(self.regimes) if regime.machine == number)
        outputs = [output for k in own for output in self.regimes[k].output]
        ramp = envelope.lives[0].ramp_per_h if len(envelope.assets) == 1 else None
        change = None if ramp is None else ramp * self.situation.step_s / 3600.0
        if change is not None and (not outputs or change >= max([0.0, *outputs]) - min([0.0, *outputs])):
            change = None
        least = min((abs(output) for output in outputs), default=0.0)
        return MachinePart(
            assets=tuple(self.index[name] for name in envelope.assets),
            regimes=own,
            store=None if envelope.store is None else self.stores[envelope.store],
            input_store=None if envelope.input_store is None else self.stores[envelope.input_store],
            second_store=None if envelope.second_store is None else self.stores[envelope.second_store],
            service=None if envelope.service is None else self.services[envelope.service],
            scaled_power=envelope.power_factor is not None,
            scaled_output=envelope.output_factor is not None,
            ramp=change,
            ramp_start=0.0 if change is None else max(0.0, least - change),
            needs=tuple((self.index[one], self.index[other]) for one, other in envelope.needs if other in self.index),
            at_most=envelope.at_most,
        )

    def job(self, job: Job) -> JobPart:
        steps = max(1, math.ceil(len(job.power_kw.values) * job.power_kw.step_s / self.situation.step_s - 1e-9))
        padded = replace(job.power_kw, values=(*job.power_kw.values, 0.0))
        profile = padded.resampled(job.power_kw.start, self.situation.step_s, steps)
        return JobPart(name=job.name, asset=self.index.get(job.asset), profile_kw=tuple(profile))


def windows(situation: Situation) -> tuple[WindowPart, ...]:
    """Metering windows over the horizon; none where nothing is charged for a peak."""
    prices, step_s = situation.prices, situation.step_s
    if prices.demand_charge_per_kw <= 0:
        return ()
    length = max(prices.demand_window_s, step_s)
    begin = prices.open_window_start or floor(situation.time, length)
    offset_s = (situation.time - begin).total_seconds() % length
    found: list[WindowPart] = []
    end_s = situation.steps * step_s
    at = -offset_s
    while at < end_s - 1e-6:
        shares = []
        for step in range(max(0, int(at // step_s)), min(situation.steps, math.ceil((at + length) / step_s))):
            overlap = min(at + length, (step + 1) * step_s) - max(at, step * step_s)
            if overlap > 1e-6:
                shares.append((step, overlap / length))
        late = prices.billing_end is not None and situation.time + timedelta(seconds=at) >= prices.billing_end
        found.append(WindowPart(shares=tuple(shares), period=1 if late else 0))
        at += length
    return tuple(found)


def price_of(situation: Situation, ahead: Outlook, part: AssetPart) -> tuple[float, ...]:
    """What a kWh of an asset costs over the steps."""
    return tuple(asset_price(situation, ahead, part.name))
