"""What differs between two records, value by value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from plant.identity import canonical, plain

SHOWN = 160
NONE = "–"
NAMES = ("name", "asset", "store", "target", "tag", "key")
"""What list items are told apart by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value that came out otherwise."""

    id: str
    field: str
    """Where: `commands[pump].setpoint`, `courses[line].power_kw.values`."""
    recorded: str
    replayed: str


def differences(plan_id: str, recorded: object, replayed: object, prefix: str = "") -> tuple[Difference, ...]:
    """Values in which two records differ."""
    found = _differing("", plain(recorded), plain(replayed))
    return tuple(Difference(id=plan_id, field=prefix + place, recorded=one, replayed=other) for place, one, other in found)


def _differing(place: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    if canonical(one) == canonical(other):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            yield from _differing(f"{place}.{key}".lstrip("."), one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list):
        yield from _items(place, one, other)
    else:
        yield place, _shown(one), _shown(other)


def _items(place: str, one: list[Any], other: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Items by name where they have one of their own; numbers in a row by how many differ and where the first is."""
    key = next((key for key in NAMES if _named(one, key) and _named(other, key)), None)
    if key is not None:
        mine, theirs = {item[key]: item for item in one}, {item[key]: item for item in other}
        for name in dict.fromkeys([*mine, *theirs]):
            yield from _differing(f"{place}[{name}]", mine.get(name), theirs.get(name))
    elif len(one) == len(other) and any(isinstance(item, dict | list) for item in one):
        for number, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            yield from _differing(f"{place}[{number}]", mine, theirs)
    elif len(one) == len(other):
        apart = [number for number, pair in enumerate(zip(one, other, strict=True)) if canonical(pair[0]) != canonical(pair[1])]
        first = apart[0]
        many = "" if len(apart) == 1 else f" (the first of {len(apart)} of {len(one)} that differ)"
        yield f"{place}[{first}]", _shown(one[first]) + many, _shown(other[first])
    else:
        yield place, _shown(one), _shown(other)


def _named(items: list[Any], key: str) -> bool:
    """Whether a key tells all items apart."""
    names = [item.get(key) for item in items if isinstance(item, dict)]
    return len(names) == len(items) and all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _shown(value: Any) -> str:
    """A value in one line, cut between words and not without a sign."""
    if value is None:
        return NONE
    if isinstance(value, list):
        text = "; ".join(_shown(item) for item in value) or "none"
    elif isinstance(value, dict):
        text = ", ".join(f"{key} {_shown(item)}" for key, item in value.items() if item is not None)
    else:
        text = value if isinstance(value, str) else canonical(value)
    return text if len(text) <= SHOWN else text[:SHOWN].rpartition(" ")[0] + " …"
