"""A site file without what is wrong in its shape, so that what the rest of it refers to can be checked at the same time."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ems.naming import Fault
from plant.site import Site

ROUNDS = 8
"""What is taken out may leave something incomplete, which is then taken out too."""
_MISSING = frozenset({"missing", "missing_argument", "missing_keyword_only_argument"})
_GONE = object()


@dataclass(slots=True)
class Mended:
    """What is left of a document, and what was taken out of it: a fault that comes of that is none of the file's."""

    site: Site
    names: set[str] = field(default_factory=set)
    """Names of tags, stores, assets … that were taken out whole."""
    keys: set[str] = field(default_factory=set)
    """Keys that were taken out alone: their defaults stand in for them."""

    def stands(self, fault: Fault) -> bool:
        """Whether a fault of the rest is one of the file itself."""
        if any(f"{name!r}" in fault.words or f"[{name}]" in fault.key for name in self.names):
            return False
        last = fault.key.rpartition(".")[2]
        return last not in self.keys and not any(re.search(rf"\b{re.escape(key)}\b", fault.words) for key in self.keys)


def mended(document: dict[str, Any], error: ValidationError, check: Callable[[dict[str, Any]], Site]) -> Mended | None:
    """Take out what is wrong until the rest is a site.

    Parameters
    ----------
    error
        What is wrong with the document.
    check
        The site of a document, or a ValidationError.

    Returns
    -------
    None where too much is wrong to say anything of the rest: a whole list of blocks, or what every site needs.
    """
    left, names, keys = copy.deepcopy(document), set[str](), set[str]()
    for _ in range(ROUNDS):
        places = [place for fault in error.errors(include_url=False) if (place := _place(fault, left)) is not None]
        if not places or any(_too_much(place, left) for place in places):
            return None
        for place in places:
            _take(place, left, names, keys)
        left = _swept(left)
        try:
            return Mended(site=check(left), names=names, keys=keys)
        except ValidationError as further:
            error = further
    return None


def _place(fault: Any, document: Any) -> list[int | str] | None:
    """Where the smallest thing is that has to go: the value that is wrong, or the block that lacks something."""
    place: list[int | str] = []
    here = document
    for part in fault["loc"]:
        if _holds(here, part):  # else an alternative of a union, or what is missing
            here = here[part]
            place.append(part)
    lacks = fault["type"] in _MISSING
    if lacks and fault["loc"] and place and place[-1] == fault["loc"][-1]:
        place.pop()
    return place or None


def _holds(here: Any, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(here, list) and part < len(here)
    return isinstance(here, dict) and part in here


def _too_much(place: Sequence[int | str], document: dict[str, Any]) -> bool:
    """A whole list of blocks, under a known or a mistyped name: most of the rest would refer to nothing."""
    return len(place) == 1 and isinstance(document[str(place[0])], list)


def _take(place: Sequence[int | str], document: Any, names: set[str], keys: set[str]) -> None:
    here = document
    for part in place[:-1]:
        here = here[part]
        if here is _GONE:
            return
    last = place[-1]
    thing = here[last]
    if isinstance(thing, dict) and isinstance(thing.get("name"), str):
        names.add(thing["name"])
    if isinstance(last, str):
        keys.add(last)
    here[last] = _GONE


def _swept(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: _swept(value) for key, value in thing.items() if value is not _GONE}
    if isinstance(thing, list):
        return [_swept(value) for value in thing if value is not _GONE]
    return thing
