"""Why a command is given: a reason code, and words that say the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plant.assets import Store
from plant.orders import Reason
from plant.situation import Situation
from plant.table import Floats
from policy.fixed import Fixed
from policy.found import Found
from policy.layout import Layout
from policy.outlook import Outlook, asset_price, on_steps

NEAR = 0.15
"""Share of a store's accepted band that counts as near its end."""
PLAIN = 0.05
"""Prices within this share of each other are called the same."""
IDLE_KW = 0.1
"""A battery that moves less rests."""
ALL = 0.98
"""A generator that gives so much of what it could is not held back."""


def reasons(situation: Situation, ahead: Outlook, plan: Layout, found: Found, settled: Fixed, a: int) -> tuple[Reason, str]:
    """Why an asset does in the first step what the plan has it do."""
    part = plan.assets[a]
    told = next((words for name, words in settled.why if name == part.name), "")
    if told and "health" in told:
        return Reason.HEALTH, told
    if told and len(plan.regimes[part.regimes[0]].output) == 1:
        return Reason.LIMIT, told
    if settled.low[a, 0] >= 0.5 and not told:
        return Reason.SCHEDULE, "the production plan needs it"
    return _Why(situation, ahead, plan, found, a).said()


def price_words(ahead: Outlook, price: Floats) -> tuple[str, float]:
    """The price now in words, and how it stands to the mean of the next day (1 = the same)."""
    day = price[: max(1, round(24.0 / ahead.step_h))]
    mean = float(np.mean(day))
    standing = float(price[0]) / mean if mean > 1e-9 else 1.0
    changes = np.flatnonzero(np.abs(day - day[0]) > PLAIN * max(abs(mean), 1e-9))
    until = f" until {ahead.time(int(changes[0])):%H:%M} UTC" if changes.size else ""
    return f"energy at {price[0]:.3f} per kWh{until}, {standing:.2f} of the day's mean", standing


