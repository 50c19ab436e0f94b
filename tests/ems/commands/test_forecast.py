from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from ems.commands import forecast
from plant.errors import ConfigError, NotFoundError
from tests.forecasting.series import works


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    forecast.mount(made)

    @made.command()
    def other() -> None:
        """A second command, so that `forecast` is a group."""

    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    table = works(days=40)
    rows = pd.DataFrame({"time": pd.DatetimeIndex(table.times).tz_localize("UTC").map(lambda t: t.isoformat()), **table.columns})
    path = tmp_path / "load.csv.gz"
    rows.to_csv(path, index=False)
    return path


def test_one_document_on_stdout_and_every_forecast_as_a_row(app: typer.Typer, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    asked = ["forecast", "backtest", "--csv", str(file), "--time", "time", "--target", "load_kw", "--timezone", "Europe/Berlin"]
    done = CliRunner().invoke(app, [*asked, "--country", "DE", "--model", "week_mean", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["champion"] == "week_mean"
    score = found["models"]["week_mean"]
    assert {"mae", "rmse", "wape", "mape", "mase", "nmse", "pinball", "coverage80"} <= set(score)
    rows = pd.read_csv(out)
    assert list(rows.columns) == ["issue_time", "target_time", "p10", "p50", "p90", "actual", "model"]
    assert rows["issue_time"].nunique() == found["origins"]
    assert rows["issue_time"].str.endswith("T00:00:00+01:00").all()
    known = rows.dropna()
    assert float((known.p50 - known.actual).abs().mean()) == pytest.approx(score["mae"])
    assert float(np.mean((known.actual >= known.p10) & (known.actual <= known.p90))) == pytest.approx(score["coverage80"])


def test_what_is_wrong_is_a_fault_of_the_products_own_kind(app: typer.Typer, file: Path) -> None:
    asked = ["forecast", "backtest", "--csv", str(file), "--time", "time"]
    assert isinstance(CliRunner().invoke(app, [*asked, "--target", "power"]).exception, NotFoundError)
    assert isinstance(CliRunner().invoke(app, [*asked, "--target", "load_kw", "--horizon", "soon"]).exception, ConfigError)
    wrong_model = CliRunner().invoke(app, [*asked, "--target", "load_kw", "--model", "magic"]).exception
    assert isinstance(wrong_model, NotFoundError)
    assert "seasonal_naive" in str(wrong_model)
    nowhere = file.parent / "missing" / "rows.csv"
    unwritten = CliRunner().invoke(app, [*asked, "--target", "load_kw", "--model", "week_mean", "--out", str(nowhere)]).exception
    assert isinstance(unwritten, ConfigError)
    assert f"--out {nowhere}: " in str(unwritten)
    far = CliRunner().invoke(app, [*asked, "--target", "load_kw", "--horizon", "14d"]).exception
    assert isinstance(far, ConfigError)
    assert str(far) == "--horizon: 14d is longer than 7 days"


def test_days_of_23_and_25_hours_are_days_like_others(app: typer.Typer, tmp_path: Path) -> None:
    """A works that rests at weekends, one row a day, over the end of summer time: what is known of a weekday holds after it."""
    dates = pd.date_range("2025-08-04", periods=140, freq="D")
    load = np.where(dates.day_of_week < 5, 100.0, 20.0)
    found = {}
    for begins in ("2025-08-04", "2025-01-06"):  # in summer, in winter
        days = pd.date_range(begins, periods=140, freq="D")
        file, out = tmp_path / "days.csv", tmp_path / "out.csv"
        pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "kwh": load}).to_csv(file, index=False)
        asked = ["--csv", str(file), "--time", "day", "--target", "kwh", "--model", "week_mean", "--json", "--out", str(out)]
        done = CliRunner().invoke(app, ["forecast", "backtest", *asked, "--timezone", "Europe/Berlin"])
        assert done.exit_code == 0, done.output
        found[begins] = json.loads(done.stdout)
        rows = pd.read_csv(out)
        assert rows["target_time"].str.slice(0, 10).tolist() == days.strftime("%Y-%m-%d").tolist()[-len(rows) :]
        assert rows["target_time"].str.slice(11, 19).eq("00:00:00").all()
        assert len(rows) == found[begins]["origins"] == 42
    assert all(each["models"]["week_mean"]["mae"] < 1e-9 for each in found.values())


def test_help_has_an_example(app: typer.Typer) -> None:
    assert "Example:" in CliRunner().invoke(app, ["forecast", "backtest", "--help"]).output
