"""Strategies side by side: the same numbers with any number of processes, and changes that change what they should."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ems.cli import app
from ems.commands.whatif import document, mount
from ems.config import LoadedSite, historian_url
from ems.historian import Historian
from ems.whatif import Changes, WhatIf, ask
from plant.errors import ConfigError, DataError, NotFoundError
from plant.identity import canonical
from plant.orders import Plan, Verdict
from plant.site import Storage
from plant.situation import Situation
from plant.table import Table
from tests.twin_sim.little import START, drivers, site
from twin_sim.drivers import Drivers
from twin_sim.history import past_life
from twin_sim.model import SiteModel

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
    assert set(json.loads(shown.stdout)) >= {"from", "days", "futures", "strategies"}
    assert traces.stat().st_size > 0
    assert "Example" in CliRunner().invoke(app, ["whatif", "--help"]).stdout


def test_nothing_costs_less_than_what_knowing_the_future_allows(loaded: LoadedSite) -> None:
    """Regret is what a strategy costs beyond the proven bound, the same with any number of processes."""
    alone, two = (answer(loaded, "nothing", "threshold", "clairvoyant", processes=count).strategies for count in (1, 2))
    assert alone == two
    assert list(alone) == ["nothing", "threshold", "clairvoyant"]
    for name in ("nothing", "threshold"):
        assert alone[name].kpi["regret"].p5 > 0.0, name
        assert alone[name].kpi["cost"].mean - alone[name].kpi["regret"].mean >= alone["clairvoyant"].kpi["cost"].mean - 1e-9
    assert alone["clairvoyant"].kpi["cost"].mean > 0.5 * alone["nothing"].kpi["cost"].mean
    with pytest.raises(ConfigError, match="one beside it"):
        answer(loaded, "clairvoyant")


def test_with_little_left_to_decide_there_is_little_regret(loaded: LoadedSite) -> None:
    def regret(*failed: str) -> float:
        return answer(loaded, "nothing", "clairvoyant", failed=failed, futures=1).strategies["nothing"].kpi["regret"].mean

    assert regret("lead", "lag") < 0.5 * regret()


def test_a_plan_that_is_refused_leaves_nothing_as_it_was_told_last(loaded: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every plan but the first is refused, everything is back with local control."""
    plain = answer(loaded, "nothing", futures=1).traces["nothing"]
    seen: list[str] = []

    def refused(plan: Plan, situation: Situation, _model: SiteModel) -> Verdict:
        seen.append(plan.rung)
        ok = len(seen) == 1
        return Verdict(plan_id=plan.id, ok=ok, violations=(), futures=1, seed=0, credibility=1.0)

    monkeypatch.setattr("ems.whatif_loop.rehearse", refused)
    stood = answer(loaded, "threshold", futures=1).traces["threshold"]
    assert {"hold", "release"} <= set(seen)
    assert np.allclose(stood.kw[-12:].mean(), plain.kw[-12:].mean(), rtol=0.2)


def test_how_far_and_how_long_a_rule_was_broken(loaded: LoadedSite) -> None:
    limit = 5.0
    found = answer(loaded, "nothing", import_kw=limit, futures=2)
    broken = found.strategies["nothing"].broken["import_kw"]
    assert broken.worst == pytest.approx(found.strategies["nothing"].kpi["demand_peak_kw"].p95 - limit, rel=0.2)
    assert broken.hours == 6.0
    assert broken.unit == "kW"


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
