"""Scoring a thousand machines in one go, against a scikit-learn call for each."""

from __future__ import annotations

import time

import numpy as np
from sklearn.ensemble import IsolationForest as Forest

from anomaly.forests import PackedForests, packed
from ems.bench.frame import Bench, Row, cpu_s, limit_row
from plant.table import Floats

ASSETS, FEATURES, TREES, SAMPLES = 1000, 10, 50, 256
_OWN_FORESTS = 40
"""Forests that are really grown for the row of forests per machine; each serves 25 machines from its own copy in memory."""
_MOST_MS, _MOST_MB, _MOST_APART = 30.0, 200.0, 1e-6


def _grown(count: int, seed: int) -> list[Forest]:
    rng = np.random.default_rng(seed)
    options = {"n_estimators": TREES, "max_samples": SAMPLES, "n_jobs": 1}
    return [Forest(random_state=number, **options).fit(rng.normal(size=(400, FEATURES))) for number in range(count)]


def _loop(forests: list[Forest], rows: Floats) -> Floats:
    return np.array([-forests[i % len(forests)].score_samples(rows[i : i + 1])[0] for i in range(len(rows))])


def _rows(name: str, forests: list[Forest], model: PackedForests, chosen: np.ndarray | None) -> tuple[Row, ...]:
    rows = np.random.default_rng(7).normal(size=(ASSETS, FEATURES))
    begin = time.process_time()
    reference = _loop(forests, rows)
    loop_ms = 1e3 * (time.process_time() - begin)
    value_ms = 1e3 * cpu_s(lambda: model.scores(rows, chosen), repeat=11)
    apart = float(np.abs(model.scores(rows, chosen) - reference).max())
    return (
        Row(
            name=name, value=value_ms, unit="ms", reference="one scikit-learn call per asset", reference_value=loop_ms,
            ratio=value_ms / loop_ms, goal=f"<= {_MOST_MS:g} ms", ok=value_ms <= _MOST_MS,
        ),
        limit_row(name=f"{name}, scores apart", value=apart, unit="1", most=_MOST_APART),
        limit_row(name=f"{name}, memory", value=model.size_bytes / 1e6, unit="MB", most=_MOST_MB),
    )  # fmt: skip


def shared() -> tuple[Row, ...]:
    """One forest for a kind of 1,000 machines, each by its own baseline: what the product does."""
    forests = _grown(1, 0)
    return _rows("health of 1,000 assets, one forest per kind", forests, packed(forests), None)


def own() -> tuple[Row, ...]:
    """A forest of its own for each of 1,000 machines, packed into arrays."""
    forests = _grown(_OWN_FORESTS, 1)
    everyone = [forests[number % _OWN_FORESTS] for number in range(ASSETS)]
    return _rows("health of 1,000 assets, a forest each", forests, packed(everyone), np.arange(ASSETS, dtype=np.int32))


BENCHES = (Bench(name="health-shared", run=shared), Bench(name="health-own", run=own))
