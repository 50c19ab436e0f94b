"""All numbers of a re-plan, written into a compiled model: costs, bounds, right-hand sides, factors over time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from plant.assets import Store
from plant.site import Site
from plant.situation import Limit, Situation
from plant.table import Floats
from policy.compiled import Compiled, Program, program
from policy.curves import at_setpoints
from policy.fixed import Fixed
from policy.guard import starts_allowed
from policy.outlook import Outlook, ambient_of, asset_price, on_steps
from policy.penalties import hard_price, shortage_price
from policy.risk import risk_per_h
from policy.walk import level_now
from policy.worth import MIDNIGHT, Worth, reserve, worths

FREE = float("inf")
"""A right-hand side that never binds."""
SCANT = 0.1
"""Cost of using up the reserve, as a share of what a level below `low` costs."""
READY = 20.0
"""How much more a level outside its band costs at the time by which it must be ready."""
TIE = 1e-5
"""Where nothing else decides, a machine does what local control would."""
EARLY = 0.5
"""Charge on what is stored beyond the level wanted at midnight, as a multiple of the mean cost of making it."""
NEVER = 10.0
"""Content that appears or vanishes costs at least so many times what making it does."""
LAST = 5.0
"""Content from nowhere costs so many times more than not serving demand: it stands for what no demand explains."""
SHUT = 0.05
"""Cost of holding back a transport, as a share of unserved service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the numbers are made of."""

    site: Site
    situation: Situation
    ahead: Outlook
    fixed: Fixed
    loose: bool = False
    """True: minimum times are not asked for (they contradict what is settled)."""


def numbers(model: Compiled, facts: Facts) -> Program:
    """The program of a situation."""
    return _Writer(model, facts).written()


class _Writer:
    def __init__(self, model: Compiled, facts: Facts) -> None:
        self.plan, self.facts = model.layout, facts
        self.situation, self.ahead, self.fixed = facts.situation, facts.ahead, facts.fixed
        self.h, self.out = self.ahead.step_h, program(model)
        self.hard = hard_price(self.situation, self.ahead)

    def written(self) -> Program:
        for a in range(len(self.plan.assets)):
            self._asset(a)
        for i in range(len(self.plan.machines)):
            self._machine(i)
        values = worths(self.situation, self.ahead)
        for s, worth in enumerate(values):
            self._store(s, worth)
        for g, inventory in enumerate(self.plan.inventories):
            self._inventory(g, min(values[s].price for s in inventory.stores))
        for v in range(len(self.plan.services)):
            self._service(v)
        self._flows()
        self._jobs()
        self._meter()
        self._peak()
        return self.out

    def _asset(self, a: int) -> None:
        part, out, situation = self.plan.assets[a], self.out, self.situation
        envelope = situation.envelopes[part.machine]
        life = envelope.lives[envelope.assets.index(part.name)]
        low, high = self.fixed.low[a], self.fixed.high[a]
        if len(part.regimes) == 1:
            out.bound("u", part.regimes[0], low, high)
        out.bound("on", a, low, high)
        hourly = life.wear_per_h + risk_per_h(self.facts.site, situation, envelope, part.name)
        local = self.fixed.local.on[part.name] >= 0.5
        for k in part.regimes:
            if (places := out.compiled.column["u"].get(k)) is not None:
                out.cost[places] += hourly * self.h + np.where(local, -TIE, TIE)
        running = 1.0 if situation.state(part.name).running else 0.0
        first = np.zeros(self.plan.steps)
        first[0] = running
        out.right("begins", a, first)
        out.bound("start", a, 0.0, np.where(self.fixed.startable[a], 1.0, 0.0))
        out.price("start", a, life.start_cost)
        out.bound("over_cap", a, 0.0, np.inf)
        out.price("over_cap", a, self.hard * self.h)
        self._times(a, running)
        if part.own_price or part.capped or self.plan.machines[part.machine].scaled_power:
            out.bound("p", a, -np.inf, np.inf)
            out.bound("x", a, -np.inf, np.inf)
        if part.own_price:
            carbon = self.ahead.energy - self.ahead.tariff
            out.price("p", a, (asset_price(situation, self.ahead, part.name) + carbon) * self.h)
        if part.capped:
            out.right("cap", a, self._limit("import_kw", part.name, soft=False)[0])
        if envelope.power_factor is not None:
            out.factor(("drawn", a), ("x", a), -np.asarray(on_steps(situation, envelope.power_factor)))

    def _times(self, a: int, running: float) -> None:
        part, out = self.plan.assets[a], self.out
        loose = FREE if self.facts.loose or not self.fixed.says[a].commanded else 0.0
        if a in out.compiled.row["min_down"]:
            first = np.full(out.compiled.row["min_down"][a].size, loose)
            first[0] -= running
            out.right("min_down", a, first)
        out.right("min_up", a, loose)
        if not part.counted:
            return
        out.price("over_starts", a, 10.0 * self.hard)
        envelope = self.situation.envelopes[part.machine]
        most = starts_allowed(self.situation, envelope, part.name)
        today = np.arange(self.plan.steps) < self.fixed.today
        used = self.situation.state(part.name).starts_today
        later_days = max(1.0, np.ceil((self.plan.steps - self.fixed.today) * self.h / 24.0))
        for day, steps in enumerate((today, ~today)):
            allowed = FREE if most is None or loose else max(0.0, most - used) if day == 0 else most * later_days
            places = self.out.compiled.row["day_starts"][a][day : day + 1]
            self.out.row_upper[places] = allowed
            columns = out.compiled.column["start"][a]
            entries = out.compiled.meeting(("day_starts", a, day), places, columns)
            out.matrix.data[entries] = steps.astype(np.float64) if most is not None else 0.0

    def _machine(self, i: int) -> None:
        machine, out, envelope = self.plan.machines[i], self.out, self.situation.envelopes[i]
        for name in ("y", "out"):
            out.bound(name, i, -np.inf, np.inf)
        if envelope.output_factor is not None:
            out.factor(("yields", i), ("y", i), -np.asarray(on_steps(self.situation, envelope.output_factor)))
        if machine.at_most is not None:
            forced = np.sum(self.fixed.low[list(machine.assets)], axis=0)
            out.right("at_most", i, np.maximum(float(machine.at_most), forced))
        for n, (one, other) in enumerate(machine.needs):
            out.right("needs", (i, n), ((self.fixed.low[one] >= 0.5) & (self.fixed.high[other] < 0.5)).astype(float))
        if machine.ramp is not None:
            self._ramp(i)
        self._prefer(i)
        self._settled(i)

    def _prefer(self, i: int) -> None:
        """Where nothing else decides, a machine runs at its nominal set-point."""
        envelope = self.situation.envelopes[i]
        for place, k in enumerate(self.plan.machines[i].regimes):
            regime = envelope.regimes[place]
            nominal = [envelope.lives[envelope.assets.index(name)].setpoint_nominal for name in regime.running]
            for p, point in enumerate(regime.points if len(regime.points) > 1 else ()):
                pairs = zip(point.setpoints, nominal, strict=True)
                away = sum(abs(value - wanted) / max(abs(wanted), 1.0) for value, wanted in pairs if wanted is not None)
                self.out.price("w", self.plan.regimes[k].first_point + p, TIE * away)

    def _ramp(self, i: int) -> None:
        """The first step's change counts from the output of now."""
        now = output_now(self.situation, i)
        first = np.zeros(self.plan.steps)
        first[0] = now
        self.out.right("ramp_up", i, first)
        self.out.right("ramp_down", i, -first)
        self.out.price("hasty", i, self.hard * self.h)

    def _settled(self, i: int) -> None:
        regimes = self.plan.machines[i].regimes
        known = self.fixed.regime[i]
        for place, k in enumerate(regimes):
            columns = self.out.compiled.column["u"].get(k)
            if columns is None:
                continue
            settled = known >= -1
            self.out.lower[columns[settled]] = self.out.upper[columns[settled]] = (known[settled] == place).astype(np.float64)
        for number, step, weights in self.fixed.weights:
            if number != i:
                continue
            regime = self.plan.regimes[regimes[int(known[step])]]
            if len(regime.output) == 1:
                continue
            for p, weight in enumerate(weights):
                column = self.out.compiled.column["w"][regime.first_point + p][step]
                self.out.lower[column] = self.out.upper[column] = weight

    def _store(self, s: int, worth: Worth) -> None:
        store, out, h = self.situation.store_specs[s], self.out, self.h
        now, size = level_now(self.situation, store), self.plan.stores[s].size
        unserved = self._shortage(self.plan.stores[s].service)
        bottom, top = min(store.bottom, now), max(store.top, now)
        low, high = np.full(self.plan.steps + 1, bottom), np.full(self.plan.steps + 1, top)
        low[0] = high[0] = now
        out.bound("level", s, low, high)
        out.right("balance", s, -store.loss_a + store.loss_b * ambient_of(self.situation, store))
        wanted, scant_price = self._wanted(store, worth, size)
        ready = self._ready(store)
        out.right("floor", s, wanted)
        most, brim_price = self._most(store, worth, size)
        out.right("ceiling", s, most)
        out.bound("brim", s, 0.0, np.maximum(store.high - most, 0.0))
        out.price("brim", s, brim_price)
        out.price("below", s, store.low_price * h * ready)
        out.price("above", s, store.low_price * h * ready)
        out.bound("scant", s, 0.0, np.maximum(wanted - store.low, 0.0))
        out.price("scant", s, scant_price)
        out.bound("draw", s, -np.inf if self._alone(s) else 0.0, np.inf)
        never = max(unserved, NEVER * abs(worth.price), NEVER * float(np.max(np.abs(self.ahead.energy))))
        out.price("lack", s, LAST * never * h)
        out.price("spill", s, never * h)
        self._closing(s, worth, size)

    def _shortage(self, v: int) -> float:
        """What a unit of a service costs that is not served; a store that must be ready by a time counts as so much longer."""
        return shortage_price(self.situation, self.situation.services[v], lambda store: float(np.sum(self._ready(store))) * self.h)

    def _alone(self, s: int) -> bool:
        """Whether a store is its service's only one: what is drawn then follows from the demand, whatever its sign."""
        return sum(1 for store in self.plan.stores if store.service == self.plan.stores[s].service) == 1

    def _closing(self, s: int, worth: Worth, size: float) -> None:
        out = self.out
        row = out.compiled.row["closing"][()][s]
        out.row_lower[row] = out.row_upper[row] = worth.wanted
        for name, cost in (("short", worth.missing), ("surplus", worth.more)):
            column = out.compiled.column[name][()][s]
            out.cost[column] = cost * size

    def _wanted(self, store: Store, worth: Worth, size: float) -> tuple[Floats, Floats]:
        """The level wanted at the end of each step, and what each unit of level below it (but above `low`) costs."""
        kept = reserve(self.situation, self.ahead, store)
        price = np.full(self.plan.steps, SCANT * store.low_price * self.h)
        wanted = store.low + kept
        if store.end_level is not None and worth.price >= 0:
            for step in self._midnights():
                if wanted[step] < store.end_level:
                    wanted[step] = store.end_level
                    price[step] = max(price[step], MIDNIGHT * worth.price * size)
        return np.asarray(wanted), price

    def _most(self, store: Store, worth: Worth, size: float) -> tuple[Floats, Floats]:
        """The level not to be passed at the end of each step, and what each unit above it (but below `high`) costs.

        At a midnight with an `end_level` what is stored beyond it was made too early: where night and day are full anyway
        nothing else keeps a store from filling up day after day.
        """
        price = np.full(self.plan.steps, SCANT * store.low_price * self.h)
        most = np.asarray(store.high - reserve(self.situation, self.ahead, store))
        if store.end_level is not None and worth.price >= 0:
            for step in self._midnights():
                if most[step] > store.end_level:
                    most[step], price[step] = store.end_level, EARLY * worth.price * size
        return most, price

    def _inventory(self, g: int, price: float) -> None:
        """At midnight what several stores hold together is worth what it costs where it is made most cheaply."""
        stores = [self.situation.store_specs[s] for s in self.plan.inventories[g].stores]
        sizes = [self.plan.stores[s].size for s in self.plan.inventories[g].stores]
        empty = sum(size * store.bottom for store, size in zip(stores, sizes, strict=True))
        self.out.right("held", g, empty + self.facts.site.inventories[g].end_content)
        if price < 0:
            return
        at_midnight = np.zeros(self.plan.steps)
        at_midnight[list(self._midnights())] = price
        self.out.price("lean", g, MIDNIGHT * at_midnight)
        self.out.price("rich", g, EARLY * at_midnight)

    def _midnights(self) -> tuple[int, ...]:
        return midnights(self.situation, self.ahead, ZoneInfo(self.facts.site.site.timezone))

    def _ready(self, store: Store) -> Floats:
        factor = np.ones(self.plan.steps)
        zone = ZoneInfo(self.facts.site.site.timezone)
        for envelope in self.situation.envelopes:
            for name in envelope.assets if envelope.store == store.name else ():
                ready_by = self.facts.site.asset(name).ready_by
                if ready_by is not None:
                    factor[list(clock_steps(self.situation, self.ahead, time.fromisoformat(ready_by), zone))] = READY
        return factor

    def _service(self, v: int) -> None:
        service, out = self.situation.services[v], self.out
        out.right("served", v, self.ahead.demand_of(service.name))
        stores = [s for s, store in enumerate(self.plan.stores) if store.service == v]
        price = self._shortage(v)
        out.price("unmet", v, price * self.h)
        out.bound("unmet", v, 0.0, np.maximum(self.ahead.demand_of(service.name), 0.0))
        out.price("excess", v, price * self.h if stores else 0.0)
        if any(name == service.name for name, _ in self.ahead.demand):
            return
        for s in stores:
            out.bound("draw", s, 0.0, 0.0)

    def _flows(self) -> None:
        for f, flow in enumerate(self.situation.flows):
            self.out.bound("flow", f, -np.inf, np.inf)
            self.out.right("carried", f, flow.a_per_h or 0.0)
            unserved = self.situation.services[self.plan.stores[self.plan.flows[f].target].service].unserved_price
            self.out.price("shut", f, SHUT * unserved * self.h)

    def _jobs(self) -> None:
        for j, job in enumerate(self.situation.jobs):
            steps, length = np.arange(self.plan.steps), len(self.plan.jobs[j].profile_kw)
            earliest = max(0.0, (job.earliest - self.situation.time).total_seconds()) / self.ahead.step_s
            last = (job.due - self.situation.time).total_seconds() / self.ahead.step_s - length
            self.out.bound("job", j, 0.0, ((steps >= earliest - 1e-9) & (steps <= last + 1e-9)).astype(np.float64))
            column = self.out.compiled.column["missed"][()][j]
            self.out.upper[column], self.out.cost[column] = 1.0, job.value

    def _meter(self) -> None:
        out, situation, h = self.out, self.situation, self.h
        load = self.ahead.load_kw
        out.right("meter", (), load)
        out.price("bought", (), self.ahead.energy * h)
        out.price("sold", (), -self.ahead.export * h)
        hard, _ = self._limit("import_kw", None, soft=False)
        soft, price = self._limit("import_kw", None, soft=True)
        export, _ = self._limit("export_kw", None, soft=False)
        out.right("import_hard", (), hard)
        out.right("import_soft", (), soft)
        out.right("export_most", (), export)
        out.price("over_hard", (), self.hard * h)
        out.price("over_soft", (), price * h)
        out.price("over_export", (), self.hard * h)
        if self.plan.two_way:
            most = most_power(situation) + float(np.max(np.abs(load)))
            out.factor(("buying", ()), ("buys", ()), -most)
            out.factor(("selling", ()), ("buys", ()), most)
            out.right("selling", (), most)

    def _limit(self, name: str, asset: str | None, *, soft: bool) -> tuple[Floats, Floats]:
        """The lowest limit in force over the steps, and its price (0 for hard ones)."""
        high, price = np.full(self.plan.steps, FREE), np.zeros(self.plan.steps)
        for limit in self.situation.limits:
            if limit.name != name or limit.asset != asset or (limit.price is not None) is not soft:
                continue
            holds = in_force(self.ahead, limit) & (limit.high < high)
            high[holds], price[holds] = limit.high, limit.price or 0.0
        return high, price

    def _peak(self) -> None:
        prices, out = self.situation.prices, self.out
        periods = sorted({window.period for window in self.plan.windows})
        for place, period in zip(out.compiled.column["peak"].get((), ()), periods, strict=True):
            out.cost[place] = prices.demand_charge_per_kw
            if period == 0:
                out.lower[place] = prices.peak_so_far_kw
                out.offset -= prices.demand_charge_per_kw * prices.peak_so_far_kw
        if self.plan.windows and prices.open_window_start is not None:
            hours = max(prices.demand_window_s, self.ahead.step_s) / 3600.0
            first = np.zeros(len(self.plan.windows))
            first[0] = -prices.open_window_kwh / hours
            out.right("peak_window", (), first)


