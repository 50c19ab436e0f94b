"""What a run carries from cycle to cycle. All of it comes from the historian, so that a new process knows the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from ems.historian import Historian
from ems.history import History
from ems.kpis import Meter
from ems.standing import Standing, rebuilt
from plant.assets import Mode
from plant.events import Alarm, Event, ModeChange
from plant.mirror import Credibility
from plant.orders import Action, Command, Outcome, Plan
from plant.site import Site
from plant.situation import Lock
from plant.tags import Snapshot


class Memory:
    """History, standings and the plan in force of one run.

    Parameters
    ----------
    site, historian
        The site and where everything is kept.
    now
        The plant's time.
    meter
        Counts what the plant does from now on.
    """

    def __init__(self, site: Site, historian: Historian, now: datetime, meter: Meter) -> None:
        self._site, self._historian = site, historian
        names = tuple(tag.name for tag in site.tags) + tuple(tag.name for tag in site.virtual_tags)
        span = timedelta(days=site.learning.history_days)
        self.history = History(historian.table(names, now - span, now), site.control.step_s, span)
        self.standings = rebuilt(
            (asset.name for asset in site.assets),
            historian.records("command", Command),
            historian.records("outcome", Outcome),
            historian.records("mode", ModeChange),
            historian.records("lock", Lock),
        )
        plans = historian.records("plan", Plan, newest_first=True, limit=1)
        self.previous: Plan | None = plans[0] if plans and plans[0].until > now else None
        self.contact_was_lost = True
        """Since the last cycle; at the start nobody was there."""
        self.unreadable: dict[str, str] = {}
        """Assets out of control because of bad readings, with the words why."""
        self.alarms = {alarm.id: alarm for alarm in historian.records("alarm", Alarm)}
        """Every alarm in its newest state."""
        self.seen: Snapshot | None = None
        """The snapshot of the last cycle."""
        self.released: list[Command] = []
        """Releases since the last cycle."""
        self.notices = {event.id for event in historian.records("event", Event)}
        self.notices |= set(self.alarms)
        """What the worker noticed and is journalled already."""
        self.peak_kw: float | None = None
        """What the billing period's peak is or will be by the plan in force; None where a peak costs nothing or none is planned."""
        self.warned: datetime | None = None
        """The metering window that was last found on its way above it."""
        self.credibility: tuple[Credibility, ...] = ()
        self.meter = meter

    def take(self, snapshot: Snapshot) -> None:
        """Keep a snapshot in historian, history and meter."""
        self._historian.write_snapshot(snapshot)
        self.history.add(snapshot)
        self.meter.take(snapshot, self.history)

    def follow(self, plan: Plan, paid_kw: float) -> None:
        """A plan is in force from now on; one without courses leaves the last one in force.

        Parameters
        ----------
        paid_kw
            The billing period's peak so far.
        """
        if plan.courses:
            self.previous = plan
        charged = self._site.tariff.demand_charge_per_kw > 0.0
        self.peak_kw = max(plan.expected.demand_peak_kw, paid_kw) if charged and plan.expected is not None else None

    def believe(self, credibility: tuple[Credibility, ...]) -> None:
        """How far the twin agrees with the plant, asset by asset."""
        self.credibility = credibility

    def mode_of(self, asset: str) -> Mode:
        """How far the product may go with an asset now: no further than ADVISE where its twin is not to be believed."""
        mode = self.standings[asset].effective(self._site.control.mode)
        doubted = any(item.asset == asset and not item.ok for item in self.credibility)
        return Mode.ADVISE if doubted and mode is Mode.CONTROL else mode

    def told(self, command: Command, outcome: Outcome) -> None:
        """A command ended."""
        self.standings[command.asset] = self.standings[command.asset].told(command, outcome)
        if command.action is Action.RELEASE:
            self.released.append(command)

    def alarmed(self, alarms: Iterable[Alarm]) -> None:
        """Alarms changed."""
        self.alarms |= {alarm.id: alarm for alarm in alarms}

    def given_back(self, asset: str) -> None:
        """Local control has an asset without our order."""
        self._change(asset, replace(self.standings[asset], order=None))

    def moded(self, change: ModeChange) -> None:
        """An asset's mode changed."""
        self._change(change.asset, self.standings[change.asset].moded(change))

    def locked(self, asset: str, lock: Lock | None) -> None:
        """An asset was locked or unlocked."""
        self._change(asset, replace(self.standings[asset], lock=lock))

    def _change(self, asset: str, standing: Standing) -> None:
        self.standings[asset] = standing
