"""The outside world as an ensemble sees it: rows of demands, temperatures, availabilities and wear at each driver step."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from plant.hours import local_hours
from plant.physics import Conditions, Numbers
from plant.table import Floats
from twin_sim.drivers import Drivers
from twin_sim.layout import Block, Layout, Reach

try:
    from twin_sim import ticks
except ImportError:  # installed without a C compiler
    ticks = None  # type: ignore[assignment]

Ints = npt.NDArray[np.int64]
EVERYTHING = frozenset({"level", "input_level", "health"})
MILD_C = 15.0
"""Outdoor temperature where no tag tells it."""


class Outside:
    """Drivers arranged by the rows of a layout.

    Parameters
    ----------
    layout, drivers
        The site as arrays and what drives it.
    futures
        Columns of the ensemble.
    base
        Tag of the power that is not simulated; None = none.
    """

    def __init__(self, layout: Layout, drivers: Drivers, futures: int, base: str | None) -> None:
        self.layout, self.drivers, self.futures, self.base = layout, drivers, futures, base
        tags = drivers.tags
        column = tags.get(base or "")
        self._base = None if column is None else np.ascontiguousarray(column, dtype=np.float64)
        self._no_base = np.zeros(1)
        self._demands = [
            (row, tags[tag], float(layout.demand_share[row]))
            for row, tag in enumerate(layout.demand_tag)
            if tag is not None and tag in tags
        ]
        known = [(row, tag) for row, tag in enumerate(layout.ambient) if tag is not None and tag in tags]
        self._ambients = [
            (rows, tags[tag])
            for tag in dict.fromkeys(own for _, own in known)
            for rows in _runs([row for row, own in known if own == tag])
        ]
        self._hidden = [
            (row, drivers.losses[store.name]) for row, store in enumerate(layout.stores) if store.name in drivers.losses
        ]
        self._blocks(layout)
        self._schedules_of(layout)

    def _blocks(self, layout: Layout) -> None:
        """What the machines find besides levels."""
        tags, drivers, outdoor = self.drivers.tags, self.drivers, layout.model.site.limits.outdoor
        self._outdoor = tags[outdoor] if outdoor is not None and outdoor in tags else None
        self._available = {block.rows.start: self._availabilities(block) for block in layout.blocks}
        self._known = {
            block.rows.start: any(item is not None for item in self._available[block.rows.start]) for block in layout.blocks
        }
        self._worn = {block.rows.start: any(name in drivers.health for name in layout.names[block.rows]) for block in layout.blocks}
        self._wide = {block.rows.start: max(column.shape[1] for column in self._columns(block)) for block in layout.blocks}
        lasting = Conditions(outdoor=MILD_C)
        self.lasting = {block.rows.start: lasting for block in layout.blocks if not self.varies(block)}
        """What blocks find whose machines' work depends on nothing that changes, by first row."""

    def _schedules_of(self, layout: Layout) -> None:
        """The schedules, each of them once, and when any may change."""
        site = layout.model.site
        self._zone, self._closed = (
            ZoneInfo(site.site.timezone),
            frozenset(date.fromisoformat(day) for day in site.site.shutdown_days),
        )
        self.schedule_rows = np.array([row for row, _ in layout.schedules], dtype=np.int64)
        texts = list(dict.fromkeys(control.on for _, control in layout.schedules))
        self._schedules = tuple(tuple(local_hours(text) for text in spans) for spans in texts)
        self._schedule_of = np.array([texts.index(control.on) for _, control in layout.schedules], dtype=np.int64)
        self._edges_min = sorted(
            {edge for spans in self._schedules for hours in spans for edge in (hours.begin_min, hours.end_min)}
        )
        self._holds: tuple[datetime, datetime] | None = None
        """From and until when the schedules hold as they were seen last."""
        self._held: tuple[bool, ...] = ()
        self._scheduled: npt.NDArray[np.bool_] = np.zeros((0, 1), dtype=bool)

    def _availabilities(self, block: Block) -> list[tuple[Floats, float] | None]:
        if "availability" not in block.kind.depends_on:
            return []
        found: list[tuple[Floats, float] | None] = []
        for asset in self.layout.assets[block.rows]:
            column = self.drivers.tags.get(asset.tags.power or "")
            nominal = float(np.asarray(self.layout.model.kind(asset.name).running(1.0, Conditions()).power_kw))
            found.append(None if column is None else (column, nominal))
        return found

    def _columns(self, block: Block) -> list[Floats]:
        """What a block finds outside over the driver steps."""
        known = [item[0] for item in self._available[block.rows.start] if item is not None]
        return [*known, np.full((self.drivers.steps, 1), MILD_C) if self._outdoor is None else self._outdoor]

    def varies(self, block: Block) -> bool:
        """Whether what the kind depends on may have changed with a driver step."""
        needs = block.kind.depends_on
        if needs & {"level", "input_level", "running_s", "ambient"} or (needs & {"outdoor"} and self._outdoor is not None):
            return True
        return self._known[block.rows.start] or ("health" in needs and self._worn[block.rows.start])

    def demanded(self, span_s: float, start: datetime) -> Floats:
        """Demand on every store row over a span from a start, service units, shape (rows, futures)."""
        found = np.zeros((self.layout.dummy + 1, self.futures))
        drivers = self.drivers
        edges = np.arange(drivers.steps + 1) * drivers.step_s + (drivers.start - start).total_seconds()
        edges[0], edges[-1] = -np.inf, np.inf
        lasted_h = np.maximum(np.minimum(edges[1:], span_s) - np.maximum(edges[:-1], 0.0), 0.0) / 3600.0
        for row, column, share in self._demands:
            found[row] = lasted_h @ column * share
        return found

    def begin(self, decay: Floats, per_rate: Floats, bias: Floats) -> None:
        """Lay out what every level gains in one tick without any machine: ambient, demand, losses; shape (rows, futures).

        The same array is then brought to each driver step by `bias`.
        """
        np.copyto(bias, -self.layout.loss_a * per_rate)
        terms: list[tuple[slice, Floats, Floats | float]] = []
        terms += [(rows, column, 1.0 - decay[rows]) for rows, column in self._ambients]
        terms += [(slice(row, row + 1), column, -share * float(per_rate[row, 0])) for row, column, share in self._demands]
        terms += [(slice(row, row + 1), column, -float(per_rate[row, 0])) for row, column in self._hidden]
        seen = set(np.flatnonzero(self.layout.loss_a * per_rate).tolist())
        made: list[ticks.Term] = [(row, row + 1, bias[row, :1].copy(), None, False) for row in sorted(seen)]
        for rows, column, factor in terms:
            factors = np.broadcast_to(factor, (rows.stop - rows.start, 1))
            values = np.ascontiguousarray(column, dtype=np.float64)
            for adds in (False, True):
                for own in _runs([row for row in range(rows.start, rows.stop) if (row in seen) is adds]):
                    part = factors[own.start - rows.start : own.stop - rows.start].copy()
                    made.append((own.start, own.stop, part, values, adds))
            seen.update(range(rows.start, rows.stop))
        self._bias, self._terms = bias, tuple(made)
        self._gains = None if ticks is None else ticks.terms(bias, self._terms)

    def bias(self, step: int) -> None:
        """The same at a driver step."""
        if self._gains is not None:
            ticks.bias(self._gains, step)
            return
        for first, end, factor, column, adds in self._terms:
            into = self._bias[first:end]
            if column is None:
                into[:] = factor
            elif adds:
                np.add(into, factor * column[step], out=into)
            else:
                np.multiply(factor, column[step], out=into)

    def base_kw(self, step: int) -> Floats:
        """Power that is not simulated, shape (futures,) or (1,)."""
        return self._no_base if self._base is None else self._base[step]

    def scheduled(self, time: datetime) -> npt.NDArray[np.bool_]:
        """Whether each schedule holds, shape (schedules, 1); the same array as before where nothing has changed."""
        if not self._schedules or (self._holds is not None and self._holds[0] <= time < self._holds[1]):
            return self._scheduled
        local = time.astimezone(self._zone)
        self._holds = time, self._until(time, local)
        opened = local.date() not in self._closed
        held = tuple(opened and any(hours.holds(local) for hours in spans) for spans in self._schedules)
        if held != self._held:
            self._held = held
            self._scheduled = np.array(held, dtype=bool)[self._schedule_of][:, None]
        return self._scheduled

    def _until(self, time: datetime, local: datetime) -> datetime:
        """Until when no schedule changes: the next edge of one, or the day's end; not known where clocks are changed before."""
        now_min = local.hour * 60 + local.minute
        edge_min = next((edge for edge in self._edges_min if edge > now_min), 1440)
        until = time + timedelta(minutes=edge_min - now_min, seconds=-local.second, microseconds=-local.microsecond)
        return until if until.astimezone(self._zone).utcoffset() == local.utcoffset() else time

    def conditions(
        self, block: Block, step: int, level: Floats, running_s: Floats | None = None, *, everything: bool = False
    ) -> Conditions:
        """What the machines of a block find: what their kind's work depends on, or (for their sensors) everything."""
        if not everything and (lasting := self.lasting.get(block.rows.start)) is not None:
            return lasting
        needs = EVERYTHING if everything else block.kind.depends_on
        return Conditions(
            level=self._of_stores(level, block.feeds) if "level" in needs else 0.0,
            input_level=self._of_stores(level, block.draws) if "input_level" in needs else 0.0,
            outdoor=MILD_C if self._outdoor is None else self._outdoor[step],
            running_s=1e9 if running_s is None else running_s,
            health=self._health(block, step) if "health" in needs else 1.0,
            availability=self._availability(block, slice(step, step + 1), self._wide[block.rows.start]),
        )

    def sees_levels(self, block: Block) -> bool:
        """Whether what a block's work depends on are levels alone, which it sees as they are."""
        only = not block.kind.depends_on - {"level", "input_level", "health"} and not self._worn[block.rows.start]
        return only and not isinstance(block.feeds, np.ndarray) and not isinstance(block.draws, np.ndarray)

    def foreseen(self, block: Block) -> bool:
        """Whether all that a block's work depends on comes from outside, so that it is known beforehand."""
        only = not block.kind.depends_on - {"availability", "outdoor", "health"}
        return only and self.varies(block) and not self._worn[block.rows.start]

    def ahead(self, block: Block, step: int, stride: int, most: int) -> tuple[Conditions, int]:
        """What the machines of such a block find at a step and those a stride apart, step by step in columns; how many steps."""
        end = min(step + stride * most, *(len(column) for column in self._columns(block)))
        steps, many, wide = slice(step, end, stride), len(range(step, end, stride)), self._wide[block.rows.start]
        outdoor = MILD_C if self._outdoor is None else np.broadcast_to(self._outdoor[steps], (many, wide)).reshape(-1)
        return Conditions(outdoor=outdoor, availability=self._availability(block, steps, wide)), many

    def _of_stores(self, level: Floats, stores: Reach | None) -> Floats:
        return level[self.layout.dummy :] if stores is None else level[stores]

    def _health(self, block: Block, step: int) -> Numbers:
        if not self._worn[block.rows.start]:
            return 1.0
        names = self.layout.names[block.rows]
        return _stacked([self.drivers.health[name][step] if name in self.drivers.health else None for name in names], self.futures)

    def _availability(self, block: Block, steps: slice, wide: int) -> Numbers:
        """Share of its rating that each machine can give at some steps, which follow one another in the columns."""
        if not self._known[block.rows.start]:
            return 1.0
        found = self._available[block.rows.start]
        share = np.ones((len(found), len(range(steps.start, steps.stop, steps.step or 1)), wide))
        for own, item in zip(share, found, strict=True):
            if item is not None:
                np.divide(item[0][steps], item[1], out=own)
        return np.maximum(share, 0.0, out=share).reshape(len(found), -1)

    def changes(self, block: Block) -> list[int] | None:
        """How often what a block finds has changed by each driver step; None if that is not known beforehand."""
        found = self._available[block.rows.start]
        if not found or block.kind.depends_on - {"availability", "health"} or self._worn[block.rows.start]:
            return None
        changed = np.zeros(self.drivers.steps, dtype=bool)
        for item in found:
            if item is not None:
                changed[1 : item[0].shape[0]] |= (item[0][1:] != item[0][:-1]).any(axis=1)
        numbers: list[int] = changed.cumsum().tolist()
        return numbers

    def availability_over(self, block: Block, steps: Ints) -> Floats:
        """Share of its rating that each machine of a block could give in the first future, shape (machines, steps)."""
        found = self._available[block.rows.start] or [None] * (block.rows.stop - block.rows.start)
        return np.stack([np.ones(steps.size) if item is None else np.maximum(item[0][steps, 0] / item[1], 0.0) for item in found])


def _stacked(rows: list[Floats | None], futures: int) -> Floats:
    if len(rows) == 1 and rows[0] is not None:
        return rows[0][None, :].copy()
    width = max((row.size for row in rows if row is not None), default=1)
    made = np.ones((len(rows), futures if width > 1 else 1))
    for number, row in enumerate(rows):
        if row is not None:
            made[number] = row
    return made


def _runs(found: list[int]) -> list[slice]:
    """Rising rows as slices of neighbours, which NumPy reaches without copying."""
    if not found:
        return []
    ends = [place for place in range(1, len(found)) if found[place] != found[place - 1] + 1]
    bounds = zip([0, *ends], [*ends, len(found)], strict=True)
    return [slice(found[first], found[last - 1] + 1) for first, last in bounds]
