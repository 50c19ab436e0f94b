"""The loop: one lease, one plant, cycle after cycle, and everything given back at the end."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import FrameType

from ems.carry_out import Ended, give_back
from ems.cycle import Cycle, run_cycle
from ems.execute import CLOCK, Gate
from ems.historian import this_process
from ems.kpis import Meter
from ems.maintenance import renewed
from ems.memory import Memory
from ems.observe import too_soon
from ems.recover import recover
from ems.savings import Nothing
from ems.site import Works
from ems.wake import woken
from plant.errors import EmsError, HistorianError, NotConnectedError, RefusedError
from plant.events import Event
from plant.identity import content_id
from plant.orders import Command, Reason
from plant.site import Site
from plant.tags import Snapshot
from plant.times import after, floor

log = logging.getLogger(__name__)

LEASE = "run"
LEASE_CYCLES = 4
LOOK_S = 5.0
"""How often a plant that lives by the wall's clock is looked at between two cycles."""
LOST = "lease lost"
ENDS = {
    "for": ("its time is over", Reason.SCHEDULE),
    "done": ("the plant has come to its end", Reason.SCHEDULE),
    "stopped": ("it was stopped", Reason.OPERATOR),
}
"""Why a run ended, for a person, and the reason of what it gives back."""


class LeaseLostError(RefusedError):
    """Another run has taken over the site."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The begin of a run, with the site as it was: a decision can be replayed without the site file."""

    id: str
    time: datetime
    site: Site
    rehearsal: bool
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What is kept of a cycle once it is journalled: a run may last for months."""

    id: str
    time: datetime
    took_s: float
    attempts: tuple[tuple[str, bool, tuple[str, ...]], ...]
    """Rung, verdict and refusing rules of each plan that was weighed."""
    ended: tuple[Ended, ...]

    @classmethod
    def of(cls, cycle: Cycle) -> Brief:
        """The brief of a cycle."""
        weighed = tuple(
            (each.plan.rung, each.verdict.ok, tuple(sorted({item.rule for item in each.verdict.violations})))
            for each in cycle.decision.attempts
        )
        return cls(id=cycle.id, time=cycle.time, took_s=cycle.took_s, attempts=weighed, ended=cycle.ended)


@dataclass(slots=True, kw_only=True)
class Run:
    """A run in progress and, afterwards, what became of it."""

    works: Works
    memory: Memory
    gate: Gate
    nothing: Nothing
    started: datetime
    cycles: list[Brief] = field(default_factory=list)
    parted: list[Ended] = field(default_factory=list)
    """Releases at the end, or after too many failures."""
    failures: list[str] = field(default_factory=list)
    in_a_row: int = 0
    """Cycles that failed since one succeeded."""
    finished: str = ""
    """Why it ended: `for`, `done`, `stopped`, or the fault."""


def run(works: Works, *, for_s: float | None = None, on_cycle: Callable[[Run, Cycle], None] | None = None) -> Run:
    """Control a site until `for_s` seconds of plant time have passed, the plant has ended, or a signal comes.

    Parameters
    ----------
    on_cycle
        Called after each cycle that succeeded.

    Raises
    ------
    RefusedError
        If another run holds the site.
    NotConnectedError
        If the plant cannot be reached at the start, or a plant in lock-step stays away.
    HistorianError
        If nothing can be recorded: what cannot be recorded is not sent.
    """
    with stoppable(), works.plant:
        started = works.plant.now()
        holder = this_process()
        works.historian.acquire(LEASE, holder, started, works.site.control.every_s * LEASE_CYCLES)
        try:
            going = _begun(works, started)
            _loop(going, for_s, on_cycle, holder)
            return going
        finally:
            works.historian.give_up(LEASE, holder)


def _begun(works: Works, started: datetime) -> Run:
    for outcome in recover(works.site, works.historian, works.read()):
        log.warning("command %s of a former process: %s %s", outcome.command_id, outcome.kind.value, outcome.words)
    memory = Memory(works.site, works.historian, started, Meter(works.site, works.billing))
    renewed(works.monitor, works.historian)

    def minimum_times(command: Command) -> str | None:
        return too_soon(works.site, memory.history.table(), command, works.plant.now())

    record = RunRecord(
        id=content_id("r", works.site.site.name, started, this_process()),
        time=started,
        site=works.site,
        rehearsal=works.rehearsal,
        versions=works.versions,
    )
    works.historian.append("run", [record], cycle="", time=started)
    gate = Gate(works.site, works.plant, works.read, minimum_times)
    return Run(works=works, memory=memory, gate=gate, nothing=Nothing(works.site, works.model, works.billing), started=started)


def _loop(going: Run, for_s: float | None, on_cycle: Callable[[Run, Cycle], None] | None, holder: str) -> None:
    works, control = going.works, going.works.site.control
    try:
        while True:
            try:
                _renewed(going, holder, control.every_s * LEASE_CYCLES)
                cycle = run_cycle(works, going.memory, going.gate)
                going.cycles.append(Brief.of(cycle))
                _count(going, cycle.situation.snapshot, cycle)
                if on_cycle is not None:
                    on_cycle(going, cycle)
                going.in_a_row = 0
            except LeaseLostError:
                raise
            except EmsError as error:
                _failed(going, error)
            try:
                if not _next(going, for_s):
                    break
            except NotConnectedError as error:
                _failed(going, error)
    except KeyboardInterrupt:
        going.finished = "stopped"
    finally:
        if going.finished != LOST:
            words, reason = ENDS.get(going.finished, (going.finished or "a fault", Reason.SAFETY))
            _part(going, f"the run ends: {words}", reason)


def _renewed(going: Run, holder: str, ttl_s: float) -> None:
    """Hold on to the site; who lost it to another run writes nothing more."""
    try:
        going.works.historian.renew(LEASE, holder, going.works.plant.now(), ttl_s)
    except RefusedError as error:
        going.finished = LOST
        raise LeaseLostError(f"another run has taken over this site: {error}") from error


def _next(going: Run, for_s: float | None) -> bool:
    """Wait for the next cycle; False when the run is over."""
    every_s = going.works.site.control.every_s
    now = after(going.works.plant.now(), CLOCK.total_seconds())
    end = None if for_s is None else after(going.started, for_s)
    if end is not None and now >= end:
        going.finished = "for"
        return False
    upcoming = after(floor(now, every_s), every_s)
    if not _waited(going, upcoming if end is None else min(upcoming, end)):
        going.finished = "done"
    elif end is not None and going.works.plant.now() >= end - CLOCK:
        going.finished = "for"
    else:
        return True
    last = _glance(going)
    if last is not None:
        _count(going, last)
    return False


def _waited(going: Run, until: datetime) -> bool:
    """Wait for an instant, or for what cannot wait so long; at the end of every metering window what will be billed is read.

    False when the plant has ended.
    """
    for stop, metered in _stops(going.works.site, after(going.works.plant.now(), CLOCK.total_seconds()), until):
        if not going.gate.wait_until(stop):
            return False
        snapshot = _glance(going) if metered else _read(going)
        if snapshot is not None and _called(going, snapshot):
            return True
    return going.gate.wait_until(until)


def _stops(site: Site, now: datetime, until: datetime) -> Iterator[tuple[datetime, bool]]:
    """Instants between two cycles at which the plant is looked at, and whether a metering window ends there."""
    window_s = site.tariff.demand_window_s
    look_s = site.control.look_s or (window_s if site.connection.lock_step else LOOK_S)
    stop = now
    while True:
        metered = after(floor(stop, window_s), window_s)
        stop = min(metered, after(floor(stop, look_s), look_s))
        if stop >= until:
            return
        yield stop, stop == metered


def _called(going: Run, snapshot: Snapshot) -> bool:
    """Whether the next cycle is to come at once; after a failed one it keeps its time, for a plant is given back after a few."""
    if going.in_a_row:
        return False
    try:
        if words := woken(going.works, going.memory, snapshot):
            time, said = snapshot.time, f"the next cycle comes at once: {words}"
            event = Event(id=content_id("e", "woken", time, said), time=time, kind="woken", asset=None, words=said)
            going.works.historian.append("event", [event], cycle="", time=time)
    except EmsError as error:
        log.warning("not looked for what cannot wait: %s", error)
        return False
    return bool(words)


def _glance(going: Run) -> Snapshot | None:
    """Read between two cycles and keep it."""
    return _read(going, going.memory.take)


def _read(going: Run, keep: Callable[[Snapshot], None] = lambda _: None) -> Snapshot | None:
    """Read between two cycles; a plant that does not answer is the next cycle's to deal with."""
    try:
        snapshot = going.works.read()
        keep(snapshot)
    except EmsError as error:
        log.warning("not read between two cycles: %s", error)
        going.memory.contact_was_lost = going.memory.contact_was_lost or isinstance(error, NotConnectedError)
        return None
    return snapshot


