from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

from forecasting.packed import pack, quantiles_of_sorted


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_leaves_and_means_are_scikit_learns(kind: type) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0]) * 2 + rng.normal(size=600)
    forest = kind(20, min_samples_leaf=5, random_state=1).fit(x, y)
    packed = pack(forest.estimators_, x, y, 4, rng)
    new = rng.normal(size=(200, 6)).astype(np.float32)
    new[rng.random(new.shape) < 0.1] = np.nan
    theirs = forest.apply(new)
    for ours, same in zip(packed.leaves(new).T, theirs.T, strict=True):
        assert len({*zip(ours.tolist(), same.tolist(), strict=True)}) == np.unique(ours).size == np.unique(same).size
    assert np.abs(packed.means(new) - forest.predict(new)).max() < 1e-9


def test_quantiles_are_those_of_numpy() -> None:
    values = np.sort(np.random.default_rng(1).gamma(2.0, size=(50, 37)).astype(np.float32), axis=1)
    assert np.allclose(quantiles_of_sorted(values), np.quantile(values.astype(float), [0.1, 0.5, 0.9], axis=1).T)
