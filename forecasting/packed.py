"""A quantile forest flattened into arrays: the same leaves as scikit-learn's, found for all trees at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting.cells import LEVELS
from plant.table import Floats

Nodes = npt.NDArray[np.int64]

_LEAF = -2
_SIDES = ("children_left", "children_right")
_FIRST_LOOK, _LOOKS_EVERY = 9, 3
"""Levels after which paths that have ended are left out."""
_PATHS_AT_ONCE = 20_000
"""Tree times row: so many stay in a processor's cache."""
_FAR = 1e300
"""Stands for a missing value: beyond every threshold."""


class _Scratch(threading.local):
    """Memory of a thread that is used again: fresh pages cost as much as the walk itself."""

    def __init__(self) -> None:
        self.block = np.empty((6, 0), dtype=np.int64)

    def of(self, paths: int) -> npt.NDArray[np.int64]:
        """Six rows of that length."""
        if self.block.shape[1] < paths:
            self.block = np.empty((6, paths), dtype=np.int64)
        return self.block[:, :paths]


_scratch = _Scratch()


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedForest:
    """All trees level by level, siblings side by side; nodes 0 to `trees` − 1 are the roots.

    Attributes
    ----------
    column
        Feature of each node, plus the number of features where missing values go right; shape (nodes,).
    threshold
        What is at most this goes left; infinite for a leaf. Shape (nodes,).
    left
        Left child of each node, its right sibling behind it; a leaf's is itself. Shape (nodes,).
    leaf
        Number of each leaf, 0 for other nodes; shape (nodes,).
    kept
        Training values kept per leaf, shape (leaves, kept).
    mean
        Mean of each leaf's training values, shape (leaves,).
    trees, depth
        How many; levels of the deepest.
    """

    column: npt.NDArray[np.int64]
    threshold: Floats
    left: npt.NDArray[np.int64]
    leaf: npt.NDArray[np.int64]
    kept: npt.NDArray[np.float32]
    mean: Floats
    trees: int
    depth: int

    def leaves(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Number of the leaf of each row in each tree, shape (n, trees)."""
        rows = max(1, _PATHS_AT_ONCE // self.trees)
        parts = [self._leaves(x[first : first + rows]) for first in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.zeros((0, self.trees), dtype=np.int64)

    def _leaves(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        ends = self.leaf.take(self._walked(x)).reshape(self.trees, len(x))
        return np.ascontiguousarray(ends.T)

    def _walked(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Last node of each path, tree by tree, shape (trees × n,); overwritten by the next walk."""
        seen = np.concatenate([np.nan_to_num(x.astype(np.float64), nan=side) for side in (-_FAR, _FAR)], axis=1).ravel()
        found, node, other, row, at, found_x = _scratch.of(self.trees * len(x))
        node.reshape(self.trees, -1)[:] = np.arange(self.trees)[:, None]
        row.reshape(self.trees, -1)[:] = np.arange(len(x)) * (seen.size // len(x))
        walking = None
        for level in range(self.depth):
            self._step(seen, node, other, row, at[: node.size], found_x.view(np.float64)[: node.size])
            node, other = other, node
            if level >= _FIRST_LOOK and (level - _FIRST_LOOK) % _LOOKS_EVERY == 0:
                still = np.flatnonzero(self.left.take(node, mode="clip") != node)
                found[slice(None) if walking is None else walking] = node
                walking = still if walking is None else walking[still]
                node, other, row = node[still], other[: still.size], row[still]
        found[slice(None) if walking is None else walking] = node
        return np.asarray(found)

    def _step(self, seen: Floats, node: Nodes, after: Nodes, row: Nodes, at: Nodes, value: Floats) -> None:
        """One level down: `after` becomes the children of `node`. Nothing is allocated, nothing branches."""
        self.column.take(node, out=at, mode="clip")
        np.add(at, row, out=at)
        seen.take(at, out=value, mode="clip")
        limit = at.view(np.float64)
        self.threshold.take(node, out=limit, mode="clip")
        np.subtract(limit, value, out=limit)
        self.left.take(node, out=after, mode="clip")
        np.subtract(after, np.right_shift(at, 63, out=at), out=after)  # the sign of a double is its first bit: -1 goes right

    def means(self, x: npt.NDArray[np.float32]) -> Floats:
        """Mean over the trees, as scikit-learn's `predict`; shape (n,)."""
        return np.asarray(self.mean[self.leaves(x)].mean(axis=1))

    def quantiles(self, x: npt.NDArray[np.float32]) -> Floats:
        """p10, p50 and p90 of the values kept in the leaves; shape (n, 3)."""
        rows = max(1, _PATHS_AT_ONCE // self.trees)
        parts = [self._quantiles(x[first : first + rows]) for first in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.zeros((0, 3))

    def _quantiles(self, x: npt.NDArray[np.float32]) -> Floats:
        values = self.kept.take(self._leaves(x), axis=0, mode="clip").reshape(len(x), -1)
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
    counts = [part.node_count for part in parts]
    roots = np.cumsum([0, *counts])[:-1]
    shift = np.repeat(roots, counts)
    feature = np.concatenate([part.feature for part in parts])
    ends = feature == _LEAF
    children = np.stack([np.concatenate([getattr(part, side) for part in parts]) + shift for side in _SIDES], axis=1)
    old, left, depth = _by_level(roots, children, ends)
    ends, feature = ends[old], feature[old]
    missing_right = ~np.concatenate([part.missing_go_to_left for part in parts]).astype(bool)[old]
    return PackedForest(
        column=np.where(ends, 0, feature + missing_right * x.shape[1]).astype(np.int64),
        # Where a tree parts what is missing from all that is not, its threshold is infinite: a leaf's alone may be.
        threshold=np.where(ends, np.inf, np.minimum(np.concatenate([part.threshold for part in parts])[old], _FAR / 10)),
        left=left,
        leaf=np.where(ends, np.cumsum(ends) - 1, 0),
        kept=np.concatenate([_kept(part, x, y, kept, rng) for part in parts])[old[ends]],
        mean=np.concatenate([part.value[:, 0, 0] for part in parts])[old[ends]],
        trees=len(parts),
        depth=depth,
    )


def _by_level(roots: Nodes, children: Nodes, ends: npt.NDArray[np.bool_]) -> tuple[Nodes, Nodes, int]:
    """Nodes in the order of their levels, the left child of each in that order, and how many levels there are."""
    levels = [roots]
    while (inner := levels[-1][~ends[levels[-1]]]).size:
        levels.append(children[inner].ravel())
    old = np.concatenate(levels)
    left = np.arange(old.size)
    inside = ~ends[old]
    left[inside] = roots.size + 2 * np.arange(int(inside.sum()))
    return old, left, len(levels) - 1


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
