"""A forest remembers the scores of rows it has seen; that makes it quicker and nothing else."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from anomaly.detectors import isolation_forest
from anomaly.detectors.isolation_forest import IsolationForest
from tests.anomaly.blower import SENSORS, Fault, rows_of, table

CONTEXT = ("speed", "product", "outdoor")
ILL = table(3, 900, faults=(Fault("bearing_c", 8.0, 400, 200),))


def learned() -> IsolationForest:
    return IsolationForest(seed=1, context=CONTEXT, curved=CONTEXT, power="power", sensors=SENSORS).fit(table(1, 1500))


@pytest.mark.parametrize("most", [50_000, 600, 1])
def test_windows_that_slide_over_each_other_are_judged_as_each_would_be_alone(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(isolation_forest, "_MOST_SCORED", most)
    detector = learned()
    fresh = pickle.dumps(detector)
    for first in (0, 1, 2, 300, 0):
        window = rows_of(ILL, first, first + 500)
        found, expected = detector.judge(window), pickle.loads(fresh).judge(window)
        np.testing.assert_array_equal(found.parts, expected.parts)
        np.testing.assert_array_equal(found.settled, expected.settled)


def test_what_was_judged_is_no_part_of_the_model() -> None:
    detector = learned()
    before = pickle.dumps(detector)
    detector.judge(rows_of(ILL, 0, 500))
    assert pickle.dumps(detector) == before


def test_a_model_that_learns_again_forgets_the_scores_of_before() -> None:
    detector = learned()
    detector.judge(ILL)
    again = detector.fit(table(2, 1500)).judge(ILL)
    np.testing.assert_array_equal(again.parts, learned().fit(table(2, 1500)).judge(ILL).parts)
