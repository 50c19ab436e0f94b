"""What pages show is what the journal holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from dashboard import details
from dashboard.charts import expected_power, with_gaps
from dashboard.orders import coming
from dashboard.queries import Queries
from ems.config import historian_url
from ems.historian import Historian
from ems.kpis import site_power_kw
from plant.assets import Mode
from plant.errors import HistorianError, NotConnectedError, NotFoundError
from plant.kpi import Kpi
from plant.orders import Action, Command, OutcomeKind, Plan, Request
from plant.situation import Situation
from plant.table import Table
from tests.dashboard import works
from tests.dashboard.scribe import Scribe

CYCLES = 41


@pytest.fixture(scope="module")
def scribe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scribe]:
    loaded = works.loaded(tmp_path_factory.mktemp("works"), Mode.ADVISE)
    with Historian(historian_url(loaded)) as historian:
        yield Scribe(loaded, historian).run(CYCLES)


@pytest.fixture
def queries(scribe: Scribe) -> Queries:
    return Queries(scribe.loaded, scribe.historian)


def newest(scribe: Scribe) -> Situation:
    return scribe.historian.records("situation", Situation, newest_first=True, limit=1)[0]


def test_load_is_the_sum_that_is_billed(queries: Queries, scribe: Scribe) -> None:
    situation = newest(scribe)
    assert queries.overview().figures.load_kw == pytest.approx(site_power_kw(scribe.loaded.site, situation.snapshot))


def test_today_counts_from_local_midnight_and_saving_compares_the_same_spans(queries: Queries, scribe: Scribe) -> None:
    figures = queries.overview().figures
    actual, nothing = scribe.historian.records("kpi", Kpi), scribe.historian.records("nothing", Kpi)
    assert figures.today is not None
    assert figures.today.energy_kwh == pytest.approx(sum(span.energy_kwh for span in actual))
    assert figures.saving == pytest.approx(sum(span.cost for span in nothing) - sum(span.cost for span in actual))


def test_a_span_that_only_one_side_knows_is_not_compared(tmp_path_factory: pytest.TempPathFactory) -> None:
    loaded = works.loaded(tmp_path_factory.mktemp("half"))
    with Historian(historian_url(loaded)) as historian:
        scribe = Scribe(loaded, historian).run(4)
        last = historian.records("kpi", Kpi)[-1]
        historian.append("kpi", [replace(last, start=last.end, end=last.end + works.STEP, cost=1e6)], cycle="y", time=scribe.time)
        figures = Queries(loaded, historian).overview().figures
        assert figures.saving is not None
        assert abs(figures.saving) < 1e5


def test_expected_power_is_plan_plus_uncommanded_load(scribe: Scribe) -> None:
    situation = newest(scribe)
    plan = scribe.historian.records("plan", Plan, newest_first=True, limit=1)[0]
    band = expected_power(situation, plan)
    load = situation.forecast("base.power")
    assert band is not None
    assert load is not None
    planned = sum(course.power_kw.values[5] for course in plan.courses)
    assert band.p50.values[5] == pytest.approx(planned + load.p50.values[5])
    assert band.p90.values[5] - band.p10.values[5] == pytest.approx(load.p90.values[5] - load.p10.values[5])
    assert expected_power(replace(situation, load_target=None), None) is None


def test_power_view_has_a_day_past_with_its_price(queries: Queries) -> None:
    power = queries.overview().power
    assert power is not None
    assert power.price is not None
    assert power.price.start <= power.now - timedelta(hours=24)
    assert power.price.at(power.now) == pytest.approx(works.price(power.now))
    assert len(power.past) > CYCLES
    assert power.nothing is not None
    assert len(power.nothing) == CYCLES - 1


def test_changes_to_come_are_those_of_the_plan(scribe: Scribe) -> None:
    situation = newest(scribe)
    plan = scribe.historian.records("plan", Plan, newest_first=True, limit=1)[0]
    steps = coming(plan, situation)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert all(step.at > situation.time for step in steps)
    battery = [step for step in steps if step.asset == "battery"]
    assert battery[0].action is Action.SHUTDOWN
    first_on = next(step for step in battery if step.action is Action.OPTIMIZE)
    assert first_on.setpoint == 45.0


def test_only_fresh_advice_waits_for_a_person(queries: Queries, scribe: Scribe) -> None:
    orders = queries.told()
    now = newest(scribe).time
    waiting = [order for order in orders if order.waits]
    assert waiting
    assert all(order.command.at == now and order.outcome is not None for order in waiting)
    assert all(order.outcome is None or order.outcome.kind is OutcomeKind.NOT_SENT for order in waiting)
    assert not any(order.waits for order in orders if order.command.at < now - timedelta(minutes=15))


def test_rows_are_the_assets_of_the_site(queries: Queries, scribe: Scribe) -> None:
    rows = {row.name: row for row in queries.overview().assets}
    assert list(rows) == [asset.name for asset in scribe.loaded.site.assets]
    assert rows["battery"].setpoint_unit == "kW"
    assert rows["compressor_1"].score is not None
    ids = {command.id for command in scribe.historian.records("command", Command) if command.asset == "battery"}
    assert rows["battery"].last is not None
    assert rows["battery"].last.command.id in ids


def test_pulse_moves_with_the_journal_and_names_a_fault(queries: Queries, scribe: Scribe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queries.PULSE_KEPT_S", -1.0)
    before = queries.pulse()
    assert before.time is not None
    scribe.historian.append("event", [], cycle="", time=before.time)
    assert queries.pulse().last == before.last

    def broken(*_: object, **__: object) -> None:
        raise HistorianError("disk full")

    with monkeypatch.context() as away:
        away.setattr(scribe.historian, "entries", broken)
        assert queries.pulse().fault == "disk full"
        assert queries.pulse().last == before.last
    assert queries.pulse().fault == ""


def test_requests_carry_the_plants_time_and_need_a_name(queries: Queries, scribe: Scribe) -> None:
    from dashboard.filing import file

    with pytest.raises(NotConnectedError, match="name"):
        file(queries, "approve", "  ", "c-1", "")
    request: Request = file(queries, "approve", " Miller ", "c-1", "because")
    assert request.who == "Miller"
    assert request.time == scribe.historian.entries(newest_first=True, limit=1)[0].time
    assert request in scribe.historian.open_requests()


def test_asset_view_refuses_an_unknown_name(queries: Queries) -> None:
    with pytest.raises(NotFoundError, match="production_line"):
        queries.asset_view("no_such")
    assert queries.asset_view("compressor_1").sensors[0].unit == "°C"


def test_a_gap_in_readings_breaks_the_line() -> None:
    times = np.array(["2026-01-01T00:00", "2026-01-01T00:05", "2026-01-01T00:10", "2026-01-01T03:00", "2026-01-01T03:05"])
    table = Table(times=times.astype("datetime64[us]"), columns={"x": np.arange(5.0)})
    found = with_gaps(table)
    assert len(found) == 6
    assert np.isnan(found.columns["x"][3])
    assert with_gaps(table.before(np.datetime64("2026-01-01T01:00", "us"))).columns["x"].tolist() == [0.0, 1.0, 2.0]


def test_plans_are_read_once_and_then_only_what_is_new(tmp_path_factory: pytest.TempPathFactory) -> None:
    loaded = works.loaded(tmp_path_factory.mktemp("plans"))
    with Historian(historian_url(loaded)) as historian:
        scribe = Scribe(loaded, historian, refuse_every=3).run(4)
        plans = details.Plans(historian)
        first = plans.views()
        assert [view.plan for view in first] == list(reversed(historian.records("plan", Plan)))
        assert [view.verdict.ok for view in first if view.verdict] == [True, True, False, True, True]
        scribe.run(2)
        again = plans.views()
        assert [view.plan for view in again] == list(reversed(historian.records("plan", Plan)))
        assert again == details.Plans(historian).views() == plans.views()
