"""Figures are pure and tell the truth about gaps, zones and limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from dashboard import figures
from dashboard.theme import DARK, LIGHT, theme
from dashboard.views import Band, PowerView, StoreView
from dashboard.words import LocalTime
from plant.series import Series
from plant.table import Table

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
BERLIN = LocalTime(zone=ZoneInfo("Europe/Berlin"))


def table(values: list[float], name: str = "load", start: datetime = NOW - timedelta(hours=24), step_s: float = 3600.0) -> Table:
    first = np.datetime64(start.replace(tzinfo=None), "us")
    times = first + (np.arange(len(values)) * step_s * 1e6).astype("timedelta64[us]")
    return Table(times=times, columns={name: np.array(values, dtype=np.float64)})


def series(*values: float, unit: str = "kW") -> Series:
    return Series(start=NOW, step_s=3600.0, values=values, unit=unit)


@pytest.fixture
def view() -> PowerView:
    return PowerView(
        now=NOW,
        start=NOW - timedelta(hours=24),
        end=NOW + timedelta(hours=3),
        past=table([100.0] * 23 + [float("nan")]),
        nothing=table([120.0] * 24),
        expected=Band(p10=series(90, 80, 70), p50=series(100, 95, 90), p90=series(110, 120, 130)),
        price=Series(start=NOW - timedelta(hours=24), step_s=3600.0, values=(0.2,) * 27, unit="EUR/kWh"),
        limit_kw=400.0,
        peak_kw=None,
    )


def trace(figure: object, name: str) -> dict[str, object]:
    found = [item for item in figure.to_plotly_json()["data"] if item["name"] == name]  # type: ignore[attr-defined]
    assert len(found) == 1
    return dict(found[0])


def test_power_is_drawn_in_local_time_with_a_gap_where_nothing_was_read(view: PowerView) -> None:
    measured = trace(figures.power(view, LIGHT, BERLIN, "EUR"), "Measured")
    assert measured["x"][0] == "2026-03-09T13:00:00"  # type: ignore[index]
    assert measured["y"][-1] is None  # type: ignore[index]
    assert measured["connectgaps"] is False
    assert "kW" in str(measured["hovertemplate"])


def test_band_lies_around_the_expectation_and_holds_to_the_end_of_its_last_step(view: PowerView) -> None:
    figure = figures.power(view, LIGHT, BERLIN, "EUR")
    low, high, mid = trace(figure, "p10"), trace(figure, "80 % band"), trace(figure, "Expected")
    assert high["fill"] == "tonexty"
    assert mid["x"][-1] == "2026-03-10T16:00:00"  # type: ignore[index]
    for below, between, above in zip(low["y"], mid["y"], high["y"], strict=True):  # type: ignore[call-overload]
        assert below <= between <= above


def test_limits_that_are_not_known_are_not_drawn(view: PowerView) -> None:
    layout = figures.power(view, LIGHT, BERLIN, "EUR").to_plotly_json()["layout"]
    assert [item["text"] for item in layout["annotations"]] == ["import limit 400 kW"]
    bare = replace(view, limit_kw=None, nothing=None, expected=None, price=None)
    figure = figures.power(bare, LIGHT, BERLIN, "EUR").to_plotly_json()
    assert [item["name"] for item in figure["data"]] == ["Measured"]
    assert not figure["layout"].get("annotations")


def test_same_view_same_figure_and_each_theme_its_colours(view: PowerView) -> None:
    light = figures.power(view, LIGHT, BERLIN, "EUR").to_plotly_json()
    assert light == figures.power(view, theme("light"), BERLIN, "EUR").to_plotly_json()
    dark = figures.power(view, DARK, BERLIN, "EUR").to_plotly_json()
    assert light["data"][-1]["line"]["color"] != dark["data"][-1]["line"]["color"]


def test_stores_keep_their_limits_in_sight() -> None:
    level = StoreView(
        name="tank",
        unit="m",
        level=2.0,
        past=table([2.0, 2.1], "level"),
        planned=None,
        bottom=0.0,
        top=5.0,
        low=1.0,
        high=4.0,
    )
    other = replace(level, name="other", low=10.0, high=12.0, past=table([30.0, float("nan")], "level"))
    layout = figures.stores((level, other), NOW - timedelta(hours=24), NOW, NOW, LIGHT, BERLIN).to_plotly_json()["layout"]
    assert layout["yaxis"]["range"][0] < 1.0 < 4.0 < layout["yaxis"]["range"][1]
    assert layout["yaxis2"]["range"][0] < 10.0 < 30.0 < layout["yaxis2"]["range"][1]
    assert layout["yaxis"]["domain"][0] > layout["yaxis2"]["domain"][1]


def test_thinning_keeps_peaks_and_gaps() -> None:
    values = np.sin(np.arange(50_000) / 200.0)
    values[23_456] = 9.0
    values[31_000:31_050] = np.nan
    long = table(values.tolist(), step_s=1.0)
    times, kept = figures.thinned(long.times, long.columns["load"])
    assert times.size <= figures.POINTS_SHOWN + 10
    assert np.nanmax(kept) == 9.0
    assert np.isnan(kept).any()
    assert np.all(np.diff(times) > np.timedelta64(0, "us"))


def test_charts_keep_one_offset_over_the_change_of_the_clock() -> None:
    change = datetime(2026, 10, 25, 3, 0, tzinfo=UTC)
    past = table([1.0] * 8, start=change - timedelta(hours=6))
    view = PowerView(
        now=change,
        start=change - timedelta(hours=6),
        end=change,
        past=past,
        nothing=None,
        expected=None,
        price=None,
        limit_kw=None,
        peak_kw=None,
    )
    times = trace(figures.power(view, LIGHT, BERLIN, "EUR"), "Measured")["x"]
    assert list(times) == sorted(set(times))  # type: ignore[call-overload]


def test_buttons_are_a_closed_list() -> None:
    assert figures.CONFIG["modeBarButtons"] == [["zoom2d", "pan2d", "resetScale2d", "toImage"]]
    assert figures.CONFIG["displaylogo"] is False
