"""The one gate to the plant: write, wait, read back.

Commands, releases, heartbeat and advance all pass it. Immediately before each write the plant is read again and the
command checked again: what was true when the plan was made need not be true now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from plant.assets import Asset, Mode, TagWrite
from plant.errors import EmsError, NotConnectedError
from plant.identity import content_id
from plant.orders import Action, Bound, Command, Outcome, OutcomeKind, Reason
from plant.ports import Plant
from plant.site import Site
from plant.situation import Lock
from plant.tags import Quality, Snapshot, Value

METER_KW = 0.3
"""What a meter may be off around zero."""
SETPOINT_TOLERANCE = 0.01
CLOCK = timedelta(milliseconds=2)
"""A plant's clock may stop short of an instant by so much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A command that went out and waits for its read-back."""

    command: Command
    at: datetime
    held: bool = True
    """False: the connection broke on the way, so it is not known whether it arrived."""


class Gate:
    """Everything that is ever written to a plant goes through here.

    Parameters
    ----------
    site
        The site.
    plant
        The plant; nobody else keeps a reference to write with.
    read
        Reads the plant with virtual tags filled in.
    minimum_times
        Words that forbid a start or stop now (minimum up and down times, starts used), None if there are none.
    """

    def __init__(
        self, site: Site, plant: Plant, read: Callable[[], Snapshot], minimum_times: Callable[[Command], str | None]
    ) -> None:
        self._site, self._plant, self._read, self._minimum_times = site, plant, read, minimum_times
        self.writes = 0
        self.advances = 0

    def now(self) -> datetime:
        """The plant's time."""
        return self._plant.now()

    def wait_until(self, time: datetime) -> bool:
        """Let the plant move on to a time; False when it has ended."""
        self.advances += 1
        return self._plant.wait_until(time)

    def refusal(
        self, command: Command, lock: Lock | None, mode: Mode, valid_while: tuple[Bound, ...], by_person: bool
    ) -> str | None:
        """Why a command must not be written now; None if it may."""
        asset = self._site.asset(command.asset)
        if lock is not None and (lock.until is None or self._plant.now() < lock.until):
            return f"locked by {lock.who}: {lock.why}"
        if command.action is Action.RELEASE:
            return None if parting_writes(asset) else "the site file states neither release nor safe state for it"
        snapshot = self._read()
        if snapshot.time >= command.expires:
            return f"expired at {command.expires:%H:%M:%S}"
        return (
            _mode_refusal(mode, by_person)
            or self._permit_refusal(asset, command, snapshot)
            or self._bound_refusal(valid_while, snapshot)
            or self._minimum_times(command)
        )

    def _permit_refusal(self, asset: Asset, command: Command, snapshot: Snapshot) -> str | None:
        tags = asset.tags
        stopping = command.action is Action.SHUTDOWN
        if stopping and not asset.may_stop:
            return "the site file says it may not be stopped"
        if not stopping and not asset.may_start and not (snapshot.truth(tags.running) if tags.running else False):
            return "the site file says it may not be started"
        wanted = ((tags.permit_stop if stopping else tags.permit_start, True, "permit"), (tags.remote, True, "selector"))
        for tag, good, word in (*wanted, (tags.tripped, False, "trip")):
            if tag is None or (word == "permit" and not stopping and self._keeps_running(asset, snapshot)):
                continue
            value = snapshot.truth(tag)
            if value is None:
                return f"{word} {tag} cannot be read"
            if value is not good:
                return f"{word} {tag} reads {value}"
        return None

    def _keeps_running(self, asset: Asset, snapshot: Snapshot) -> bool:
        return bool(asset.tags.running and snapshot.truth(asset.tags.running))

    def _bound_refusal(self, bounds: tuple[Bound, ...], snapshot: Snapshot) -> str | None:
        for bound in bounds:
            value = snapshot.number(bound.tag)
            if value is None:
                return f"{bound.tag} cannot be read"
            if not bound.low <= value <= bound.high:
                return f"{bound.tag} reads {value:g}, the verdict holds from {bound.low:g} to {bound.high:g}"
        return None

    def send(self, command: Command) -> Written | Outcome:
        """Write one command: the set-point first, the order last."""
        at, before = self._plant.now(), self.writes
        try:
            for write in writes_of(self._site.asset(command.asset), command):
                self._plant.write(write.tag, write.value, command.expires)
                self.writes += 1
        except NotConnectedError:
            return Written(command=command, at=at, held=False)
        except EmsError as error:
            if self.writes > before:
                return Written(command=command, at=at, held=False)
            kind = OutcomeKind.EXPIRED if at >= command.expires else OutcomeKind.REFUSED
            return ended(command, kind, at, str(error))
        return Written(command=command, at=at)

    def confirm(
        self, written: list[Written], outcomes: Callable[[Command, Outcome], None], *, at_once: bool = False
    ) -> Snapshot | None:
        """Wait for each command's read-back window, shortest first; every command ends in exactly one outcome.

        Parameters
        ----------
        written
            Commands that went out.
        outcomes
            Called with each command's outcome as soon as it is known.
        at_once
            Judge by one reading now instead of waiting.

        Returns
        -------
        The last snapshot read; None if nothing was written.
        """
        waiting, snapshot = list(written), None
        while waiting:
            alive = not at_once and self.wait_until(min(self._deadline(item) for item in waiting))
            snapshot = self._read()
            still: list[Written] = []
            for item in waiting:
                outcome = self.judged(item, snapshot)
                due = not alive or snapshot.time >= self._deadline(item) - CLOCK
                if outcome.kind is OutcomeKind.CONFIRMED or due:
                    outcomes(item.command, outcome)
                else:
                    still.append(item)
            waiting = still
        return snapshot

    def _deadline(self, item: Written) -> datetime:
        return item.at + timedelta(seconds=self._site.asset(item.command.asset).readback_s)

    def judged(self, item: Written, snapshot: Snapshot) -> Outcome:
        """The outcome that a snapshot shows for a command that was written."""
        return judge(self._site.asset(item.command.asset), item, snapshot)


