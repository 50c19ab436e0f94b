"""What the pages of one asset and of one plan show."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from dashboard.charts import PAST, Charts
from dashboard.views import AssetRow, AssetView, Order, PlanView, Trace
from ems.historian import Historian, parse
from plant.errors import NotFoundError
from plant.orders import Plan, Verdict
from plant.site import Site
from plant.situation import Situation
from plant.table import Table

PLANS_SHOWN = 100


class Plans:
    """The newest plans with their verdicts, read once and then only what is new.

    Parameters
    ----------
    historian
        Where they are journalled.
    """

    def __init__(self, historian: Historian) -> None:
        self._historian = historian
        self._plans: deque[Plan] = deque(maxlen=PLANS_SHOWN)
        self._verdicts: dict[str, Verdict] = {}
        self._read = 0

    def views(self) -> tuple[PlanView, ...]:
        """Plans, refused ones too, newest first."""
        last = self._historian.entries(newest_first=True, limit=1)
        if last and last[0].seq > self._read:
            self._take_new(last[0].seq)
            self._read = last[0].seq
        return tuple(PlanView(plan=plan, verdict=self._verdicts.get(plan.id)) for plan in reversed(self._plans))

    def _take_new(self, last: int) -> None:
        """Rows up to `last`: what is added while this reads is left for the next time."""
        for kind in ("plan", "verdict"):
            found = self._historian.entries(kind, after=self._read, newest_first=True, limit=PLANS_SHOWN)
            for entry in reversed([entry for entry in found if entry.seq <= last]):
                if kind == "plan":
                    self._plans.append(parse(entry, Plan))
                else:
                    verdict = parse(entry, Verdict)
                    self._verdicts[verdict.plan_id] = verdict
        shown = {plan.id for plan in self._plans}
        self._verdicts = {plan_id: verdict for plan_id, verdict in self._verdicts.items() if plan_id in shown}


def plan(historian: Historian, plan_id: str) -> PlanView:
    """One plan with its verdict.

    Raises
    ------
    NotFoundError
        If the journal has no such plan.
    """
    entry = historian.find(plan_id)
    if entry.kind != "plan":
        raise NotFoundError(f"{plan_id!r} is a {entry.kind}, not a plan")
    verdicts = [item for item in historian.records("verdict", Verdict, cycle=entry.cycle) if item.plan_id == plan_id]
    return PlanView(plan=parse(entry, Plan), verdict=verdicts[-1] if verdicts else None)


def asset(
    site: Site, charts: Charts, situation: Situation, newest: Plan | None, row: AssetRow, orders: Sequence[Order]
) -> AssetView:
    """One asset's page.

    Parameters
    ----------
    row
        Its line of the Overview.
    orders
        All commands looked at, newest first.
    """
    known, state = site.asset(row.name), situation.state(row.name)
    units = {tag.name: tag.unit for tag in site.tags} | {tag.name: tag.unit for tag in site.virtual_tags}
    wanted = [tag for tag in (known.tags.power, known.tags.setpoint, *known.tags.sensors) if tag]
    table = charts.tags(wanted, situation)

    def trace(tag: str | None) -> Trace | None:
        if tag is None:
            return None
        return Trace(tag=tag, unit=units.get(tag, ""), past=Table(times=table.times, columns={"value": table.columns[tag]}))

    lock = next((item for item in situation.locks if item.asset == row.name), None)
    return AssetView(
        now=situation.time,
        start=situation.time - PAST,
        end=situation.time + timedelta(seconds=situation.step_s * situation.steps),
        row=row,
        power=trace(known.tags.power),
        setpoint=trace(known.tags.setpoint),
        sensors=tuple(found for found in map(trace, known.tags.sensors) if found is not None),
        course=next((course for course in newest.courses if course.asset == row.name), None) if newest else None,
        health=next((item for item in situation.health if item.asset == row.name), None),
        orders=tuple(order for order in orders if order.command.asset == row.name),
        may_start=state.permit.start,
        may_stop=state.permit.stop,
        remote=state.permit.remote,
        tripped=state.permit.tripped,
        lock=f"{lock.who}, {lock.why}" if lock else "",
    )
