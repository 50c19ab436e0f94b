"""Isolation forests as arrays: many machines, or many forests, scored in one go.

scikit-learn spends most of a small call on checking and threading; for one row of each of a thousand machines that is all
there is. Here the trees lie one behind the other in four arrays and all (row, tree) pairs walk down together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from plant.table import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest as Forest

Numbers = npt.NDArray[np.int32]
_SEEDS = np.iinfo(np.int32).max

_CHUNK = 8192
"""(row, tree) pairs that walk down together: few enough that their working arrays stay in the processor's cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedForests:
    """One or more isolation forests with equally many trees.

    Attributes
    ----------
    feature
        Shape (nodes,), `int16`: column that a node splits, 0 at a leaf.
    threshold
        Shape (nodes,), `float32`: at most this goes left; minus infinity at a leaf. It is rounded downwards from scikit-learn's
        `float64`, which decides every `float32` value as the exact one does.
    right
        Shape (nodes,), `int32`: the right child, a leaf's is itself; the left one is the next node.
    length
        Shape (nodes,), `float32`: path length that a leaf stands for.
    roots
        Shape (forests, trees), `int32`.
    norm
        Shape (forests,): trees × the mean path length of the sample size.
    depth
        Deepest level of all trees.
    """

    feature: npt.NDArray[np.int16]
    threshold: npt.NDArray[np.float32]
    right: Numbers
    length: npt.NDArray[np.float32]
    roots: Numbers
    norm: Floats
    depth: int

    @property
    def size_bytes(self) -> int:
        """Memory of all arrays."""
        arrays = (self.feature, self.threshold, self.right, self.length, self.roots, self.norm)
        return int(sum(array.nbytes for array in arrays))

    def scores(self, rows: Floats, forests: Numbers | None = None) -> Floats:
        """Anomaly score 0..1 of each row, as Liu, Ting and Zhou (2008) define it; about 0.5 is ordinary.

        Parameters
        ----------
        rows
            Shape (rows, features), without NaN.
        forests
            Shape (rows,): which forest judges a row; None = the first one judges all.

        Returns
        -------
        Floats
            Shape (rows,), the negative of scikit-learn's `score_samples`.
        """
        chosen = np.zeros(len(rows), dtype=np.int32) if forests is None else forests
        trees = self.roots.shape[1]
        flat = np.ascontiguousarray(rows, dtype=np.float32).ravel()
        start = self.roots.take(chosen, axis=0).ravel().astype(np.intp)
        offset = np.repeat(np.arange(len(rows)) * rows.shape[1], trees)
        length = np.empty(start.size, dtype=np.float32)
        for first in range(0, start.size, _CHUNK):
            part = slice(first, first + _CHUNK)
            length[part] = self.length.take(self._leaves(flat, start[part], offset[part]))
        total = length.reshape(len(rows), trees).sum(axis=1, dtype=np.float64)
        score: Floats = 2.0 ** (-total / self.norm[chosen])
        return score

    def _leaves(
        self, flat: npt.NDArray[np.float32], node: npt.NDArray[np.intp], offset: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.intp]:
        for _ in range(self.depth):
            value = flat.take(offset + self.feature.take(node, mode="clip"), mode="clip")
            goes_left = value <= self.threshold.take(node, mode="clip")
            node = np.where(goes_left, node + 1, self.right.take(node, mode="clip"))
        return node


def mean_path(samples: npt.NDArray[np.int64] | int) -> Floats:
    """Mean path length of an unsuccessful search in a binary search tree of so many samples (Liu et al. 2008, equation 1)."""
    count = np.atleast_1d(np.asarray(samples, dtype=np.float64))
    long = 2.0 * (np.log(np.maximum(count - 1.0, 1.0)) + np.euler_gamma) - 2.0 * (count - 1.0) / np.maximum(count, 1.0)
    path: Floats = np.where(count <= 1, 0.0, np.where(count == 2, 1.0, long))
    return path


