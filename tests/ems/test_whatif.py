"""Strategies side by side: the same numbers with any number of processes, and changes that change what they should."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ems.cli import app
from ems.commands.whatif import document, mount
from ems.config import LoadedSite, historian_url
from ems.historian import Historian
from ems.whatif import Changes, WhatIf, ask
from plant.errors import ConfigError, DataError, NotFoundError, SolverError
from plant.identity import canonical
from plant.orders import Plan, Verdict
from plant.site import Storage
from plant.situation import Situation
from plant.table import Table
from plant.tariff import FlatPrice
from policy.strategies.optimal import Optimal
from policy.strategies.threshold import Threshold
from tests.twin_sim.little import START, drivers, site
from twin_sim.drivers import Drivers
from twin_sim.history import past_life
from twin_sim.model import SiteModel
from twin_sim.twin import Twin

DAYS = 5


def varied() -> Drivers:
    rng = np.random.default_rng(7)
    given = drivers(days=DAYS)
    steps = 96 * DAYS
    tags = {
        "outdoor": 2.0 + np.repeat(rng.normal(0.0, 2.0, DAYS), 96)[:, None],
        "air": np.clip(180.0 + 30.0 * rng.standard_normal((steps, 1)), 0.0, None),
        "load": np.clip(20.0 + 5.0 * rng.standard_normal((steps, 1)), 0.0, None),
    }
    return replace(given, tags=tags)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedSite:
    folder = tmp_path_factory.mktemp("whatif")
    of = site(futures=4)
    of = replace(of, storage=Storage(url=f"sqlite:///{folder / 'little.sqlite'}", url_env=None))
    found = LoadedSite(site=of, folder=folder, file=folder / "site.toml")
    past = past_life(SiteModel(of), varied(), start=START, days=DAYS, noise=False).telemetry
    load = {name: varied().tags[name][:, 0] for name in ("load", "air", "outdoor")}
    table = Table(times=past.times, columns={**past.columns, **load})
    with Historian(historian_url(found)) as historian:
        historian.write_table(table, {tag.name: tag.unit for tag in of.tags if tag.name in table.columns})
    return found


def answer(loaded: LoadedSite, *strategies: str, processes: int = 1, futures: int = 3, **changes: object) -> WhatIf:
    return ask(
        loaded, strategies, days=0.25, futures=futures, seed=1, processes=processes,
        changes=Changes(every_s=3600.0, **changes),  # type: ignore[arg-type]
    )  # fmt: skip


def test_numbers_do_not_depend_on_the_processes(loaded: LoadedSite) -> None:
    alone, four = (answer(loaded, "nothing", "threshold", processes=count) for count in (1, 4))
    assert canonical(document(alone)) == canonical(document(four))


def test_futures_keep_their_order_where_few_are_laid_out_beforehand(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = answer(loaded, "threshold", futures=4)
    monkeypatch.setattr("ems.whatif.AHEAD", 1)
    assert np.array_equal(answer(loaded, "threshold", futures=4, processes=2).traces["threshold"].kw, alone.traces["threshold"].kw)


def test_hold_is_what_local_control_does(loaded: LoadedSite) -> None:
    found = answer(loaded, "nothing", "hold")
    assert found.strategies["nothing"] == found.strategies["hold"]


def test_dearer_energy_costs_more_and_moves_nothing_under_local_control(loaded: LoadedSite) -> None:
    plain, dear = answer(loaded, "nothing"), answer(loaded, "nothing", price_factor=2.0)
    was, now = plain.strategies["nothing"].kpi, dear.strategies["nothing"].kpi
    assert now["energy_kwh"] == was["energy_kwh"]
    assert now["cost"].mean == pytest.approx(2.0 * was["cost"].mean, rel=1e-9)


def test_more_futures_leave_the_first_ones_as_they_are(loaded: LoadedSite) -> None:
    few, many = answer(loaded, "nothing", futures=2), answer(loaded, "nothing", futures=5)
    assert np.array_equal(few.traces["nothing"].kw, many.traces["nothing"].kw[:, :2])


def test_a_failed_machine_and_one_taken_out(loaded: LoadedSite) -> None:
    failed = answer(loaded, "nothing", failed=("lead",)).traces["nothing"]
    gone = answer(loaded, "nothing", without=("lead",)).traces["nothing"]
    assert float(failed.kw.mean()) == pytest.approx(float(gone.kw.mean()), rel=0.05)
    with pytest.raises(NotFoundError, match="lead"):
        answer(loaded, "nothing", without=("nobody",))


def test_an_import_limit_below_the_load_is_seen_as_broken(loaded: LoadedSite) -> None:
    assert answer(loaded, "nothing", import_kw=5.0).strategies["nothing"].violations["import_kw"] == 1.0


def test_from_a_moment_that_was(loaded: LoadedSite) -> None:
    found = ask(loaded, ["nothing"], days=0.1, futures=1, seed=0, start=START + timedelta(days=3))
    assert found.start == START + timedelta(days=3)
    with pytest.raises(DataError, match="whole days"):
        ask(loaded, ["nothing"], days=0.1, futures=1, seed=0, start=START + timedelta(hours=6))


def test_unknown_strategy_names_the_known(loaded: LoadedSite) -> None:
    with pytest.raises(NotFoundError, match="threshold"):
        answer(loaded, "wishful")


def test_command_prints_one_document_and_help_has_an_example(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ems.config.load", lambda _path=None: loaded)
    if not any(command.name == "whatif" for command in app.registered_commands):
        mount(app)
    traces = Path(loaded.folder) / "traces.parquet"
    words = ["whatif", "--strategies", "nothing", "--days", "0.1", "--futures", "2", "--json", "--traces", str(traces)]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0, shown.output
    found = json.loads(shown.stdout)
    assert set(found) >= {"from", "days", "futures", "strategies", "asked", "remarks"}
    assert found["remarks"][0].startswith("Less than a day")
    assert traces.stat().st_size > 0
    assert "Example" in CliRunner().invoke(app, ["whatif", "--help"]).stdout


def test_nothing_costs_less_than_what_knowing_the_future_allows(loaded: LoadedSite) -> None:
    """Regret is what a strategy costs beyond the bound, but for what the model rounds; the same with any number of processes."""
    alone, two = (answer(loaded, "nothing", "optimal", "clairvoyant", processes=count).strategies for count in (1, 2))
    assert alone == two
    assert list(alone) == ["nothing", "optimal", "clairvoyant"]
    costs = {name: alone[name].kpi["cost"].mean for name in alone}
    for name in ("nothing", "optimal"):
        assert alone[name].kpi["regret"].p5 > -0.005 * costs[name], name
    assert alone["nothing"].kpi["regret"].mean > alone["optimal"].kpi["regret"].mean
    assert 0.9 * costs["optimal"] < costs["clairvoyant"] < 1.005 * costs["optimal"]
    with pytest.raises(ConfigError, match="one beside it"):
        answer(loaded, "clairvoyant")


@pytest.mark.parametrize(
    "tariff",
    [
        {"co2_g_per_kwh": FlatPrice(kind="flat", per_kwh=400.0), "co2_price_per_t": 100.0},
        {"demand_charge_per_kw": 0.5, "demand_window_s": 7200.0},
    ],
)
def test_bound_and_account_count_the_same(loaded: LoadedSite, tariff: dict[str, Any]) -> None:
    """CO2 is in no bill; a peak is, by the windows of the clock. Either way local control is not cheaper than possible."""
    other = replace(loaded, site=replace(loaded.site, tariff=replace(loaded.site.tariff, **tariff)))
    start = START + timedelta(days=3, hours=1)
    found = ask(other, ("nothing", "clairvoyant"), days=0.25, futures=2, seed=1, start=start).strategies["nothing"].kpi
    assert -0.005 * found["cost"].mean < found["regret"].mean < 0.25 * found["cost"].mean


def test_what_cannot_be_kept_is_no_regret(loaded: LoadedSite) -> None:
    """A limit below the load cannot be kept by anybody; where a store runs dry no bill tells what that is worth."""
    plain, limited = (answer(loaded, "nothing", "clairvoyant", **changes) for changes in ({}, {"import_kw": 5.0}))
    assert limited.strategies["nothing"].kpi["regret"] == plain.strategies["nothing"].kpi["regret"]
    dry = answer(loaded, "nothing", "clairvoyant", failed=("lead", "lag"), futures=2)
    assert "regret" not in dry.strategies["nothing"].kpi
    assert (dry.unbounded, plain.unbounded) == ({"nothing": 2}, {})


def test_a_plan_knows_the_weather(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Situation] = []
    propose = Threshold.propose
    monkeypatch.setattr(Threshold, "propose", lambda self, situation: (seen.append(situation), propose(self, situation))[1])
    answer(loaded, "threshold", futures=1)
    assert {name for name, _ in seen[0].ambient} == {"outdoor"}


def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What machines are told last."""
    told: dict[str, object] = {}
    write = Twin.write

    def kept(self: Twin, tag: str, value: Any) -> None:
        told[tag] = value
        write(self, tag, value)

    monkeypatch.setattr(Twin, "write", kept)
    return told


