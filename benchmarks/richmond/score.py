"""The plant's score beside its own control's, what the calibration was worth, and how the decisions replayed.

python score.py FOLDER_OF_A_RUN score.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

GOALS = (
    ("cost_gbp", "cost", 0.90),
    ("peak_kw_15min", "peak", 1.00),
    ("starts", "starts", 0.90),
)
PEAK_KW, VOLUME_M3 = 130.0, 60.0


def read(folder: Path, name: str) -> dict[str, Any]:
    file = folder / name
    return json.loads(file.read_text()) if file.exists() and file.stat().st_size else {}


def score(folder: Path) -> dict[str, Any]:
    plant, native = read(folder, "plant.json"), read(folder, "native.json")
    ratios = {word: round(plant[key] / native[key], 4) for key, word, _ in GOALS if native[key]}
    goals = {word: ratios.get(word, 0.0) <= most for _, word, most in GOALS}
    goals["peak"] = goals["peak"] and plant["peak_kw_15min"] <= PEAK_KW
    goals |= {
        "finished": bool(plant["finished"]),
        "no low pressure": plant["low_pressure_node_s"] == 0,
        "no empty tank": plant["tank_empty_s"] == 0,
        "volume": abs(plant["volume_change_m3"]) <= VOLUME_M3,
    }
    learned, run = read(folder, "calibration.json"), read(folder, "run.json")
    return {
        "seed": plant["seed"],
        "plant": plant,
        "native": native,
        "ratios": ratios,
        "goals": goals,
        "day_ahead_levels": {check["store"]: check["range_share"] for check in learned.get("level_checks", ())},
        "power_cv_rmse": {item["asset"]: item["cv_rmse"] for item in learned.get("credibility", ())},
        "run": {key: run.get(key) for key in ("simulated_hours", "cycles", "mode", "commands", "plans", "violations", "cycle_s")},
        "replay": {key: value for key, value in read(folder, "replay.json").items() if key != "different"},
    }


def main() -> int:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    found = score(folder)
    out.write_text(json.dumps(found, indent=1) + "\n")
    plant, native = found["plant"], found["native"]
    print(f"seed {found['seed']}:", ", ".join(f"{word} {ratio:.3f} x native" for word, ratio in found["ratios"].items()))
    print(
        f"cost {plant['cost_gbp']} of {native['cost_gbp']} GBP, peak {plant['peak_kw_15min']} of {native['peak_kw_15min']} kW, "
        f"starts {plant['starts']} of {native['starts']}, low pressure {plant['low_pressure_node_s']} s, "
        f"empty {plant['tank_empty_s']} s, volume {plant['volume_change_m3']:+} m3"
    )
    print("missed: " + (", ".join(word for word, met in found["goals"].items() if not met) or "nothing"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
