"""The tables of docs/benchmarks.md on forecasts, measured again with the library's own backtest and the frozen defaults.

Usage: EMS_DATA=folder python benchmarks/forecasting/tables.py [seeds meters steps holes behaviours] [--out tables.json]

`EMS_DATA` holds `forecast/steel_industry.csv.gz` and the others. A line is printed, and `--out` written anew, as soon as a row is
known; all tables take two hours of one core.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from datasets.repair import resample
from datasets.synthetic import campaigns, hours, outdoor_c, shift, wander
from ems.bench.forecasting import SETS, file_of, read
from forecasting.backtest import Made, Protocol, backtest, midnight
from plant.table import Floats, Table

Found = dict[str, Any]
SEED = 20
"""Of what is generated and of the holes; the models' seed is a parameter."""


def measured(history: Table, target: str, actual: Table | None = None, **protocol: Any) -> tuple[Found, Made]:
    """What one backtest found, in the words of the tables."""
    began = time.process_time()
    made = backtest(history, target, Protocol(**protocol), actual=actual).made
    score, naive = made[0].accuracy, made[1].accuracy
    found = {
        "mae": score.mae, "pinball": score.pinball, "band": score.coverage80, "nmse": score.nmse, "naive_mae": naive.mae,
        "cpu_s": time.process_time() - began,
    }  # fmt: skip
    return found, made[0]


def seeds(model: str, count: int) -> Iterator[Found]:
    """Every set with several seeds of the models."""
    for seed in range(count):
        for name, one in SETS.items():
            table, clean, zone = read(name)
            found, _ = measured(clean, one.target, table, model=model, seed=seed, timezone=zone, country=one.country)
            yield {"row": f"{name}, seed {seed}", **found}


def meters(model: str, _: int) -> Iterator[Found]:
    """The household's sub-meters: single devices, most of the time off."""
    for column in ("kitchen_kw", "laundry_kw", "water_heater_ac_kw"):
        table, clean, zone = read("household", column)
        found, _made = measured(clean, column, table, model=model, timezone=zone, country=SETS["household"].country)
        yield {"row": f"household, {column}", **found}


def works(days: int = 120) -> Table:
    """A generated works by the minute: shifts, base load, cooling by the weather, batches that nobody announced."""
    when, rng = hours(datetime(2024, 1, 1, tzinfo=UTC), days * 1440, 60.0, "UTC", None), np.random.default_rng(SEED)
    busy = shift(when, 6.0, 18.0)
    cooling = np.maximum(outdoor_c(rng, when) - 10.0, 0.0)
    batches = campaigns(rng, when, 0.25, 1.5, busy)
    load = 80.0 + 120.0 * busy + 4.0 * cooling + 30.0 * batches + wander(rng, when.steps, 60.0, 0.2, 6.0)
    return Table(times=when.times, columns={"load_kw": np.maximum(load, 0.0)})


def steps(model: str, _: int) -> Iterator[Found]:
    """One generated load at steps of a minute to a day, and the steel plant at its own and longer steps."""
    minutes = works()
    for length in (1440, 60, 15, 5, 1):
        table = minutes if length == 1 else resample(minutes, length * 60.0)
        yield {"row": f"generated works, {length} min", **measured(table, "load_kw", model=model)[0]}
    _, clean, zone = read("steel")
    for length in (1440, 60):
        # Days are summed in the plant's own time: its clock is put in the place of UTC.
        local = Table(times=clean.times + np.timedelta64(9, "h"), columns=clean.columns) if zone != "UTC" else clean
        found, _made = measured(resample(local, length * 60.0), "usage_kwh", model=model, country="KR")
        yield {"row": f"steel, {length} min", **found}


def holed(values: Floats, share: float, kind: str, step_s: float) -> Floats:
    """Values of which a share is missing, one by one or in blocks of six hours to three days."""
    rng, found = np.random.default_rng(SEED), values.copy()
    if kind == "random":
        found[rng.random(found.size) < share] = np.nan
        return found
    while np.isnan(found).mean() < share:
        length = int(rng.uniform(6.0, 72.0) * 3600 / step_s)
        first = int(rng.integers(0, found.size))
        found[first : first + length] = np.nan
    return found


def holes(model: str, _: int) -> Iterator[Found]:
    """Steel with holes in all of its history, judged by all that came."""
    table, clean, zone = read("steel")
    for kind in ("blocks", "random"):
        for share in (0.5, 0.3, 0.1):
            column = holed(clean.columns["usage_kwh"], share, kind, table.step_s)
            found, _made = measured(
                replace(clean, columns={"usage_kwh": column}), "usage_kwh", table, model=model, timezone=zone, country="KR"
            )
            yield {"row": f"steel, {share:.0%} missing, {kind}", **found}


def behaviours(model: str, _: int) -> Iterator[Found]:
    """A hundred rows, a series that never changes, a level that moves for good."""
    hourly = resample(works(), 3600.0)
    load = hourly.columns["load_kw"]
    first = Table(times=hourly.times[:100], columns={"load_kw": load[:100]})
    yield {"row": "100 rows of an hour, two days forecast", **measured(first, "load_kw", model=model)[0]}
    still = Table(times=hourly.times, columns={"load_kw": np.full(len(hourly), 7.0)})
    yield {"row": "always 7", **measured(still, "load_kw", model=model)[0]}
    moves = midnight(np.datetime64("2024-04-01"), "UTC")
    moved = Table(times=hourly.times, columns={"load_kw": load + 100.0 * (hourly.times >= moves)})
    found, made = measured(moved, "load_kw", model=model)
    yield {"row": "100 kW more from 1 April", **found}
    for week in range(4):
        begin = moves + np.timedelta64(7 * week, "D")
        inside = (made.target_times >= begin) & (made.target_times < begin + np.timedelta64(7, "D"))
        p10, p50, p90 = made.forecast[inside].T
        came = made.actual[inside]
        held = float(((p10 <= came) & (came <= p90)).mean())
        yield {"row": f"  its week {week + 1}", "mae": float(np.abs(p50 - came).mean()), "band": held}


TABLES: dict[str, Callable[[str, int], Iterator[Found]]] = {
    "seeds": seeds, "meters": meters, "steps": steps, "holes": holes, "behaviours": behaviours,
}  # fmt: skip


def shown(row: Found) -> str:
    """One row as a line."""
    names = {"mae": "MAE", "pinball": "pinball", "band": "band holds", "nmse": "NMSE", "naive_mae": "naive MAE", "cpu_s": "CPU s"}
    told = [f"{words} {row[name]:.4g}" for name, words in names.items() if row.get(name) is not None]
    return f"{row['row']:<40} {', '.join(told)}"


def main() -> None:
    """Measure the named tables, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", help=", ".join(TABLES))
    parser.add_argument("--out", type=Path, help="JSON file; rows of tables not measured now are kept")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    if unknown := set(asked.tables) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}: there are {', '.join(TABLES)}")
    if not os.environ.get("EMS_DATA") or not all(file_of(one) for one in SETS.values()):
        print("skipped: EMS_DATA names no folder with forecast/steel_industry.csv.gz and the other sets")
        return
    written: dict[str, list[Found]] = json.loads(asked.out.read_text()) if asked.out and asked.out.exists() else {}
    for name in asked.tables or TABLES:
        written[name] = []
        print(f"# {name}", flush=True)
        for row in TABLES[name](asked.model, asked.seeds):
            written[name].append(row)
            print(shown(row), flush=True)
            if asked.out:
                asked.out.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