@dataclass(slots=True)
class _Why:
    situation: Situation
    ahead: Outlook
    plan: Layout
    found: Found
    a: int

    def said(self) -> tuple[Reason, str]:
        machine = self.plan.machines[self.plan.assets[self.a].machine]
        powers = [sum(power) for k in machine.regimes for power in self.plan.regimes[k].power]
        if machine.store is None:
            return self._given(powers) if powers and max(powers) <= 0.0 > min(powers) else self._demanded()
        if powers and min(powers) < 0.0 < max(powers):
            return self._held(self.situation.store_specs[machine.store], machine.store)
        return self._stored(self.situation.store_specs[machine.store], machine.store)

    @property
    def _on(self) -> bool:
        return bool(self.found.on[self.a, 0] >= 0.5)

    @property
    def _price(self) -> Floats:
        return asset_price(self.situation, self.ahead, self.plan.assets[self.a].name)

    def _at(self, step: int) -> str:
        return f"{self._price[step]:.3f} at {self.ahead.time(step):%H:%M} UTC"

    def _given(self, powers: list[float]) -> tuple[Reason, str]:
        """PV and its like: what they give costs nothing, so only a surplus holds them back."""
        envelope = self.situation.envelopes[self.plan.assets[self.a].machine]
        factor = 1.0 if envelope.power_factor is None else float(on_steps(self.situation, envelope.power_factor)[0])
        most, given = -min(powers) * factor, -float(self.found.power_kw[self.a, 0])
        if given >= ALL * most - IDLE_KW:
            return Reason.EFFICIENCY, f"all it can give is taken, {max(0.0, given):.1f} kW now: it costs nothing"
        earns = f"a kWh sold earns {self.ahead.export[0]:.3f}"
        return Reason.SURPLUS, f"held back to {max(0.0, given):.1f} of {most:.1f} kW: more is there than is used or sold; {earns}"

    def _demanded(self) -> tuple[Reason, str]:
        text, _ = price_words(self.ahead, self._price)
        service = self.situation.envelopes[self.plan.assets[self.a].machine].service
        if service is None:
            return (Reason.EFFICIENCY, f"it pays to run it now; {text}") if self._on else (Reason.NO_DEMAND, "nothing needs it now")
        demand = abs(float(self.ahead.demand_of(service)[0]))
        if self._on and demand > 1e-6:
            return Reason.DEMAND, f"{demand:.3g} of {service} per hour are wanted; {text}"
        if self._on:
            return Reason.EFFICIENCY, f"no {service} is wanted now, but stopping it does not pay; {text}"
        if demand <= 1e-6:
            return Reason.NO_DEMAND, f"no {service} is wanted now"
        return Reason.EFFICIENCY, f"{service} is made more cheaply without it; {text}"

    def _held(self, store: Store, s: int) -> tuple[Reason, str]:
        """A battery: it takes what is cheap or left over and gives when that is worth more."""
        price, power = self._price, float(self.found.power_kw[self.a, 0])
        text, standing = price_words(self.ahead, price)
        level = f"{store.name} at {self.found.levels[s, 0]:.3g} {store.unit}"
        if not self._on or abs(power) <= IDLE_KW:
            return Reason.EFFICIENCY, f"neither filling {store.name} nor drawing on it pays now; {text}"
        low, high = int(np.argmin(price)), int(np.argmax(price))
        if power < 0.0:
            gives = f"it gives {-power:.1f} kW; {level}"
            if standing > 1.0 + PLAIN:
                return Reason.PRICE_HIGH, f"{text}: {gives}"
            if price[low] < price[0] - PLAIN * abs(price[0]):
                return Reason.PRICE_HIGH, f"energy at {price[0]:.3f} per kWh, later {self._at(low)}: {gives}"
            if self.situation.prices.demand_charge_per_kw > 0:
                return Reason.PEAK, f"the site stays at {self.found.total_kw[0]:.1f} kW: {gives}"
            return Reason.EFFICIENCY, f"what it holds is not worth keeping: {gives}; {text}"
        takes = f"it takes {power:.1f} kW; {level}"
        if self.found.total_kw[0] - power < 0.0:
            return Reason.SURPLUS, f"the site has {power - self.found.total_kw[0]:.1f} kW more than it uses: {takes}"
        if standing < 1.0 - PLAIN:
            return Reason.PRICE_LOW, f"{text}: {takes}"
        if price[high] > price[0] + PLAIN * abs(price[0]):
            return Reason.PRICE_LOW, f"energy at {price[0]:.3f} per kWh, later {self._at(high)}: {takes}"
        return Reason.STORE_LOW, f"it is filled for what comes: {takes}, accepted {store.low:.3g} to {store.high:.3g}"

    def _stored(self, store: Store, s: int) -> tuple[Reason, str]:
        """A machine that fills a store, or takes out of it (cooling)."""
        levels, band = self.found.levels[s], store.high - store.low
        text, standing = price_words(self.ahead, self._price)
        level = f"{store.name} at {levels[0]:.3g} {store.unit}"
        coming = f"planned {np.min(levels):.3g} to {np.max(levels):.3g}"
        low, high = levels[0] <= store.low + NEAR * band, levels[0] >= store.high - NEAR * band
        if low and self._on is self._fills:
            return Reason.STORE_LOW, f"{level}, near its low end {store.low:.3g}; {coming}; {text}"
        if high and self._on is not self._fills:
            return Reason.STORE_HIGH, f"{level}, near its high end {store.high:.3g}; {coming}; {text}"
        if not self._on:
            return self._rests(store, f"{level}, {coming}", text, standing)
        if standing < 1.0 - PLAIN:
            return Reason.PRICE_LOW, f"{text}; {level}, {coming}"
        although = "it is needed although energy is dear" if standing > 1.0 + PLAIN else "it is needed"
        return Reason.DEMAND, f"{although}: {level}, {coming}; {text}"

    def _rests(self, store: Store, level: str, text: str, standing: float) -> tuple[Reason, str]:
        price, later = self._price, np.flatnonzero(self.found.on[self.a] >= 0.5)
        if standing > 1.0 + PLAIN:
            return Reason.PRICE_HIGH, f"{text}; {level}"
        if later.size and price[later[0]] < price[0] - PLAIN * abs(price[0]):
            return (
                Reason.PRICE_HIGH,
                f"energy at {price[0]:.3f} per kWh, it runs when it is cheaper: {self._at(int(later[0]))}; {level}",
            )
        others = self._others()
        if others:
            return Reason.EFFICIENCY, f"{others} serve {store.name} more cheaply now; {level}"
        until = f"before {self.ahead.time(int(later[0])):%H:%M} UTC" if later.size else "over the whole plan"
        return Reason.NO_DEMAND, f"{store.name} does not need it {until}: {level}; {text}"

    @property
    def _fills(self) -> bool:
        regimes = self.plan.assets[self.a].regimes
        return sum(output for k in regimes for output in self.plan.regimes[k].output) >= 0.0

    def _others(self) -> str:
        """Machines that fill the same store now."""
        store = self.plan.machines[self.plan.assets[self.a].machine].store
        names = [
            part.name
            for a, part in enumerate(self.plan.assets)
            if a != self.a and self.found.on[a, 0] >= 0.5 and self.plan.machines[part.machine].store == store
        ]
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
