from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

import forecasting
from forecasting import packed
from forecasting.packed import PackedForest, _words, pack, quantiles_of_sorted

NOT_COMPILED = pytest.mark.skipif(packed.walk is None, reason="forecasting.walk was not compiled when this was installed")
WALKS = [pytest.param(packed.walk, marks=NOT_COMPILED, id="compiled"), pytest.param(None, id="numpy")]


def _features(rng: np.random.Generator, rows: int, columns: int = 6) -> np.ndarray:
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[:, 4:] = np.round(x[:, 4:])  # thresholds that are values, 0 and −0 among them
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


def _learned(kind: type, x: np.ndarray, leaf: int = 2) -> tuple[Any, np.ndarray]:
    y = np.nan_to_num(x[:, 0]) * 2 + np.random.default_rng(2).normal(size=len(x))
    return kind(20, min_samples_leaf=leaf, random_state=1).fit(x, y), y


def _packed(forest: Any, x: np.ndarray, y: np.ndarray) -> PackedForest:
    return pack(forest.estimators_, x, y, 4, np.random.default_rng(3))


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
@pytest.mark.parametrize("walk", WALKS)
def test_leaves_and_means_are_scikit_learns(walk: ModuleType | None, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "walk", walk)
    rng = np.random.default_rng(0)
    x, new = _features(rng, 600), _features(rng, 1200)
    forest, y = _learned(kind, x)
    ours = _packed(forest, x, y)
    for mine, same in zip(ours.leaves(new).T, forest.apply(new).T, strict=True):
        assert len({*zip(mine.tolist(), same.tolist(), strict=True)}) == np.unique(mine).size == np.unique(same).size
    assert np.abs(ours.means(new) - forest.predict(new)).max() < 1e-9


@pytest.mark.parametrize("walk", WALKS)
def test_zero_is_zero_whatever_its_sign(walk: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "walk", walk)
    x = np.repeat(np.array([[-1.0], [1.0], [np.nan]], dtype=np.float32), 30, axis=0)
    forest, y = _learned(RandomForestRegressor, x, leaf=10)
    for number, tree in enumerate(forest.estimators_):
        split = tree.tree_.feature == 0
        assert 0.0 in tree.tree_.threshold[split]
        tree.tree_.threshold[split & (tree.tree_.threshold == 0.0)] = (0.0, -0.0)[number % 2]
    new = np.array([[-1.0], [-1e-45], [-0.0], [0.0], [1e-45], [1.0], [np.nan]], dtype=np.float32)
    assert np.abs(_packed(forest, x, y).means(new) - forest.predict(new)).max() < 1e-12


@NOT_COMPILED
@pytest.mark.parametrize("leaf", [2, 600], ids=["deep", "single nodes"])
@pytest.mark.parametrize("columns", [1, 6, 35, 70])
def test_compiled_and_numpy_walks_end_in_the_same_leaves(columns: int, leaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(columns)
    x, new = _features(rng, 600, columns), _features(rng, 1013, columns)
    forest, y = _learned(ExtraTreesRegressor, x, leaf)
    ours = _packed(forest, x, y)
    for rows in (0, 1, 12, 13, 1013):
        found = []
        for walk in (packed.walk, None):
            monkeypatch.setattr(packed, "walk", walk)
            found.append((ours.leaves(new[:rows]), ours.means(new[:rows]), ours.quantiles(new[:rows])))
        for compiled, same in zip(*found, strict=True):
            assert compiled.dtype == same.dtype
            np.testing.assert_array_equal(compiled, same)


@NOT_COMPILED
def test_the_compiled_walk_refuses_arrays_that_do_not_belong_together() -> None:
    assert packed.walk is not None
    word, found = np.zeros(3, dtype=np.int64), np.zeros((4, 3), dtype=np.int64)
    for leaf, seen, rows in ((word[:2], found, 4), (word, found[:3], 4), (word, found, 0), (word, found, 5)):
        with pytest.raises(ValueError, match="belong together"):
            packed.walk.leaves(word, leaf, 1, seen, rows, found)


def test_without_a_compiler_the_numpy_walk_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _features(np.random.default_rng(4), 300)
    forest, y = _learned(RandomForestRegressor, x)
    expected = _packed(forest, x, y).quantiles(x)
    monkeypatch.setitem(sys.modules, "forecasting.walk", None)
    monkeypatch.delattr(forecasting, "walk", raising=False)
    monkeypatch.delitem(sys.modules, "forecasting.packed")
    monkeypatch.setattr(forecasting, "packed", packed)  # so that it is put back
    uncompiled = importlib.import_module("forecasting.packed")
    assert uncompiled.walk is None
    np.testing.assert_array_equal(uncompiled.pack(forest.estimators_, x, y, 4, np.random.default_rng(3)).quantiles(x), expected)


def test_quantiles_are_those_of_numpy() -> None:
    values = np.sort(np.random.default_rng(1).gamma(2.0, size=(50, 37)).astype(np.float32), axis=1)
    assert np.allclose(quantiles_of_sorted(values), np.quantile(values.astype(float), [0.1, 0.5, 0.9], axis=1).T)


def test_a_forest_that_does_not_fit_into_words_is_refused() -> None:
    one = np.zeros(1, dtype=np.int64)
    _words(one + 2**24 - 2, one, one, 7)
    with pytest.raises(ValueError, match="64 bits"):
        _words(one + 2**24 - 1, one, one, 7)


@pytest.mark.parametrize("walk", WALKS)
def test_rows_of_other_columns_are_refused(walk: ModuleType | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "walk", walk)
    x = _features(np.random.default_rng(5), 200)
    forest, y = _learned(RandomForestRegressor, x)
    ours = _packed(forest, x, y)
    for ask in (ours.leaves, ours.means, ours.quantiles):
        with pytest.raises(ValueError, match="learned from 6 columns, the rows have 5"):
            ask(x[:, :5])
