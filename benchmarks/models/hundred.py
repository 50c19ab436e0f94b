"""Many targets at once: a site of N synthetic demands, trained by one command; says time and memory.

python benchmarks/models/hundred.py [--series 100] [--days 60] [--model week_mean]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ems.config import historian_url, load
from ems.historian import Historian
from plant.table import Table

HEAD = """
assets = []
[site]
name = "many"
[connection]
kind = "replay"
endpoint = "none"
[tariff]
energy = { kind = "flat", per_kwh = 0.2 }
[control]
step_s = 3600
[learning]
history_days = 400
"""


def site_text(count: int) -> str:
    """A site of `count` services, each with the tag of its demand."""
    one = '[[tags]]\nname = "demand_{0}"\nunit = "m3/h"\n[[services]]\nname = "s{0}"\nunit = "m3"\ndemand = "demand_{0}"\n'
    return HEAD + "".join(one.format(number) for number in range(count))


def demands(count: int, days: int, seed: int) -> Table:
    """Hourly demands with daily and weekly patterns of their own, and noise."""
    random = np.random.default_rng(seed)
    times = np.datetime64("2026-01-01", "us") + np.arange(days * 24) * np.timedelta64(1, "h")
    hour, weekend = np.arange(times.size) % 24, (np.arange(times.size) // 24 % 7) >= 5
    columns = {}
    for number in range(count):
        level, swing, phase = random.uniform(20, 200), random.uniform(0.1, 0.6), random.uniform(0, 24)
        shape = 1 + swing * np.sin((hour - phase) / 24 * 2 * np.pi) - random.uniform(0, 0.4) * weekend
        columns[f"demand_{number}"] = level * shape * (1 + 0.1 * random.normal(size=times.size))
    return Table(times=times, columns=columns)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--series", type=int, default=100)
    options.add_argument("--days", type=int, default=60)
    options.add_argument("--model", default="week_mean")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ems-many-"))
    (folder / "site.toml").write_text(site_text(chosen.series))
    with Historian(historian_url(load(folder / "site.toml"))) as historian:
        historian.write_table(demands(chosen.series, chosen.days, chosen.seed))
    began = time.perf_counter()
    command = [sys.executable, "-m", "ems.cli", "forecast", "train", "--model", chosen.model, "--json"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    took_s = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    reports = json.loads(done.stdout)["models"]
    answer = {
        "series": len(reports),
        "registered": sum(report["model"] is not None for report in reports),
        "model": chosen.model,
        "wall_s": round(took_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "files_mb": round(sum(report["model"]["size_bytes"] for report in reports if report["model"]) / 1e6, 1),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
