#!/bin/sh
# Bring the Richmond pumping network under control from its site file alone; the plant itself keeps the score.
#
#     benchmarks/richmond/run.sh [SEED|none] [MODE] [DAYS]      seed 1, control and 8 days if not given
#
# The plant lies beside the data: $EMS_DATA/../plants/richmond. It runs in an environment and a process of its own.
# Writes benchmarks/richmond/out/score.json (the plant's score with its own control's beside it) and, in the same folder,
# the historian of the run, the calibration, the run's own report and its replay.
set -eu

seed=${1:-1}
mode=${2:-control}
days=${3:-8}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
plant=${EMS_DATA:-$root/data}/../plants/richmond
if [ ! -d "$plant" ]; then
    echo "richmond: no plant at $plant (set EMS_DATA to the data folder beside it): nothing to do"
    exit 0
fi
plant=$(CDPATH='' cd -- "$plant" && pwd)

out=$here/out
work=$out/seed-$seed-$mode
python=${EMS_PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=python3
ems() { "$python" -m ems.cli "$@"; }
say() { echo "richmond: $*" >&2; }

# 1. The plant's own environment, its history, and what it does by itself.
theirs=$root/.venv-richmond
if [ ! -x "$theirs/bin/python" ] || ! "$theirs/bin/python" -c "import epyt, opcua, wntr" 2>/dev/null; then
    say "making the plant's environment"
    mkdir -p "$out"
    python3 -m venv "$theirs"
    "$theirs/bin/pip" install -q -r "$plant/requirements.txt" >"$out/environment.log" 2>&1 || { cat "$out/environment.log" >&2; exit 1; }
fi
rm -rf "$work"
mkdir -p "$work"
if [ "$seed" = none ]; then seeded=""; else seeded="--seed $seed"; fi
say "history of 29 days and the plant under its own control, seed $seed"
# shellcheck disable=SC2086
"$theirs/bin/python" "$plant/serve.py" history $seeded --days 29 --out "$work/history.csv"
# shellcheck disable=SC2086
"$theirs/bin/python" "$plant/serve.py" native $seeded --days "$days" >"$work/native.json"

# 2. What a customer does: site file, history, calibration, forecasts.
cp "$here/site.toml" "$work/site.toml"
export EMS_SITE="$work/site.toml"
ems config check >&2
ems import readings --csv "$work/history.csv" --end 2026-03-02T00:00:00Z --json >"$work/import.json"
ems twin calibrate --json >"$work/calibration.json"
ems forecast train --model random_forest --json >"$work/training.json" 2>"$work/training.log"
"$python" "$here/approve.py" | while read -r model; do ems models approve "$model" --who benchmark >/dev/null; done

# 3. The plant behind OPC UA, and the controller.
port=$("$python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
# shellcheck disable=SC2086
"$theirs/bin/python" "$plant/serve.py" serve $seeded --days "$days" --port "$port" --report "$work/plant.json" >"$work/plant.log" 2>&1 &
served=$!
trap 'kill "$served" 2>/dev/null || true' EXIT INT TERM
tries=0
until grep -q ready "$work/plant.log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 120 ] || ! kill -0 "$served" 2>/dev/null; then
        say "the plant did not start:"
        cat "$work/plant.log" >&2
        exit 1
    fi
    sleep 0.5
done
export EMS_ENDPOINT="opc.tcp://127.0.0.1:$port"
say "control on port $port"
ems run --mode "$mode" --json >"$work/run.json" 2>"$work/run.log" || { tail -5 "$work/run.log" >&2; exit 1; }
wait "$served" || true
trap - EXIT INT TERM

# 4. The score: the plant's own figures beside those of its own control.
ems replay --all --json >"$work/replay.json" || say "replay: see $work/replay.json"
"$python" "$here/score.py" "$work" "$out/score.json"
