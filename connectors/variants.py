"""Values as OPC UA variants: the type is always written out, never guessed."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes

from connectors.judge import Raw
from plant.tags import Quality, ValueType
from plant.times import UTC

TYPES = {
    ValueType.FLOAT: ua.VariantType.Double,
    ValueType.INTEGER: ua.VariantType.Int64,
    ValueType.BOOLEAN: ua.VariantType.Boolean,
    ValueType.TEXT: ua.VariantType.String,
}
"""What a server of ours holds, and what is written where a server does not say."""

_WHOLE = {
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_REAL = (ua.VariantType.Float, ua.VariantType.Double)


def server_type(data_type: ua.DataValue, value: ua.DataValue) -> ua.VariantType | None:
    """The built-in type a node holds, from its DataType and its present value; None if the server does not say.

    The type of the value counts where the data type is abstract (Number, BaseDataType) or the server's own.
    """
    node = data_type.Value.Value if data_type.Value is not None else None
    if isinstance(node, ua.NodeId) and node.NamespaceIndex == 0 and isinstance(node.Identifier, int) and 1 <= node.Identifier <= 22:
        return ua.VariantType(node.Identifier)
    if value.Value is not None and value.Value.VariantType is not ua.VariantType.Null:
        return ua.VariantType(value.Value.VariantType)
    return None


def variant(value: bool | float | int | str, wanted: ValueType, held: ua.VariantType | None) -> ua.Variant:
    """A value typed as the server holds it.

    Parameters
    ----------
    value
        As on the wire.
    wanted
        The tag's type by the site file.
    held
        The node's type by the server; None = not known, the site file's type is used.

    Raises
    ------
    ValueError
        If the two types do not fit, or the value does not fit the server's.
    """
    kind = TYPES[wanted] if held is None else held
    if kind is ua.VariantType.Boolean and isinstance(value, bool):
        return ua.Variant(value, kind)
    if kind is ua.VariantType.String and isinstance(value, str):
        return ua.Variant(value, kind)
    if kind in _REAL and isinstance(value, (int, float)) and not isinstance(value, bool):
        return ua.Variant(float(value), kind)
    if kind in _WHOLE and isinstance(value, (int, float)):
        low, high = _WHOLE[kind]
        if float(value) != int(value) or not low <= int(value) <= high:
            raise ValueError(f"{value:g} does not fit the server's {kind.name}")
        return ua.Variant(int(value), kind)
    raise ValueError(f"the site file says {wanted.value}, the server holds {kind.name}")


def raw(answer: ua.DataValue) -> Raw:
    """What a server answered for one node."""
    code = answer.StatusCode
    quality, words = Quality.GOOD, ""
    if code is not None and not code.is_good():
        quality = Quality.UNCERTAIN if code.is_uncertain() else Quality.BAD
        words = code.name
    value = None if answer.Value is None or quality is Quality.BAD else answer.Value.Value
    if isinstance(value, (list, tuple)):
        return Raw(value=None, quality=Quality.BAD, words="an array where one value was expected")
    return Raw(
        value=value, time=_utc(answer.SourceTimestamp), quality=quality, server_time=_utc(answer.ServerTimestamp), words=words
    )


def _utc(stamp: datetime | None) -> datetime | None:
    if stamp is None:
        return None
    return stamp.replace(tzinfo=UTC) if stamp.tzinfo is None else stamp.astimezone(UTC)


def data_value(value: bool | float | int | str | None, kind: ValueType, quality: Quality, time: datetime) -> ua.DataValue:
    """One reading as a server of ours shows it."""
    code = {Quality.GOOD: StatusCodes.Good, Quality.UNCERTAIN: StatusCodes.Uncertain, Quality.BAD: StatusCodes.Bad}
    held = ua.Variant(None, ua.VariantType.Null) if value is None else ua.Variant(value, TYPES[kind])
    status = ua.StatusCode(ua.UInt32(code[Quality.BAD if value is None else quality]))
    return ua.DataValue(Value=held, StatusCode=status, SourceTimestamp=cast(ua.DateTime, time))