def packed(forests: Sequence[Forest]) -> PackedForests:
    """Fitted scikit-learn forests as arrays.

    Raises
    ------
    ValueError
        If the forests differ in their number of trees or leave out features per tree.
    """
    if len({len(forest.estimators_) for forest in forests}) != 1:
        raise ValueError("packed forests need equally many trees")
    trees = [[tree.tree_ for tree in forest.estimators_] for forest in forests]
    columns = [chosen for forest in forests for chosen in forest.estimators_features_]
    return _packed(trees, [int(forest.max_samples_) for forest in forests], columns)


def grown(rows: Floats, *, trees: int, samples: int, seed: int) -> PackedForests:
    """The isolation forest that scikit-learn's would be, node by node, in an eighth of the time.

    Its own ensemble spends most of the time on copying, checking and seeding each tree anew; the trees are scikit-learn's.

    Parameters
    ----------
    rows
        What it learns from, shape (rows, features), without NaN.
    trees
        How many.
    samples
        Rows that each tree sees, at most all.
    seed
        As `random_state` of scikit-learn's forest.
    """
    from sklearn import config_context
    from sklearn.tree import ExtraTreeRegressor
    from sklearn.utils.random import sample_without_replacement

    seen = np.ascontiguousarray(rows, dtype=np.float32)
    columns, depth = rows.shape[1], int(np.ceil(np.log2(max(samples, 2))))
    whole, own, inner = (np.random.RandomState(seed) for _ in range(3))
    aim = whole.uniform(size=len(seen))  # a tree must be told what to grow towards; it splits at random all the same
    whole.seed(seed)
    made = []
    with config_context(assume_finite=True, skip_parameter_validation=True):
        for number in whole.randint(_SEEDS, size=trees):
            own.seed(number)
            inner.seed(own.randint(_SEEDS))
            own.seed(number)
            sample_without_replacement(columns, columns, random_state=own)  # the columns: all of them
            drawn = np.sort(sample_without_replacement(len(seen), samples, random_state=own))
            tree = ExtraTreeRegressor(max_features=1, max_depth=depth, random_state=inner)
            made.append(tree.fit(seen[drawn], aim[drawn], check_input=False).tree_)
    return _packed([made], [samples], [np.arange(columns)] * trees)


def _packed(forests: Sequence[Sequence[Any]], samples: Sequence[int], columns: Sequence[npt.NDArray[np.int64]]) -> PackedForests:
    """The trees of forests one behind the other.

    Parameters
    ----------
    forests
        scikit-learn's trees of each forest.
    samples
        Rows that each tree of a forest saw.
    columns
        Columns that each tree was given, tree by tree.
    """
    trees = [tree for forest in forests for tree in forest]
    counts = [int(tree.node_count) for tree in trees]
    roots = np.cumsum([0, *counts])[:-1]
    start = np.repeat(roots, counts)
    left, right, feature, seen, exact = (
        np.concatenate([np.asarray(getattr(tree, name)) for tree in trees])
        for name in ("children_left", "children_right", "feature", "n_node_samples", "threshold")
    )
    leaf, node = left < 0, np.arange(left.size)
    if not np.array_equal((left + start)[~leaf], node[~leaf] + 1):
        raise ValueError("this version of scikit-learn no longer stores the left child next to its parent")
    depth = np.concatenate([np.asarray(tree.compute_node_depths()) for tree in trees]) - 1
    chosen = np.concatenate(columns)
    first = np.repeat(np.cumsum([0, *(each.size for each in columns)])[:-1], counts)
    rounded = exact.astype(np.float32)
    rounded = np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return PackedForests(
        feature=np.where(leaf, 0, chosen[first + np.maximum(feature, 0)]).astype(np.int16),
        threshold=np.where(leaf, np.float32(-np.inf), rounded).astype(np.float32),
        right=np.where(leaf, node, right + start).astype(np.int32),
        length=np.where(leaf, depth + mean_path(seen), 0.0).astype(np.float32),
        roots=roots.astype(np.int32).reshape(len(forests), -1),
        norm=np.array([len(forest) * float(mean_path(each)[0]) for forest, each in zip(forests, samples, strict=True)]),
        depth=int(depth.max()),
    )
