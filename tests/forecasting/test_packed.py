from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from forecasting.packed import _words, pack, quantiles_of_sorted


def _features(rng: np.random.Generator, rows: int) -> np.ndarray:
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    x[:, 4:] = np.round(x[:, 4:])  # thresholds that are values, 0 and −0 among them
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_leaves_and_means_are_scikit_learns(kind: type) -> None:
    rng = np.random.default_rng(0)
    x = _features(rng, 600)
    y = np.nan_to_num(x[:, 0]) * 2 + rng.normal(size=600)
    forest = kind(20, min_samples_leaf=2, random_state=1).fit(x, y)
    packed = pack(forest.estimators_, x, y, 4, rng)
    new = _features(rng, 1200)
    theirs = forest.apply(new)
    for ours, same in zip(packed.leaves(new).T, theirs.T, strict=True):
        assert len({*zip(ours.tolist(), same.tolist(), strict=True)}) == np.unique(ours).size == np.unique(same).size
    assert np.abs(packed.means(new) - forest.predict(new)).max() < 1e-9


def test_quantiles_are_those_of_numpy() -> None:
    values = np.sort(np.random.default_rng(1).gamma(2.0, size=(50, 37)).astype(np.float32), axis=1)
    assert np.allclose(quantiles_of_sorted(values), np.quantile(values.astype(float), [0.1, 0.5, 0.9], axis=1).T)


def test_a_forest_that_does_not_fit_into_words_is_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    _words(one + 2**24 - 2, one, one, 7)
    with pytest.raises(ValueError, match="64 bits"):
        _words(one + 2**24 - 1, one, one, 7)
