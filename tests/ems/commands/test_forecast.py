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


def test_help_has_an_example(app: typer.Typer) -> None:
    assert "Example:" in CliRunner().invoke(app, ["forecast", "backtest", "--help"]).output
