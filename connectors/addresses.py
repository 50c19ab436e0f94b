"""Addresses of tags on OPC UA: `s=Plant.Tank.Level`, `nsu=URI;s=Plant.Tank.Level`, `ns=2;s=Plant.Tank.Level`, `i=2258`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from plant.errors import ConfigError
from plant.tags import Tag

_KINDS = ("s=", "i=", "g=", "b=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a value is found, before a server has said at which index it keeps a namespace."""

    namespace: str | int
    """Namespace URI, or a fixed index."""
    identifier: str
    """With its kind: `s=…`, `i=…`, `g=…` or `b=…`."""

    def node_id(self, namespaces: Sequence[str]) -> ua.NodeId | None:
        """The node on a server with these namespaces; None if the server lacks the address's namespace."""
        if isinstance(self.namespace, int):
            return _node_id(self.identifier, self.namespace)
        if self.namespace not in namespaces:
            return None
        return _node_id(self.identifier, list(namespaces).index(self.namespace))

    @property
    def path(self) -> tuple[str, ...]:
        """The parts of a string identifier between its dots; other identifiers have one part."""
        return tuple(self.identifier[2:].split(".")) if self.identifier.startswith("s=") else (self.identifier,)


def of_tag(tag: Tag) -> str:
    """The address of a tag; one without an address of its own is found by its name."""
    return tag.address or f"s={tag.name}"


def parse(text: str, namespace: str, where: str) -> Address:
    """The address that a site file's text means.

    Parameters
    ----------
    text
        As in the site file.
    namespace
        `connection.namespace`: the URI for texts that name none.
    where
        Which key of the site file it is, for the error.

    Raises
    ------
    ConfigError
        If the text is no address, or names no namespace where the connection has none either.
    """
    head, _, rest = text.partition(";")
    place: str | int
    if head.startswith("nsu="):
        place, identifier = head[4:], rest
    elif head.startswith("ns="):
        if not head[3:].isdigit():
            raise ConfigError(f"{where}: {text!r}: {head!r} is no namespace index; write for example ns=2;s=Plant.Tank.Level")
        place, identifier = int(head[3:]), rest
    elif namespace or text.startswith("i="):
        place, identifier = namespace or 0, text
    else:
        raise ConfigError(f"{where}: {text!r} names no namespace: write nsu=URI;{text} or set connection.namespace")
    if not identifier.startswith(_KINDS):
        raise ConfigError(f"{where}: {text!r} is no OPC UA address; write for example s=Plant.Tank.Level")
    address = Address(namespace=place, identifier=identifier)
    try:
        _node_id(identifier, 0)
    except (UaError, ValueError) as error:
        raise ConfigError(f"{where}: {text!r} is no OPC UA address: {error}") from error
    return address


def _node_id(identifier: str, index: int) -> ua.NodeId:
    return ua.NodeId.from_string(f"ns={index};{identifier}")
