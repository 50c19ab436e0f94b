"""What a server told about the nodes of a site: where they are, what they hold, how many may be read at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from asyncua import ua
from asyncua.client.client import Client
from asyncua.ua.attribute_ids import AttributeIds

from connectors import variants
from connectors.addresses import Address
from plant.errors import ConfigError

_log = logging.getLogger(__name__)
_NAMESPACES = "i=2255"
_MOST_NODES_PER_READ = "i=11705"


class Nodes:
    """The site's addresses resolved against one server; resolved anew after every reconnect.

    Parameters
    ----------
    addresses
        Key (tag name, or a name of our own for clock, advance and the like) → address.
    written
        Keys that will be written: their types are asked for.
    """

    def __init__(self, addresses: Mapping[str, Address], written: Sequence[str]) -> None:
        self._addresses = dict(addresses)
        self._written = tuple(written)
        self._ids: dict[str, ua.NodeId] = {}
        self._values: dict[str, ua.ReadValueId] = {}
        self._types: dict[str, ua.VariantType | None] = {}
        self.namespaces: tuple[str, ...] = ()
        self.most_per_read = 0

    async def resolve(self, client: Client) -> None:
        """Ask a newly connected server.

        Raises
        ------
        ConfigError
            If none of the site's namespaces is on the server: it is not the plant that the site file means.
        """
        facts = await _read(client, [_value(ua.NodeId.from_string(node)) for node in (_NAMESPACES, _MOST_NODES_PER_READ)])
        names, most = _held(facts[0]), _held(facts[1])
        self.namespaces = tuple(str(name) for name in names) if isinstance(names, list) else ()
        self.most_per_read = most if isinstance(most, int) else 0
        found = {key: address.node_id(self.namespaces) for key, address in self._addresses.items()}
        self._ids = {key: node for key, node in found.items() if node is not None}
        if found and not self._ids:
            missing = sorted({str(address.namespace) for address in self._addresses.values()})
            raise ConfigError(f"namespace {', '.join(missing)} is not on the server; it has {', '.join(self.namespaces)}")
        self._values = {key: _value(node) for key, node in self._ids.items()}
        await self._ask_types(client)

    def id_of(self, key: str) -> ua.NodeId | None:
        """The node of a key; None if the server lacks its namespace."""
        return self._ids.get(key)

    def value_of(self, key: str) -> ua.ReadValueId | None:
        """What to put into a Read request for the value of a key; None if the server lacks its namespace."""
        return self._values.get(key)

    def type_of(self, key: str) -> ua.VariantType | None:
        """The built-in type that the server holds for a written key; None if it does not say."""
        return self._types.get(key)

    async def _ask_types(self, client: Client) -> None:
        keys = [key for key in self._written if key in self._ids]
        wanted = [_attribute(self._ids[key], AttributeIds.DataType) for key in keys] + [self._values[key] for key in keys]
        size = self.most_per_read or max(len(wanted), 1)
        answers: list[ua.DataValue] = []
        for first in range(0, len(wanted), size):
            answers += await _read(client, wanted[first : first + size])
        self._types = {
            key: variants.server_type(kind, value)
            for key, kind, value in zip(keys, answers[: len(keys)], answers[len(keys) :], strict=True)
        }


def _value(node: ua.NodeId) -> ua.ReadValueId:
    return _attribute(node, AttributeIds.Value)


def _attribute(node: ua.NodeId, attribute: AttributeIds) -> ua.ReadValueId:
    return ua.ReadValueId(NodeId=node, AttributeId=ua.IntegerId(attribute))


def _held(answer: ua.DataValue) -> object:
    return None if answer.Value is None else answer.Value.Value


async def _read(client: Client, wanted: list[ua.ReadValueId]) -> list[ua.DataValue]:
    return list(await client.uaclient.session.read(ua.ReadParameters(NodesToRead=wanted))) if wanted else []
