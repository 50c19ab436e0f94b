"""What every wire checks before a write goes out, and how it gives assets back when it leaves."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

from connectors.held import Held
from plant.assets import TagWrite
from plant.errors import EmsError, NotConnectedError, NotFoundError, WriteRefusedError
from plant.tags import Tag, Value
from plant.times import iso

_log = logging.getLogger(__name__)


def writable(tags: Mapping[str, Tag], name: str) -> Tag:
    """The tag of a name, if the site file lets it be written.

    Raises
    ------
    NotFoundError
        If there is no such tag.
    WriteRefusedError
        If it is not writable.
    """
    found = tags.get(name)
    if found is None:
        raise NotFoundError(f"there is no tag {name!r}: the site has {', '.join(sorted(tags))}")
    if not found.writable:
        raise WriteRefusedError(f"{name} is not writable by the site file")
    return found


def check_expiry(tag: str, expires: datetime | None, now: datetime) -> None:
    """The last check before a write is sent.

    Raises
    ------
    WriteRefusedError
        If its time has passed.
    """
    if expires is not None and now > expires:
        raise WriteRefusedError(f"{tag}: expired at {iso(expires)}, it is {iso(now)}")


async def give_back(
    held: Held, tags: Mapping[str, Tag], settled: Callable[[], Awaitable[None]], write: Callable[[Tag, Value], Awaitable[None]]
) -> None:
    """Give every asset that holds our orders back; one that does not listen is left to the plant's own watchdog.

    Parameters
    ----------
    settled
        Waits a while for a connection that is just being built anew: leaving during a short loss must not leave orders behind.
    """
    for asset in held.assets():
        try:
            try:
                await settled()
                await _write_all(held.writes(asset), tags, write)
            except NotConnectedError:  # lost only now: giving back twice does no harm
                await settled()
                await _write_all(held.writes(asset), tags, write)
        except EmsError as error:
            _log.warning("%s could not be given back (%s): the plant's own watchdog has to", asset, error)
        held.forget(asset)


async def _write_all(writes: Sequence[TagWrite], tags: Mapping[str, Tag], write: Callable[[Tag, Value], Awaitable[None]]) -> None:
    for item in writes:
        await write(tags[item.tag], item.value)
