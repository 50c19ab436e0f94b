"""`ems forecast`: backtest on a file; train, predict and check the accuracy of a site's targets."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from forecasting.backtest import Backtest, Made
    from plant.table import Table, Times

LONGEST_S = 7 * 86400.0
"""Longest horizon of a backtest: days behind it are not laid out."""
_EXAMPLE = "Example: ems forecast backtest --csv load.csv.gz --time time --target load_kw --country DE --out forecasts.csv"


def mount(root: typer.Typer) -> None:
    """Add `ems forecast …`."""
    forecast = typer.Typer(no_args_is_help=True, help="Forecasts: how good they would have been, learning, making, checking.")
    forecast.command("backtest", epilog=_EXAMPLE)(backtest)
    root.add_typer(forecast, name="forecast")


def backtest(
    csv: Annotated[Path, typer.Option("--csv", help="File of readings; .gz and other compressions are read too.")],
    time: Annotated[str, typer.Option("--time", help="Its column of times.")],
    target: Annotated[str, typer.Option("--target", help="Column to forecast.")],
    known: Annotated[list[str] | None, typer.Option("--known", help="Column known for the future; may be repeated.")] = None,
    country: Annotated[str | None, typer.Option("--country", help="ISO 3166 code, for public holidays.")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help="IANA name; else the file's offset, else as written.")] = None,
    horizon: Annotated[str, typer.Option("--horizon", help="How far ahead of each midnight.")] = "24h",
    test_share: Annotated[float, typer.Option("--test-share", help="Share of the days, at the end, that is forecast.")] = 0.3,
    model: Annotated[str, typer.Option("--model", help="A model's name, or auto: whatever wins on the first part.")] = "auto",
    refit: Annotated[int | None, typer.Option("--refit", help="Learn again after so many days; else once.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of all randomness.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="CSV file for every forecast.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Forecast the last part of a series from each of its local midnights, and measure."""
    from ems.console import emit, stderr
    from forecasting.backtest import Protocol
    from forecasting.backtest import backtest as run
    from plant.errors import ConfigError
    from plant.times import duration_s

    try:
        horizon_s = duration_s(horizon)
    except ValueError as error:
        raise ConfigError(f"--horizon: {error}") from error
    columns = tuple(known or ())
    if horizon_s > LONGEST_S:
        raise ConfigError(f"--horizon: {horizon} is longer than {LONGEST_S / 86400:g} days")
    if out is not None and not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}")
    table, history, timezone_name, words = _read(csv, time, target, columns, timezone)
    daily = table.step_s >= 86400
    protocol = Protocol(
        horizon_s=horizon_s, test_share=test_share, model=model, refit_days=refit, seed=seed,
        timezone="UTC" if daily else timezone_name, country=country, known=columns,
    )  # fmt: skip
    found = run(history, target, protocol, actual=table, said=stderr.print)
    for line in (*words, *found.words):
        stderr.print(line)
    if out is not None:
        write_rows(out, found.made[0], timezone_name, by_date=daily)
    emit(document(found), as_json, (_table(found),))


def _read(
    csv: Path, time: str, target: str, known: tuple[str, ...], timezone: str | None
) -> tuple[Table, Table, str, tuple[str, ...]]:
    """The file as it is, the same with dead sensors taken out of the target, its clock, and what is to be said.

    Daily rows stand at their local dates as if the clock were UTC.
    """
    from datasets.frame import by_date, read_csv
    from datasets.repair import even, repaired

    loaded = read_csv(csv, time=time, columns=tuple(dict.fromkeys((target, *known))), timezone_name=timezone)
    table = even(by_date(loaded.table, loaded.timezone) if loaded.table.step_s >= 86400 else loaded.table)
    clean, (report,) = repaired(table.only(target))
    history = replace(table, columns={**table.columns, **clean.columns})
    taken = [f"{report.column}: {report.flat} rows of a dead sensor taken out"] if report.flat else []
    taken += [f"{', '.join(known)}: known ahead as the file has it"] if known else []
    return table, history, loaded.timezone, (*loaded.words, *taken)


def document(found: Backtest) -> dict[str, object]:
    """The JSON document of a backtest."""
    return {
        "origins": found.origins,
        "champion": found.champion,
        "fit_s": found.fit_s,
        "predict_ms": found.predict_ms,
        "models": {made.model: asdict(made.accuracy) for made in found.made},
        "words": list(found.words),
    }


def _table(found: Backtest) -> RichTable:
    from ems.console import table
    from ems.wording import counted

    shown = table(counted(found.origins, "origin"), "model", "MAE", "RMSE", "WAPE", "MASE", "pinball", "80 % band holds")
    for made in found.made:
        score = made.accuracy
        numbers = (score.mae, score.rmse, score.wape, score.mase, score.pinball, score.coverage80)
        shown.add_row(made.model, *("–" if number is None else f"{number:.4g}" for number in numbers))
    return shown


def write_rows(path: Path, made: Made, timezone_name: str, *, by_date: bool = False) -> None:
    """Every forecast as a row: issue_time, target_time, p10, p50, p90, actual, model; times with the site's offset.

    Parameters
    ----------
    by_date
        Times are local dates as if the clock were UTC.
    """
    import pandas as pd

    from datasets.frame import utc_times, zone
    from plant.errors import ConfigError

    def stamped(times: Times) -> pd.Index:
        wall = (
            pd.DatetimeIndex(utc_times(times, timezone_name) if by_date else times)
            .tz_localize("UTC")
            .tz_convert(zone(timezone_name))
        )
        return wall.map(lambda time: time.isoformat())

    rows = pd.DataFrame(
        {
            "issue_time": stamped(made.issue_times),
            "target_time": stamped(made.target_times),
            "p10": made.forecast[:, 0],
            "p50": made.forecast[:, 1],
            "p90": made.forecast[:, 2],
            "actual": made.actual,
            "model": made.model,
        }
    )
    try:
        rows.to_csv(path, index=False)
    except OSError as error:
        raise ConfigError(f"--out {path}: {error.strerror or error}") from error
