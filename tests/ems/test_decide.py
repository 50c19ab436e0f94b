"""Margins that a refusal leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from ems.decide import tightened
from plant.orders import Course, Plan, Spread, Verdict, Violation
from plant.series import Series
from plant.situation import Limit
from policy.instances import works

MADE = works(5, 8).situation
STORE = MADE.store_specs[0]
PLAN = Plan(id="p", made_at=MADE.time, until=MADE.time + timedelta(hours=1), strategy="made", commands=())


def refused(*violations: Violation, peak_kw: float | None = None) -> Verdict:
    expected = () if peak_kw is None else (Spread(key="demand_peak_kw", p5=peak_kw, p50=peak_kw, p95=peak_kw, mean=peak_kw),)
    return Verdict(
        plan_id="p", ok=False, violations=violations, expected=expected, futures=20, seed=1, credibility=1.0, words="refused"
    )


def broken(rule: str, asset: str, found: float, limit: float) -> Violation:
    return Violation(rule=rule, asset=asset, time=MADE.time, found=found, limit=limit, share=0.3, words=rule)


def test_a_level_that_was_left_is_kept_further_away() -> None:
    made = tightened(MADE, PLAN, refused(broken("store_low", STORE.name, STORE.low - 1.0, STORE.low)))
    assert made is not None
    assert made.store_specs[0].low == STORE.low + 1.1
    assert made.store_specs[0].high == STORE.high
    assert made.id != MADE.id


def test_a_physical_end_draws_the_accepted_limit_before_it_tighter() -> None:
    made = tightened(MADE, PLAN, refused(broken("store_top", STORE.name, STORE.top, STORE.top)))
    assert made is not None
    assert made.store_specs[0].high < STORE.high
    assert made.store_specs[0].low == STORE.low


def test_a_margin_on_import_counts_from_what_was_lived_through() -> None:
    limit = replace(MADE, limits=(Limit(name="import_kw", high=400.0), Limit(name="import_kw", high=300.0, price=0.5)))
    made = tightened(limit, PLAN, refused(broken("import_kw", "site", 410.0, 400.0), peak_kw=350.0))
    assert made is not None
    assert [item.high for item in made.limits] == [339.0, 300.0]


def test_a_margin_on_import_counts_from_what_was_planned_where_the_limit_was_broken() -> None:
    """The day's peak may lie elsewhere; a margin that counts from it would leave the plan as it is, to be refused again."""
    limited = replace(MADE, limits=(Limit(name="import_kw", high=400.0),), load_target=None)
    power = Series(start=MADE.time, step_s=1800.0, values=(250.0, 360.0), unit="kW")
    course = Course(asset="m0", on=power, setpoint=power, power_kw=power)
    made = tightened(limited, replace(PLAN, courses=(course,)), refused(broken("import_kw", "site", 420.0, 400.0), peak_kw=360.0))
    assert made is not None
    assert made.limits[0].high == 250.0 - 1.1 * 20.0


def test_what_has_no_limit_cannot_be_drawn_tighter() -> None:
    assert tightened(MADE, PLAN, refused(broken("permit", "m0", 0.0, 1.0))) is None


def test_what_local_control_drew_is_no_margin_for_the_plan() -> None:
    """A plan that wants next to nothing where local control broke the limit must not be held to next to nothing all day."""
    limited = replace(MADE, limits=(Limit(name="import_kw", high=400.0),), load_target=None)
    power = Series(start=MADE.time, step_s=1800.0, values=(15.0,), unit="kW")
    course = Course(asset="m0", on=power, setpoint=power, power_kw=power)
    made = tightened(limited, replace(PLAN, courses=(course,)), refused(broken("import_kw", "site", 420.0, 400.0), peak_kw=360.0))
    assert made is not None
    assert made.limits[0].high == 360.0 - 1.1 * 20.0