def test_after_a_plan_that_is_refused_comes_the_ladder(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every plan but the first is refused, and holding too, everything is back with local control."""
    seen: list[str] = []

    def refused(plan: Plan, _situation: Situation, _model: SiteModel) -> Verdict:
        seen.append(plan.rung)
        return Verdict(plan_id=plan.id, ok=len(seen) == 1, violations=(), futures=1, seed=0, credibility=1.0)

    monkeypatch.setattr("ems.whatif_loop.rehearse", refused)
    told = written(monkeypatch)
    found = answer(loaded, "threshold", futures=1).strategies["threshold"]
    assert seen[:4] == ["best", "best", "hold", "release"]
    commands = {tag: value for tag, value in told.items() if tag.endswith(".command")}
    assert commands
    assert set(commands.values()) == {"AUTO"}
    assert found.plans == {"proposed": 6, "refused": 5, "failed": 0, "fallback": 5}


def test_a_strategy_that_fails_is_counted(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_self: Threshold, _situation: Situation) -> Plan:
        raise SolverError("no plan today")

    monkeypatch.setattr(Threshold, "propose", failing)
    assert answer(loaded, "threshold", futures=1).strategies["threshold"].plans["failed"] == 6


def test_after_the_end_of_a_plan_everything_is_given_back(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    short = replace(loaded, site=replace(loaded.site, control=replace(loaded.site.control, horizon_s=6 * 3600.0)))
    told = written(monkeypatch)
    found = ask(short, ("optimal",), days=1.0, futures=1, seed=1, changes=Changes(every_s=86400.0)).strategies["optimal"]
    assert {value for tag, value in told.items() if tag.endswith(".command")} == {"AUTO"}
    assert found.kpi["served_share"].mean > 0.99


def test_a_machine_is_given_back_while_its_store_is_outside_its_limits(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan for a day that lets nothing run: the receiver would be empty within the hour."""
    propose = Optimal.propose

    def idle(self: Optimal, situation: Situation) -> Plan:
        plan = propose(self, situation)
        off = tuple(
            replace(course, on=replace(course.on, values=(0.0,) * len(course.on.values)))
            if course.asset in {"lead", "lag"}
            else course
            for course in plan.courses
        )
        return replace(plan, courses=off)

    monkeypatch.setattr(Optimal, "propose", idle)
    monkeypatch.setattr("ems.decide.faults", lambda _plan, _situation: ())
    found = ask(loaded, ("optimal",), days=0.5, futures=1, seed=1, changes=Changes(every_s=43200.0, rehearsal=False))
    assert found.strategies["optimal"].kpi["served_share"].mean == 1.0
    receiver = found.traces["optimal"].levels[:, 1, 0]
    assert receiver.min() > 4.5
    assert receiver.max() > 6.25  # back inside by a tenth of the band before the plan is followed again


def test_how_far_and_how_long_a_rule_was_broken(loaded: LoadedSite) -> None:
    limit = 25.0
    found = answer(loaded, "nothing", import_kw=limit, futures=2)
    windows = found.traces["nothing"].kw.T.reshape(2, -1, 3).mean(axis=-1)
    broken = found.strategies["nothing"].broken["import_kw"]
    assert broken.worst == pytest.approx(windows.max() - limit)
    assert broken.hours == pytest.approx((windows > limit).sum(axis=-1).mean() * 0.25)
    assert broken.unit == "kW"


def test_days_are_whole_steps(loaded: LoadedSite) -> None:
    found = ask(loaded, ("nothing", "threshold"), days=0.02, futures=1, seed=0)
    assert found.days == pytest.approx(1800.0 / 86400.0)
    assert {lived.kw.shape for lived in found.traces.values()} == {(6, 1)}


def test_a_moment_after_the_last_reading_is_refused(loaded: LoadedSite) -> None:
    with pytest.raises(DataError, match="readings end at"):
        ask(loaded, ["nothing"], days=0.1, futures=1, seed=0, start=START + timedelta(days=DAYS + 3))


def test_between_two_plans_the_course_of_the_first_is_followed(loaded: LoadedSite) -> None:
    """A plan once in six hours is not its first step's orders held for six hours."""
    hourly, once = (
        ask(loaded, ("optimal",), days=0.25, futures=2, seed=1, changes=Changes(every_s=every_s)).strategies["optimal"].kpi
        for every_s in (3600.0, 6 * 3600.0)
    )
    assert once["served_share"].mean == pytest.approx(hourly["served_share"].mean, abs=0.05)
    assert once["cost"].mean == pytest.approx(hourly["cost"].mean, rel=0.1)