def _count(going: Run, snapshot: Snapshot, cycle: Cycle | None = None) -> None:
    """Key figures are bookkeeping: a fault in them is no reason to stop controlling.

    Parameters
    ----------
    cycle
        The cycle that the snapshot was read in; None = the run is over.
    """
    health = () if cycle is None else cycle.situation.health
    lowest = min((item.score for item in health if item.score is not None), default=None)
    try:
        kpi = going.memory.meter.since_last(snapshot.time, lowest)
        idle = going.nothing.advance(going.memory, snapshot)
        groups = [("kpi", [kpi] if kpi else []), ("nothing", [idle] if idle else [])]
        going.works.historian.append_all(groups, cycle="" if cycle is None else cycle.id, time=snapshot.time)
    except EmsError as error:
        log.warning("key figures up to %s are missing: %s", snapshot.time, error)


def _failed(going: Run, error: EmsError) -> None:
    """Say it, hold; after too many in a row give everything back."""
    going.in_a_row += 1
    log.error("cycle failed (%d in a row): %s", going.in_a_row, error)
    going.failures.append(f"{type(error).__name__}: {error}")
    lost = isinstance(error, NotConnectedError)
    going.memory.contact_was_lost = going.memory.contact_was_lost or lost
    now = going.works.plant.now()
    words = f"{type(error).__name__}: {error}"
    event = Event(id=content_id("e", "cycle_failed", now, words), time=now, kind="cycle_failed", asset=None, words=words)
    try:
        going.works.historian.append("event", [event], cycle="", time=now)
    except HistorianError as unrecorded:
        log.error("and cannot be recorded: %s", unrecorded)
    limit = going.works.site.control.release_after
    if going.in_a_row >= limit:
        _part(going, f"{limit} cycles failed in a row", Reason.SAFETY)
    if going.in_a_row >= limit and (isinstance(error, HistorianError) or (lost and going.works.site.connection.lock_step)):
        going.finished = words
        raise error


def _part(going: Run, words: str, reason: Reason) -> None:
    """Give every asset back; what cannot be given back is left to the plant's own watchdog."""
    try:
        names = [asset.name for asset in going.works.site.assets]
        going.parted += give_back(going.works, going.memory, going.gate, "", names, words, reason, at_once=True)
    except EmsError as error:
        log.error("assets could not be given back through the journal: %s", error)


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM and SIGINT stop alike, the latter also where a parent has it ignored; outside the main thread nothing changes."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
