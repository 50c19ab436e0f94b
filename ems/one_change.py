"""A situation with one thing changed: what `ems replay --with` asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ems.wording import listed
from plant.errors import ConfigError
from plant.identity import canonical, plain
from plant.situation import Situation

EXAMPLE = "write KEY=VALUE, for example stores.tank_a.level=2.0"
_NAMES = ("name", "asset", "store", "target", "tag")


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A situation with one thing changed."""

    situation: Situation
    made: tuple[str, ...]
    """What was changed, one line per place: key, before, after."""


def changed(situation: Situation, setting: str) -> Changed:
    """A situation with one thing changed.

    Parameters
    ----------
    setting
        `KEY=VALUE`: a path into the situation, list items by number or by the name they carry, for example
        `stores.tank_a.level=2.0`, `limits.import_kw.high=300`, `prices.energy.values=0.3` (a number fills a list). Where
        several items carry the name, as limits may, all of them are changed.

    Raises
    ------
    ConfigError
        If there is no such key, or the value does not fit.
    """
    from pydantic import TypeAdapter, ValidationError

    path, given, text = setting.partition("=")
    if not given:
        raise ConfigError(f"--with {setting!r}: {EXAMPLE}")
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = text
    body = plain(situation)
    made = []
    for words, here, place in _places(body, path.split("."), "", setting):
        filled = [value] * len(here[place]) if isinstance(here[place], list) and not isinstance(value, list) else value
        made.append(f"{words}: {_shown(here[place])} → {_shown(filled)}")
        here[place] = filled
    try:
        return Changed(situation=TypeAdapter(Situation).validate_python(body), made=tuple(made))
    except ValidationError as error:
        raise ConfigError(f"--with {setting!r}: {error.errors()[0]['msg']}") from error


def _places(here: Any, parts: list[str], before: str, setting: str) -> Iterator[tuple[str, Any, Any]]:
    """Every place that a path leads to: its name, what holds it, and under which key or number."""
    for taken in range(len(parts), 0, -1):  # names of tags hold dots too: the longest name that is there is meant
        part, rest = ".".join(parts[:taken]), parts[taken:]
        found = _found(here, part)
        if found:
            break
    else:
        raise ConfigError(f"--with {setting!r}: there is no {parts[0]!r} (there is: {_known(here)})")
    for place in found:
        words = f"{before}.{part}".lstrip(".") + (f"[{place}]" if len(found) > 1 else "")
        if rest:
            yield from _places(_content(here[place]), rest, words, setting)
        else:
            yield words, here, place


def _found(here: Any, part: str) -> list[Any]:
    if isinstance(here, dict):
        return [part] if part in here else []
    if not isinstance(here, list):
        return []
    named = [number for number, item in enumerate(here) if part in _names(item)]
    return named or [number for number in range(len(here)) if str(number) == part]


def _content(item: Any) -> Any:
    """What a path leads on into: of a pair of name and thing, the thing."""
    pair = isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], dict)
    return item[1] if pair else item


def _names(item: Any) -> list[str]:
    """What an item of a list may be called by; a pair begins with its name."""
    if isinstance(item, dict):
        return [item[key] for key in _NAMES if isinstance(item.get(key), str)]
    return [item[0]] if isinstance(item, list) and item and isinstance(item[0], str) else []


def _known(here: Any) -> str:
    if isinstance(here, dict):
        return listed(list(here))
    if not isinstance(here, list):
        return "a single value"
    names = list(dict.fromkeys(_names(item)[0] if _names(item) else str(number) for number, item in enumerate(here)))
    return listed(names) or "nothing"


def _shown(value: Any) -> str:
    if isinstance(value, list) and value:
        return f"{_shown(value[0])} …" if len(value) > 1 else _shown(value[0])
    return canonical(value) if isinstance(value, float | int | bool) or value is None else str(value)
