"""A reason code and its words say the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant.assets import Service, Store
from plant.orders import Action, Command, Reason
from plant.series import Series
from plant.situation import Situation
from policy.instances import START, battery, made_prices, made_site, made_situation
from policy.strategies.optimal import Optimal
from policy.strategies.threshold import Threshold
from tests.policy.pumps import STEP_S, pump, pv, site_of, sunny


def priced(situation: Situation, energy: list[float], export: float = 0.0) -> Situation:
    series = Series(start=START, step_s=STEP_S, values=tuple(energy), unit="EUR/kWh")
    earns = replace(series, values=(export,) * len(energy))
    return replace(situation, prices=replace(situation.prices, energy=series, export=earns))


def first(site: object, situation: Situation) -> Command:
    commands = Optimal(site).propose(situation).commands  # type: ignore[arg-type]  # a Site
    return commands[0]


def test_a_pump_that_stops_while_energy_is_dear_says_the_price() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0, running=True)], [20.0] * 8, 100.0)
    command = first(site, priced(situation, [0.4] + [0.1] * 7))
    assert (command.action, command.reason) == (Action.SHUTDOWN, Reason.PRICE_HIGH)
    assert command.words.startswith("energy at 0.400 per kWh until 23:00 UTC")


def test_a_pump_that_waits_for_a_price_that_is_lower_still_says_which() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0, running=True)], [10.0] * 8, 90.0)
    command = first(site, priced(situation, [0.2] * 6 + [0.1, 0.9]))
    assert (command.action, command.reason) == (Action.SHUTDOWN, Reason.PRICE_HIGH)
    assert "it runs when it is cheaper: 0.100 at 04:00 UTC" in command.words


def test_a_pump_that_nothing_needs_says_so_first_and_the_price_after() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0, running=True)], [2.0] * 8, 100.0)
    command = first(site, priced(situation, [0.2] * 8))
    assert (command.action, command.reason) == (Action.SHUTDOWN, Reason.NO_DEMAND)
    assert command.words.startswith("tank does not need it over the whole plan: tank at 100 m3")


def test_a_low_tank_is_low() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0)], [20.0] * 8, 30.0)
    command = first(site, situation)
    assert command.reason is Reason.STORE_LOW
    assert "tank at 30 m3, near its low end 20" in command.words


def test_a_full_tank_is_full() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0, running=True)], [5.0] * 8, 170.0)
    command = first(site, situation)
    assert command.reason is Reason.STORE_HIGH
    assert "near its high end 180" in command.words


@pytest.mark.parametrize(
    ("energy", "load", "reason", "words"),
    [
        ([0.1] + [0.3] * 7, 60.0, Reason.PRICE_LOW, "energy at 0.100"),
        ([0.5] + [0.2] * 7, 60.0, Reason.PRICE_HIGH, "it gives 25.1 kW; cells at 36.4 kWh"),
        ([0.2] * 8, -60.0, Reason.SURPLUS, "the site has 60.0 kW more than it uses: it takes 50.0 kW"),
    ],
)
def test_a_battery_at_36_of_10_to_190_is_not_low(energy: list[float], load: float, reason: Reason, words: str) -> None:
    cells = Store(
        name="cells", service="held", level="l", unit="kWh", size_per_level=1.0, bottom=0.0, top=200.0, low=10.0, high=190.0
    )
    site = made_site((battery(50.0),), (Service(name="held", unit="kWh", unserved_price=5.0),), (cells,))
    loads, prices = np.asarray([load] + [60.0] * 7), made_prices(8, STEP_S)
    situation = made_situation(site, [battery(50.0)], [36.4], {}, prices=prices, load=loads, step_s=STEP_S, start=START)
    command = first(site, priced(situation, energy))
    assert command.reason is reason
    assert words in command.words


def test_panels_give_all_they_can_at_night_and_are_held_back_by_a_surplus_only() -> None:
    for sun, export, reason, words in (
        (0.0, 0.0, Reason.EFFICIENCY, "all it can give is taken, 0.0 kW now: it costs nothing"),
        (0.5, 0.05, Reason.EFFICIENCY, "all it can give is taken, 40.0 kW now"),
        (1.0, -0.2, Reason.SURPLUS, "of 80.0 kW: more is there than is used or sold; a kWh sold earns -0.200"),
    ):
        machine = sunny(pv(80.0), [sun] * 8)
        site, situation = site_of([machine, pump("a", 30.0, 20.0)], [20.0] * 8, 100.0)
        command = next(item for item in Optimal(site).propose(priced(situation, [0.2] * 8, export)).commands if item.asset == "pv")
        assert command.reason is reason
        assert words in command.words


def test_the_table_says_that_a_battery_rests_and_that_a_warm_room_is_warm() -> None:
    site, situation = site_of([pump("a", 60.0, 20.0, running=True)], [20.0] * 8, 175.0)
    points = tuple(replace(point, output_per_h=-60.0) for point in situation.envelopes[0].regimes[0].points)
    regime = replace(situation.envelopes[0].regimes[0], points=points)
    cooling = replace(situation, envelopes=(replace(situation.envelopes[0], regimes=(regime,)),))
    standing = replace(cooling, assets=(replace(cooling.assets[0], running=False),))
    assert Threshold(site).propose(standing).commands[0].reason is Reason.STORE_HIGH
