"""From the historian to what the pages show. Reads only; what is the same for all browsers is read once per journal row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from dashboard import details
from dashboard.charts import Charts
from dashboard.orders import Orders, coming
from dashboard.views import AssetRow, AssetView, KeyFigures, Order, Overview, PlanView, Pulse, Step
from dashboard.words import LocalTime, quantity
from ems.config import LoadedSite
from ems.historian import Historian
from ems.ledger import Ledger, common, since, total
from ems.raised import needing_a_person
from plant.assets import Asset
from plant.errors import EmsError, NotFoundError
from plant.events import Alarm
from plant.health import Health
from plant.kpi import Kpi
from plant.orders import Plan
from plant.site import Site
from plant.situation import AssetState, Situation

Record = TypeVar("Record")

ORDERS_SHOWN = 8
STEPS_SHOWN = 6
PULSE_KEPT_S = 0.5


class Queries:
    """All questions that the pages ask of one site's historian.

    Parameters
    ----------
    loaded
        The site.
    historian
        Open for as long as this lives; several threads may ask at once.
    """

    def __init__(self, loaded: LoadedSite, historian: Historian) -> None:
        self.loaded, self.historian = loaded, historian
        self.site: Site = loaded.site
        self.local = LocalTime(zone=ZoneInfo(loaded.site.site.timezone))
        self.currency = loaded.site.site.currency
        self.orders = Orders(loaded.site, historian)
        self.charts = Charts(loaded, historian)
        self._actual, self._nothing = Ledger(historian, "kpi"), Ledger(historian, "nothing")
        self._plans = details.Plans(historian)
        self._lock, self._asking = threading.Lock(), threading.RLock()
        self._kept: dict[str, tuple[int, object]] = {}
        self._pulse: Pulse | None = None
        self._asked_at = self._moved_at = time.monotonic()

    def pulse(self) -> Pulse:
        """Whether anything moved since the last look."""
        with self._lock:
            now = time.monotonic()
            if self._pulse is None or now - self._asked_at > PULSE_KEPT_S:
                self._pulse, self._asked_at = self._look(now), now
            return self._pulse

    def _look(self, now: float) -> Pulse:
        before = self._pulse
        try:
            newest = self.historian.entries(newest_first=True, limit=1)
        except EmsError as error:
            last, moment = (before.last, before.time) if before else (0, None)
            return Pulse(last=last, time=moment, quiet_s=now - self._moved_at, fault=str(error))
        if not newest:
            return Pulse(last=0, time=None, quiet_s=now - self._moved_at)
        if before is None or before.last != newest[0].seq:
            self._moved_at = now
        return Pulse(last=newest[0].seq, time=newest[0].time, quiet_s=now - self._moved_at)

    def once(self, key: str, ask: Callable[[], Record]) -> Record:
        """The answer to a question, asked again only when the journal has moved."""
        last = self.pulse().last
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept[0] == last:
            return kept[1]  # type: ignore[return-value]  # stored under this key by the same question
        with self._asking:  # one browser asks, the others wait for its answer instead of asking the same
            kept = self._kept.get(key)
            if kept is not None and kept[0] == last:
                return kept[1]  # type: ignore[return-value]  # as above
            answer = ask()
            with self._lock:
                self._kept[key] = (last, answer)
            return answer

    def situation(self) -> Situation | None:
        """The newest situation."""
        return self.once("situation", lambda: self._newest("situation", Situation))

    def plan(self) -> Plan | None:
        """The newest plan."""
        return self.once("plan", lambda: self._newest("plan", Plan))

    def _newest(self, kind: str, cls: type[Record]) -> Record | None:
        found = self.historian.records(kind, cls, newest_first=True, limit=1)
        return found[0] if found else None

    def alarms(self) -> tuple[Alarm, ...]:
        """Alarms that need a person, most urgent first."""
        return self.once("alarms", lambda: needing_a_person(self.historian))

    def overview(self) -> Overview:
        """All of the first page."""
        return self.once("overview", self._overview)

    def _overview(self) -> Overview:
        situation, plan = self.situation(), self.plan()
        newest = self.told()
        steps = coming(plan, situation) if plan and situation else ()
        if situation is None:
            return Overview(
                now=None,
                figures=self._figures(None),
                power=None,
                stores=(),
                assets=(),
                orders=newest[:ORDERS_SHOWN],
                coming=(),
                alarms=self.alarms(),
            )
        spans = self._nothing.spans()
        return Overview(
            now=situation.time,
            figures=self._figures(situation),
            power=self.charts.power(situation, plan, spans),
            stores=self.charts.stores(situation, plan),
            assets=self.rows(situation, newest, steps),
            orders=newest[:ORDERS_SHOWN],
            coming=steps[:STEPS_SHOWN],
            alarms=self.alarms(),
        )

    def _figures(self, situation: Situation | None) -> KeyFigures:
        actual, nothing = self._actual.spans(), self._nothing.spans()
        both, theirs = common(actual, nothing)
        midnight = self.local.midnight(situation.time) if situation else None
        scored = [health for health in situation.health if health.score is not None] if situation else []
        today, today_nothing = _both_totals(both, theirs, midnight)
        whole, whole_nothing = _both_totals(both, theirs, None)
        return KeyFigures(
            load_kw=self.charts.load_kw(situation) if situation else None,
            limit_kw=self.site.limits.import_kw,
            peak_kw=(situation.prices.peak_so_far_kw or None) if situation else None,
            today=today if today is not None else total(since(actual, midnight) if midnight else []),
            nothing=today_nothing,
            whole=whole,
            whole_nothing=whole_nothing,
            weakest=min(scored, key=lambda health: health.score if health.score is not None else 1.0, default=None),
            running=sum(1 for state in situation.assets if state.running) if situation else 0,
            assets=len(self.site.assets),
        )

    def rows(self, situation: Situation, newest: tuple[Order, ...], steps: tuple[Step, ...]) -> tuple[AssetRow, ...]:
        """Every asset of the site as it is now."""
        health = {item.asset: item for item in situation.health}
        states = {state.asset: state for state in situation.assets}
        return tuple(
            self._row(
                asset,
                states[asset.name],
                health.get(asset.name),
                next((order for order in newest if order.command.asset == asset.name), None),
                next((step for step in steps if step.asset == asset.name), None),
            )
            for asset in self.site.assets
            if asset.name in states
        )

    def _row(self, asset: Asset, state: AssetState, health: Health | None, last: Order | None, step: Step | None) -> AssetRow:
        return AssetRow(
            name=asset.name,
            kind=asset.kind,
            path=asset.path,
            running=state.running,
            since=state.since,
            power_kw=state.power_kw,
            setpoint=state.setpoint,
            setpoint_unit=self.setpoint_unit(asset),
            mode=state.mode,
            released=state.released,
            good=state.good,
            words=state.words,
            score=health.score if health else None,
            severity=health.severity if health else None,
            health_alarm=bool(health and health.alarm),
            starts_today=state.starts_today,
            last=last,
            coming=step,
        )

    def plans(self) -> tuple[PlanView, ...]:
        """The newest plans with their verdicts, newest first."""
        return self.once("plans", self._plans.views)

    def plan_view(self, plan_id: str | None) -> PlanView | None:
        """A plan with its verdict; the newest if none is named, None if there is none.

        Raises
        ------
        NotFoundError
            If the journal has no such plan.
        """
        if plan_id is not None:
            return details.plan(self.historian, plan_id)
        newest = self.plans()
        return newest[0] if newest else None

    def asset_view(self, name: str) -> AssetView:
        """One asset's page.

        Raises
        ------
        NotFoundError
            If the site has no such asset, or no cycle has been recorded.
        """
        situation, view = self.situation(), self.overview()
        if situation is None:
            raise NotFoundError("no cycle has been recorded yet")
        row = next((item for item in view.assets if item.name == name), None)
        if row is None:
            raise NotFoundError(f"no asset {name!r}: there are {', '.join(asset.name for asset in self.site.assets)}")
        return details.asset(self.site, self.charts, situation, self.plan(), row, self.told())

    def setpoint_unit(self, asset: Asset) -> str:
        """Unit of an asset's set-point; empty if it has none."""
        wanted = asset.tags.setpoint_write or asset.tags.setpoint
        return next((tag.unit for tag in self.site.tags if tag.name == wanted), "")

    def setpoint_words(self, asset: str, setpoint: float | None) -> str:
        """A set-point with its unit; empty if there is none."""
        if setpoint is None:
            return ""
        known = next((item for item in self.site.assets if item.name == asset), None)
        return quantity(setpoint, self.setpoint_unit(known) if known else "")

    def told(self) -> tuple[Order, ...]:
        """The newest commands with their ends."""
        return self.once("told", lambda: self.orders.newest(self.situation()))

    def site_mode(self) -> str:
        """The site file's highest mode."""
        return self.site.control.mode.value


def _both_totals(both: list[Kpi], theirs: list[Kpi], start: datetime | None) -> tuple[Kpi | None, Kpi | None]:
    if start is None:
        return total(both), total(theirs)
    return total(since(both, start)), total(since(theirs, start))
