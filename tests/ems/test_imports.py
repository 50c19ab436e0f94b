"""History files of every sort: what is in them arrives in the tag's unit and in UTC, or the import names what is wrong."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ems.columns import ColumnMap, read_map
from ems.config import LoadedSite
from ems.historian import Historian
from ems.imports import ImportOptions, ImportReport, import_readings
from plant.errors import ConfigError, DataError, EmsError
from tests.ems.waterworks import loaded, written

END = datetime(2026, 1, 1, tzinfo=UTC)


class Works:
    """A site with an empty historian, and a file to import."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loaded: LoadedSite = loaded(folder)
        self.historian = Historian("sqlite://")

    def take(self, text: str, chosen: ColumnMap | None = None, **options: object) -> ImportReport:
        file = self.folder / "history.csv"
        file.write_text(text, encoding="utf-8")
        return self.take_file(file, chosen, **options)

    def take_file(self, file: Path, chosen: ColumnMap | None = None, **options: object) -> ImportReport:
        wanted = ImportOptions(**options)  # type: ignore[arg-type]  # as the test names them
        return import_readings(self.historian, self.loaded.site, file, wanted, chosen or ColumnMap(), lambda *_: None)

    def values(self, tag: str) -> list[float]:
        return self.historian.table([tag]).columns[tag].tolist()

    def times(self, tag: str) -> list[str]:
        return [str(time)[:16] for time in self.historian.table([tag]).times.astype("datetime64[s]")]


@pytest.fixture
def works(tmp_path: Path) -> Works:
    return Works(tmp_path)


def test_names_units_and_addresses(works: Works) -> None:
    report = works.take(
        "time,tower_level,pump_1_flow [L/s],site_power (W),Pump2.Flow_Lps,junk\n"
        "2026-01-01T00:00:00Z,3.5,10,5000,10,x\n"
        "2026-01-01T00:05:00Z,3.6,,6000,20,y\n"
    )
    assert works.values("tower_level") == [3.5, 3.6]
    assert works.values("pump_1_flow") == [36.0]
    assert works.values("site_power") == [5.0, 6.0]
    assert works.values("pump_2_flow") == [36.0, 72.0]
    assert report.ignored == ("junk",)
    assert {tag.tag: (tag.unit, tag.values, tag.missing) for tag in report.tags if tag.column} == {
        "tower_level": ("m", 2, 0), "pump_1_flow": ("m3/h", 1, 1), "site_power": ("kW", 2, 0), "pump_2_flow": ("m3/h", 2, 0),
    }  # fmt: skip
    assert works.historian.units()["pump_1_flow"] == "m3/h"


def test_virtual_tags_are_calculated(works: Works) -> None:
    works.take("time,site_power,pump_1_power,pump_2_power\n2026-01-01T00:00Z,10,3,2\n2026-01-01T00:05Z,10,,2\n")
    assert works.values("base_load") == [5.0]


def test_running_seconds_end_where_told(works: Works) -> None:
    report = works.take("time_s,tower_level\n-600,1\n-300,2\n0,3\n", end=END)
    assert works.times("tower_level") == ["2025-12-31T23:50", "2025-12-31T23:55", "2026-01-01T00:00"]
    assert (report.start, report.end, report.step_s, report.gaps) == (END - timedelta(seconds=600), END, 300.0, 0)


def test_running_time_from_zero_and_in_other_units(works: Works) -> None:
    works.take("run_h,tower_level\n0,1\n1,2\n2,3\n", end=END, time="run_h")
    assert works.times("tower_level") == ["2025-12-31T22:00", "2025-12-31T23:00", "2026-01-01T00:00"]


def test_running_time_before_the_end(works: Works) -> None:
    """A file whose last row lies before its zero keeps that distance."""
    works.take("time_s,tower_level\n-900,1\n-600,2\n", end=END)
    assert works.times("tower_level") == ["2025-12-31T23:45", "2025-12-31T23:50"]


def test_running_time_without_end_is_refused(works: Works) -> None:
    with pytest.raises(ConfigError, match="'time_s' is a running time; say with --end TIME"):
        works.take("time_s,tower_level\n0,1\n")


@pytest.mark.parametrize(("stamp", "factor"), [("1767225600", 1), ("1767225600000", 1000), ("1767225600000000", 1_000_000)])
def test_unix_times(works: Works, stamp: str, factor: int) -> None:
    works.take(f"time,tower_level\n{stamp},1\n{int(stamp) + 60 * factor},2\n")
    assert works.times("tower_level") == ["2026-01-01T00:00", "2026-01-01T00:01"]


