"""The address space of a served plant: a variable per tag, in folders, typed and with access rights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.object_ids import ObjectIds

from connectors import variants
from connectors.addresses import Address
from plant.tags import Quality, ValueType

_MOST_IN_FOLDER = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable to be created."""

    address: Address
    type: ValueType
    writable: bool
    value: bool | float | int | str | None
    words: str
    """Description that a browsing person sees: the unit."""


class Space:
    """Creates variables on a server. Adding to a large folder takes quadratic time, so folders are kept small."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._namespaces: list[str] = []
        self._folders: dict[tuple[int, tuple[str, ...]], ua.NodeId] = {}

    async def build(self, variables: Sequence[Variable], time: datetime) -> list[ua.NodeId]:
        """Create all variables; their nodes in the same order."""
        for variable in variables:
            await self._claim(variable.address)
        crowd = Counter(variable.address.path[:-1] for variable in variables)
        seen: Counter[tuple[str, ...]] = Counter()
        nodes = []
        for variable in variables:
            folder = variable.address.path[:-1]
            page = seen[folder] // _MOST_IN_FOLDER
            seen[folder] += 1
            pages = (f"{page + 1:03d}",) if crowd[folder] > _MOST_IN_FOLDER else ()
            nodes.append(await self._add(variable, (*folder, *pages), time))
        return nodes

    async def _claim(self, address: Address) -> None:
        """Register the namespace of an address; one given as an index gets as many placeholders as it takes."""
        if isinstance(address.namespace, str):
            if address.namespace not in self._namespaces:
                await self._server.register_namespace(address.namespace)
        else:
            while address.namespace >= len(self._namespaces or await self._server.get_namespace_array()):
                await self._server.register_namespace(f"urn:twin-ems:namespace:{len(self._namespaces)}")
                self._namespaces = list(await self._server.get_namespace_array())
        self._namespaces = list(await self._server.get_namespace_array())

    async def _add(self, variable: Variable, folder: tuple[str, ...], time: datetime) -> ua.NodeId:
        node = variable.address.node_id(self._namespaces)
        if node is None:
            raise RuntimeError(f"namespace {variable.address.namespace} was not registered")
        item = ua.AddNodesItem()
        item.RequestedNewNodeId = node
        item.BrowseName = ua.QualifiedName(variable.address.path[-1], node.NamespaceIndex)
        item.ParentNodeId = await self._folder(node.NamespaceIndex, folder)
        item.ReferenceTypeId = ua.NodeId(ua.Int32(ObjectIds.Organizes))
        item.NodeClass = ua.NodeClass.Variable
        item.TypeDefinition = ua.NodeId(ua.Int32(ObjectIds.BaseDataVariableType))
        item.NodeAttributes = _attributes(variable, time)
        await self._create(item)
        return node

    async def _folder(self, index: int, path: tuple[str, ...]) -> ua.NodeId:
        if not path:
            return ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
        known = self._folders.get((index, path))
        if known is not None:
            return known
        item = ua.AddNodesItem()
        node = ua.NodeId.from_string(f"ns={index};s={'.'.join(path)}/")
        item.RequestedNewNodeId = node
        item.BrowseName = ua.QualifiedName(path[-1], ua.UInt16(index))
        item.ParentNodeId = await self._folder(index, path[:-1])
        item.ReferenceTypeId = ua.NodeId(ua.Int32(ObjectIds.Organizes))
        item.NodeClass = ua.NodeClass.Object
        item.TypeDefinition = ua.NodeId(ua.Int32(ObjectIds.FolderType))
        attributes = ua.ObjectAttributes()
        attributes.DisplayName = ua.LocalizedText(path[-1])
        item.NodeAttributes = attributes
        await self._create(item)
        self._folders[(index, path)] = node
        return node

    async def _create(self, item: ua.AddNodesItem) -> None:
        answers = await self._server.iserver.isession.add_nodes([item])
        answers[0].StatusCode.check()


def _attributes(variable: Variable, time: datetime) -> ua.VariableAttributes:
    shown = variants.data_value(variable.value, variable.type, Quality.GOOD, time)
    rights = {ua.AccessLevel.CurrentRead} | ({ua.AccessLevel.CurrentWrite} if variable.writable else set())
    mask = sum(1 << right.value for right in rights)
    attributes = ua.VariableAttributes()
    attributes.DisplayName = ua.LocalizedText(variable.address.path[-1])
    attributes.Description = ua.LocalizedText(variable.words)
    attributes.DataType = ua.NodeId(ua.Int32(variants.TYPES[variable.type].value))
    attributes.Value = shown.Value
    attributes.ValueRank = ua.Int32(ua.ValueRank.Scalar)
    attributes.AccessLevel = attributes.UserAccessLevel = ua.Byte(mask)
    attributes.Historizing = False
    return attributes
