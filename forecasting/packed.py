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

try:
    from forecasting import walk
except ImportError:  # installed without a C compiler
    walk = None  # type: ignore[assignment]

Nodes = npt.NDArray[np.int64]

_LEAF = -2
_SIDES = ("children_left", "children_right")
_FIRST_LOOK, _LOOKS_EVERY = 12, 4
"""Levels after which paths that have ended are left out."""
_PATHS_AT_ONCE = 20_000
"""Tree times row: so many stay in a processor's cache."""
_LEAST, _MOST = -(2**31), 2**31 - 1
"""Keys that stand for a missing value: before and behind those of all numbers."""


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
    """The roots of all trees, then the rest tree by tree and level by level, siblings side by side.

    Attributes
    ----------
    word
        All that a step needs to know of a node, see `_words`; shape (nodes,).
    bits
        Of a word, for the column.
    leaf
        Number of each leaf, 0 for other nodes; shape (nodes,).
    kept
        Training values kept per leaf, shape (leaves, kept).
    mean
        Mean of each leaf's training values, shape (leaves,).
    trees, depth
        How many; levels of the deepest.
    columns
        How many it learned from.
    """

    word: Nodes
    bits: int
    leaf: Nodes
    kept: npt.NDArray[np.float32]
    mean: Floats
    trees: int
    depth: int
    columns: int

    def leaves(self, x: npt.NDArray[np.float32]) -> Nodes:
        """Number of the leaf of each row in each tree, shape (n, trees).

        Raises
        ------
        ValueError
            If the rows have more or fewer columns than it learned from; so do `means` and `quantiles`.
        """
        rows = max(1, _PATHS_AT_ONCE // self.trees)
        parts = [self._leaves(x[first : first + rows]) for first in range(0, len(x), rows)]
        return np.concatenate(parts) if parts else np.zeros((0, self.trees), dtype=np.int64)

    def _leaves(self, x: npt.NDArray[np.float32]) -> Nodes:
        if x.shape[1] != self.columns:
            raise ValueError(f"the forest learned from {self.columns} columns, the rows have {x.shape[1]}")
        if walk is None:
            return self.leaf.take(self._walked(x), mode="clip").reshape(len(x), self.trees)
        found = np.empty((len(x), self.trees), dtype=np.int64)
        walk.leaves(self.word, self.leaf, self.bits, self._seen(x), len(x), found)
        return found

    def _walked(self, x: npt.NDArray[np.float32]) -> Nodes:
        """Last node of each path, row by row, shape (n × trees,); overwritten by the next walk."""
        seen = self._seen(x)
        found, node, other, row, at, word = _scratch.of(len(x) * self.trees)
        node.reshape(-1, self.trees)[:] = np.arange(self.trees)
        row.reshape(-1, self.trees)[:] = np.arange(0, seen.size, seen.size // len(x))[:, None]
        column, child = np.array((1 << self.bits) - 1), np.array(32 + self.bits)  # arrays: read faster than numbers
        walking = None
        for level in range(self.depth):
            # Nothing is allocated, nothing branches.
            self.word.take(node, out=word, mode="clip")
            np.bitwise_and(word, column, out=at)
            np.add(at, row, out=at)
            seen.take(at, out=other, mode="clip")
            np.add(word, other, out=word)
            np.right_shift(word, child, out=other)
            node, other = other, node
            if level >= _FIRST_LOOK and (level - _FIRST_LOOK) % _LOOKS_EVERY == 0:
                still = np.flatnonzero(node != other)
                found[slice(None) if walking is None else walking] = node
                walking = still if walking is None else walking.take(still)
                node, row = node.take(still), row.take(still)
                other, at, word = other[: still.size], at[: still.size], word[: still.size]
        found[slice(None) if walking is None else walking] = node
        return np.asarray(found)

    def _seen(self, x: npt.NDArray[np.float32]) -> Nodes:
        """Keys where a word has its own: of each row with what is missing first, then with what is missing last."""
        keys = _keys(x) << self.bits
        seen = np.concatenate([keys, keys], axis=1)
        missing = np.isnan(x)
        if missing.any():
            seen[:, : x.shape[1]][missing], seen[:, x.shape[1] :][missing] = _LEAST << self.bits, _MOST << self.bits
        return seen.ravel()

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
    lower, upper = (values.take(at, axis=1, mode="clip").astype(np.float64) for at in (low, low + 1))
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
    old, left, depth = _in_order(roots, children, ends)
    ends, feature = ends[old], feature[old]
    missing_right = ~np.concatenate([part.missing_go_to_left for part in parts]).astype(bool)[old]
    threshold = np.concatenate([part.threshold for part in parts])[old]
    bits = (2 * x.shape[1] - 1).bit_length()
    return PackedForest(
        word=_words(
            left,
            np.where(ends, _MOST, _keys(_rounded_down(threshold))),
            np.where(ends, 0, feature + missing_right * x.shape[1]),
            bits,
        ),
        bits=bits,
        leaf=np.where(ends, np.cumsum(ends) - 1, 0),
        kept=np.concatenate([_kept(part, x, y, kept, rng) for part in parts])[old[ends]],
        mean=np.concatenate([part.value[:, 0, 0] for part in parts])[old[ends]],
        trees=len(parts),
        depth=depth,
        columns=x.shape[1],
    )


def _words(left: Nodes, key: Nodes, column: Nodes, bits: int) -> Nodes:
    """What a step needs to know of each node in one number, from the highest bits to the lowest: right child, −key − 1, column.

    Plus the key of what is seen, the middle is negative unless that is larger; then it borrows one from the right child and
    makes it the left.

    Parameters
    ----------
    left
        Left child of each node, its right sibling behind it; a leaf's is itself. Shape (nodes,).
    key
        What has at most this key goes left; all does at a leaf. Shape (nodes,).
    column
        Feature of each node, plus the number of features where missing values go right; shape (nodes,).
    bits
        For the column; the middle has 32.

    Raises
    ------
    ValueError
        If the children's numbers do not fit.
    """
    if int(left.max()) + 1 >= 1 << (31 - bits):
        raise ValueError(f"{left.size:,} nodes over so many features do not fit into words of 64 bits")
    return ((left + 1) << (32 + bits)) - ((key + 1) << bits) + column


def _keys(values: npt.NDArray[np.float32]) -> Nodes:
    """Whole numbers of 32 bits in the order of the values; −0 is before 0."""
    signed = np.asarray(values, dtype=np.float32).view(np.int32)
    return (signed ^ (signed >> 31 & np.int32(_MOST))).astype(np.int64)


def _rounded_down(exact: Floats) -> npt.NDArray[np.float32]:
    """The largest `float32` that is no larger: decides every `float32` value as the exact one does. Never −0."""
    rounded = exact.astype(np.float32)
    return np.where(rounded > exact, np.nextafter(rounded, np.float32(-np.inf)), rounded) + np.float32(0)


def _in_order(roots: Nodes, children: Nodes, ends: npt.NDArray[np.bool_]) -> tuple[Nodes, Nodes, int]:
    """Nodes in the order of a packed forest, the left child of each in that order, and how many levels there are."""
    levels = [roots]
    while (inner := levels[-1][~ends[levels[-1]]]).size:
        levels.append(children[inner].ravel())
    old = np.concatenate(levels)
    tree = np.searchsorted(roots, old, side="right")
    tree[: roots.size] = 0
    old = old[np.argsort(tree, kind="stable")]
    place = np.empty(old.size, dtype=np.int64)
    place[old] = np.arange(old.size)
    return old, place[np.where(ends[old], old, children[old, 0])], len(levels) - 1


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