def _mode_refusal(mode: Mode, by_person: bool) -> str | None:
    needed = Mode.ADVISE if by_person else Mode.CONTROL
    return f"mode is {mode.value}" if mode.rank < needed.rank else None


def parting_writes(asset: Asset) -> tuple[TagWrite, ...]:
    """The writes that give an asset back to local control, or make it safe where it has none."""
    return asset.release or asset.safe_state


def writes_of(asset: Asset, command: Command) -> tuple[TagWrite, ...]:
    """The values a command puts into tags, in the order in which they are written."""
    tags, orders = asset.tags, asset.orders
    if command.action is Action.RELEASE:
        return parting_writes(asset)
    if tags.command is None:
        return ()
    value = {Action.STARTUP: orders.startup, Action.SHUTDOWN: orders.shutdown, Action.OPTIMIZE: orders.optimize}[command.action]
    setpoint = command.setpoint if command.action is Action.OPTIMIZE else None
    if command.action is Action.STARTUP and asset.life.setpoint_nominal is not None:
        setpoint = asset.life.setpoint_nominal
    first = (TagWrite(tag=tags.setpoint_write, value=setpoint),) if tags.setpoint_write and setpoint is not None else ()
    return (*first, TagWrite(tag=tags.command, value=value))


def same(one: Value | None, other: Value | None) -> bool:
    """Whether a value read is the value written: numbers within 1 %, texts without regard to case."""
    if one is None or other is None:
        return False
    if isinstance(one, str) or isinstance(other, str):
        return str(one).strip().upper() == str(other).strip().upper()
    return abs(float(one) - float(other)) <= SETPOINT_TOLERANCE * max(1.0, abs(float(other)))


def judge(asset: Asset, item: Written, snapshot: Snapshot) -> Outcome:
    """CONFIRMED needs set-point, state and power to agree; a server may echo an order and do nothing."""
    command, tags = item.command, asset.tags
    setpoint = snapshot.number(tags.setpoint) if tags.setpoint else None
    running = snapshot.truth(tags.running) if tags.running else None
    power = snapshot.number(tags.power) if tags.power else None
    needed = (tags.running, tags.power, tags.setpoint if command.setpoint is not None else None)
    missing = [tag for tag in needed if tag and _bad(snapshot, tag)]
    if command.action is Action.RELEASE:
        wrong = _not_given_back(asset, snapshot)
    else:
        wrong = _disagreements(asset, command, setpoint, running, power)
    if wrong:
        kind, words = OutcomeKind.NO_EFFECT, "; ".join(wrong)
        if not item.held:
            kind, words = OutcomeKind.UNCONFIRMED, f"connection lost, or refused, in the middle of writing; {words}"
    elif missing:
        kind, words = OutcomeKind.UNCONFIRMED, f"cannot be read back: {', '.join(missing)}"
    elif running is None and power is None and command.action is not Action.RELEASE:
        kind, words = OutcomeKind.UNCONFIRMED, "the plant shows neither state nor power"
    else:
        kind, words = OutcomeKind.CONFIRMED, ""
    return Outcome(
        command_id=command.id,
        kind=kind,
        time=snapshot.time,
        written_at=item.at,
        setpoint_read=setpoint,
        running_read=running,
        power_expected_kw=command.expected_power_kw,
        power_measured_kw=power,
        words=words,
    )


def _bad(snapshot: Snapshot, tag: str) -> bool:
    reading = snapshot.find(tag)
    return reading is None or reading.quality is Quality.BAD


def _disagreements(asset: Asset, command: Command, setpoint: float | None, running: bool | None, power: float | None) -> list[str]:
    wrong = []
    should_run = command.action is not Action.SHUTDOWN
    if running is not None and running is not should_run:
        wrong.append(f"state reads {'running' if running else 'stopped'}")
    if should_run and command.setpoint is not None and setpoint is not None and not same(setpoint, command.setpoint):
        wrong.append(f"set-point reads {setpoint:g}, asked {command.setpoint:g}")
    expected = command.expected_power_kw
    if power is not None and expected is not None:
        allowed = asset.power_tolerance * abs(expected) + METER_KW
        if abs(power - expected) > allowed:
            wrong.append(f"power reads {power:.1f} kW, expected {expected:.1f} kW ± {allowed:.1f}")
    return wrong


def _not_given_back(asset: Asset, snapshot: Snapshot) -> list[str]:
    wrong = []
    for write in parting_writes(asset):
        reading = snapshot.find(write.tag)
        if reading is not None and reading.value is not None and not same(reading.value, write.value):
            wrong.append(f"{write.tag} reads {reading.value}, asked {write.value}")
    return wrong


def ended(command: Command, kind: OutcomeKind, time: datetime, words: str) -> Outcome:
    """An outcome without a read-back."""
    return Outcome(command_id=command.id, kind=kind, time=time, words=words)


def release_command(asset: str, at: datetime, life_s: float, reason: Reason, words: str) -> Command:
    """An order to give an asset back to its own local control."""
    return Command(
        id=content_id("c", asset, Action.RELEASE, at, words),
        asset=asset,
        action=Action.RELEASE,
        at=at,
        expires=at + timedelta(seconds=life_s),
        reason=reason,
        words=words,
    )
