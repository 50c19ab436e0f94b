"""A Pyomo model as arrays with an address for every number, so that a re-plan is a few vector writes.

Nothing of a solver lives here: the same numbers always make the same arrays, whatever was solved before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from plant.table import Floats
from policy.blocks import Model
from policy.layout import Layout
from policy.model import COLUMNS, ROWS, build

Places = npt.NDArray[np.int64]
Key = int | tuple[int, ...]
Family = Mapping[Key, Places]
"""Part → places over the steps; families over steps alone have the one part ()."""

METERED = ("meter", "import_hard", "import_soft", "export_most", "peak_window", "buying", "selling")
"""Families of constraints that tie all machines of a site together, and nothing else does."""

EQUAL, AT_MOST, AT_LEAST = 0, 1, -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The arrays of a layout with zeros where numbers vary."""

    layout: Layout
    matrix: sparse.csc_array
    base: Floats
    """Right-hand sides with all varying numbers at zero."""
    sense: npt.NDArray[np.int64]
    """EQUAL, AT_MOST or AT_LEAST per row."""
    column: Mapping[str, Family]
    row: Mapping[str, Family]
    binary: npt.NDArray[np.bool_]
    """Columns that are 0 or 1."""
    cluster: Places
    """A number per column: those with the same are tied together by more than the meter; what is only the meter's is alone."""
    places: dict[tuple[Key | str, ...], Places] = field(default_factory=dict)
    """Where coefficients lie that vary, found once each."""

    def place(self, rows: tuple[str, Key], columns: tuple[str, Key]) -> Places:
        """Places in the matrix where the k-th row of one part meets the k-th column of another."""
        return self.meeting((*rows, *columns), self.row[rows[0]][rows[1]], self.column[columns[0]][columns[1]])

    def meeting(self, key: tuple[Key | str, ...], rows: Places, columns: Places) -> Places:
        """Places in the matrix where rows meet columns one to one (or one row meets all columns); kept under a key."""
        if key not in self.places:
            pairs = zip(np.broadcast_to(rows, columns.shape), columns, strict=True)
            self.places[key] = np.asarray([self._entry(int(row), int(column)) for row, column in pairs], dtype=np.int64)
        return self.places[key]

    def _entry(self, row: int, column: int) -> int:
        begin, end = self.matrix.indptr[column], self.matrix.indptr[column + 1]
        found = begin + int(np.searchsorted(self.matrix.indices[begin:end], row))
        assert self.matrix.indices[found] == row, "a coefficient that varies must stand in the model"
        return int(found)


def compiled(plan: Layout) -> Compiled:
    """Build the Pyomo model of a layout and compile it."""
    model = build(plan)
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    columns = {id(variable): place for place, variable in enumerate(form.columns)}
    rows = {id(entry[0]): place for place, entry in enumerate(form.rows)}
    column = {name: _family(getattr(model, name), columns) for name in COLUMNS}
    binary = np.zeros(len(form.columns), dtype=np.bool_)
    for name in ("u", "job", "buys"):
        for places in column[name].values():
            binary[places] = True
    matrix = sparse.csc_array(form.A)
    matrix.sort_indices()
    row = {name: _family(getattr(model, name), rows) for name in ROWS}
    return Compiled(
        layout=plan,
        matrix=matrix,
        base=np.asarray(form.rhs, dtype=np.float64),
        sense=np.asarray([entry[1] for entry in form.rows], dtype=np.int64),
        column=column,
        row=row,
        binary=binary,
        cluster=_clusters(matrix, row),
    )


def nameless(model: Compiled, matrix: sparse.csc_array, rows: Places, columns: Places) -> Compiled:
    """What is known of some rows and columns of a model, and no address in it: for programs that are only solved."""
    return replace(
        model,
        matrix=matrix,
        base=model.base[rows],
        sense=model.sense[rows],
        column={name: {} for name in COLUMNS},
        row={name: {} for name in ROWS},
        binary=model.binary[columns],
        cluster=model.cluster[columns],
        places={},
    )


def _clusters(matrix: sparse.csc_array, row: Mapping[str, Family]) -> Places:
    metered = [places for family in METERED for places in row[family].values()]
    tied = np.ones(matrix.shape[0], dtype=np.bool_)
    tied[np.concatenate([np.zeros(0, dtype=np.int64), *metered])] = False
    met, count = matrix.tocsr()[tied].tocoo(), sum(matrix.shape)
    ends = (met.row + matrix.shape[1], met.col)
    graph = sparse.coo_array((np.ones(met.nnz), ends), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1][: matrix.shape[1]], dtype=np.int64)


def _family(component: Model, places: Mapping[int, int]) -> Family:
    """Places of a component's members, by all indices but the last; a single index that is no step counts as a part."""
    found: dict[Key, dict[int, int]] = {}
    for index, member in component.items():
        key, last = _split(index)
        place = places.get(id(member))
        if place is not None:
            found.setdefault(key, {})[last] = place
    return {key: np.asarray([by[last] for last in sorted(by)], dtype=np.int64) for key, by in found.items()}


def _split(index: object) -> tuple[Key, int]:
    if not isinstance(index, tuple):
        assert isinstance(index, int)  # all our indices are numbers
        return (), index
    key = index[:-1]
    return (key[0] if len(key) == 1 else key), index[-1]


@dataclass(slots=True, kw_only=True)
class Program:
    """A linear program with binaries, ready for a solver; filled by `numbers`."""

    compiled: Compiled
    cost: Floats
    lower: Floats
    upper: Floats
    row_lower: Floats
    row_upper: Floats
    matrix: sparse.csc_array
    offset: float = 0.0
    """Part of the objective that no decision changes."""

    def bound(self, family: str, part: Key, lower: Floats | float, upper: Floats | float) -> None:
        """Set the bounds of a family's part; nothing happens where the model has none."""
        places = self.compiled.column[family].get(part)
        if places is not None:
            self.lower[places], self.upper[places] = lower, upper

    def price(self, family: str, part: Key, cost: Floats | float) -> None:
        """Set the costs of a family's part."""
        places = self.compiled.column[family].get(part)
        if places is not None:
            self.cost[places] = cost

    def right(self, family: str, part: Key, value: Floats | float) -> None:
        """Add to the right-hand sides of a family's part."""
        places = self.compiled.row[family].get(part)
        if places is None:
            return
        sense = self.compiled.sense[places]
        side = self.compiled.base[places] + value
        self.row_lower[places] = np.where(sense == AT_MOST, -np.inf, side)
        self.row_upper[places] = np.where(sense == AT_LEAST, np.inf, side)

    def factor(self, rows: tuple[str, Key], columns: tuple[str, Key], value: Floats | float) -> None:
        """Set the coefficients where the k-th row of one family's part meets the k-th column of another's."""
        self.matrix.data[self.compiled.place(rows, columns)] = value


def program(model: Compiled) -> Program:
    """A program with every variable between zero and infinity, binaries up to one, and nothing priced."""
    count = model.matrix.shape[1]
    lower, upper = np.zeros(count), np.full(count, np.inf)
    upper[model.binary] = 1.0
    matrix = sparse.csc_array((model.matrix.data.copy(), model.matrix.indices, model.matrix.indptr), shape=model.matrix.shape)
    return Program(
        compiled=model,
        cost=np.zeros(count),
        lower=lower,
        upper=upper,
        row_lower=np.where(model.sense == AT_MOST, -np.inf, model.base),
        row_upper=np.where(model.sense == AT_LEAST, np.inf, model.base),
        matrix=matrix,
    )
