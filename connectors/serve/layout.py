"""What a served plant shows on OPC UA: a variable per tag, and those of lock-step and heartbeat."""

from __future__ import annotations

from connectors import addresses
from connectors.serve.space import Variable
from plant.errors import ConfigError
from plant.site import Connection, Site
from plant.tags import Tag, ValueType

CLOCK, ADVANCE, DONE, BEAT, PLANT_BEAT = "clock", "advance", "done", "heartbeat in", "heartbeat out"

_ZERO: dict[ValueType, bool | float | int | str] = {
    ValueType.FLOAT: 0.0,
    ValueType.INTEGER: 0,
    ValueType.BOOLEAN: False,
    ValueType.TEXT: "",
}


def own_tags(connection: Connection, lock_step: bool) -> dict[str, Tag]:
    """The nodes that are not readings."""
    own: dict[str, Tag] = {}
    if lock_step and (steps := connection.lock_step) is not None:
        own[CLOCK] = Tag(name=CLOCK, unit="s", address=steps.clock)
        own[ADVANCE] = Tag(name=ADVANCE, unit="s", address=steps.advance, writable=True)
        if steps.done is not None:
            own[DONE] = Tag(name=DONE, unit="1", address=steps.done, type=ValueType.BOOLEAN)
    if (heartbeat := connection.heartbeat) is not None:
        own[BEAT] = Tag(name=BEAT, unit="1", address=heartbeat.write, type=ValueType.INTEGER, writable=True)
        if heartbeat.read is not None:
            own[PLANT_BEAT] = Tag(name=PLANT_BEAT, unit="1", address=heartbeat.read, type=ValueType.INTEGER)
    return own


def variables_of(site: Site, own: dict[str, Tag]) -> list[Variable]:
    """All variables: the site's tags in order, then our own.

    Raises
    ------
    ConfigError
        If an address is none, or two tags share one.
    """
    taken: dict[addresses.Address, str] = {}
    made = []
    for tag in (*site.tags, *own.values()):
        place = addresses.parse(addresses.of_tag(tag), site.connection.namespace, f"address of {tag.name}")
        if place in taken:
            raise ConfigError(f"{tag.name} and {taken[place]} have the same address {addresses.of_tag(tag)}")
        taken[place] = tag.name
        value = _ZERO[tag.type] if tag.name in own else None
        made.append(Variable(address=place, type=tag.type, writable=tag.writable, value=value, words=f"{tag.name}, {tag.unit}"))
    return made
