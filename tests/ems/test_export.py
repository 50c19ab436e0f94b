"""Exports: units, zone, gaps as gaps, and what was exported can be imported again."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
import pytest

from ems import export, sheet
from ems.columns import ColumnMap
from ems.config import historian_url
from ems.historian import Historian
from ems.imports import ImportOptions, import_readings
from plant.errors import ConfigError, NotFoundError
from plant.events import Event
from plant.identity import digest
from plant.kpi import Kpi
from plant.orders import Action, Command, Outcome, OutcomeKind, Reason
from plant.series import Forecast, Series
from plant.table import Table
from plant.times import iso
from tests.ems.waterworks import loaded

BERLIN = ZoneInfo("Europe/Berlin")
T0 = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)
VALUES = np.array([1.5, np.nan, 0.1 + 0.2, 4.0])


def filled() -> Historian:
    """Four quarters of an hour over midnight; the second is a gap of `tower_level`, the third row is missing altogether."""
    historian = Historian("sqlite://")
    minutes = np.array([0, 15, 45, 60])
    times = np.datetime64(T0.replace(tzinfo=None), "us") + minutes * np.timedelta64(60, "s")
    table = Table(times=times, columns={"tower_level": VALUES, "site_power": np.arange(4.0)})
    historian.write_table(table, {"tower_level": "m", "site_power": "kW"})
    return historian


def written(made: sheet.Sheet, folder: Path, form: sheet.Format = "csv") -> Path:
    file = folder / f"out.{form}"
    sheet.write(made, file, form, BERLIN, lambda _: None)
    return file


def rows_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text())))


def test_readings_as_csv(tmp_path: Path) -> None:
    with filled() as historian:
        rows = rows_of(written(export.readings(historian, export.Span()), tmp_path))
    assert list(rows[0]) == ["time", "site_power [kW]", "tower_level [m]"]
    assert [row["time"] for row in rows][:2] == ["2026-03-28T23:00:00+01:00", "2026-03-28T23:15:00+01:00"]
    assert [row["tower_level [m]"] for row in rows] == ["1.5", "", "0.30000000000000004", "4.0"]


def test_a_grid_keeps_its_gaps(tmp_path: Path) -> None:
    with filled() as historian:
        rows = rows_of(written(export.readings(historian, export.Span(), tags=["tower_level"], step_s=900.0), tmp_path))
    assert [row["tower_level [m]"] for row in rows] == ["1.5", "", "", "0.30000000000000004", "4.0"]


def test_parquet_and_json_lines(tmp_path: Path) -> None:
    with filled() as historian:
        table = pq.read_table(written(export.readings(historian, export.Span()), tmp_path, "parquet"))
        lines = written(export.readings(historian, export.Span()), tmp_path, "jsonl").read_text().splitlines()
    assert str(table.schema.field("time").type) == "timestamp[us, tz=Europe/Berlin]"
    assert table.schema.field("tower_level").metadata == {b"unit": b"m"}
    assert table.column("tower_level").to_pylist() == [1.5, None, 0.1 + 0.2, 4.0]
    assert table.column("time").to_pylist()[0] == T0
    assert json.loads(lines[0])["units"] == {"site_power": "kW", "tower_level": "m"}
    assert json.loads(lines[2]) == {"time": "2026-03-28T23:15:00+01:00", "site_power": 1.0, "tower_level": None}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_what_was_exported_can_be_imported(tmp_path: Path, form: sheet.Format) -> None:
    site = loaded(tmp_path).site
    with filled() as historian, Historian("sqlite://") as other:
        file = written(export.readings(historian, export.Span()), tmp_path, form)
        import_readings(other, site, file, ImportOptions(), ColumnMap(), lambda *_: None)
        before, after = (each.table(["tower_level", "site_power"]) for each in (historian, other))
    np.testing.assert_array_equal(before.times, after.times)
    for name, column in before.columns.items():
        np.testing.assert_array_equal(column, after.columns[name])


def test_spans_are_half_open_and_local(tmp_path: Path) -> None:
    since, until = (export.moment(text, BERLIN, "--since") for text in ("2026-03-28T23:15", "2026-03-29"))
    assert until == datetime(2026, 3, 28, 23, 0, tzinfo=UTC)
    with filled() as historian:
        rows = rows_of(written(export.readings(historian, export.Span(since=since, until=until)), tmp_path))
    assert [row["time"][11:16] for row in rows] == ["23:15", "23:45"]
    assert export.moment("2026-03-28T22:00:00Z", BERLIN, "--since") == T0
    with pytest.raises(ConfigError, match="--since last week: not a time"):
        export.moment("last week", BERLIN, "--since")


def test_unknown_tags_are_named() -> None:
    with filled() as historian, pytest.raises(NotFoundError, match=r"no readings of x \(there are: site_power, tower_level\)"):
        export.readings(historian, export.Span(), tags=["x"])


def series(*values: float) -> Series:
    return Series(start=T0, step_s=1800.0, values=values, unit="m")


def test_forecasts_with_what_came(tmp_path: Path) -> None:
    made = Forecast(target="tower_level", made_at=T0, model_id="m", p10=series(0, 1, 2), p50=series(1, 2, 3), p90=series(2, 3, 4))
    with filled() as historian:
        historian.append("forecast", [made], cycle="c", time=T0)
        rows = rows_of(written(export.forecasts(historian, export.Span()), tmp_path))
        assert rows_of(written(export.forecasts(historian, export.Span(), targets=["other"]), tmp_path)) == []
        assert rows_of(written(export.forecasts(historian, export.Span(until=T0)), tmp_path)) == []
    assert [row["actual"] for row in rows] == ["1.5", "0.30000000000000004", "4.0"]
    assert [float(row["p50"]) for row in rows] == [1.0, 2.0, 3.0]
    assert (
        rows[1] | {"issue_time": "2026-03-28T23:00:00+01:00", "target_time": "2026-03-28T23:30:00+01:00", "model": "m"} == rows[1]
    )


def order(number: int) -> Command:
    return Command(
        id=f"c-{number}", asset="pump_1", action=Action.OPTIMIZE, setpoint=0.8, at=T0, expires=T0 + timedelta(minutes=5),
        reason=Reason.PRICE_LOW, words="cheap", expected_power_kw=20.0,
    )  # fmt: skip


def test_commands_with_their_outcomes(tmp_path: Path) -> None:
    end = Outcome(
        command_id="c-1", kind=OutcomeKind.CONFIRMED, time=T0 + timedelta(minutes=1), power_measured_kw=19.5, running_read=True
    )
    with filled() as historian:
        historian.append("command", [order(1), order(2)], cycle="c", time=T0)
        historian.append("outcome", [end], cycle="c", time=end.time)
        rows = rows_of(written(export.commands(historian, export.Span()), tmp_path))
    assert [(row["id"], row["outcome"], row["measured_power [kW]"], row["running_read"]) for row in rows] == [
        ("c-1", "CONFIRMED", "19.5", "true"),
        ("c-2", "", "", ""),
    ]


def test_figures(tmp_path: Path) -> None:
    figures = Kpi(
        start=T0, end=T0 + timedelta(hours=1), energy_kwh=5.0, cost=1.25, demand_peak_kw=9.0, co2_kg=2.0, served_share=1.0,
        starts=3, violations=0, health_min=None,
    )  # fmt: skip
    with filled() as historian:
        historian.append("kpi", [figures], cycle="c", time=T0)
        (row,) = rows_of(written(export.kpi(historian, export.Span(), "GBP"), tmp_path))
    assert (row["cost [GBP]"], row["energy_kwh [kWh]"], row["starts"], row["health_min [1]"]) == ("1.25", "5.0", "3", "")


def test_the_journal_can_be_checked_by_others(tmp_path: Path) -> None:
    with filled() as historian:
        for number in range(3):
            event = Event(id=f"e-{number}", time=T0, kind="t", asset=None, words="ü" * 3000)
            historian.append("event", [event], cycle="c", time=T0)
        lines = written(export.journal(historian, export.Span()), tmp_path, "jsonl").read_text().splitlines()
    previous = "0" * 64
    for line in lines[1:]:
        row = json.loads(line)
        body = json.dumps(row["body"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        time = iso(datetime.fromisoformat(row["time"]))
        parts = [row["id"], time, row["cycle"], row["kind"], body]
        previous = digest("\n".join([previous, str(row["seq"]), *(f"{len(part)}:{part}" for part in parts)]))
        assert row["hash"] == previous
    assert len(lines) == 4


def test_a_failed_export_leaves_no_file(tmp_path: Path) -> None:
    def rows() -> object:
        yield (1.0,)
        raise KeyboardInterrupt

    made = sheet.Sheet(columns=(sheet.SheetColumn(name="a"),), rows=rows())  # type: ignore[arg-type]  # a generator
    with pytest.raises(KeyboardInterrupt):
        written(made, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match=r"cannot be written: there is no folder .*none"):
        written(sheet.Sheet(columns=(sheet.SheetColumn(name="a"),), rows=[(1.0,)]), tmp_path / "none")


def test_the_command_line(tmp_path: Path) -> None:
    here = loaded(tmp_path)
    with Historian(historian_url(here)) as historian:
        historian.write_table(
            Table(times=np.array([np.datetime64("2026-01-01", "us")]), columns={"a": np.array([1.0])}), {"a": "kW"}
        )

    def ems(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ems.cli", "export", *arguments, "--site", str(here.file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert ems("readings").stdout == "time,a [kW]\n2026-01-01T01:00:00+01:00,1.0\n"
    done = ems("readings", "--format", "parquet", "--out", str(tmp_path / "a.parquet"), "--json")
    assert json.loads(done.stdout)["rows"] == 1
    assert ems("readings", "--tags", "b").returncode == 3
    assert ems("gossip").returncode == 2
    backwards = ems("readings", "--since", "2026-01-02", "--until", "2026-01-01")
    assert backwards.returncode == 2
    assert "--until 2026-01-01 is not after --since 2026-01-02" in backwards.stderr
    nothing = ems("kpi", "--since", "2026-03-01")
    assert nothing.stdout.startswith("start,end,")
    assert nothing.returncode == 0
    assert "kpi: the historian holds none of that time" in nothing.stderr
