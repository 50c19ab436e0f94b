"""Π_j, part two: a rule table per asset that a person can read and check by hand.

Health, store, tariff, peak and demand are looked at in this order; the first rule that speaks decides between
SHUTDOWN, OPTIMIZE (at which set-point) and STARTUP, and its code is the command's reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from plant.envelopes import Envelope, Point
from plant.orders import Action, Command, Plan, Reason
from plant.site import Site
from plant.situation import Situation
from plant.table import Floats
from policy.local import local_rule
from policy.orders import Intent, order
from policy.outlook import Outlook, asset_price, on_steps, outlook
from policy.patience import patient
from policy.proposal import sealed, until
from policy.risk import must_rest
from policy.standing import say
from policy.walk import Moment, Wish, courses, store_courses, walk

CHEAP, DEAR = 0.35, 0.65
"""Share of the next day's prices below which a price counts as low, above which as high."""
NEAR = 0.15
"""Share of a store's accepted band that counts as near its end."""
RESERVE_H = 2.0
"""A store that lasts so long at the present demand need not be fed while energy is dear."""
EVEN = 0.02
"""Prices that differ by less than this share are one price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What the table says of one asset in one step."""

    wish: Wish
    reason: Reason
    words: str


class Threshold:
    """The rule table.

    Parameters
    ----------
    site
        The site.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    def propose(self, situation: Situation) -> Plan:
        """The table's word on every asset now, and where the same table leads over the horizon."""
        ahead = outlook(situation)
        tables = {
            name: Table(self._site, situation, ahead, envelope, name)
            for envelope in situation.envelopes
            for name in envelope.assets
            if say(situation, name).commanded
        }
        local = local_rule(self._site, situation, ahead)

        def rule(name: str, moment: Moment) -> Wish:
            return tables[name].ruling(moment).wish if name in tables else local(name, moment)

        walked = walk(situation, patient(situation, rule, frozenset(tables)), ahead)
        return sealed(
            situation,
            Plan(
                id="",
                made_at=situation.time,
                until=situation.time + until(situation),
                strategy="threshold",
                commands=self._commands(situation, tables),
                courses=courses(situation, walked, frozenset(tables)),
                stores=store_courses(situation, walked),
                words="rule table: health, store, tariff, peak, demand",
            ),
        )

    def _commands(self, situation: Situation, tables: dict[str, Table]) -> tuple[Command, ...]:
        levels = {state.store: state.level for state in situation.stores}
        middle = {store.name: (store.low + store.high) / 2.0 for store in situation.store_specs}
        moment = Moment(
            step=0,
            levels={name: middle[name] if level is None else level for name, level in levels.items()},
            on={name: bool(situation.state(name).running) for name in tables},
            setpoints={name: situation.state(name).setpoint for name in tables},
        )
        rulings = {name: table.ruling(moment) for name, table in tables.items()}
        intents = (
            Intent(
                asset=name,
                on=ruling.wish.on,
                setpoint=ruling.wish.setpoint,
                power_kw=tables[name].power_kw(ruling.wish, 0),
                reason=ruling.reason,
                words=ruling.words,
            )
            for name, ruling in rulings.items()
        )
        found = (order(self._site, situation, intent) for intent in intents)
        return _known_together(situation, tuple(command for command in found if command is not None))


def _known_together(situation: Situation, commands: tuple[Command, ...]) -> tuple[Command, ...]:
    """Without the commands of groups that would run in a combination nobody knows; the group then stays as it is."""
    orders = {command.asset: command.action is not Action.SHUTDOWN for command in commands}
    dropped: set[str] = set()
    for envelope in situation.envelopes:
        running = frozenset(name for name in envelope.assets if orders.get(name, bool(situation.state(name).running)))
        if running and not any(frozenset(regime.running) == running for regime in envelope.regimes):
            dropped.update(envelope.assets)
    return tuple(command for command in commands if command.asset not in dropped)


