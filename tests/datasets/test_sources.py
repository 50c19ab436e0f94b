"""Clients against small answers of the published shapes, over a mock transport or a server of our own."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from datasets.download import Service, fetch
from datasets.sources import danish_consumption, day_ahead_price, etth1, grid_co2, household, open_meteo, steel
from plant.errors import DataError, NotConnectedError


@pytest.fixture
def site() -> Iterator[tuple[str, dict[str, bytes]]]:
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = files.get(self.path.lstrip("/"))
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", files
    server.shutdown()
    server.server_close()


def _zip(name: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, text)
    return packed.getvalue()


STEEL_HEAD = (
    "date,Usage_kWh,Lagging_Current_Reactive.Power_kVarh,Leading_Current_Reactive_Power_kVarh,"
    "Lagging_Current_Power_Factor,Leading_Current_Power_Factor\n"
)


def test_steel_carries_the_beginning_of_each_quarter(site: tuple[str, dict[str, bytes]], tmp_path: Path) -> None:
    url, files = site
    rows = "01/01/2018 00:15,3,1,0,73,100\n01/01/2018 00:30,4,1,0,73,100\n01/01/2018 00:00,5,1,0,73,100\n"
    files["steel.zip"] = _zip("Steel.csv", STEEL_HEAD + rows)
    loaded = steel.load(cache=tmp_path, url=f"{url}/steel.zip")
    wall = loaded.table.times + np.timedelta64(9, "h")
    assert list(wall.astype("datetime64[m]").astype(str)) == ["2018-01-01T00:00", "2018-01-01T00:15", "2018-01-01T23:45"]
    assert list(loaded.table.columns["usage_kwh"]) == [3.0, 4.0, 5.0]


def test_a_file_that_changed_since_is_refused(site: tuple[str, dict[str, bytes]], tmp_path: Path) -> None:
    url, files = site
    files["steel.zip"] = _zip("Steel.csv", STEEL_HEAD + "01/01/2018 00:15,3,1,0,73,100\n")
    steel.load(cache=tmp_path, url=f"{url}/steel.zip")
    (tmp_path / "steel_industry.zip").unlink()
    files["steel.zip"] = _zip("Steel.csv", STEEL_HEAD + "01/01/2018 00:15,99,1,0,73,100\n")
    with pytest.raises(DataError, match="not the file that was expected"):
        steel.load(cache=tmp_path, url=f"{url}/steel.zip")


def test_household_minutes_become_hours_and_outages_stay_missing() -> None:
    meters = "Sub_metering_1;Sub_metering_2;Sub_metering_3"
    head = f"Date;Time;Global_active_power;Global_reactive_power;Voltage;Global_intensity;{meters}\n"
    rows = "".join(f"16/12/2006;17:{minute:02d}:00;{'2.0' if minute < 30 else '?'};;;;0;1;10\n" for minute in range(60))
    rows += "16/12/2006;18:00:00;?;?;?;?;?;?;?\n"
    loaded = household.parse(io.BytesIO((head + rows).encode()), 3600.0)
    assert loaded.table.times[0] == np.datetime64("2006-12-16T16:00")
    assert loaded.table.columns["load_kw"][0] == 2.0
    assert np.isnan(loaded.table.columns["load_kw"][1])
    assert loaded.table.columns["water_heater_ac_kw"][0] == pytest.approx(0.6)


def test_etth1_is_checked_against_its_checksum(site: tuple[str, dict[str, bytes]], tmp_path: Path) -> None:
    url, files = site
    files["ETTh1.csv"] = b"date,HUFL,OT\n2016-07-01 00:00:00,5.8,30.5\n2016-07-01 01:00:00,5.7,27.8\n"
    right = hashlib.sha256(files["ETTh1.csv"]).hexdigest()
    assert etth1.load(tmp_path, f"{url}/ETTh1.csv", right).table.columns["OT"][1] == 27.8
    with pytest.raises(DataError, match="not the file"):
        etth1.load(tmp_path / "other", f"{url}/ETTh1.csv")


def test_a_missing_file_is_said(site: tuple[str, dict[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # pooch waits between its tries
    with pytest.raises(NotConnectedError, match="cannot be downloaded"):
        fetch(f"{site[0]}/none", name="none", cache=tmp_path)


class Danish:
    """Energi Data Service in small: pages, a filter, now and then a fault."""

    def __init__(self, faults: int = 0) -> None:
        self.faults, self.questions, self.pauses = faults, [], []
        hours = pd.date_range("2024-01-30", "2024-03-03", freq="h")
        self.rows = [
            {"HourUTC": f"{hour:%Y-%m-%dT%H:%M:%S}", "PriceArea": area, "ConsumerType_DE35": kind, "TotalCon": hour.hour * kind}
            for hour in hours for area in ("DK1", "DK2") for kind in (111, 112)
        ]  # fmt: skip

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.questions.append(dict(request.url.params))
        if self.faults:
            self.faults -= 1
            return httpx.Response(429, headers={"Retry-After": "7"})
        asked = request.url.params
        only = json.loads(asked.get("filter", "{}"))
        rows = [
            row for row in self.rows
            if asked["start"] <= row["HourUTC"][:16] < asked["end"] and all(row[name] in values for name, values in only.items())
        ]  # fmt: skip
        first, size = int(asked["offset"]), int(asked["limit"])
        return httpx.Response(200, json={"total": len(rows), "records": rows[first : first + size]})

    def service(self, cache: Path) -> Service:
        return Service(
            base_url="https://api.energidataservice.dk", cache=cache, transport=httpx.MockTransport(self), pause=self.pauses.append
        )


SPAN = (datetime(2024, 1, 30, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC))


def test_danish_consumption_comes_in_months_and_pages(tmp_path: Path) -> None:
    danish = Danish(faults=2)
    loaded = danish_consumption.load(*SPAN, areas=("DK1",), service=danish.service(tmp_path), page=100)
    assert set(loaded.table.columns) == {"DK1_111", "DK1_112"}
    assert len(loaded.table) == 32 * 24
    assert np.array_equal(loaded.table.columns["DK1_111"], 111.0 * (np.arange(32 * 24) % 24))
    assert danish.pauses == [7.0, 7.0]
    assert {question["start"] for question in danish.questions} == {"2024-01-30T00:00", "2024-02-01T00:00", "2024-03-01T00:00"}


def test_settled_months_are_asked_for_once(tmp_path: Path) -> None:
    danish = Danish()
    first = danish_consumption.load(*SPAN, areas=("DK2",), service=danish.service(tmp_path))
    asked = len(danish.questions)
    again = danish_consumption.load(*SPAN, areas=("DK2",), service=danish.service(tmp_path))
    assert len(danish.questions) - asked == asked - 1  # January is settled, February and March may still change
    assert np.array_equal(first.table.columns["DK2_112"], again.table.columns["DK2_112"])


def test_a_service_that_never_answers_and_one_that_refuses(tmp_path: Path) -> None:
    danish = Danish(faults=99)
    with pytest.raises(NotConnectedError, match="no answer in 5 tries"):
        danish_consumption.load(*SPAN, service=danish.service(tmp_path))
    refusing = Service(
        base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(lambda _: httpx.Response(400, text="no such column"))
    )
    with pytest.raises(DataError, match="no such column"):
        danish_consumption.load(*SPAN, service=refusing)
    empty = Service(
        base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"records": []}))
    )
    with pytest.raises(DataError, match="no records"):
        danish_consumption.load(*SPAN, service=empty)


def test_prices_change_their_dataset_with_their_step(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        old = request.url.path.endswith("Elspotprices")
        rows = (
            [{"HourUTC": "2025-09-30T21:00:00", "PriceArea": "DK1", "SpotPriceEUR": 50.0}]
            if old
            else [{"TimeUTC": f"2025-09-30T22:{m:02d}:00", "PriceArea": "DK1", "DayAheadPriceEUR": 60.0 + m} for m in (0, 15)]
        )
        return httpx.Response(200, json={"total": len(rows), "records": rows})

    service = Service(base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(answer))
    span = (datetime(2025, 9, 30, 21, tzinfo=UTC), datetime(2025, 9, 30, 22, 30, tzinfo=UTC))
    table = day_ahead_price.load(*span, service=service).table
    assert list(table.columns["DK1"]) == [0.05, 0.06, 0.075]


def test_grid_co2_measured_and_predicted(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        value = 80.0 if request.url.path.endswith("CO2EmisProg") else 75.0
        return httpx.Response(
            200, json={"records": [{"Minutes5UTC": "2024-01-01T00:00:00", "PriceArea": "DK2", "CO2Emission": value}]}
        )

    service = Service(base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(answer))
    span = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
    found = [
        grid_co2.load(*span, area="DK2", predicted=predicted, service=service).table.columns["DK2"][0]
        for predicted in (False, True)
    ]
    assert found == [75.0, 80.0]


def test_weather_as_it_was_and_as_it_was_issued(tmp_path: Path) -> None:
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["hourly"])
        hourly: dict[str, object] = {"time": ["2024-05-01T00:00", "2024-05-01T01:00"]}
        hourly |= {name: [11.5, None] for name in request.url.params["hourly"].split(",")}
        return httpx.Response(200, json={"hourly": hourly})

    service = Service(base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(answer))
    day = date(2024, 5, 1)
    for loaded in (
        open_meteo.load(52.5, 13.4, day, day, service=service),
        open_meteo.issued(52.5, 13.4, day, day, service=service),
    ):
        assert loaded.table.columns["outdoor_c"][0] == 11.5
        assert np.isnan(loaded.table.columns["outdoor_c"][1])
    assert "temperature_2m_previous_day1" in asked[1]
    assert open_meteo.forecast(52.5, 13.4, service=service).timezone == "UTC"
    with pytest.raises(DataError, match="before the first"):
        open_meteo.load(52.5, 13.4, day, date(2024, 4, 1), service=service)


def _weather(tmp_path: Path, hourly: object, asked: list[str] | None = None) -> Service:
    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(str(request.url))
        return httpx.Response(200, json={"hourly": hourly})

    return Service(base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(answer))


DAY = date(2024, 5, 1)
TIMES = ["2024-05-01T00:00", "2024-05-01T01:00", "2024-05-01T03:00"]


def test_radiation_carries_the_beginning_of_its_hour(tmp_path: Path) -> None:
    hourly = {"time": TIMES, "temperature_2m": [1, 2, 3], "shortwave_radiation": [10, 20, 30]}
    table = open_meteo.load(52.5, 13.4, DAY, DAY, service=_weather(tmp_path, hourly)).table
    assert list(table.columns["outdoor_c"]) == [1, 2, 3]
    assert table.columns["irradiance_w_m2"][0] == 20
    assert np.isnan(table.columns["irradiance_w_m2"][1:]).all()  # 02:00 is missing, and nothing follows 03:00


def test_past_weather_with_gaps_is_asked_for_again(tmp_path: Path) -> None:
    asked: list[str] = []
    for column, questions in (([1, None, 3], 2), ([1, 2, 3], 3)):
        service = _weather(tmp_path, {"time": TIMES, "temperature_2m": column}, asked)
        for _ in range(2):
            open_meteo.load(52.5, 13.4, DAY, DAY, service=service)
        assert len(asked) == questions


def test_a_cache_that_is_damaged_or_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    service = _weather(tmp_path, {"time": TIMES, "temperature_2m": [1, 2, 3]})
    open_meteo.load(52.5, 13.4, DAY, DAY, service=service)
    (file,) = (tmp_path / "answers").glob("*.gz")
    file.write_bytes(b"\x1f\x8bnothing")
    assert len(open_meteo.load(52.5, 13.4, DAY, DAY, service=service).table) == 3
    (tmp_path / "file").write_text("")
    closed = _weather(tmp_path / "file", {"time": TIMES, "temperature_2m": [1, 2, 3]})
    assert len(open_meteo.load(52.5, 13.4, DAY, DAY, service=closed).table) == 3


@pytest.mark.parametrize(
    "hourly",
    [
        None,
        {"temperature_2m": [1]},
        {"time": "soon", "temperature_2m": [1]},
        {"time": ["soon"], "temperature_2m": [1]},
        {"time": TIMES, "temperature_2m": [1, 2]},
        {"time": TIMES, "temperature_2m": [1, 2, "warm"]},
        {"time": TIMES[::-1], "temperature_2m": [1, 2, 3]},
    ],
)
def test_weather_of_another_shape_is_refused(tmp_path: Path, hourly: object) -> None:
    with pytest.raises(DataError, match="Open-Meteo"):
        open_meteo.forecast(52.5, 13.4, service=_weather(tmp_path, hourly))


def test_a_key_goes_to_the_paid_service_and_into_no_words(tmp_path: Path) -> None:
    assert open_meteo.address(open_meteo.FORECAST_URL, "s3cret") == "https://customer-api.open-meteo.com"
    assert open_meteo.address(open_meteo.FORECAST_URL, None) == "https://api.open-meteo.com"
    refusing = Service(
        base_url="https://x", cache=tmp_path, transport=httpx.MockTransport(lambda _: httpx.Response(400, json={"reason": "no"}))
    )
    with pytest.raises(DataError, match="https://x/v1/forecast refuses: 400") as error:
        open_meteo.forecast(52.5, 13.4, key="s3cret", service=refusing)
    assert "s3cret" not in str(error.value)


def test_prices_in_crowns_and_times_that_are_none(tmp_path: Path) -> None:
    record = {"HourUTC": "2024-05-01T00:00:00", "PriceArea": "DK1", "SpotPriceDKK": 500.0}

    def service(**changed: object) -> Service:
        answer = httpx.MockTransport(lambda _: httpx.Response(200, json={"total": 1, "records": [record | changed]}))
        return Service(base_url="https://x", cache=tmp_path / str(len(changed)), transport=answer)

    span = (datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC))
    assert list(day_ahead_price.load(*span, currency="DKK", service=service()).table.columns["DK1"]) == [0.5]
    with pytest.raises(DataError, match="HourUTC holds something else than times"):
        day_ahead_price.load(*span, currency="DKK", service=service(HourUTC="soon"))