def test_local_times_through_both_clock_changes(works: Works) -> None:
    """Europe/Berlin: 02:00-03:00 is missing on 29 March 2026 and comes twice on 25 October."""
    works.take("time,tower_level\n2026-03-29 01:30,0\n2026-03-29 03:00,0.5\n")
    works.take(
        "time,tower_level\n2026-10-25 02:00,1\n2026-10-25 02:30,2\n2026-10-25 02:00,3\n2026-10-25 02:30,4\n2026-10-25 03:00,5\n"
    )
    assert works.values("tower_level") == [0, 0.5, 1, 2, 3, 4, 5]
    assert works.times("tower_level") == [
        "2026-03-29T00:30", "2026-03-29T01:00", "2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30",
        "2026-10-25T02:00",
    ]  # fmt: skip


def test_local_times_that_do_not_exist(works: Works) -> None:
    with pytest.raises(DataError, match=r"line 3, column 'time': '2026-03-29 02:30': .*twice or not at all when clocks change"):
        works.take("time,tower_level\n2026-03-29 01:30,1\n2026-03-29 02:30,2\n")


def test_offsets_and_zone(works: Works) -> None:
    works.take("time,tower_level\n2026-01-01T00:00:00+09:00,1\n")
    works.take("time,tower_level\n2026-01-01 00:00,2\n", timezone="Asia/Seoul", overlap="replace")
    assert works.times("tower_level") == ["2025-12-31T15:00"]
    assert works.values("tower_level") == [2.0]
    with pytest.raises(ConfigError, match="'Mars/Olympus' is no time zone"):
        works.take("time,tower_level\n2026-01-01 00:00,2\n", timezone="Mars/Olympus")


def test_other_forms(works: Works) -> None:
    chosen = ColumnMap(columns={"Pegel": "tower_level"}, time="Zeit", time_format="%d.%m.%Y %H:%M", decimal=",")
    works.take("Zeit;Pegel\n31.01.2026 00:15;3,25\n", chosen)
    assert works.values("tower_level") == [3.25]
    assert works.times("tower_level") == ["2026-01-30T23:15"]


def test_map_file(works: Works) -> None:
    file = works.folder / "map.toml"
    file.write_text(
        'time = "t"\n[columns]\n"L" = { tag = "tower_level", unit = "cm", offset = 50 }\n'
        '"F" = { tag = "pump_1_flow", scale = 2.0 }\n'
    )
    works.take("t,L,F\n2026-01-01T00:00Z,250,7\n", read_map(file))
    assert works.values("tower_level") == pytest.approx([3.0])
    assert works.values("pump_1_flow") == [14.0]


MAPS = {
    'colums = { "L" = "tower_level" }': "colums",
    '[columns]\n"L" = { tag = "tower_level", uint = "cm" }': "uint",
    'timezone = "Mars"': "'Mars' is no time zone",
    "[columns": "not a readable map",
}


@pytest.mark.parametrize("text", MAPS)
def test_a_wrong_map_is_named(works: Works, text: str) -> None:
    file = works.folder / "map.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=MAPS[text]):
        read_map(file)


REFUSED = {
    "time,tower_level\n2026-01-01T00:00Z,x\n": r"line 2, column 'tower_level': 'x': not a number",
    "time,tower_level\nyesterday,1\n2026-01-01T00:00Z,1\n": r"line 2, column 'time': 'yesterday': not a time",
    "time,tower_level\n2026-01-01T00:00Z,1\n2026-01-01T00:00Z\n":
        r"line 3: '2026-01-01T00:00Z': 1 fields where the header has 2",
    "time,tower_level\nfoo,1\nbar,2\n": r"column 'time' holds no time",
    "time,tower_level\n": "no rows",
    "": "first line must name the columns",
    "time,a,a\n2026-01-01T00:00Z,1,2\n": "column 'a' is there 2 times",
    "time,nothing\n2026-01-01T00:00Z,1\n": r"no column is a tag of the site; name them with --map \(columns: nothing\)",
    "time,tower_level [kW]\n2026-01-01T00:00Z,1\n": "kW measures power, m measures length",
    "time,tower_level [furlong]\n2026-01-01T00:00Z,1\n": "unit 'furlong' is not known",
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: repr(case)[:40])
def test_bad_places_are_named_and_nothing_is_stored(works: Works, case: str) -> None:
    with pytest.raises(EmsError, match=REFUSED[case]) as found:
        works.take(case)
    assert found.value.exit_code == 2
    assert works.historian.span() is None


