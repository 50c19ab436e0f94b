"""A model's life on a series whose truth is known: trained, measured, approved, watched, degraded, replaced, rolled back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ems.accuracy import raise_alarms, watch
from ems.config import LoadedSite, historian_url
from ems.forecasts import FLAT, SiteForecasts
from ems.historian import Historian
from ems.issued import IssuedForecasts, Notices
from ems.model_record import State, Trained
from ems.registry import registry_of
from ems.serving import CurrentForecasters, issue, served_forecasters
from ems.training import TrainingReport, history_of, missed, train_forecaster, training_lease, validated
from ems.worker import Worker
from plant.errors import DataError, NotFoundError, RefusedError
from plant.events import Alarm
from plant.series import Forecast
from plant.site import Threshold
from plant.table import Table
from plant.tags import Tag
from tests.ems.waterworks import loaded

T0 = datetime(2026, 1, 5, tzinfo=UTC)
SPLIT = T0 + timedelta(days=42)
END = T0 + timedelta(days=56)
TARGET = "water_demand"


def demand(drift_from: datetime | None = None, seed: int = 3) -> Table:
    """Eight weeks of a daily and weekly pattern with noise, half as much again from a time on."""
    times = np.datetime64(T0.replace(tzinfo=None), "us") + np.arange(56 * 96) * np.timedelta64(900, "s")
    hour = (np.arange(times.size) % 96) / 4
    weekend = (np.arange(times.size) // 96 % 7) >= 5
    level = 40 + 25 * np.sin((hour - 6) / 24 * 2 * np.pi) - 12 * weekend
    values = level * (1 + 0.05 * np.random.default_rng(seed).normal(size=times.size))
    if drift_from is not None:
        values = np.where(times >= np.datetime64(drift_from.replace(tzinfo=None), "us"), 1.5 * values, values)
    return Table(times=times, columns={TARGET: values})


@pytest.fixture
def here(tmp_path: Path) -> LoadedSite:
    made = loaded(tmp_path)
    learning = replace(made.site.learning, forecaster="week_mean", history_days=42)
    return replace(made, site=replace(made.site, learning=learning))


def train(here: LoadedSite, historian: Historian, now: datetime, **options: str) -> TrainingReport:
    with training_lease(historian, registry_of(here, historian), now):
        return train_forecaster(here, historian, TARGET, history_of(here.site, historian, now), now, **options)


def days(first: datetime, count: int) -> list[datetime]:
    return [first + timedelta(days=day) for day in range(count)]


def test_the_life_of_a_model(here: LoadedSite) -> None:
    drifted = SPLIT + timedelta(days=3)
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(drifted), {TARGET: "m3/h"})
        registry = registry_of(here, historian)
        first = train(here, historian, SPLIT)
        assert first.ok
        assert [step.name for step in first.steps] == ["validate", "evaluate", "learn", "register", "accept"]
        assert first.model is not None
        assert first.model.state is State.PENDING
        with pytest.raises(NotFoundError, match="no model runs for 'water_demand'"):
            issue(here, historian, TARGET, [SPLIT])
        served = registry.approve(first.model.id, "anna", SPLIT)
        issue(here, historian, TARGET, days(SPLIT, 14))
        before = watch(here, historian, served, drifted - timedelta(days=2), drifted)
        assert not before.degraded
        assert before.forecasts == 2
        assert before.skill is not None
        assert before.skill > 0
        after = watch(here, historian, served, drifted, drifted + timedelta(days=2))
        assert after.degraded
        (alarm,) = raise_alarms(historian, [before, after], drifted + timedelta(days=2))
        assert Notices(historian.database).latest() == [alarm]
        second = train(here, historian, END, model="seasonal_naive")
        assert second.model is not None
        registry.approve(second.model.id, "anna", END)
        recent = (drifted + timedelta(days=8), drifted + timedelta(days=11))
        issue(here, historian, TARGET, days(recent[0], 3))
        champion, challenger = (watch(here, historian, registry.get(key), *recent) for key in (served.id, second.model.id))
        assert champion.forecasts == challenger.forecasts == 3
        assert champion.overall.values == challenger.overall.values == 3 * 96
        assert challenger.ratio != champion.ratio
        assert registry.promote(second.model.id, "anna", END).state is State.SERVING
        assert registry.rollback(f"forecast/{TARGET}", "anna", END).id == served.id
        assert served_forecasters(here, historian).keys() == {TARGET}


def test_what_was_known_when(here: LoadedSite) -> None:
    """What comes after the issue time changes nothing, and a forecast once issued stays."""
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        report = train(here, historian, SPLIT)
        assert report.model is not None
        registry_of(here, historian).approve(report.model.id, "anna", SPLIT)
        (early,) = issue(here, historian, TARGET, [SPLIT])
        historian.write_table(demand(SPLIT))
        (late,) = issue(here, historian, TARGET, [SPLIT])
        assert late == early
        (kept,) = IssuedForecasts(historian.database).of(TARGET)
        assert kept == early
        assert kept.forecast.made_at == SPLIT
        assert kept.forecast.model_id == report.model.id
        assert kept.forecast.p50.unit == "m3/h"


class Silent:
    """A forecaster that gives no number."""

    def fit(self, history: Table, target: str) -> Silent:
        return self

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        raise ValueError("a series holds NaN")


def test_a_model_that_gives_no_number_is_left_out_and_said(here: LoadedSite) -> None:
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        registry, said = registry_of(here, historian), list[str]()
        trained = Trained(name=f"forecast/{TARGET}", kind="forecast", algorithm="silent", history=demand(), metrics=())
        record = registry.approve(registry.register(Silent(), trained, T0, "ems").id, "anna", T0)
        assert issue(here, historian, TARGET, [SPLIT], say=said.append) == []
        assert said == [f"{record.id} at {SPLIT.isoformat()}: a series holds NaN"]


def test_issue_times_may_be_in_any_zone(here: LoadedSite) -> None:
    from zoneinfo import ZoneInfo

    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        report = train(here, historian, SPLIT)
        assert report.model is not None
        record = registry_of(here, historian).approve(report.model.id, "anna", SPLIT)
        issue(here, historian, TARGET, [time.astimezone(ZoneInfo("Asia/Seoul")) for time in days(SPLIT, 3)])
        found = watch(here, historian, record, SPLIT, SPLIT + timedelta(days=3))
        assert found.ratio is not None
        assert found.ratio < 1.5


def test_a_run_that_goes_on_takes_up_what_comes_to_serve(here: LoadedSite) -> None:
    said: list[str] = []
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        history, registry = history_of(here.site, historian, END), registry_of(here, historian)
        current = CurrentForecasters(registry, {}, said.append)
        forecasts = SiteForecasts(current, {TARGET: "m3/h"})

        def model_id() -> str:
            return forecasts.issue(history, END, 900.0, 96)[0].model_id

        assert model_id() == FLAT
        first, second = (train(here, historian, END, model=kind).model for kind in ("week_mean", "seasonal_naive"))
        assert first is not None
        assert second is not None
        registry.approve(first.id, "anna", END)
        registry.approve(second.id, "anna", END)
        assert (model_id(), said) == (first.id, [])
        registry.promote(second.id, "anna", END)
        assert (model_id(), said) == (second.id, [f"{second.id} forecasts {TARGET} from now on"])
        (here.folder / "models" / first.file).write_bytes(b"something else")
        with pytest.raises(RefusedError, match="was changed"):
            registry.rollback(f"forecast/{TARGET}", "anna", END)
        assert model_id() == second.id


def test_below_its_threshold_a_model_is_rejected(here: LoadedSite) -> None:
    strict = replace(here.site.learning, thresholds=(Threshold(metric="mase", most=1e-6),), approval="rule")
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        report = train(replace(here, site=replace(here.site, learning=strict)), historian, SPLIT)
        assert not report.ok
        assert report.model is not None
        assert report.model.state is State.REJECTED
        assert "mase" in report.model.words
        assert "is above 1e-06" in report.model.words


def test_what_could_not_be_measured_reaches_no_threshold() -> None:
    made = Trained(name="forecast/a", kind="forecast", algorithm="ridge", history=demand(), metrics=(("mae", 1.5),))
    assert missed((Threshold(metric="mape", most=0.2),), made, "a") == ["mape could not be measured"]
    assert missed((Threshold(metric="mape", most=0.2, target="b"),), made, "a") == []
    assert missed((Threshold(metric="false_alarms_per_month", most=1),), made, "a") == []
    health = replace(made, kind="health", metrics=(("assets", 0.0),))
    assert missed((Threshold(metric="false_alarms_per_month", most=1),), health, None) == [
        "false_alarms_per_month could not be measured"
    ]
    assert missed((Threshold(metric="mape", most=0.2),), health, None) == []


@pytest.mark.parametrize("metric", ["mae", "rmse", "wape", "mape", "mase", "nmse", "pinball", "coverage80"])
def test_every_metric_has_its_threshold(metric: str) -> None:
    made = Trained(name="forecast/a", kind="forecast", algorithm="ridge", history=demand(), metrics=((metric, 0.5),))
    assert missed((Threshold(metric=metric, most=0.4),), made, "a") == [f"{metric} 0.5 is above 0.4"]  # type: ignore[arg-type]  # parametrized
    assert missed((Threshold(metric=metric, least=0.6),), made, "a") == [f"{metric} 0.5 is below 0.6"]  # type: ignore[arg-type]  # parametrized
    assert missed((Threshold(metric=metric, most=0.5, least=0.5),), made, "a") == []  # type: ignore[arg-type]  # parametrized


def test_history_is_checked_against_its_schema(here: LoadedSite) -> None:
    """The bounds of a tag hold, and a mean that misses them by rounding is no fault."""
    site = replace(here.site, tags=(Tag(name="a", unit="1", low=0.0, high=0.1),), virtual_tags=())
    times = np.datetime64("2026-01-05", "us") + np.arange(4) * np.timedelta64(900, "s")
    table = Table(times=times, columns={"a": np.array([0.1, (0.1 + 0.1 + 0.1) / 3, np.nan, 0.0])})
    assert table.columns["a"][1] > 0.1
    assert validated(site, table, ["a"]) == "4 rows of 900 s"
    wrong = replace(table, columns={"a": np.array([0.1, 0.3, -2.0, 0.0])})
    with pytest.raises(DataError, match=r"a: 2 places fail, first .* at 2026-01-05 00:\d\d:00\+00:00 \(outside 0 to 0.1\)"):
        validated(site, wrong, ["a"])


@pytest.mark.parametrize("minutes", [1, 1440])
def test_steps_from_a_minute_to_a_day(here: LoadedSite, minutes: int) -> None:
    """Trained, approved, issued and watched at the shortest and the longest step."""
    step_s, rows = minutes * 60.0, 7 * 1440 if minutes == 1 else 120
    control = replace(here.site.control, step_s=step_s, every_s=step_s, horizon_s=max(86400.0, 3600.0 * 24))
    site = replace(here.site, control=control, learning=replace(here.site.learning, history_days=100))
    times = np.datetime64("2026-01-05", "us") + np.arange(rows) * np.timedelta64(minutes, "m")
    values = 40 + 10 * np.sin(np.arange(rows) / 1440 * 2 * np.pi * minutes) + np.random.default_rng(1).normal(size=rows)
    until = times[-1].astype(datetime).replace(tzinfo=UTC) + timedelta(minutes=minutes)
    known = replace(here, site=site)
    with Historian(historian_url(here)) as historian:
        historian.write_table(Table(times=times, columns={TARGET: values}), {TARGET: "m3/h"})
        report = train(known, historian, until - timedelta(days=2), model="ridge")
        assert report.model is not None, report.words
        record = registry_of(known, historian).approve(report.model.id, "anna", until)
        (made,) = issue(known, historian, TARGET, [until - timedelta(days=2)])
        assert len(made.forecast.p50.values) == 1440 // minutes
        assert made.forecast.p50.step_s == step_s
        found = watch(known, historian, record, until - timedelta(days=3), until)
        assert found.overall.values == 1440 // minutes


def test_by_the_site_s_rule_a_model_is_approved(here: LoadedSite) -> None:
    easy = replace(here.site.learning, thresholds=(Threshold(metric="mase", most=2.0),), approval="rule")
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        report = train(replace(here, site=replace(here.site, learning=easy)), historian, SPLIT)
        assert report.model is not None
        assert report.model.state is State.SERVING


def test_training_that_cannot_be_done_says_why(here: LoadedSite) -> None:
    with Historian(historian_url(here)) as historian:
        with pytest.raises(DataError, match="no readings in the 42 days before"):
            train(here, historian, SPLIT)
        table = demand()
        historian.write_table(Table(times=table.times[:30], columns={TARGET: table.columns[TARGET][:30]}), {TARGET: "m3/h"})
        report = train(here, historian, T0 + timedelta(days=4))
        assert not report.ok
        assert report.model is None
        assert report.words.startswith("failed: ")
        assert registry_of(here, historian).models() == []
        historian.acquire("training", "elsewhere:1", SPLIT, 60)
        with pytest.raises(RefusedError, match="training is held by elsewhere:1"):
            train(here, historian, SPLIT)


def test_the_worker_goes_through_a_day(here: LoadedSite) -> None:
    rule = replace(here.site.learning, approval="rule")
    site = replace(here.site, learning=rule, assets=(), limits=replace(here.site.limits, load=None))
    works_site = replace(here, site=site)
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(END - timedelta(days=3)), {TARGET: "m3/h"})
        worker = Worker(works_site, historian, lambda: END)
        done = {name: worker.do_due(name) for name in ("train", "forecast", "accuracy", "retention")}
        assert done["train"] is not None
        assert done["train"].words == "1 of 1 model trained"
        assert (done["train"].done, done["train"].total) == (1, 1)
        assert done["forecast"] is not None
        assert done["forecast"].words == "1 forecast of 1 target"
        assert done["accuracy"] is not None
        assert done["accuracy"].words.startswith("1 model watched, 0 alarms; not judged for lack of readings after their forecasts")
        assert done["retention"] is None
        record = registry_of(works_site, historian).serving(f"forecast/{TARGET}")
        assert record is not None
        issue(works_site, historian, TARGET, days(END - timedelta(days=2), 2))
        worker.jobs.ask("accuracy", END, "anna")
        worker._now = lambda: END + timedelta(days=2)
        worker.do_asked()
        alarms = [notice for notice in Notices(historian.database).latest() if isinstance(notice, Alarm)]
        assert [alarm.rule for alarm in alarms] in ([], ["forecast_degraded"])


def test_models_that_may_not_be_loaded_are_trained_anew(here: LoadedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    site = replace(
        here.site, learning=replace(here.site.learning, approval="rule"), assets=(), limits=replace(here.site.limits, load=None)
    )
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        worker = Worker(replace(here, site=site), historian, lambda: END)
        worker.do_due("train")
        monkeypatch.setattr(
            "ems.registry.versions", lambda kind: tuple(dict.fromkeys(("code", "python", "scikit-learn"), "0").items())
        )
        worker._now = lambda: END + timedelta(days=2)
        job = worker.do_due("forecast")
        assert job is not None
        assert job.words.startswith("0 forecasts of 0 targets; none of water_demand")
        assert [waiting.name for waiting in worker.jobs.waiting(END)] == ["train"]


def test_the_command_line(here: LoadedSite) -> None:
    here.file.write_text(here.file.read_text() + '\n[learning]\nforecaster = "seasonal_naive"\nhistory_days = 56\n')
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})

    def ems(*arguments: str) -> dict[str, object]:
        command = [sys.executable, "-m", "ems.cli", *arguments, "--site", str(here.file), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, object] = json.loads(done.stdout)
        return found

    (report,) = ems("forecast", "train", "--target", TARGET, "--until", "2026-02-16")["models"]  # type: ignore[misc]  # JSON
    listed = report["model"]
    assert ems("models", "approve", listed["id"], "--who", "anna")["model"]["state"] == "serving"  # type: ignore[index]  # JSON
    made = ems("forecast", "predict", "--target", TARGET, "--since", "2026-02-16", "--until", "2026-02-20")
    assert made["forecasts"] == {listed["id"]: 4}
    assert ems("forecast", "accuracy", "--target", TARGET, "--until", "2026-02-20")["alarms"] == []