class Table:
    """The rules of one asset."""

    def __init__(self, site: Site, situation: Situation, ahead: Outlook, envelope: Envelope, asset: str) -> None:
        self._situation, self._ahead, self._envelope, self._name = situation, ahead, envelope, asset
        self._stated = site.asset(asset)
        self._life = envelope.lives[envelope.assets.index(asset)]
        price = asset_price(situation, ahead, asset)
        per_day = max(1, round(24.0 / ahead.step_h))
        self._price, self._standing = price.tolist(), standings(np.ascontiguousarray(price, dtype=np.float64).tobytes(), per_day)
        self._points = own_points(envelope, asset)
        self._by_output = sorted(self._points, key=lambda point: abs(point.output_per_h))
        self._store = next((store for store in situation.store_specs if store.name == envelope.store), None)
        self._demand: list[float] = self._demand_of_store().tolist()
        self._factor = np.ones(ahead.steps) if envelope.power_factor is None else on_steps(situation, envelope.power_factor)
        must = envelope.must_run[envelope.assets.index(asset)] if envelope.must_run else None
        self._must = None if must is None else on_steps(situation, must).tolist()
        self._resting = must_rest(situation, asset)
        self._limit_kw, self._own_kw = self._peak_limit(), max(point.power_kw[0] for point in self._points)
        outputs = [point.output_per_h for point in self._points]
        self._takes_out, self._two_way = max(outputs) <= 0.0, min(outputs) < 0.0 < max(outputs)

    def _demand_of_store(self) -> Floats:
        """What leaves the store: its service's demand, less what flows in by itself."""
        if self._store is None:
            service = self._envelope.service
            return np.zeros(self._ahead.steps) if service is None else self._ahead.demand_of(service)
        return self._ahead.demand_of(self._store.service)

    def power_kw(self, wish: Wish, step: int) -> float:
        """What the asset draws when it follows."""
        if not wish.on:
            return 0.0
        setpoint = self._points[-1].setpoints[0] if wish.setpoint is None else wish.setpoint
        xs = [point.setpoints[0] for point in self._points]
        return float(np.interp(setpoint, xs, [point.power_kw[0] for point in self._points]) * self._factor[step])

    def ruling(self, moment: Moment) -> Ruling:
        """The first rule that speaks."""
        step = moment.step
        resting = self._resting
        if resting is not None:
            return Ruling(wish=Wish(on=False), reason=Reason.HEALTH, words=f"damage is near (health {resting.score or 0.0:.2f})")
        if self._must is not None and self._must[step] >= 0.5:
            return self._run(moment, Reason.SCHEDULE, "the production plan needs it")
        if self._store is not None:
            return self._by_store(moment)
        return self._by_demand(moment)

    def _by_store(self, moment: Moment) -> Ruling:
        store = self._store
        assert store is not None  # the caller looked
        level, band = moment.levels[store.name], store.high - store.low
        fullness = (level - store.low) / band if band > 0 else 0.5
        if self._takes_out:
            fullness = 1.0 - fullness
        words = f"{store.name} at {level:.3g} {store.unit}, accepted {store.low:.3g} to {store.high:.3g}"
        if self._two_way:
            return self._by_spread(moment, fullness, words)
        near_low, near_high = Reason.STORE_LOW, Reason.STORE_HIGH
        if self._takes_out:
            near_low, near_high = near_high, near_low
        if fullness <= NEAR:
            return self._run(moment, near_low, words, most=True)
        if fullness >= 1.0 - NEAR:
            return Ruling(wish=Wish(on=False), reason=near_high, words=words)
        return self._by_price(moment, fullness, words)

    def _by_price(self, moment: Moment, fullness: float, words: str) -> Ruling:
        step = moment.step
        standing, price = self._standing[step], self._price[step]
        lasts = self._lasts_h(moment)
        if self._near_peak(moment):
            limit = f"the site would pass {self._limit_kw:.0f} kW"
            if lasts > RESERVE_H:
                return Ruling(wish=Wish(on=False), reason=Reason.PEAK, words=f"{limit}, {words}")
            return self._run(moment, Reason.PEAK, f"{limit}: run low", least=True)
        if standing is not None and standing <= CHEAP and fullness < 1.0 - 2 * NEAR:
            return self._run(moment, Reason.PRICE_LOW, f"energy is cheap at {price:.3f}, {words}", most=True)
        if standing is not None and standing >= DEAR and lasts > RESERVE_H:
            text = f"energy is dear at {price:.3f} and the store lasts {min(lasts, 99.0):.1f} h"
            return Ruling(wish=Wish(on=False), reason=Reason.PRICE_HIGH, words=text)
        if moment.on[self._name] and self._demand[step] > 0:
            return self._run(moment, Reason.DEMAND, f"{words}: follow the demand")
        wish = Wish(on=moment.on[self._name], setpoint=moment.setpoints[self._name])
        if wish.on:
            return Ruling(wish=wish, reason=Reason.DEMAND, words=f"{words}: it goes on")
        return Ruling(wish=wish, reason=Reason.NO_DEMAND, words=f"{words}: it is not needed yet")

    def _by_spread(self, moment: Moment, fullness: float, words: str) -> Ruling:
        """A battery: charge while energy is cheap, discharge while it is dear."""
        standing, price = self._standing[moment.step], self._price[moment.step]
        most = max(self._points, key=lambda point: point.output_per_h).setpoints[0]
        least = min(self._points, key=lambda point: point.output_per_h).setpoints[0]
        if standing is not None and standing <= CHEAP and fullness < 1.0 - NEAR and not self._near_peak(moment):
            return Ruling(wish=Wish(on=True, setpoint=most), reason=Reason.PRICE_LOW, words=f"charge at {price:.3f}, {words}")
        if standing is not None and standing >= DEAR and fullness > NEAR:
            return Ruling(wish=Wish(on=True, setpoint=least), reason=Reason.PRICE_HIGH, words=f"discharge at {price:.3f}, {words}")
        return Ruling(
            wish=Wish(on=False), reason=Reason.EFFICIENCY, words=f"rest: neither filling nor drawing pays at {price:.3f}, {words}"
        )

    def _by_demand(self, moment: Moment) -> Ruling:
        if self._envelope.service is None or not any(name == self._envelope.service for name, _ in self._ahead.demand):
            must = self._must is not None
            wish = Wish(on=not must and moment.on[self._name], setpoint=moment.setpoints[self._name])
            if must:
                return Ruling(wish=wish, reason=Reason.SCHEDULE, words="the production plan does not need it")
            return Ruling(wish=wish, reason=Reason.EFFICIENCY, words="no rule of the table speaks of it: it stays as it is")
        wanted = self._demand[moment.step]
        if wanted <= 1e-6:
            return Ruling(wish=Wish(on=False), reason=Reason.NO_DEMAND, words=f"no demand of {self._envelope.service}")
        return self._run(moment, Reason.DEMAND, f"{wanted:.3g} of {self._envelope.service} per hour are wanted")

    def _run(self, moment: Moment, reason: Reason, words: str, *, most: bool = False, least: bool = False) -> Ruling:
        """Run: at the most or least the machine gives, else so that its share of the demand is met."""
        by_output = self._by_output
        if most or least:
            return Ruling(wish=Wish(on=True, setpoint=by_output[-1 if most else 0].setpoints[0]), reason=reason, words=words)
        enough = self._demand[moment.step]
        chosen = next((point for point in by_output if abs(point.output_per_h) >= enough), by_output[-1])
        return Ruling(wish=Wish(on=True, setpoint=chosen.setpoints[0]), reason=reason, words=words)

    def _lasts_h(self, moment: Moment) -> float:
        store = self._store
        demand = self._demand[moment.step]
        if store is None or demand <= 0:
            return float("inf")
        return (moment.levels[store.name] - store.low) * (store.size_per_level or 1.0) / demand

    def _peak_limit(self) -> float:
        limits = [limit.high for limit in self._situation.limits if limit.name == "import_kw" and limit.asset is None]
        if self._situation.prices.demand_charge_per_kw > 0 and self._situation.prices.peak_so_far_kw > 0:
            limits.append(self._situation.prices.peak_so_far_kw)
        return min(limits, default=float("inf"))

    def _near_peak(self, moment: Moment) -> bool:
        others = 0.0
        if moment.step == 0:
            running = (name for name, on in moment.on.items() if on and name != self._name)
            others = sum((self._situation.state(name).power_kw or 0.0) for name in running)
        return bool(self._ahead.load_kw[moment.step] + others + self._own_kw > self._limit_kw)


