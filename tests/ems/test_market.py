"""Day-ahead prices and CO2 in the files that the tariff names; and what a site file may say of services outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datasets import download
from ems.config import LoadedSite, historian_url, load
from ems.historian import Historian
from ems.jobs import Job, JobState
from ems.prices import Billing
from ems.worker import Worker
from plant.errors import ConfigError
from plant.table import Table
from tests.ems.outside import Outside
from tests.ems.waterworks import TEXT

NOW = datetime(2026, 3, 10, 13, 30, tzinfo=UTC)  # 14:30 in Copenhagen
NOTHING = Table(times=np.zeros(0, dtype="datetime64[us]"), columns={})
FILES = (
    'energy = { kind = "file", file = "prices.csv" }\nco2_g_per_kwh = { kind = "file", file = "co2.csv", column = "g_per_kwh" }\n'
)


def text(prices: str) -> str:
    begin, end = TEXT.index("[tariff.energy]"), TEXT.index("[limits]")
    return TEXT[:begin].replace("[tariff]\n", f"[tariff]\n{FILES}", 1) + TEXT[end:] + "\n[learning]\nhistory_days = 10\n" + prices


def site_of(folder: Path, url: str) -> LoadedSite:
    block = f'\n[prices]\nkind = "energi_data_service"\narea = "DK1"\nco2_file = "co2.csv"\nadd_per_kwh = 0.05\nurl = "{url}"\n'
    (folder / "site.toml").write_text(text(block), encoding="utf-8")
    return load(folder / "site.toml")


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outside]:
    brief = download.brief
    monkeypatch.setattr("ems.market.brief", lambda url: replace(brief(url), timeout_s=0.5, pause=lambda _: None))
    monkeypatch.setenv("EMS_CACHE", str(tmp_path / "cache"))
    server = Outside(NOW)
    server.published_until = datetime(2026, 3, 11, 23, tzinfo=UTC)
    yield server
    server.close()


@pytest.fixture
def here(tmp_path: Path, outside: Outside) -> LoadedSite:
    return site_of(tmp_path, outside.url)


def fetched(here: LoadedSite, now: datetime) -> Job:
    with Historian(historian_url(here)) as historian:
        job = Worker(here, historian, lambda: now).do_due("prices")
    assert job is not None
    return job


def test_the_tariff_is_filled_day_by_day(here: LoadedSite, outside: Outside) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Billing(here.site, here.folder).prices(NOTHING, NOW, 900.0, 4, None)
    job = fetched(here, NOW)
    assert job.state is JobState.DONE, job.words
    assert job.words == "prices.csv: 1096 values until 11 Mar 22:45 UTC; co2.csv: 49 values until 11 Mar 09:00 UTC"
    prices = Billing(here.site, here.folder).prices(NOTHING, NOW + timedelta(minutes=15), 900.0, 96, None)
    assert prices.energy.values[:2] == (pytest.approx(0.163), pytest.approx(0.164))  # 113 and 114 EUR/MWh, and 0.05
    assert prices.co2_g_per_kwh is not None
    assert prices.co2_g_per_kwh.values[40] == 90.0  # predicted
    table = pd.read_csv(here.folder / "co2.csv")
    assert set(table.g_per_kwh[:40]) == {70.0}  # measured
    asked = len(outside.questions)
    outside.now += timedelta(days=1)
    outside.published_until += timedelta(days=1)
    assert fetched(here, NOW + timedelta(days=1)).state is JobState.DONE
    again = pd.read_csv(here.folder / "prices.csv")
    assert len(again) == 1096 + 96
    assert again.time.is_monotonic_increasing
    assert again.time.is_unique
    assert outside.questions[asked][1]["start"] == "2026-03-09T13:00"


def test_what_is_not_published_yet_fails_the_job_but_not_the_file(here: LoadedSite, outside: Outside) -> None:
    outside.published_until -= timedelta(days=1)
    job = fetched(here, NOW)
    assert job.state is JobState.FAILED
    assert "tomorrow's are not published yet" in job.words
    assert (here.folder / "prices.csv").is_file()
    prices = Billing(here.site, here.folder).prices(NOTHING, NOW + timedelta(hours=11), 900.0, 4, None)
    assert prices.energy.values[0] == pytest.approx(0.15)  # tomorrow 00:30, from the same hour of today


@pytest.mark.parametrize(
    ("faults", "words"),
    [([429, 500], None), (["silence"] * 3, "ReadTimeout"), (["garbage"], "is not JSON"), ([400], "refuses: 400")],
)
def test_faults_leave_the_file_as_it_was(here: LoadedSite, outside: Outside, faults: list[int | str], words: str | None) -> None:
    fetched(here, NOW - timedelta(days=1))
    before = (here.folder / "prices.csv").read_bytes()
    outside.faults = faults
    job = fetched(here, NOW)
    assert (job.state is JobState.DONE) is (words is None)
    assert ((here.folder / "prices.csv").read_bytes() == before) is (words is not None)
    assert words is None or words in job.words


def test_a_file_of_somebody_else_is_left_alone(here: LoadedSite) -> None:
    (here.folder / "prices.csv").write_text("when,what\n1,2\n", encoding="utf-8")
    job = fetched(here, NOW)
    assert "not a file of times and 'per_kwh'" in job.words
    assert (here.folder / "prices.csv").read_text() == "when,what\n1,2\n"


@pytest.mark.parametrize(
    ("block", "old", "new", "words"),
    [
        ('[weather]\nkind = "open_meteo"\n', "", "", "site.latitude: is missing; [weather] asks for the weather of this place"),
        ('[weather]\nkind = "openmeteo"\n', "", "", "weather.kind: \"openmeteo\" is not allowed: one of 'open_meteo'"),
        (
            '[weather]\nkind = "open_meteo"\nevery_s = 60\n',
            "",
            "",
            "weather.every_s: 60: input should be greater than or equal to 900",
        ),
        ('[weather]\nkind = "open_meteo"\nurl = "api.open-meteo.com"\n', "", "", 'weather.url: "api.open-meteo.com": '),
        ('[weather]\nkind = "open_meteo"\nkeyenv = "K"\n', "", "", "weather.keyenv: unknown key 'keyenv'; did you mean 'key_env'?"),
        ('[prices]\nkind = "energi_data_service"\n', "", "", "prices.area: is missing"),
        ('[prices]\nkind = "energi_data_service"\narea = "SE3"\nco2_file = "co2.csv"\n', "", "", "prices.area: 'SE3' has no CO2"),
        (
            '[prices]\nkind = "energi_data_service"\narea = "DK1"\nfetch_at = "noon"\n',
            "",
            "",
            "prices.fetch_at: 'noon' is no time of day",
        ),
        ('[prices]\nkind = "energi_data_service"\narea = "DK1"\n', '"EUR"', '"SEK"', "site.currency: 'SEK'; energi_data_service"),
        (
            '[prices]\nkind = "energi_data_service"\narea = "DK1"\n',
            "",
            "",
            "tariff.co2_g_per_kwh.file: 'co2.csv': there is no file",
        ),
        (
            '[prices]\nkind = "energi_data_service"\narea = "DK1"\nco2_file = "co2.csv"\n',
            '"g_per_kwh"',
            '"co2"',
            "tariff.co2_g_per_kwh.column: 'co2' is no column of co2.csv",
        ),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, block: str, old: str, new: str, words: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text(f"\n{block}").replace(old, new, 1) if old else text(f"\n{block}"), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        load(file)
    assert str(error.value).startswith(str(file))
    assert words in str(error.value)


def test_the_command_line(tmp_path: Path) -> None:
    now = datetime.now(UTC)  # noqa: TID251  # the worker lives by the wall's clock
    server = Outside(now)
    here = site_of(tmp_path, server.url)
    try:
        assert ems(here, "config", "check").returncode == 0
        done = ems(here, "worker", "--once")
        jobs = {job["name"]: job for job in json.loads(done.stdout)["jobs"]}
        assert jobs["prices"]["state"] == "done", jobs["prices"]["words"]
        assert "weather" not in jobs
        assert len(pd.read_csv(tmp_path / "prices.csv")) > 10 * 96
        looked = {found["what"]: found for found in json.loads(ems(here, "doctor").stdout)}
        assert looked["prices"]["well"]
        assert looked["prices"]["words"].startswith("known until ")
        assert "weather" not in looked
    finally:
        server.close()
    asked = ems(here, "jobs", "run", "pricess")
    assert asked.returncode == 3
    assert "one of weather, prices, train" in " ".join(asked.stderr.split())


def ems(here: LoadedSite, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ems.cli", *arguments, "--site", str(here.file), "--json"]
    environment = {**os.environ, "EMS_CACHE": str(here.folder / "cache")}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