def test_a_map_to_nowhere_is_named(works: Works) -> None:
    with pytest.raises(ConfigError, match="names column 'M', which is not there"):
        works.take("time,L\n2026-01-01T00:00Z,1\n", ColumnMap(columns={"M": "tower_level"}))
    with pytest.raises(ConfigError, match="'towr_level', which is no tag of the site; did you mean 'tower_level'"):
        works.take("time,L\n2026-01-01T00:00Z,1\n", ColumnMap(columns={"L": "towr_level"}))
    with pytest.raises(ConfigError, match="columns 'L' and 'M' are both tag 'tower_level'"):
        works.take("time,L,M\n2026-01-01T00:00Z,1,2\n", ColumnMap(columns={"L": "tower_level", "M": "tower_level"}))


def test_bad_places_may_be_left_out(works: Works) -> None:
    text = "time,tower_level\n2026-01-01T00:00Z,1\n2026-01-01T00:05Z,x\nnever,3\n2026-01-01T00:15Z,4\n1,2,3\n"
    with pytest.raises(DataError, match="3 places cannot be used; nothing was imported"):
        works.take(text)
    report = works.take(text, skip_bad=True)
    assert [(cell.line, cell.column) for cell in report.bad] == [(3, "tower_level"), (4, "time"), (6, "")]
    assert works.values("tower_level") == [1.0, 4.0]


def test_missing_and_implausible_are_gaps(works: Works) -> None:
    report = works.take(
        "time,tower_level\n2026-01-01T00:00Z,1\n2026-01-01T00:05Z,NaN\n2026-01-01T00:10Z,99\n2026-01-01T01:00Z,-inf\n"
    )
    assert works.values("tower_level") == [1.0]
    assert (report.tags[0].values, report.tags[0].missing, report.tags[0].implausible, report.gaps) == (1, 2, 1, 1)


def test_order_and_duplicates(works: Works) -> None:
    text = "time,tower_level\n2026-01-01T00:10Z,3\n2026-01-01T00:00Z,1\n2026-01-01T00:10Z,5\n2026-01-01T00:05Z,2\n"
    with pytest.raises(DataError, match=r"1 rows repeat a time, the first is 2026-01-01T00:10:00\+00:00 \(line 4\)"):
        works.take(text, duplicates="refuse")
    for how, kept in (("last", 5.0), ("first", 3.0), ("mean", 4.0)):
        report = works.take(text, duplicates=how, overlap="replace")
        assert works.values("tower_level") == [1.0, 2.0, kept]
        assert report.duplicates == 1


def test_overlaps(works: Works) -> None:
    works.take("time,tower_level\n2026-01-01T00:00Z,1\n2026-01-01T00:05Z,2\n")
    more = "time,tower_level,site_power\n2026-01-01T00:05Z,5,1\n2026-01-01T00:10Z,5,1\n"
    with pytest.raises(DataError, match="tag tower_level: 1 values are there already; nothing was imported"):
        works.take(more, overlap="refuse")
    assert works.historian.units().keys() == {"tower_level"}
    assert works.take(more).tags[0].overlapping == 1
    assert works.values("tower_level") == [1.0, 2.0, 5.0]
    works.take(more, overlap="replace")
    assert works.values("tower_level") == [1.0, 5.0, 5.0]


def test_compressed_and_parquet(works: Works) -> None:
    packed = works.folder / "h.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbftime,tower_level\n2026-01-01T00:00Z,1\n"))
    works.take_file(packed)
    times = pd.to_datetime(["2026-01-01T00:05Z", "2026-01-01T00:10Z"]).tz_convert("Asia/Tokyo")
    columnar = works.folder / "h.parquet"
    pd.DataFrame({"time": times, "tower_level": [2.0, np.nan], "pump_1_running": [True, False]}).to_parquet(columnar)
    works.take_file(columnar)
    assert works.values("tower_level") == [1.0, 2.0]
    assert works.values("pump_1_running") == [1.0, 0.0]
    assert works.times("pump_1_running") == ["2026-01-01T00:05", "2026-01-01T00:10"]
    for file, content in ((packed, b"\x1f\x8bnonsense"), (columnar, b"nonsense")):
        file.write_bytes(content)
        with pytest.raises(DataError, match="not readable as"):
            works.take_file(file)


def test_an_import_that_stops_leaves_nothing(works: Works) -> None:
    file = works.folder / "h.csv"
    file.write_text("time,tower_level,site_power\n2026-01-01T00:00Z,1,2\n")

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "storing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_readings(works.historian, works.loaded.site, file, ImportOptions(), ColumnMap(), stop)
    assert works.historian.span() is None
    assert works.historian.units() == {}


def ems(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "ems.cli", *map(str, arguments)]


