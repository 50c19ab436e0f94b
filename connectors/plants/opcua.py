"""A plant on OPC UA: live on the wall's time, or in lock-step with the plant's own clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from asyncua import ua

from connectors import addresses, judge, outgoing, variants, wall
from connectors.endpoint import endpoint_of
from connectors.held import Held
from connectors.link import Link
from connectors.loop import LoopThread
from connectors.nodes import Nodes
from connectors.pulse import Pulse, silenced
from plant.errors import ConfigError, EmsError, NotConnectedError, WriteRefusedError
from plant.site import Site
from plant.tags import Quality, Snapshot, Tag, Value, ValueType
from plant.times import UTC

_log = logging.getLogger(__name__)
_CLOCK, _ADVANCE, _DONE, _BEAT, _PLANT_BEAT = "\0clock", "\0advance", "\0done", "\0beat", "\0plant beat"
_TOLERANCE_S = 1e-3
_FIRST_POLL_S, _LONGEST_POLL_S = 0.0005, 0.02


class Opcua:
    """The client side of one site's OPC UA connection (a Plant).

    Parameters
    ----------
    site
        Its `connection` says where and how, its `tags` what.
    folder
        Where certificate files are looked for.

    Raises
    ------
    ConfigError
        If an address, the endpoint or a security file is wrong.
    """

    def __init__(self, site: Site, folder: Path) -> None:
        self._connection = site.connection
        self._tags = {tag.name: tag for tag in site.tags}
        self._steps = site.connection.lock_step
        self._nodes = Nodes(*_addresses(site))
        self._link = Link(
            endpoint_of(self._connection), self._connection.security, folder, self._connection.timeout_s, self._nodes.resolve
        )
        self._judge = judge.Judge(plant_clock=self._steps is not None)
        self._held = Held(site)
        heartbeat = self._connection.heartbeat
        self._pulse = None if heartbeat is None else Pulse(heartbeat, max(site.control.every_s, 60.0))
        self._read_beat = heartbeat is not None and heartbeat.read is not None
        self._clock: datetime | None = None
        self._ended = False
        self._thread = LoopThread("opcua")

    @property
    def beats_sent(self) -> int:
        """How often our heartbeat was written."""
        return 0 if self._pulse is None else self._pulse.count

    def __enter__(self) -> Self:
        """Connect.

        Raises
        ------
        NotConnectedError
            If the endpoint refuses or does not answer.
        ConfigError
            If server and site file do not fit.
        """
        self._thread.__enter__()
        try:
            self._thread.run(self._open())
        except BaseException:
            self._thread.__exit__()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give every asset that holds our orders back to local control, then part."""
        try:
            self._thread.run(self._leave())
        finally:
            self._thread.__exit__()

    def now(self) -> datetime:
        """The wall's time; in lock-step the plant's clock, which moves only when we advance it."""
        if self._steps is None:
            return wall.now()
        if self._clock is None:
            raise NotConnectedError(f"{self._connection.endpoint}: the plant's clock was not read yet")
        return self._clock

    def wait_until(self, time: datetime) -> bool:
        """Wait, or advance the plant's clock; see the door."""
        with self._verb():
            if self._steps is None:
                wall.pause_until(time)
                return True
            return self._thread.run(self._advance_to(time))

    def read(self) -> Snapshot:
        """Every tag in one Read request; see the door."""
        with self._verb():
            return self._thread.run(self._read())

    def write(self, tag: str, value: Value, expires: datetime | None = None) -> None:
        """Write one value, typed as the tag and the server say; see the door."""
        found = outgoing.writable(self._tags, tag)
        with self._verb():
            self._thread.run(self._write(found, value, expires))

    @contextmanager
    def _verb(self) -> Iterator[None]:
        if self._pulse is None:
            yield
            return
        self._pulse.begin()
        try:
            yield
        finally:
            self._pulse.end()

    async def _open(self) -> None:
        await self._link.open()
        if self._steps is not None:
            await self._look()
        elif self._pulse is not None:
            self._beating = asyncio.create_task(self._beat_for_life(self._pulse))

    async def _leave(self) -> None:
        await outgoing.give_back(self._held, self._tags, self._link.settled, self._write)
        await self._link.close()

    async def _read(self) -> Snapshot:
        await self._link.settled()
        keys = [*self._tags] if self._steps is None else [_CLOCK, *self._tags]
        answers = await self._ask(keys)
        if self._steps is not None:
            self._clock = self._time_of(answers[_CLOCK])
        now = self.now()
        silent = self._pulse is not None and self._read_beat and self._pulse.plant_silent
        readings = []
        for name, tag in self._tags.items():
            reading = self._judge.reading(tag, self._raw(tag, answers.get(name)), now)
            readings.append(silenced(reading) if silent else reading)
        return Snapshot(time=now, readings=tuple(readings))

    def _raw(self, tag: Tag, answer: ua.DataValue | None) -> judge.Raw:
        if answer is None:
            return judge.Raw(value=None, quality=Quality.BAD, words=f"its namespace is not on the server: {tag.address}")
        return variants.raw(answer)

    async def _ask(self, keys: list[str]) -> dict[str, ua.DataValue]:
        """The values of several nodes in one Read request (in several only where the server allows no more)."""
        pairs = [(key, wanted) for key in keys if (wanted := self._nodes.value_of(key)) is not None]
        size = self._nodes.most_per_read or len(pairs)
        found: dict[str, ua.DataValue] = {}
        for first in range(0, len(pairs), max(size, 1)):
            part = pairs[first : first + size]
            answers = await self._link.read([wanted for _, wanted in part])
            found.update(zip((key for key, _ in part), answers, strict=True))
        return found

    async def _write(self, tag: Tag, value: Value, expires: datetime | None = None) -> None:
        node = self._nodes.id_of(tag.name)
        if node is None:
            raise WriteRefusedError(f"{tag.name}: its namespace is not on the server: {tag.address}")
        try:
            typed = variants.variant(judge.on_wire(value, tag), tag.type, self._nodes.type_of(tag.name))
        except ValueError as error:
            raise WriteRefusedError(f"{tag.name}: {error}") from error
        self._link.check()
        outgoing.check_expiry(tag.name, expires, self.now())
        try:
            status = await self._link.write(node, typed)
        except NotConnectedError:
            self._held.note(tag.name, value, sure=False)
            raise
        if not status.is_good():
            raise WriteRefusedError(f"{tag.name} = {value}: the plant refused: {status.name}")
        self._held.note(tag.name, value)

    async def _advance_to(self, time: datetime) -> bool:
        assert self._steps is not None
        deadline = asyncio.get_running_loop().time() + self._steps.timeout_s
        while not self._ended and (left_s := (time - self.now()).total_seconds()) > _TOLERANCE_S:
            before = self.now()
            try:
                await self._link.settled()
                await self._beat_once()
                await self._order(_ADVANCE, left_s, ValueType.FLOAT)
                await self._moved(deadline)
            except WriteRefusedError as error:
                raise NotConnectedError(str(error)) from error
            except NotConnectedError:
                await self._resume(deadline)
            if not self._ended and self.now() <= before:
                await self._again(deadline, "the plant's clock does not move when told to advance")
        return not self._ended

    async def _resume(self, deadline: float) -> None:
        """After a loss: the step may or may not have been begun, so wait for the plant and look at its clock."""
        while True:
            try:
                await self._link.settled()
                return await self._moved(deadline)
            except NotConnectedError as error:
                await self._again(deadline, str(error))

    async def _again(self, deadline: float, words: str) -> None:
        if asyncio.get_running_loop().time() >= deadline:
            raise NotConnectedError(f"{self._connection.endpoint}: {words}")
        await asyncio.sleep(_LONGEST_POLL_S)

    async def _moved(self, deadline: float) -> None:
        """Return once `advance` reads 0 again; clock and done are then the plant's newest."""
        pause_s = _FIRST_POLL_S
        while await self._look() > 0.0:
            if asyncio.get_running_loop().time() >= deadline:
                raise NotConnectedError(f"{self._connection.endpoint}: the plant did not finish its step in time")
            await asyncio.sleep(pause_s)
            pause_s = min(2.0 * pause_s, _LONGEST_POLL_S)

    async def _look(self) -> float:
        """Read advance, clock and done in one request; the value of advance."""
        answers = await self._ask([_ADVANCE, _CLOCK, _DONE])
        if _ADVANCE not in answers or _CLOCK not in answers:
            raise ConfigError(f"connection.lock_step: its namespace is not on {self._connection.endpoint}")
        left, _ = judge.in_units(variants.raw(answers[_ADVANCE]).value, _number(_ADVANCE))
        if not isinstance(left, float):
            words = variants.raw(answers[_ADVANCE]).words or "no value"
            raise NotConnectedError(f"{self._connection.endpoint}: advance cannot be read ({words}): is this plant in lock-step?")
        if left <= 0.0:
            self._clock = self._time_of(answers[_CLOCK])
            done = answers.get(_DONE)
            self._ended = done is not None and bool(variants.raw(done).value)
        return left

    def _time_of(self, answer: ua.DataValue) -> datetime:
        assert self._steps is not None
        value = variants.raw(answer).value
        if isinstance(value, datetime):
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        if isinstance(value, (int, float)):
            return self._steps.epoch.astimezone(UTC) + timedelta(seconds=float(value))
        raise NotConnectedError(f"{self._connection.endpoint}: connection.lock_step.clock = {self._steps.clock} cannot be read")

    async def _beat_once(self) -> None:
        """One beat before each advance: in lock-step time passes only then."""
        if self._pulse is not None:
            await self._beat(self._pulse)

    async def _beat_for_life(self, pulse: Pulse) -> None:
        while True:
            if pulse.alive():
                try:
                    await self._beat(pulse)
                except EmsError as error:
                    _log.debug("no beat: %s", error)
                    pulse.saw(None)
            await asyncio.sleep(pulse.every_s)

    async def _beat(self, pulse: Pulse) -> None:
        await self._order(_BEAT, pulse.next_count(), ValueType.INTEGER)
        if self._read_beat:
            answer = (await self._ask([_PLANT_BEAT])).get(_PLANT_BEAT)
            value = None if answer is None else variants.raw(answer).value
            pulse.saw(float(value) if isinstance(value, (int, float)) else None)

    async def _order(self, key: str, value: float, kind: ValueType) -> None:
        node = self._nodes.id_of(key)
        if node is None:
            raise ConfigError(f"the namespace of the plant's {key[1:]} node is not on {self._connection.endpoint}")
        held = self._nodes.type_of(key)
        try:
            status = await self._link.write(node, variants.variant(value, kind, held))
        except ValueError as error:
            raise ConfigError(f"the plant's {key[1:]} node holds {held}: {error}") from error
        if not status.is_good():
            raise WriteRefusedError(f"{self._connection.endpoint}: the plant refused {key[1:]} = {value:g}: {status.name}")


def _number(name: str) -> Tag:
    return Tag(name=name, unit="1")


def _addresses(site: Site) -> tuple[dict[str, addresses.Address], list[str]]:
    """All addresses of a site by key, and the keys that are written."""
    connection = site.connection
    texts = {tag.name: (addresses.of_tag(tag), f"tag {tag.name}, key address") for tag in site.tags}
    written = [tag.name for tag in site.tags if tag.writable]
    steps, heartbeat = connection.lock_step, connection.heartbeat
    if steps is not None:
        texts[_CLOCK] = (steps.clock, "connection.lock_step.clock")
        texts[_ADVANCE] = (steps.advance, "connection.lock_step.advance")
        written.append(_ADVANCE)
        if steps.done is not None:
            texts[_DONE] = (steps.done, "connection.lock_step.done")
    if heartbeat is not None:
        texts[_BEAT] = (heartbeat.write, "connection.heartbeat.write")
        written.append(_BEAT)
        if heartbeat.read is not None:
            texts[_PLANT_BEAT] = (heartbeat.read, "connection.heartbeat.read")
    return {key: addresses.parse(text, connection.namespace, where) for key, (text, where) in texts.items()}, written
