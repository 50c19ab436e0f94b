"""The write service of a served plant: every value goes past the plant itself before a node may show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from asyncua import ua
from asyncua.crypto.permission_rules import User
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.status_codes import StatusCodes

Accept = Callable[[object], Awaitable[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A node that clients may write."""

    type: ua.VariantType
    accept: Accept
    """Hands the value over; the status code that the client gets."""
    kept: bool = True
    """Whether the node shows an accepted value by itself."""


class Gate(AttributeService):
    """asyncua's attribute service, with the plant asked first."""

    def __init__(self, space: AddressSpace) -> None:
        super().__init__(space)
        self._slots: dict[ua.NodeId, Slot] = {}

    def open(self, node: ua.NodeId, slot: Slot) -> None:
        """Let clients write a node."""
        self._slots[node] = slot

    async def write(self, params: ua.WriteParameters, user: User | None = None) -> list[ua.StatusCode]:
        """One status per value, in order; a refused one does not stop the next."""
        return [await self._write_one(item, user or User()) for item in params.NodesToWrite]

    async def _write_one(self, item: ua.WriteValue, user: User) -> ua.StatusCode:
        slot = self._slots.get(item.NodeId)
        alone = ua.WriteParameters(NodesToWrite=[item])
        if slot is None or item.AttributeId != AttributeIds.Value:
            return (await super().write(alone, user))[0]
        value = item.Value.Value
        if value is None or value.VariantType != slot.type or value.is_array:
            return _status(StatusCodes.BadTypeMismatch)
        code = await slot.accept(value.Value)
        if code != StatusCodes.Good or not slot.kept:
            return _status(code)
        return (await super().write(alone, user))[0]


def _status(code: int) -> ua.StatusCode:
    return ua.StatusCode(ua.UInt32(code))
