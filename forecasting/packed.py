"""A quantile forest flattened into arrays: the same leaves as scikit-learn's, found for all trees at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.cells import LEVELS
from plant.table import Floats

_LEAF = -2
_LEVELS_PER_LOOK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedForest:
    """All trees behind one another, each node followed by its left child; a leaf's right child is itself.

    Attributes
    ----------
    feature, threshold, right
        Per node; shape (nodes,). A leaf has the threshold -inf, so that every value goes to its right.
    missing_left
        Whether NaN goes left; shape (nodes,).
    roots
        Node of each tree's root.
    kept
        Training values kept per node (leaves only matter), shape (nodes, kept).
    mean
        Mean of each node's training values, shape (nodes,).
    depth
        Levels of the deepest tree.
    """

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    right: npt.NDArray[np.int32]
    missing_left: npt.NDArray[np.bool_]
    roots: npt.NDArray[np.int32]
    kept: npt.NDArray[np.float32]
    mean: Floats
    depth: int

    def leaves(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
        """Leaf of each row in each tree, shape (trees, n)."""
        rows, width = x.shape
        flat = np.ascontiguousarray(x).ravel()
        gaps = np.isnan(flat) if np.isnan(flat).any() else None
        found = np.repeat(self.roots, rows)
        offset = np.tile((np.arange(rows) * width).astype(np.int32), self.roots.size)
        node, walking = found, None
        for level in range(self.depth):
            at = offset + self.feature.take(node)
            goes_left = flat.take(at) <= self.threshold.take(node)
            if gaps is not None:
                goes_left |= gaps.take(at) & self.missing_left.take(node)
            node = np.where(goes_left, node + 1, self.right.take(node))
            if level % _LEVELS_PER_LOOK == _LEVELS_PER_LOOK - 1:
                # Most paths end early: only those still on their way are walked on.
                still = np.flatnonzero(self.right.take(node) != node)
                if walking is None:
                    found = node
                else:
                    found[walking] = node
                walking = still if walking is None else walking[still]
                node, offset = node[still], offset[still]
        if walking is None:
            found = node
        else:
            found[walking] = node
        return found.reshape(self.roots.size, rows)

    def means(self, x: npt.NDArray[np.float32]) -> Floats:
        """Mean over the trees, as scikit-learn's `predict`; shape (n,)."""
        return np.asarray(self.mean[self.leaves(x)].mean(axis=0))

    def quantiles(self, x: npt.NDArray[np.float32], rows_at_once: int = 2048) -> Floats:
        """p10, p50 and p90 of the values kept in the leaves; shape (n, 3)."""
        parts = [self._quantiles(x[first : first + rows_at_once]) for first in range(0, len(x), rows_at_once)]
        return np.concatenate(parts) if parts else np.zeros((0, 3))

    def _quantiles(self, x: npt.NDArray[np.float32]) -> Floats:
        values = np.moveaxis(self.kept[self.leaves(x)], 0, 1).reshape(len(x), -1)
        values.sort(axis=1)
        return quantiles_of_sorted(values)


def quantiles_of_sorted(values: npt.NDArray[np.float32]) -> Floats:
    """p10, p50, p90 of sorted rows, linear between neighbours; shape (n, width) → (n, 3)."""
    place = np.array(LEVELS) * (values.shape[1] - 1)
    low = np.floor(place).astype(int)
    share = place - low
    lower, upper = values[:, low].astype(np.float64), values[:, np.minimum(low + 1, values.shape[1] - 1)].astype(np.float64)
    return np.asarray(lower + (upper - lower) * share)


def pack(trees: Sequence[Any], x: npt.NDArray[np.float32], y: Floats, kept: int, rng: np.random.Generator) -> PackedForest:
    """Flatten fitted scikit-learn trees, keeping `kept` random training values in every leaf.

    Parameters
    ----------
    trees
        Fitted regression trees (`estimators_` of a forest).
    x, y
        What they learned from; shape (n, features), (n,).
    kept
        Training values to keep in each leaf.
    rng
        Chooses them.
    """
    parts = [tree.tree_ for tree in trees]
    starts = np.cumsum([0, *(part.node_count for part in parts)])
    feature = np.concatenate([part.feature for part in parts])
    leaf = feature == _LEAF
    own = np.arange(starts[-1])
    shift = np.repeat(starts[:-1], [part.node_count for part in parts])
    left = np.concatenate([part.children_left for part in parts]) + shift
    if not np.array_equal(left[~leaf], own[~leaf] + 1):
        raise ValueError("trees must be built depth first: a left child follows its parent")
    right = np.where(leaf, own, np.concatenate([part.children_right for part in parts]) + shift)
    # scikit-learn compares a float32 feature with a float64 threshold; rounding down to float32 decides alike.
    exact = np.concatenate([part.threshold for part in parts])
    rounded = exact.astype(np.float32)
    threshold = np.where(rounded.astype(np.float64) > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return PackedForest(
        feature=np.where(leaf, 0, feature).astype(np.int32),
        threshold=np.where(leaf, np.float32(-np.inf), threshold).astype(np.float32),
        right=right.astype(np.int32),
        missing_left=np.concatenate([part.missing_go_to_left for part in parts]).astype(bool) & ~leaf,
        roots=starts[:-1].astype(np.int32),
        kept=np.concatenate([_kept(part, x, y, kept, rng) for part in parts]),
        mean=np.concatenate([part.value[:, 0, 0] for part in parts]),
        depth=max(int(part.max_depth) for part in parts),
    )


def _kept(part: Any, x: npt.NDArray[np.float32], y: Floats, kept: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    at = part.apply(x)
    order = np.argsort(at, kind="stable")
    nodes = np.arange(part.node_count)
    first = np.searchsorted(at[order], nodes, side="left")
    held = np.searchsorted(at[order], nodes, side="right") - first
    drawn = first[:, None] + (rng.random((nodes.size, kept)) * held[:, None]).astype(np.int64)
    values = y[order[np.minimum(drawn, y.size - 1)]]
    # A leaf that no training row reaches (rows left out of a tree's sample) falls back on its own mean.
    return np.where(held[:, None] > 0, values, part.value[:, 0, :1]).astype(np.float32)