def midnights(situation: Situation, ahead: Outlook, zone: ZoneInfo) -> tuple[int, ...]:
    """Steps that end at a local midnight."""
    return clock_steps(situation, ahead, time(0, 0), zone)


def clock_steps(situation: Situation, ahead: Outlook, clock: time, zone: ZoneInfo) -> tuple[int, ...]:
    """Steps in which, or at whose end, a local time of day falls."""
    found, day = [], situation.time.astimezone(zone).date()
    for _ in range(int(ahead.steps * ahead.step_h / 24.0) + 2):
        at = datetime.combine(day, clock, tzinfo=zone)
        step = int(np.ceil((at - situation.time).total_seconds() / ahead.step_s - 1e-9)) - 1
        if 0 <= step < ahead.steps:
            found.append(step)
        day += timedelta(days=1)
    return tuple(found)


def in_force(ahead: Outlook, limit: Limit) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Steps in which a limit holds."""
    begins = np.asarray([ahead.time(step) for step in range(ahead.steps)])
    after_start = np.full(ahead.steps, True) if limit.start is None else begins + timedelta(seconds=ahead.step_s) > limit.start
    before_end = np.full(ahead.steps, True) if limit.end is None else begins < limit.end
    return np.asarray(after_start & before_end, dtype=np.bool_)


def most_power(situation: Situation) -> float:
    """A power, kW, that the machines together cannot pass in either direction."""
    return sum(
        max(sum(abs(power) for power in point.power_kw) for regime in envelope.regimes for point in regime.points)
        * (1.0 if envelope.power_factor is None else max(map(abs, envelope.power_factor.values)))
        for envelope in situation.envelopes
        if envelope.regimes
    )


def output_now(situation: Situation, i: int) -> float:
    """Output of an envelope now, by its measured state and set-points."""
    envelope = situation.envelopes[i]
    running = frozenset(name for name in envelope.assets if situation.state(name).running)
    return at_setpoints(envelope, running, {name: situation.state(name).setpoint for name in running}).output_per_h
