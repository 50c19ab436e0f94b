from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ems.prices import Billing, window_means
from plant.errors import ConfigError
from plant.site import AssetPrice, Site
from plant.table import Table
from plant.tariff import Band, FilePrice, FlatPrice, PriceSource, TagPrice, Tariff, TimeOfUsePrice
from tests.ems.small import small_site

AT = datetime(2026, 3, 2, tzinfo=UTC)


def history(step_s: int = 900, rows: int = 96, **columns: float) -> Table:
    start = np.datetime64((AT - timedelta(days=1)).replace(tzinfo=None), "us")
    return Table(
        times=start + np.arange(rows) * np.timedelta64(step_s, "s"),
        columns={name: np.full(rows, value) for name, value in columns.items()},
    )


def site(energy: PriceSource, **more: object) -> Site:
    found = small_site()
    berlin = replace(found.site, timezone="Europe/Berlin")
    return replace(found, site=berlin, tariff=Tariff(energy=energy, demand_charge_per_kw=5.0), **more)


def test_time_of_use_follows_local_hours() -> None:
    bands = TimeOfUsePrice(kind="time_of_use", bands=(Band(hours="00:00-07:00", per_kwh=0.1),), otherwise_per_kwh=0.3)
    prices = Billing(site(bands), Path()).prices(history(), AT, 3600.0, 24, None)
    assert prices.energy.values[:7] == (0.1,) * 6 + (0.3,)
    assert prices.energy.values[23] == 0.1
    assert prices.energy.unit == "EUR/kWh"
    assert set(prices.export.values) == {0.0}


def test_a_file_beyond_its_end_repeats_its_last_day(tmp_path: Path) -> None:
    rows = ["time,per_kwh"] + [f"{(AT + timedelta(hours=hour)).isoformat()},{hour}" for hour in range(24)]
    (tmp_path / "prices.csv").write_text("\n".join(rows))
    billing = Billing(site(FilePrice(kind="file", file="prices.csv")), tmp_path)
    values = billing.prices(history(), AT, 3600.0, 50, None).energy.values
    assert values[:24] == tuple(range(24))
    assert values[24:48] == tuple(range(24))
    assert values[48:] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,price\n", "no column 'per_kwh'"),
        ("time,per_kwh\n2026-03-01T00:00,1\n", "write times like"),
        ("time,per_kwh\n", "no rows"),
    ],
)
def test_a_bad_price_file_names_what_is_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "prices.csv").write_text(text)
    billing = Billing(site(FilePrice(kind="file", file="prices.csv")), tmp_path)
    with pytest.raises(ConfigError, match=words):
        billing.prices(history(), AT, 900.0, 4, None)


def test_a_tag_price_looks_at_the_same_time_of_the_last_days() -> None:
    table = history(rows=97, price=0.0)
    table.columns["price"][:] = np.arange(97)
    billing = Billing(site(TagPrice(kind="tag", tag="price")), Path())
    values = billing.prices(table, AT, 900.0, 100, None).energy.values
    assert values[0] == 96.0
    assert values[1] == 1.0
    assert values[96] == 96.0
    assert values[97] == 1.0
    with pytest.raises(ConfigError, match="not been read"):
        billing.prices(history(), AT, 900.0, 1, None)


def test_the_peak_already_incurred_and_the_open_window_count() -> None:
    table = history(rows=96, power=40.0)
    table.columns["power"][10] = 90.0
    prices = Billing(site(FlatPrice(kind="flat", per_kwh=0.2)), Path()).prices(table, AT - timedelta(minutes=10), 900.0, 4, "power")
    assert prices.peak_so_far_kw == 90.0
    assert prices.open_window_kwh == pytest.approx(40.0 / 12)


@pytest.mark.parametrize(("minutes", "kwh"), [(15, 0.0), (20, 300.0 / 12), (0, 0.0)])
def test_between_two_steps_that_are_longer_than_a_window_the_open_window_is_the_one_of_now(minutes: int, kwh: float) -> None:
    times = np.datetime64("2026-03-02T11:00", "us") + np.arange(3) * np.timedelta64(1800, "s")
    table = Table(times=times, columns={"power": np.array([200.0, 250.0, 300.0])})
    begun = datetime(2026, 3, 2, 12, tzinfo=UTC)
    now = begun + timedelta(minutes=minutes)
    prices = Billing(site(FlatPrice(kind="flat", per_kwh=0.2)), Path()).prices(table, begun, 1800.0, 4, "power", now)
    assert prices.peak_so_far_kw == 250.0, "what the step of now has drawn so far is no closed window"
    assert prices.open_window_start == begun + timedelta(minutes=minutes - minutes % 15)
    assert prices.open_window_kwh == pytest.approx(kwh)


def test_assets_may_have_a_bill_of_their_own() -> None:
    own = AssetPrice(assets=("pump",), price=FlatPrice(kind="flat", per_kwh=0.05))
    prices = Billing(site(FlatPrice(kind="flat", per_kwh=0.2), asset_prices=(own,)), Path()).prices(history(), AT, 900.0, 4, None)
    assert prices.of("pump") is not None
    assert prices.of("other") is None


def test_billing_periods_are_local() -> None:
    begin, end = Billing(site(FlatPrice(kind="flat", per_kwh=0.2)), Path()).billing_period(AT)
    assert begin == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert end == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_window_means_leave_gaps_out() -> None:
    seconds = np.array([0.0, 300.0, 600.0, 900.0])
    np.testing.assert_allclose(window_means(seconds, np.array([3.0, np.nan, 5.0, 7.0]), 900.0), [4.0, 7.0])
