"""Weather as issued: fetched, kept with its issue time, told to forecasters; without it they fall back and say so."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from anomaly.monitor import HealthMonitor
from datasets import download
from ems.config import LoadedSite, historian_url, load
from ems.forecasts import SiteForecasts
from ems.historian import Historian
from ems.issued import IssuedForecasts
from ems.jobs import Job, JobState
from ems.learned import forecaster
from ems.outlook import MODEL, NAMES, PAST, Outlook
from ems.registry import registry_of
from ems.replay import Replayer, whole
from ems.runs import run
from ems.serving import issue
from ems.site import build
from ems.training import TrainingReport, history_of, train_forecaster
from ems.weather import bridged, fetch
from ems.worker import Worker
from plant.feeds import WeatherFeed
from plant.ports import instant64
from plant.series import Forecast, Series
from plant.situation import Situation
from plant.table import Table
from tests.connectors.tank_plant import START, TankPlant
from tests.ems.outside import Outside, temperature
from tests.ems.small import small_site
from tests.ems.waterworks import TEXT

T0 = datetime(2026, 1, 5, tzinfo=UTC)
END = T0 + timedelta(days=49)
TARGET = "water_demand"
TEMPERATURE = NAMES[0]
DAYS = ("2026-02-22", "2026-02-23T12:00")
"""Of the first the weather is known, of the second it is not."""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    brief = download.brief
    monkeypatch.setattr("ems.weather.brief", lambda url: replace(brief(url), timeout_s=0.5, pause=lambda _: None))
    monkeypatch.setenv("EMS_CACHE", str(tmp_path / "cache"))
    server = Outside(END)
    yield server
    server.close()


@pytest.fixture
def here(tmp_path: Path, outside: Outside) -> LoadedSite:
    return site_of(tmp_path, outside.url)


def site_of(folder: Path, url: str | None) -> LoadedSite:
    text = TEXT.replace('currency = "EUR"', 'currency = "EUR"\nlatitude = 52.5\nlongitude = 13.4', 1)
    text += '\n[learning]\nforecaster = "linear_quantile"\nhistory_days = 42\n'
    text += "" if url is None else f'\n[weather]\nkind = "open_meteo"\nurl = "{url}"\n'
    folder.mkdir(exist_ok=True)
    (folder / "site.toml").write_text(text, encoding="utf-8")
    return load(folder / "site.toml")


def demand(until: datetime = END) -> Table:
    """Seven weeks of a demand that follows the temperature."""
    times = np.datetime64(T0.replace(tzinfo=None), "us") + np.arange(49 * 96) * np.timedelta64(900, "s")
    warm = np.array([temperature(T0 + timedelta(minutes=15 * number)) for number in range(times.size)])
    hour = (np.arange(times.size) % 96) / 4
    values = 60 + 10 * np.sin((hour - 6) / 24 * 2 * np.pi) - 2 * warm + np.random.default_rng(3).normal(size=times.size)
    return Table(times=times, columns={TARGET: values}).before(instant64(until))


def fetched(here: LoadedSite, historian: Historian, now: datetime = END) -> Job:
    job = Worker(here, historian, lambda: now).do_due("weather")
    assert job is not None
    return job


def train(here: LoadedSite, historian: Historian, now: datetime) -> TrainingReport:
    return train_forecaster(here, historian, TARGET, history_of(here.site, historian, now), now)


def missed(here: LoadedSite, historian: Historian, start: datetime, known: tuple[str, ...]) -> tuple[float, str]:
    """Mean error of a forecast over a day, made with or without weather, and its words."""
    outlook = Outlook(historian.database, here.site) if known else None
    table = history_of(here.site, historian, start)
    joined = table if outlook is None else outlook.joined(table)
    model = forecaster(here.site, "linear_quantile", joined, TARGET, "m3/h", known)
    forecast = SiteForecasts({TARGET: model}, {TARGET: "m3/h"}, outlook).issue(table, start, 900.0, 96)[0]
    came = demand().since(instant64(start)).columns[TARGET][:96]
    return float(np.abs(np.array(forecast.p50.values) - came).mean()), forecast.words


def test_a_forecast_that_knows_the_weather_is_better(here: LoadedSite, outside: Outside) -> None:
    start = END - timedelta(days=2)
    outside.now = start
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        job = fetched(here, historian, start)
        assert job.words == "weather until 25 Feb 00:00 UTC; 42 past days as forecast 24 h before, 0 as they came"
        blind, words = missed(here, historian, start, ())
        assert "weather" not in words
        knowing, words = missed(here, historian, start, NAMES)
        assert "weather" not in words
        assert knowing < 0.7 * blind


def test_without_the_service_forecasts_go_on_and_say_so(here: LoadedSite, outside: Outside) -> None:
    start = END - timedelta(days=2)
    outside.now = start - timedelta(days=4)
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        fetched(here, historian, start - timedelta(days=4))
        outside.faults = [503] * 3
        job = fetched(here, historian, start)
        assert job.state is JobState.FAILED
        assert "gave no answer in 3 tries: status 503" in job.words
        blind, _ = missed(here, historian, start, ())
        fallen, words = missed(here, historian, start, NAMES)
        assert "no weather forecast: calendar and load alone" in words
        assert fallen == blind


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ([429, 500], None),
        (["silence", "silence"], None),
        (["silence"] * 3, "ReadTimeout"),
        (["garbage"], "the answer is not JSON"),
        ([400], "refuses: 400"),
    ],
)
def test_faults_of_the_service(here: LoadedSite, outside: Outside, faults: list[int | str], words: str | None) -> None:
    outside.faults = faults
    with Historian(historian_url(here)) as historian:
        job = fetched(here, historian)
        assert (job.state is JobState.DONE) is (words is None)
        assert words is None or words in job.words


def test_hours_that_are_missing(here: LoadedSite, outside: Outside) -> None:
    """Two hours are bridged; a forecast ends at a longer gap, and says how far it knew the weather."""
    outside.hidden = {END + timedelta(hours=number) for number in (4, 5)}
    outside.empty = {END + timedelta(hours=number) for number in range(12, 20)}
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        fetched(here, historian)
        kept = IssuedForecasts(historian.database).latest(TEMPERATURE, MODEL, END)
        assert kept is not None
        assert kept.forecast.made_at == END
        assert len(kept.forecast.p50.values) == 12
        ends = (temperature(END + timedelta(hours=3)), temperature(END + timedelta(hours=6)))
        assert kept.forecast.p50.values[4] == pytest.approx(ends[0] + (ends[1] - ends[0]) / 3, abs=0.01)
        outlook = Outlook(historian.database, here.site)
        ahead = outlook.ahead(END, 900.0, 96)
        assert np.isnan(ahead.table.columns[TEMPERATURE]).sum() == 48
        history = outlook.joined(history_of(here.site, historian, END))
        model = forecaster(here.site, "ridge", history, TARGET, "m3/h", NAMES)
        forecast = model.predict(history, ahead.table, END, 96)
        assert "weather known for 11 of 24 h, the rest from calendar and load" in forecast.words
        later = forecaster(here.site, "ridge", history, TARGET, "m3/h", NAMES, at_once=False)
        assert pickle.loads(pickle.dumps(later)).predict(history, ahead.table, END, 96) == forecast
        blind = forecaster(here.site, "ridge", history, TARGET, "m3/h").predict(history, None, END, 96)
        assert forecast.p50.values[44:] == blind.p50.values[44:]
        assert forecast.p50.values[:44] != blind.p50.values[:44]
        dark = Table(times=history.times, columns={**history.columns, TEMPERATURE: np.full(len(history), np.nan)})
        told = model.predict(dark, ahead.table, END, 96)
        assert "too little weather of the last week: calendar and load alone" in told.words
        assert told.p50 == blind.p50


def test_bridges_are_short() -> None:
    column = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan, np.nan, 8.0])
    assert np.array_equal(bridged(column), [1, 2, 3, np.nan, np.nan, np.nan, np.nan, 8], equal_nan=True)


def test_the_past_is_what_was_known_then(here: LoadedSite, outside: Outside) -> None:
    """Nothing that was issued later changes what a replayed issue time is told."""
    before = END - timedelta(days=1)
    with Historian(historian_url(here)) as historian:
        outside.now = before
        fetched(here, historian, before)
        outlook = Outlook(historian.database, here.site)
        told = outlook.ahead(before + timedelta(hours=7), 900.0, 96)
        assert told.words == "the weather forecast is 7 h old"
        outside.now = END
        fetched(here, historian)
        again = outlook.ahead(before + timedelta(hours=7), 900.0, 96)
        assert np.array_equal(told.table.columns[TEMPERATURE], again.table.columns[TEMPERATURE])
        late = outlook.ahead(END + timedelta(days=5), 900.0, 96)
        assert np.isnan(late.table.columns[TEMPERATURE]).all()
        history = outlook.joined(demand())
        assert history.columns[TEMPERATURE][96 * 20] == pytest.approx(temperature(T0 + timedelta(days=20)) + 0.5, abs=0.01)


def test_a_forecast_of_ours_stands_in_for_past_ones_nobody_kept(here: LoadedSite, outside: Outside) -> None:
    outside.unknown_before = END + timedelta(days=9)
    with Historian(historian_url(here)) as historian:
        outside.now = END - timedelta(days=3)
        fetched(here, historian, outside.now)
        history = Outlook(historian.database, here.site).joined(demand(), as_it_came=False)
        known = np.isfinite(history.columns[TEMPERATURE])
        assert not known[: 47 * 96].any()
        assert known[47 * 96 :].all()  # from a day after it was issued on


def test_training_says_where_its_weather_comes_from(here: LoadedSite, outside: Outside) -> None:
    outside.unknown_before = T0 + timedelta(days=17)
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        assert "without weather: none is kept for these days" in train(here, historian, END).steps[1].words
        assert fetched(here, historian).words.endswith("32 past days as forecast 24 h before, 10 as they came")
        report = train(here, historian, END)
        said = report.steps[1].words
        assert "weather as forecast 24 h before for 76% of the rows, as it came for 24%" in said
        assert report.model is not None
        assert "without it the MAE is" in said
        registry_of(here, historian).approve(report.model.id, "anna", END)
        (made,) = issue(here, historian, TARGET, [END])
        assert "weather" not in made.forecast.words
        (late,) = issue(here, historian, TARGET, [END + timedelta(days=9)])
        assert late.forecast.words.endswith("no weather forecast: calendar and load alone")


def test_past_days_are_asked_for_once(here: LoadedSite, outside: Outside) -> None:
    with Historian(historian_url(here)) as historian:
        fetched(here, historian)
        asked = len(outside.questions)
        assert asked == 2
        assert fetched(here, historian, END + timedelta(hours=1)).words.endswith("every past day is known")
        assert len(outside.questions) == asked + 1
        days = IssuedForecasts(historian.database)
        assert days.times(TEMPERATURE, PAST) == set()
        assert len(days.times(TEMPERATURE, "open_meteo.ahead1d")) == 42


def test_a_key_is_sent_and_never_said(tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    made = site_of(tmp_path, outside.url)
    assert made.site.weather is not None
    keyed = replace(made, site=replace(made.site, weather=replace(made.site.weather, key_env="WEATHER_KEY")))
    with Historian(historian_url(keyed)) as historian:
        assert "WEATHER_KEY is not set" in fetched(keyed, historian).words
        monkeypatch.setenv("WEATHER_KEY", "s3cret")
        outside.faults = [401]
        job = fetched(keyed, historian, END + timedelta(hours=1))
        assert outside.questions[-1][1]["apikey"] == "s3cret"
        assert "refuses: 401" in job.words
        assert "s3cret" not in repr(job)


class Warm:
    """A forecaster whose forecast is the weather it is told."""

    known = NAMES

    def __init__(self) -> None:
        self.told: list[tuple[float, ...]] = []

    def fit(self, history: Table, target: str) -> Warm:
        return self

    def predict(self, history: Table, known_future: Table | None, start: datetime, steps: int) -> Forecast:
        assert known_future is not None
        assert TEMPERATURE in history.columns
        self.told.append(tuple(known_future.columns[TEMPERATURE].tolist()))
        same = Series(start=start, step_s=900.0, values=tuple(0.01 * value for value in self.told[-1]), unit="m3/h")
        return Forecast(target="demand", made_at=start, model_id="warm", p10=same, p50=same, p90=same)


def test_a_run_is_told_the_weather_and_replays_without_it(tmp_path: Path, outside: Outside) -> None:
    outside.now = START - timedelta(hours=8)
    site = replace(small_site(), weather=WeatherFeed(kind="open_meteo", url=outside.url))
    site = replace(site, site=replace(site.site, latitude=52.5, longitude=13.4))
    here = LoadedSite(site=site, folder=tmp_path, file=tmp_path / "site.toml")
    with Historian(f"sqlite:///{tmp_path / 'tank.sqlite'}") as historian:
        kept, warm = IssuedForecasts(historian.database), Warm()
        fetch(site, kept, outside.now, outside.now, lambda _: None)
        run(build(here, historian, TankPlant(), {"demand": warm}, HealthMonitor(site, {})), for_s=3600.0)
        assert warm.told[0][0] == pytest.approx(temperature(START), abs=0.01)
        situations = historian.records("situation", Situation)
        assert {forecast.words for forecast in situations[0].forecasts} == {"the weather forecast is 8 h old"}
        assert kept.forget(START + timedelta(days=99)) > 0
        replayed = whole(historian, Replayer(historian).plans())
        assert replayed.decisions == replayed.identical > 0


def test_a_site_without_the_section_asks_nobody(tmp_path: Path) -> None:
    made = site_of(tmp_path, None)
    with Historian(historian_url(made)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        worker = Worker(made, historian, lambda: END)
        assert worker.do_due("weather") is None
        assert worker.do_due("prices") is None
        worker.jobs.ask("weather", END, "anna")
        assert [job.words for job in worker.do_asked()] == ["no weather service is asked: the site file has no [weather]"]
        report = train(made, historian, END)
        assert "weather" not in report.steps[1].words


def test_the_command_line(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251  # the worker lives by the wall's clock
    server = Outside(now)
    made = site_of(tmp_path, server.url)
    try:
        done = ems(made, "worker", "--once")
        jobs = {job["name"]: job for job in json.loads(done.stdout)["jobs"]}
        assert jobs["weather"]["state"] == "done"
        assert jobs["weather"]["words"].startswith("weather until ")
        assert "HTTP Request" not in done.stderr
        with Historian(historian_url(made)) as historian:
            historian.write_table(demand(), {TARGET: "m3/h"})
        assert json.loads(ems(made, "jobs", "run", "weather").stdout)["job"]["state"] == "waiting"
        ems(made, "worker", "--once")
        trained = ems(made, "forecast", "train", "--target", TARGET, "--until", "2026-02-22")
        (report,) = json.loads(trained.stdout)["models"]
        assert "weather as forecast 24 h before for 98% of the rows; without it the MAE is" in report["steps"][1]["words"]
        ems(made, "models", "approve", report["model"]["id"], "--who", "anna")
        said = [json.loads(ems(made, "forecast", "predict", "--target", TARGET, "--until", day).stdout) for day in DAYS]
        words = [each["last"][0]["forecast"]["words"] for each in said]
        assert "weather" not in words[0]
        assert words[1].endswith("no weather forecast: calendar and load alone")
        looked = {found["what"]: found for found in json.loads(ems(made, "doctor").stdout)}
        assert looked["weather"]["well"]
    finally:
        server.close()


def ems(made: LoadedSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ems.cli", *arguments, "--site", str(made.file), "--json"]
    environment = {**os.environ, "EMS_CACHE": str(made.folder / "cache")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
