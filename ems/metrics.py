"""`/healthz` for watchdogs and `/metrics` for Prometheus."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel

from ems.config import LoadedSite
from ems.historian import Historian, parse
from ems.kpis import site_power_kw
from ems.ledger import Ledger, common, total
from ems.raised import needing_a_person
from plant.errors import EmsError
from plant.orders import Command, Outcome
from plant.situation import Situation


class Healthz(BaseModel):
    """Whether this process can do its work."""

    ok: bool
    site: str
    last_row: int
    """Number of the newest journal row."""
    words: str = ""


class Figures(Collector):
    """The site's figures as Prometheus metrics, read when asked.

    Parameters
    ----------
    loaded, historian
        The site and its open historian.
    """

    def __init__(self, loaded: LoadedSite, historian: Historian) -> None:
        self._site, self._historian = loaded.site, historian
        self._actual, self._nothing = Ledger(historian, "kpi"), Ledger(historian, "nothing")
        self._read, self._ends, self._orders = 0, Counter[tuple[str, str]](), dict[str, str]()

    def collect(self) -> Iterator[Metric]:
        """All metrics of one scrape."""
        newest = self._historian.records("situation", Situation, newest_first=True, limit=1)
        last = self._historian.entries(newest_first=True, limit=1)
        yield GaugeMetricFamily("ems_journal_rows", "Rows in the journal", value=last[0].seq if last else 0)
        if newest:
            yield from self._situation(newest[0])
        yield from self._kpis()
        yield from self._commands()
        alarms = GaugeMetricFamily("ems_alarms", "Alarms that need a person", labels=["priority"])
        for priority, count in Counter(alarm.priority.value for alarm in needing_a_person(self._historian)).items():
            alarms.add_metric([priority], count)
        yield alarms

    def _situation(self, situation: Situation) -> Iterator[Metric]:
        stamp = situation.time.timestamp()
        yield GaugeMetricFamily("ems_last_cycle_timestamp_seconds", "The plant's time of the newest cycle", value=stamp)
        yield GaugeMetricFamily(
            "ems_site_power_kilowatts", "Import of the site", value=site_power_kw(self._site, situation.snapshot)
        )
        power = GaugeMetricFamily("ems_asset_power_kilowatts", "Power of an asset", labels=["asset"])
        running = GaugeMetricFamily("ems_asset_running", "1 while it runs", labels=["asset"])
        for state in situation.assets:
            if state.power_kw is not None:
                power.add_metric([state.asset], state.power_kw)
            if state.running is not None:
                running.add_metric([state.asset], float(state.running))
        health = GaugeMetricFamily("ems_asset_health_ratio", "Health, 1 = as new", labels=["asset"])
        for item in situation.health:
            if item.score is not None:
                health.add_metric([item.asset], item.score)
        level = GaugeMetricFamily("ems_store_level", "Level in the unit of the store", labels=["store", "unit"])
        units = {store.name: store.unit for store in self._site.stores}
        for store in situation.stores:
            if store.level is not None:
                level.add_metric([store.store, units.get(store.store, "")], store.level)
        yield from (power, running, health, level)

    def _kpis(self) -> Iterator[Metric]:
        both, theirs = common(self._actual.spans(), self._nothing.spans())
        for name, spans in (("ems", total(both)), ("ems_nothing", total(theirs))):
            if spans is None:
                continue
            of = "Recorded" if name == "ems" else "Local control as if never connected:"
            yield CounterMetricFamily(f"{name}_energy_kilowatthours", f"{of} imported energy", value=spans.energy_kwh)
            yield GaugeMetricFamily(f"{name}_cost", f"{of} cost in {self._site.site.currency}", value=spans.cost)
            yield GaugeMetricFamily(f"{name}_demand_peak_kilowatts", f"{of} highest window mean", value=spans.demand_peak_kw)

    def _commands(self) -> Iterator[Metric]:
        for entry in self._historian.entries(after=self._read):
            self._read = entry.seq
            if entry.kind == "command":
                command = parse(entry, Command)
                self._orders[command.id] = command.action.value
            elif entry.kind == "outcome":
                end = parse(entry, Outcome)
                self._ends[(self._orders.pop(end.command_id, "UNKNOWN"), end.kind.value)] += 1
        family = CounterMetricFamily("ems_commands", "Commands by how they ended", labels=["action", "outcome"])
        for (action, outcome), count in sorted(self._ends.items()):
            family.add_metric([action, outcome], count)
        yield family


def router(loaded: LoadedSite, historian: Historian) -> APIRouter:
    """`/healthz` and `/metrics`, each with its own content type."""
    registry, made = CollectorRegistry(auto_describe=False), APIRouter(include_in_schema=False)
    figures, one_at_a_time = Figures(loaded, historian), threading.Lock()
    registry.register(figures)

    def healthz() -> Response:
        try:
            last = historian.entries(newest_first=True, limit=1)
        except EmsError as error:
            sick = Healthz(ok=False, site=loaded.site.site.name, last_row=0, words=str(error))
            return Response(sick.model_dump_json(), status_code=503, media_type="application/json")
        well = Healthz(ok=True, site=loaded.site.site.name, last_row=last[0].seq if last else 0)
        return Response(well.model_dump_json(), media_type="application/json")

    def scrape() -> Response:
        with one_at_a_time:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    made.add_api_route("/healthz", healthz, methods=["GET"])
    made.add_api_route("/metrics", scrape, methods=["GET"])
    return made
