"""Series behind the charts: readings of the past, plan and forecasts of the horizon."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from dashboard.views import Band, PowerView, StoreView
from ems.config import LoadedSite
from ems.historian import Historian
from ems.prices import Billing
from plant.errors import ConfigError
from plant.kpi import SECONDS_PER_HOUR, Kpi
from plant.orders import Plan
from plant.ports import instant64
from plant.series import Series
from plant.situation import Situation
from plant.table import Floats, Table
from plant.tags import Quality
from plant.times import floor

PAST = timedelta(hours=24)
GRID_S = 300.0
"""Readings are shown as means of this; a day is then 288 points."""


class Charts:
    """What figures are drawn from.

    Parameters
    ----------
    loaded, historian
        The site and where its readings are kept.
    """

    def __init__(self, loaded: LoadedSite, historian: Historian) -> None:
        self._site, self._historian = loaded.site, historian
        self._billing = Billing(loaded.site, loaded.folder)

    @property
    def _power_tags(self) -> tuple[str, ...]:
        """Tags that sum up to the site's power, kW."""
        metered = self._site.limits.power
        if metered is not None:
            return (metered,)
        beside = (self._site.limits.load,) if self._site.limits.load else ()
        return (*(asset.tags.power for asset in self._site.assets if asset.tags.power), *beside)

    def load_kw(self, situation: Situation) -> float | None:
        """The site's power now; None if a part of it cannot be read."""
        values = [situation.snapshot.number(tag) for tag in self._power_tags]
        known = [value for value in values if value is not None]
        return sum(known) if values and len(known) == len(values) else None

    def power(self, situation: Situation, plan: Plan | None, nothing: Sequence[Kpi]) -> PowerView:
        """The site's power: a day past, the horizon ahead."""
        start, end = situation.time - PAST, situation.time + timedelta(seconds=situation.step_s * situation.steps)
        expected = expected_power(situation, plan)
        return PowerView(
            now=situation.time,
            start=start,
            end=end,
            past=self._past_power(situation),
            nothing=_mean_power([part for part in nothing if part.end > start]),
            expected=expected,
            unplanned="" if expected is not None else f"the plan in force ({plan.rung if plan else 'none'}) states no course",
            price=self._price(situation),
            limit_kw=self._site.limits.import_kw,
            peak_kw=situation.prices.peak_so_far_kw or None,
        )

    def _past_power(self, situation: Situation) -> Table:
        table = self._historian.table(self._power_tags, situation.time - PAST, situation.time + timedelta(seconds=1), step_s=GRID_S)
        columns = list(table.columns.values())
        load: Floats = np.sum(columns, axis=0) if columns else np.full(len(table), np.nan)
        return with_gaps(Table(times=table.times, columns={"load": np.asarray(load, dtype=np.float64)}))

    def _price(self, situation: Situation) -> Series | None:
        """The import price over past and horizon; of the horizon alone where the past is not known."""
        ahead, step_s = situation.prices.energy, situation.step_s
        start = floor(situation.time - PAST, step_s)
        steps = max(1, round((ahead.start - start).total_seconds() / step_s))
        history = self._historian.table(self._price_tags(), start - timedelta(days=1), situation.time)
        try:
            past = self._billing.values(
                self._site.tariff.energy, [start + timedelta(seconds=step_s * i) for i in range(steps)], history
            )
        except ConfigError:
            return ahead
        values = (*past, *ahead.resampled(ahead.start, step_s, situation.steps))
        return Series(start=ahead.start - timedelta(seconds=step_s * steps), step_s=step_s, values=values, unit=ahead.unit)

    def _price_tags(self) -> tuple[str, ...]:
        tag = getattr(self._site.tariff.energy, "tag", None)
        return () if tag is None else (str(tag),)

    def stores(self, situation: Situation, plan: Plan | None) -> tuple[StoreView, ...]:
        """Every store: level measured over the last day, and planned."""
        tags = tuple(store.level for store in self._site.stores)
        table = self._historian.table(tags, situation.time - PAST, situation.time + timedelta(seconds=1), step_s=GRID_S)
        levels = {state.store: state.level for state in situation.stores}
        planned = {course.store: course.level for course in plan.stores} if plan else {}
        return tuple(
            StoreView(
                name=store.name,
                unit=store.unit,
                level=levels.get(store.name),
                past=with_gaps(Table(times=table.times, columns={"level": table.columns[store.level]})),
                planned=planned.get(store.name),
                bottom=store.bottom,
                top=store.top,
                low=store.low,
                high=store.high,
            )
            for store in self._site.stores
        )

    def tags(self, tags: Sequence[str], situation: Situation, past: timedelta = PAST) -> Table:
        """Readings of tags over the past, NaN rows where nothing was read for a while."""
        table = self._historian.table(tags, situation.time - past, situation.time + timedelta(seconds=1), step_s=GRID_S)
        return with_gaps(table)

    def unreadable(self, situation: Situation) -> tuple[str, ...]:
        """Tags whose newest reading is not GOOD, with the reason."""
        return tuple(
            f"{reading.tag}: {reading.words or reading.quality.value.lower()}"
            for reading in situation.snapshot.readings
            if reading.quality is not Quality.GOOD
        )


def expected_power(situation: Situation, plan: Plan | None) -> Band | None:
    """Planned power of the assets plus the band of the load that nobody commands.

    None if there is neither, or if the plan leaves assets as they are (hold, release): the load alone is not the site.
    """
    load = situation.forecast(situation.load_target) if situation.load_target else None
    courses = plan.courses if plan else ()
    if not courses and (load is None or situation.envelopes):
        return None
    start, step_s, steps = situation.time, situation.step_s, situation.steps
    if courses:
        start, steps = courses[0].power_kw.start, len(courses[0].power_kw.values)
    planned = (
        np.sum([course.power_kw.resampled(start, step_s, steps) for course in courses], axis=0) if courses else np.zeros(steps)
    )

    def added(series: Series | None) -> Series:
        more = np.zeros(steps) if series is None else np.asarray(series.resampled(start, step_s, steps))
        return Series(start=start, step_s=step_s, values=tuple((planned + more).tolist()), unit="kW")

    return Band(p10=added(load.p10 if load else None), p50=added(load.p50 if load else None), p90=added(load.p90 if load else None))


def _mean_power(parts: Sequence[Kpi]) -> Table | None:
    """Mean import power of each span, kW."""
    spans = [part for part in parts if part.end > part.start]
    if not spans:
        return None
    hours = [(part.end - part.start).total_seconds() / SECONDS_PER_HOUR for part in spans]
    times = np.array([instant64(part.start) for part in spans], dtype="datetime64[us]")
    load = np.array([part.energy_kwh / span for part, span in zip(spans, hours, strict=True)])
    return Table(times=times, columns={"load": load})


def with_gaps(table: Table) -> Table:
    """The same table with a row of NaN in every long gap, so that a line is never drawn across a time without readings."""
    if len(table) < 3:
        return table
    distances = np.diff(table.times).astype(np.int64)
    usual = max(float(np.median(distances)), 1.0)
    after = np.flatnonzero(distances > 2.5 * usual)
    if not after.size:
        return table
    times = np.insert(table.times, after + 1, table.times[after] + np.timedelta64(round(usual), "us"))
    return Table(times=times, columns={name: np.insert(column, after + 1, np.nan) for name, column in table.columns.items()})
