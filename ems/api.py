"""REST for other programs: what the historian knows, read-only and typed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime

from ems.config import LoadedSite
from ems.historian import Historian, parse
from ems.ledger import Ledger, common, total
from ems.raised import standing
from ems.readings import instant_of
from ems.told import Told, told
from plant.assets import Mode
from plant.errors import EmsError, NotFoundError
from plant.events import Alarm, Event
from plant.health import Health
from plant.kpi import Kpi
from plant.orders import Plan, Verdict
from plant.series import Forecast
from plant.situation import AssetState, Situation, StoreState
from plant.tags import Snapshot

MOST_ROWS = 10_000
MOST_READINGS = 200_000

Since = Annotated[AwareDatetime | None, Query(description="From this instant on (ISO 8601 with zone)")]
Until = Annotated[AwareDatetime | None, Query(description="Before this instant (ISO 8601 with zone)")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="At most so many, newest first")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteNow:
    """The site and its assets as of the newest cycle."""

    name: str
    path: str
    timezone: str
    currency: str
    mode: Mode
    time: datetime | None
    """The plant's time of the newest cycle; None = none has been recorded."""
    assets: tuple[AssetState, ...]
    stores: tuple[StoreState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpis:
    """What was reached, beside local control as if we had never connected."""

    currency: str
    spans: tuple[Kpi, ...]
    """Each cycle."""
    nothing: tuple[Kpi, ...]
    """Doing nothing in each cycle."""
    total: Kpi | None
    """Of the cycles that both know."""
    total_nothing: Kpi | None
    saving: float | None
    """Cost avoided, without the demand charge of the billing period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan with what living through it in simulation showed."""

    plan: Plan
    verdict: Verdict | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One tag's readings; None = not read."""

    tag: str
    unit: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTable:
    """Readings of tags over one time axis."""

    times: tuple[datetime, ...]
    columns: tuple[Column, ...]


class Api:
    """The answers; one method per address.

    Parameters
    ----------
    loaded, historian
        The site and its open historian.
    """

    def __init__(self, loaded: LoadedSite, historian: Historian) -> None:
        self._site, self._historian = loaded.site, historian
        self._actual, self._nothing = Ledger(historian, "kpi"), Ledger(historian, "nothing")

    def site(self) -> SiteNow:
        """The site and its assets as of the newest cycle."""
        identity = self._site.site
        newest = self._historian.records("situation", Situation, newest_first=True, limit=1)
        return SiteNow(
            name=identity.name,
            path=identity.path,
            timezone=identity.timezone,
            currency=identity.currency,
            mode=self._site.control.mode,
            time=newest[0].time if newest else None,
            assets=newest[0].assets if newest else (),
            stores=newest[0].stores if newest else (),
        )

    def kpi(self, since: Since = None, until: Until = None) -> Kpis:
        """Key figures per cycle and in total, beside doing nothing."""
        actual, nothing = (self._within(ledger, since, until) for ledger in (self._actual, self._nothing))
        both, theirs = common(actual, nothing)
        ours, others = total(both), total(theirs)
        saving = others.cost - ours.cost if ours and others else None
        return Kpis(
            currency=self._site.site.currency,
            spans=tuple(actual),
            nothing=tuple(nothing),
            total=ours,
            total_nothing=others,
            saving=saving,
        )

    @staticmethod
    def _within(ledger: Ledger, since: datetime | None, until: datetime | None) -> list[Kpi]:
        spans = ledger.spans()
        return [span for span in spans if (since is None or span.start >= since) and (until is None or span.start < until)]

    def commands(self, since: Since = None, until: Until = None, asset: str | None = None, limit: Limit = 200) -> tuple[Told, ...]:
        """Commands with their ends, newest first."""
        found = told(self._historian, since=since, until=until, limit=None if asset else limit)
        return tuple(item for item in found if asset is None or item.command.asset == asset)[:limit]

    def plan(self) -> Proposal:
        """The newest plan and its verdict."""
        newest = self.plans(limit=1)
        if not newest:
            raise NotFoundError("no plan has been recorded yet")
        return newest[0]

    def plans(self, since: Since = None, until: Until = None, limit: Limit = 50) -> tuple[Proposal, ...]:
        """Plans and their verdicts, refused ones too, newest first."""
        plans = self._historian.records("plan", Plan, since=since, until=until, newest_first=True, limit=limit)
        first = min((plan.made_at for plan in plans), default=None)
        verdicts = {item.plan_id: item for item in self._historian.records("verdict", Verdict, since=first)} if first else {}
        return tuple(Proposal(plan=plan, verdict=verdicts.get(plan.id)) for plan in plans)

    def readings(
        self,
        tag: Annotated[list[str], Query(description="Tag; may be repeated")],
        since: Annotated[AwareDatetime, Query(description="From this instant on (ISO 8601 with zone)")],
        until: Until = None,
        step_s: Annotated[float | None, Query(gt=0, description="Means over steps of so many seconds; none = as stored")] = None,
    ) -> ReadingTable:
        """Readings of tags."""
        units = self._historian.units()
        unknown = sorted(set(tag) - set(units))
        if unknown:
            raise NotFoundError(f"no readings of {', '.join(unknown)}; there are {', '.join(sorted(units))}")
        table = self._historian.table(tag, since, until, step_s=step_s)
        if len(table) * len(tag) > MOST_READINGS:
            raise HTTPException(
                413, f"{len(table) * len(tag)} values are too many for one answer: ask for a shorter time or a step_s"
            )
        columns = tuple(
            Column(tag=name, unit=units[name], values=tuple(None if math.isnan(value) else value for value in column.tolist()))
            for name, column in table.columns.items()
        )
        return ReadingTable(times=tuple(instant_of(int(stamp)) for stamp in table.times.astype("int64")), columns=columns)

    def latest(self) -> Snapshot:
        """The newest reading of every tag, with its quality."""
        return self._historian.latest()

    def forecasts(self, target: str | None = None) -> tuple[Forecast, ...]:
        """The forecasts of the newest cycle."""
        newest = self._historian.records("situation", Situation, newest_first=True, limit=1)
        return tuple(item for item in (newest[0].forecasts if newest else ()) if target in (None, item.target))

    def health(self) -> tuple[Health, ...]:
        """The health of every asset in the newest cycle."""
        newest = self._historian.records("situation", Situation, newest_first=True, limit=1)
        return newest[0].health if newest else ()

    def alarms(self) -> tuple[Alarm, ...]:
        """Every alarm as it stands, those that need a person first."""
        return standing(self._historian)

    def events(self, since: Since = None, until: Until = None, limit: Limit = 200) -> tuple[Event, ...]:
        """What happened, newest first."""
        found = self._historian.entries("event", since=since, until=until, newest_first=True, limit=limit)
        return tuple(parse(entry, Event) for entry in found)


def router(loaded: LoadedSite, historian: Historian) -> APIRouter:
    """The addresses below `/api/v1`."""
    api, made = Api(loaded, historian), APIRouter(prefix="/api/v1", tags=["plant"])
    for name, method in (
        ("site", api.site),
        ("kpi", api.kpi),
        ("commands", api.commands),
        ("plan", api.plan),
        ("plans", api.plans),
        ("readings", api.readings),
        ("latest", api.latest),
        ("forecasts", api.forecasts),
        ("health", api.health),
        ("alarms", api.alarms),
        ("events", api.events),
    ):
        made.add_api_route(f"/{name}", method, methods=["GET"], summary=(method.__doc__ or name).strip().splitlines()[0])
    return made


def status(error: EmsError) -> int:
    """HTTP status of a fault of the product's own kind."""
    return {2: 422, 3: 404, 4: 409, 6: 503}.get(error.exit_code, 503)
