"""A model's whole life by command alone, on a year of a steel works, with a rise of its load by 40 % from a date on.

    EMS_DATA=/path/to/data python benchmarks/models/life.py [--model random_forest] [--folder DIR]

Trains on the first half of the year, approves, forecasts day by day, watches; the load rises on 13 August; the alarm must
come within two days. Then a challenger is trained, runs beside, is compared, promoted and rolled back, and a damaged file is
refused. Prints each command and its answer.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

RISE_FROM = "2018-08-13"
RISE = 1.4
SITE = """
assets = []
[site]
name = "steel"
timezone = "Asia/Seoul"
country = "KR"
currency = "KRW"
[connection]
kind = "replay"
endpoint = "none"
[tariff]
energy = { kind = "flat", per_kwh = 100.0 }
[limits]
load = "site_load"
[learning]
history_days = 200
thresholds = [{ metric = "mase", most = 1.0 }, { metric = "coverage80", least = 0.6 }]
[[tags]]
name = "site_load"
unit = "kW"
low = 0
"""
MAP = '[columns]\nusage_kwh = { tag = "site_load", scale = 4.0 }\n'


def risen(source: Path, target: Path) -> None:
    """The works' year with its load times `RISE` from `RISE_FROM` on."""
    with gzip.open(source, "rt") as old, target.open("w", newline="") as new:
        rows, written = csv.DictReader(old), csv.writer(new)
        written.writerow(["time", "usage_kwh"])
        for row in rows:
            factor = RISE if row["time"] >= RISE_FROM else 1.0
            written.writerow([row["time"], float(row["usage_kwh"]) * factor])


class Works:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "site.toml").write_text(SITE)
        (folder / "map.toml").write_text(MAP)

    def ems(self, *arguments: str, code: int = 0) -> Any:
        print(f"\n$ ems {' '.join(arguments)}", flush=True)
        command = [sys.executable, "-m", "ems.cli", *arguments, "--json"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != code:
            raise SystemExit(f"exit code {done.returncode} instead of {code}: {done.stderr}")
        if code:
            print(" ".join(done.stderr.split()))
        return json.loads(done.stdout) if done.stdout else None

    def trained(self, until: str, model: str) -> str:
        (report,) = self.ems("forecast", "train", "--until", until, "--model", model)["models"]
        for step in report["steps"]:
            print(f"  {step['name']:9} {step['seconds']:6.1f} s  {step['words']}")
        return str(report["model"]["id"])

    def accuracy(self, until: str, days: str = "2") -> Any:
        found = self.ems("forecast", "accuracy", "--until", until, "--days", days)
        show(found["models"])
        for alarm in found["alarms"]:
            print(f"  ALARM {alarm['raised_at']}: {alarm['words']}")
        return found


def show(models: list[Any]) -> None:
    for each in models:
        score = each["overall"]
        error = f"mae {score['mae']:.1f} (promised {each['expected_mae']:.1f})"
        figures = f"{error}, skill {each['skill']:.2f}, band {score['coverage80']:.0%}"
        print(f"  {each['model']} {each['forecasts']} forecasts: {figures} {each['words']}")


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--model", default="random_forest")
    options.add_argument("--folder", type=Path, default=None)
    chosen = options.parse_args()
    data = os.environ.get("EMS_DATA")
    if not data:
        raise SystemExit("EMS_DATA must name the folder of the data")
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="ems-life-"))
    folder.mkdir(parents=True, exist_ok=True)
    works = Works(folder)
    risen(Path(data) / "forecast" / "steel_industry.csv.gz", folder / "load.csv")
    report = works.ems("import", "readings", "--csv", "load.csv", "--map", "map.toml")
    print(f"  {report['rows']} rows, {report['start']} to {report['end']}")
    first = works.trained("2018-07-01", chosen.model)
    print(f"  {works.ems('models', 'approve', first, '--who', 'anna')['model']['state']}")
    works.ems("forecast", "predict", "--since", "2018-07-01", "--until", "2018-09-03")
    works.accuracy("2018-08-01", "31")
    calm, risen_days = works.accuracy("2018-08-13"), works.accuracy("2018-08-15")
    assert not calm["alarms"], "an alarm before anything happened"
    assert risen_days["alarms"], "no alarm within two days"
    second = works.trained("2018-09-03", chosen.model)
    print(f"  {works.ems('models', 'approve', second, '--who', 'anna')['model']['state']}")
    works.ems("forecast", "predict", "--since", "2018-09-03", "--until", "2018-09-17")
    compared = works.ems("models", "compare", "forecast/site_load", "--until", "2018-09-17", "--days", "14")
    show(compared["models"])
    print(f"  smallest error: {compared['best']}")
    print(f"  {works.ems('models', 'promote', second, '--who', 'anna')['model']['state']}")
    print(f"  back to {works.ems('models', 'rollback', 'forecast/site_load', '--who', 'ben')['model']['id']}")
    for change in works.ems("models", "show", second)["life"]:
        print(f"  {change['time']} {change['who']:28} {change['state']:9} {change['words']}")
    (folder / "models" / f"{first}.joblib").write_bytes(b"not what was stored")
    works.ems("forecast", "predict", code=4)
    works.ems("models", "promote", second, code=4)


if __name__ == "__main__":
    main()
