import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as Forest

from anomaly.forests import PackedForests, grown, mean_path, packed


def _forests(count: int, seed: int, trees: int = 20) -> list[Forest]:
    rng = np.random.default_rng(seed)
    made = [Forest(n_estimators=trees, max_samples=64, random_state=i, n_jobs=1) for i in range(count)]
    return [forest.fit(rng.normal(size=(100, 4)) * (1 + i)) for i, forest in enumerate(made)]


def test_scores_are_those_of_scikit_learn_also_far_outside_and_on_thresholds() -> None:
    forest = _forests(1, 3)[0]
    rows = np.vstack([np.random.default_rng(4).normal(size=(200, 4)), np.full((1, 4), 1e9), np.full((1, 4), -1e9)])
    on_threshold = rows.copy()
    on_threshold[:50, 0] = forest.estimators_[0].tree_.threshold[0]
    for table in (rows, on_threshold):
        np.testing.assert_allclose(packed([forest]).scores(table), -forest.score_samples(table), atol=1e-7)


def test_each_row_by_its_own_forest() -> None:
    forests = _forests(3, 5)
    rows, chosen = np.random.default_rng(6).normal(size=(60, 4)), np.arange(60, dtype=np.int32) % 3
    expected = [-forests[which].score_samples(row[None, :])[0] for row, which in zip(rows, chosen, strict=True)]
    np.testing.assert_allclose(packed(forests).scores(rows, chosen), expected, atol=1e-7)


@pytest.mark.parametrize(("rows", "columns", "samples"), [(400, 5, 256), (40, 1, 40)])
def test_a_grown_forest_is_scikit_learns_node_by_node(rows: int, columns: int, samples: int) -> None:
    values = np.random.default_rng(7).normal(size=(rows, columns))
    values[::3, 0] = 1.0
    theirs = packed([Forest(n_estimators=9, max_samples=samples, random_state=11, n_jobs=1).fit(values)])
    ours = grown(values, trees=9, samples=samples, seed=11)
    for name in PackedForests.__slots__:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def test_forests_of_different_size_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="equally many"):
        packed([*_forests(1, 1, trees=5), *_forests(1, 1, trees=6)])


def test_mean_path_of_small_samples() -> None:
    np.testing.assert_allclose(mean_path(np.array([1, 2, 256])), [0.0, 1.0, 10.244770920116851], rtol=1e-12)
