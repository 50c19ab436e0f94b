"""Canonical JSON of records, and ids that are hashes of their content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from datetime import datetime
from enum import Enum
from typing import Any

from plant.times import iso

_EXACT = 2**53
_known: dict[type, tuple[str, ...] | None] = {}
"""Fields of the kinds of records that were written so far: looking them up costs as much as writing them."""


def plain(value: Any) -> Any:
    """A record as JSON values: mappings, lists, strings, numbers, booleans, None.

    A float that is a whole number is written as that number, so that `1` and `1.0` have one text and one hash.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: a missing value is None, never NaN.
    TypeError
        If a value is neither a record nor JSON.
    """
    kind = type(value)
    if kind is float:  # by far the most frequent: a situation holds tens of thousands
        return _number(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind is tuple or kind is list:
        return [_number(item) if type(item) is float else plain(item) for item in value]
    names = _fields(kind)
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, (tuple, list, frozenset, set)):
        items = [plain(item) for item in value]
        return sorted(items) if isinstance(value, (frozenset, set)) else items
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    raise TypeError(f"{type(value).__name__} is not a record")


def _fields(kind: type) -> tuple[str, ...] | None:
    """Names of the fields of a kind of record; None if it is none."""
    if kind not in _known:
        _known[kind] = tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None
    return _known[kind]


def _number(value: float) -> int | float:
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be recorded: a missing value is None")
    return int(value) if value.is_integer() and abs(value) < _EXACT else float(value)


def canonical(value: Any) -> str:
    """Canonical JSON text: sorted keys, no spaces, UTF-8, NaN refused."""
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def content_id(prefix: str, *parts: Any) -> str:
    """A short id that is the same whenever its parts are: `prefix-` and 16 hexadecimal digits."""
    return f"{prefix}-{digest(canonical(list(parts)))[:16]}"
