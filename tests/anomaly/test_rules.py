from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from anomaly.defaults import HeatPumpLimits, heat_pump, rules_of
from anomaly.rules import Comparison, Rule, Term, broken, report, standing
from plant.errors import ConfigError
from plant.table import Floats, Table

STEP_S = 60
START = datetime(2025, 1, 1, tzinfo=UTC)


def _table(**columns: Floats | list[float]) -> Table:
    arrays = {name: np.asarray(column, dtype=np.float64) for name, column in columns.items()}
    rows = len(next(iter(arrays.values())))
    times = np.datetime64("2025-01-01T00:00:00", "us") + np.arange(rows) * np.timedelta64(STEP_S * 1_000_000, "us")
    return Table(times=times, columns=arrays)


def _hot(**changes: float) -> Rule:
    return Rule(
        name="hot", limit=Comparison(left=Term(part="x"), beyond="above", right=Term(offset=10.0)), words="hot", cause="c",
        consequence="d", advice="e", **changes,
    )  # fmt: skip


def test_deadband_keeps_an_alarm_until_the_reading_is_well_inside() -> None:
    on, _ = broken(_hot(deadband=2.0), _table(x=[9, 11, 9, 8.5, 8, 7, 9.9]))
    assert on.astype(int).tolist() == [0, 1, 1, 1, 0, 0, 0]


def test_delay_needs_an_unbroken_stretch() -> None:
    on, _ = broken(_hot(delay_s=120.0), _table(x=[11, 11, 9, 11, 11, 11, 11]))
    assert on.astype(int).tolist() == [0, 0, 0, 0, 0, 1, 1]


def test_a_gap_is_held_for_a_while_and_then_unknown() -> None:
    values = np.full(100, np.nan)
    values[0] = 11.0
    on, known = broken(_hot(), _table(x=values), held_s=600.0)
    assert on[:11].all()
    assert known[:11].all()
    assert not on[11:].any()
    assert not known[11:].any()


def test_episodes_become_events_with_cause_consequence_and_advice() -> None:
    (entry,) = report([_hot()], _table(x=[9, 11, 11, 9, 11]), "pump")
    first, last = entry.episodes
    assert (first.raised_at, first.cleared_at) == (START + timedelta(minutes=1), START + timedelta(minutes=3))
    assert last.cleared_at is None
    event = first.event()
    assert (event.asset, event.kind, event.cause, event.consequence, event.advice) == ("pump", "hot", "c", "d", "e")
    assert standing([_hot()], _table(x=[9, 11, 11, 9, 11]), "pump") == (last,)
    assert standing([_hot()], _table(x=[9, 11, 11, 9, 9]), "pump") == ()


ROWS = 300
HEALTHY = {
    "power": 1.5, "voltage": 230.0, "supply": 45.0, "return": 40.0, "tank": 50.0, "setpoint": 50.0, "outdoor": 5.0,
}  # fmt: skip
FAULTS = {
    "no_supply_voltage": {"voltage": 180.0},
    "no_supply_power": {"power": 0.0},
    "power_above_rating": {"power": 2.9},
    "supply_colder_than_return": {"supply": 38.0},
    "setpoint_not_reached": {"tank": 44.0},
    "tank_above_setpoint": {"tank": 54.0},
    "tank_too_cold": {"tank": 15.0},
    "tank_too_hot": {"tank": 65.0},
    "outdoor_too_cold": {"outdoor": -25.0},
    "outdoor_too_hot": {"outdoor": 45.0},
}


def test_every_rule_of_a_heat_pump_is_tried_here() -> None:
    assert {rule.name for rule in heat_pump(HeatPumpLimits())} == set(FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_heat_pump_rule_triggers_on_its_fault_and_on_nothing_healthy(name: str) -> None:
    rules = {rule.name: rule for rule in heat_pump(HeatPumpLimits())}
    healthy = _table(**{part: np.full(ROWS, value) for part, value in HEALTHY.items()})
    assert not any(entry.episodes for entry in report(list(rules.values()), healthy, "hp"))
    ill = {part: np.full(ROWS, value) for part, value in HEALTHY.items()}
    for part, value in FAULTS[name].items():
        ill[part][100:] = value
    (entry,) = report([rules[name]], _table(**ill), "hp")
    assert len(entry.episodes) == 1
    assert entry.episodes[0].raised_at == START + timedelta(minutes=100, seconds=rules[name].delay_s)
    assert entry.rule.advice
    assert entry.rule.cause
    assert entry.rule.consequence


def test_supply_colder_than_return_means_nothing_while_it_stands() -> None:
    parts = {part: np.full(ROWS, value) for part, value in HEALTHY.items()} | {
        "supply": np.full(ROWS, 30.0),
        "power": np.full(ROWS, 0.02),
    }
    rules = [rule for rule in heat_pump(HeatPumpLimits()) if rule.name == "supply_colder_than_return"]
    assert report(rules, _table(**parts), "hp")[0].episodes == ()


def test_missing_readings_are_named() -> None:
    (entry,) = report(
        [rule for rule in heat_pump(HeatPumpLimits()) if rule.name == "no_supply_voltage"], _table(power=[1.0, 2.0]), "hp"
    )
    assert entry.missing == ("voltage",)
    assert entry.known_share == 0.0


def test_limits_are_checked_by_name_and_number() -> None:
    assert any("3 kW" in rule.words for rule in rules_of("heat_pump", {"rated_kw": 3.0}))
    with pytest.raises(ConfigError, match=r"rated_kv.*rated_kw"):
        rules_of("heat_pump", {"rated_kv": 3.0})
    with pytest.raises(ConfigError, match="above 0"):
        rules_of("pump", {"rated_kw": 0.0})