def test_a_killed_import_leaves_nothing(tmp_path: Path) -> None:
    site, file = written(tmp_path), tmp_path / "h.csv"
    rows = 90_000
    lines = "\n".join(f"{-rows + row},{row % 5},{row % 7},{row % 3}" for row in range(rows))
    file.write_text(f"time_s,tower_level,site_power,pump_1_power\n{lines}\n")
    command = ems("import", "readings", "--csv", file, "--site", site, "--end", END.isoformat(), "--json")
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = tmp_path / "waterworks.sqlite-wal"
    while running.poll() is None and (not log.exists() or log.stat().st_size < 1_000_000):
        pass
    os.kill(running.pid, signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL, "the import was over before it could be killed"
    with Historian(f"sqlite:///{tmp_path / 'waterworks.sqlite'}") as historian:
        assert historian.span() is None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["rows"], report["values"]) == (rows, 3 * rows)


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    site, file = written(tmp_path), tmp_path / "h.csv"
    file.write_text("time,tower_level\n2026-01-01T00:00Z,x\n")
    done = subprocess.run(ems("import", "readings", "--csv", file, "--site", site), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "line 2, column 'tower_level': 'x': not a number" in " ".join(done.stderr.split())


def test_the_same_again_is_nothing_new(tmp_path: Path) -> None:
    site, file = written(tmp_path), tmp_path / "h.csv"
    file.write_text("time,tower_level\n2026-01-01T00:00Z,1\n2026-01-01T00:15Z,2\n")

    def said(*options: str) -> str:
        command = ems("import", "readings", "--csv", file, "--site", site, *options)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    assert "2 values are new" in said()
    assert "nothing new: 2 values were there already and kept as before" in said()
    assert "0 values are new, 2 took the place of those that were there" in said("--overlap", "replace")
    assert json.loads(said("--json"))["fresh"] == 0
    file.write_text(file.read_text() + "2026-01-01T00:30Z,3\n")
    assert "1 value is new; 2 values were there already" in said()


@pytest.mark.parametrize("option", ["--csv", "--parquet", "--map"])
def test_a_file_that_is_not_there_is_not_found(tmp_path: Path, option: str) -> None:
    site, file = written(tmp_path), tmp_path / "h.csv"
    file.write_text("time,tower_level\n2026-01-01T00:00Z,1\n")
    given = ["--csv", file, option, tmp_path / "none"] if option == "--map" else [option, tmp_path / "none"]
    done = subprocess.run(ems("import", "readings", *given, "--site", site), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "none: no such file" in done.stderr


def test_a_decimal_comma_gets_a_hint(works: Works) -> None:
    rows = "time;tower_level\n2026-01-01T00:00Z;1,5\n"
    with pytest.raises(DataError, match=r"'1,5': not a number; if the comma begins the fraction, give --map .* decimal = \",\""):
        works.take(rows)
    works.take(rows, ColumnMap(decimal=","))
    assert works.values("tower_level") == [1.5]


def test_virtual_tags_are_calculated_over_the_whole_history_also_of_several_files(tmp_path: Path) -> None:
    """Levels in one file, flows in another, a later day in a third: as if all had come at once, and the command says so."""
    site = written(tmp_path)

    def said(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        command = ems("import", "readings", "--csv", tmp_path / name, "--site", site)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]
        return done.stdout

    times = [f"2026-01-01T{hour:02}:{minute:02}Z" for hour in (0, 1) for minute in (0, 15, 30, 45)]
    levels = said("levels.csv", "time,tower_level\n" + "".join(f"{time},{3 + 0.1 * n}\n" for n, time in enumerate(times[:6])))
    assert "virtual tag water_demand not calculated: no readings of pump_1_flow, pump_2_flow" in levels
    flows = said("flows.csv", "time,pump_1_flow,pump_2_flow\n" + "".join(f"{time},40,20\n" for time in times[:6]))
    assert "6 rows from 2026-01-01 01:00 CET to 2026-01-01 02:15 CET, every 900 s, 0 gaps" in flows
    assert "1 virtual tag calculated over all 6 rows" in flows
    assert "water_demand in 1 row" in flows
    later = said("later.csv", "time,tower_level,pump_1_flow,pump_2_flow\n" + "".join(f"{time},3.6,40,20\n" for time in times[6:]))
    assert "1 virtual tag calculated over all 2 rows\n" in later
    with Historian(f"sqlite:///{tmp_path / 'waterworks.sqlite'}") as historian:
        demand = historian.table(["water_demand"]).columns["water_demand"]
    assert demand == pytest.approx([28.0] * 5 + [28.0, 60.0])


def test_an_empty_line_is_nowhere_and_one_is_one(tmp_path: Path) -> None:
    site, file = written(tmp_path), tmp_path / "h.csv"
    file.write_text("time,tower_level\n2026-01-01T00:00Z,1\n2026-01-01T00:15Z,2\n2026-01-01T00:30Z,2\n2026-01-01T03:00Z,2\n")
    command = ems("import", "readings", "--csv", file, "--site", site)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "1 gap\n" in done.stdout
    assert done.stderr == ""
