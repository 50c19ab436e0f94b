"""Tags that are calculated from others: sums, differences, and the demand of a service from its store's balance."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import numpy as np

from ems.historian import Historian
from plant.assets import Flow, Store
from plant.errors import ConfigError
from plant.ports import instant64
from plant.site import Site, VirtualTag
from plant.table import Floats, Table
from plant.tags import Quality, Reading, Snapshot

MICROSECONDS_PER_HOUR = 3.6e9
_LEAST_GAP_S = 3600.0


class VirtualTags:
    """The virtual tags of a site, in the order of its site file; a later one may use earlier ones.

    A balance is

        demand = inflows − outflows + flows nobody commands − losses − change of content / hours

    over the time since the previous row: the metered flows are those read at its end, which is what plants show
    (a reading taken right after a change of command would belong to the future). It is not clipped at zero: noise of the
    level cancels in sums only if both signs stay. After a gap it is unknown.

    Parameters
    ----------
    site
        The site.
    stores, flows
        As the site file states them, or with what calibration learned filled in; a balance whose store has no
        `size_per_level` is unknown, and a flow without numbers stays part of the demand.
    previous
        The snapshot before the first, so that a balance is known after a restart.
    """

    def __init__(
        self,
        site: Site,
        *,
        stores: tuple[Store, ...] | None = None,
        flows: tuple[Flow, ...] | None = None,
        previous: Snapshot | None = None,
    ) -> None:
        self._tags = site.virtual_tags
        self._stores = {store.name: store for store in (site.stores if stores is None else stores)}
        self._flows = site.flows if flows is None else flows
        self._gap_us = 1e6 * max(_LEAST_GAP_S, 2.0 * site.control.every_s)
        self._previous = previous
        names = {name for tag in self._tags for name in _inputs(tag, self._stores, self._flows)}
        self._measured = tuple(sorted(names - {tag.name for tag in self._tags}))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The measured tags that virtual tags are made of."""
        return self._measured

    @property
    def gap_s(self) -> float:
        """Rows that lie further apart than this have a gap between them, over which no balance is drawn."""
        return self._gap_us / 1e6

    def lacking(self, tag: VirtualTag, known: Collection[str]) -> str:
        """Why a virtual tag has no value at all, where readings of `known` tags are there."""
        missing = [name for name in _inputs(tag, self._stores, self._flows) if name not in known]
        return f"no readings of {', '.join(missing)}" if missing else self._why(tag)

    def extend(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the virtual tags' readings added; one that cannot be known is BAD and says why."""
        if not self._tags:
            return snapshot
        calculated = self.extend_table(self._rows(snapshot))
        qualities = {reading.tag: reading.quality for reading in snapshot.readings}
        made: list[Reading] = []
        for tag in self._tags:
            value = float(calculated.columns[tag.name][-1])
            reading = self._reading(tag, value, qualities, snapshot)
            qualities[tag.name] = reading.quality
            made.append(reading)
        self._previous = snapshot
        return Snapshot(time=snapshot.time, readings=(*snapshot.readings, *made))

    def extend_table(self, table: Table) -> Table:
        """The table with one more column per virtual tag; NaN where an input is missing."""
        columns: dict[str, Floats] = dict(table.columns)
        hours = np.diff(table.times).astype(np.float64) / MICROSECONDS_PER_HOUR
        for tag in self._tags:
            values = self._values(tag, columns, hours, len(table))
            low = -np.inf if tag.low is None else tag.low
            high = np.inf if tag.high is None else tag.high
            columns[tag.name] = np.where((values >= low) & (values <= high), values, np.nan)
        return Table(times=table.times, columns=columns)

    def _values(self, tag: VirtualTag, columns: Mapping[str, Floats], hours: Floats, rows: int) -> Floats:
        parts = [_column(columns, name, rows) for name in tag.tags]
        if tag.kind == "sum":
            total: Floats = np.sum(parts, axis=0)
            return total
        if tag.kind == "difference":
            return parts[0] - np.sum(parts[1:], axis=0) if len(parts) > 1 else parts[0]
        return self._balance(tag, columns, hours, rows)

    def _balance(self, tag: VirtualTag, columns: Mapping[str, Floats], hours: Floats, rows: int) -> Floats:
        store = self._stores[tag.store or ""]
        demand = np.full(rows, np.nan)
        if store.size_per_level is None or rows < 2:
            return demand
        level = _column(columns, store.level, rows)
        known = np.where(hours * MICROSECONDS_PER_HOUR <= self._gap_us, hours, np.nan)
        inflow = sum((_column(columns, name, rows) for name in tag.tags), np.zeros(rows))
        outflow = sum((_column(columns, name, rows) for name in tag.outflows), np.zeros(rows))
        net = inflow - outflow + self._transport(store, columns, rows) - _loss(store, level, columns, rows)
        demand[1:] = net[1:] - np.diff(level) * store.size_per_level / known
        if tag.switch_share is not None:
            metered = inflow - outflow
            larger = np.maximum(np.abs(metered[1:]), np.abs(metered[:-1]))
            demand[1:][np.abs(np.diff(metered)) > tag.switch_share * larger] = np.nan
        return demand

    def _transport(self, store: Store, columns: Mapping[str, Floats], rows: int) -> Floats:
        """What flows in by itself less what flows out, service units per hour, from the levels on both sides."""
        net = np.zeros(rows)
        for flow in self._flows:
            if store.name not in {flow.source, flow.target} or flow.a_per_h is None:
                continue
            source = _column(columns, self._stores[flow.source].level, rows)
            target = _column(columns, self._stores[flow.target].level, rows)
            moved = flow.a_per_h + (flow.b_per_h or 0.0) * (source - target)
            net = net + moved if flow.target == store.name else net - moved
        return net

    def _rows(self, snapshot: Snapshot) -> Table:
        """The previous snapshot, if it was earlier, and this one."""
        before = self._previous
        both = [snapshot] if before is None or before.time >= snapshot.time else [before, snapshot]
        columns: dict[str, Floats] = {}
        for name in self._measured:
            numbers = [shot.number(name) for shot in both]
            columns[name] = np.array([np.nan if number is None else number for number in numbers], dtype=np.float64)
        return Table(times=np.array([instant64(shot.time) for shot in both]), columns=columns)

    def _reading(self, tag: VirtualTag, value: float, qualities: Mapping[str, Quality], snapshot: Snapshot) -> Reading:
        inputs = _inputs(tag, self._stores, self._flows)
        if not np.isfinite(value):
            missing = [name for name in inputs if qualities.get(name, Quality.BAD) is Quality.BAD]
            words = f"unknown without {', '.join(missing)}" if missing else self._why(tag)
            return Reading(tag=tag.name, time=snapshot.time, value=None, quality=Quality.BAD, words=words)
        doubtful = [name for name in inputs if qualities.get(name) is Quality.UNCERTAIN]
        if doubtful:
            words = f"made of uncertain {', '.join(doubtful)}"
            return Reading(tag=tag.name, time=snapshot.time, value=value, quality=Quality.UNCERTAIN, words=words)
        return Reading(tag=tag.name, time=snapshot.time, value=value)

    def _why(self, tag: VirtualTag) -> str:
        if tag.kind == "balance" and self._stores[tag.store or ""].size_per_level is None:
            return f"size_per_level of {tag.store} is not known yet: calibrate, or write it in the site file"
        if tag.kind == "balance":
            return "no earlier reading near enough in time, metered flows that switched since, or outside low..high"
        return "outside low..high"


def derive(
    historian: Historian, virtual: VirtualTags, site: Site, since: datetime | None = None, until: datetime | None = None
) -> int:
    """Calculate the virtual tags of stored readings anew, for example after a calibration; returns the number of values.

    Raises
    ------
    HistorianError
        If the database refuses; nothing is changed then.
    """
    table = historian.table([tag.name for tag in site.tags], since, until)
    whole = virtual.extend_table(table)
    return historian.write_table(
        whole.only(*(tag.name for tag in site.virtual_tags)), {tag.name: tag.unit for tag in site.virtual_tags}
    )


def _inputs(tag: VirtualTag, stores: Mapping[str, Store], flows: tuple[Flow, ...]) -> tuple[str, ...]:
    """Names of the tags that a virtual tag is made of."""
    if tag.kind != "balance":
        return tag.tags
    store = stores.get(tag.store or "")
    if store is None:
        raise ConfigError(f"virtual_tags[{tag.name}].store: {tag.store!r} is no store of this site")
    ends = [flow for flow in flows if store.name in {flow.source, flow.target} and flow.a_per_h is not None]
    levels = [stores[name].level for flow in ends for name in (flow.source, flow.target)]
    ambient = [store.ambient] if store.ambient is not None and store.loss_b else []
    return tuple(dict.fromkeys([*tag.tags, *tag.outflows, store.level, *levels, *ambient]))


def _loss(store: Store, level: Floats, columns: Mapping[str, Floats], rows: int) -> Floats:
    if not store.loss_b:
        return np.full(rows, store.loss_a)
    ambient = np.zeros(rows) if store.ambient is None else _column(columns, store.ambient, rows)
    return store.loss_a + store.loss_b * (level - ambient)


def _column(columns: Mapping[str, Floats], name: str, rows: int) -> Floats:
    found = columns.get(name)
    return np.full(rows, np.nan) if found is None else found