@lru_cache(maxsize=64)
def standings(price: bytes, per_day: int) -> tuple[float | None, ...]:
    """At every step, the share of the next day's prices below the present one; None where there is one price.

    Kept, because machines share their prices, and so do the futures of a what-if.

    Parameters
    ----------
    price
        Prices per step, as the bytes of an array.
    per_day
        Steps of a day.
    """
    prices, found = np.frombuffer(price), list[float | None]()
    for step, now in enumerate(prices):
        day = prices[step : step + per_day]
        day = day if day.size > 1 else prices[-2:]
        if float(np.ptp(day)) <= EVEN * float(np.mean(np.abs(day)) + 1e-12):
            found.append(None)
        else:
            found.append(float(np.mean(day < now)) + 0.5 * float(np.mean(day == now)))
    return tuple(found)


def own_points(envelope: Envelope, asset: str) -> list[Point]:
    """The points of an asset by set-point, from the regimes in which fewest others run."""
    having = [regime for regime in envelope.regimes if asset in regime.running]
    fewest = min(len(regime.running) for regime in having)
    found: dict[float, Point] = {}
    for regime in (regime for regime in having if len(regime.running) == fewest):
        index = regime.running.index(asset)
        for point in regime.points:
            own = Point(
                setpoints=(point.setpoints[index],),
                output_per_h=point.output_per_h,
                power_kw=(point.power_kw[index],),
                input_per_h=point.input_per_h,
            )
            found.setdefault(own.setpoints[0], own)
    return [found[setpoint] for setpoint in sorted(found)]
