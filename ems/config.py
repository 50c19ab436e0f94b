"""A site file as a record: read once, checked once, at the door."""

from __future__ import annotations

import difflib
import functools
import json
import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ems.mended import mended
from ems.references import faults
from plant.errors import ConfigError
from plant.site import Site

SITE_ENV = "EMS_SITE"
_HINTS = {
    "bool_type": "write true or false",
    "float_type": "write a number",
    "int_type": "write a whole number",
    "string_type": 'write a text in "quotes"',
    "tuple_type": "write a list in [brackets]",
    "dict_type": "write a table",
    "dataclass_type": "write a table",
    "timezone_aware": "write the zone too, for example 2026-01-01T00:00:00Z",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSite:
    """A site and where its file lies."""

    site: Site
    folder: Path
    """Folder of the site file: relative names in it count from here."""
    file: Path


@functools.cache
def _adapter() -> TypeAdapter[Site]:
    return TypeAdapter(Site)


def load(path: Path | None = None) -> LoadedSite:
    """Read and check a site file.

    Parameters
    ----------
    path
        The file; None = the one that the environment variable `EMS_SITE` names, else `site.toml` here.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, holds an unknown key or a value that does not fit, or names something
        that it does not define. The text names file, key, value and what would be right, one line per fault.
    """
    file = (path or Path(os.environ.get(SITE_ENV) or "site.toml")).expanduser().resolve()
    file = file / "site.toml" if file.is_dir() else file
    document = _document(file)
    try:
        site = _adapter().validate_python(document)
    except ValidationError as error:
        raise _config_error(file, [*_worded(error, document), *_of_the_rest(error, document, file.parent)]) from error
    found = faults(site, file.parent)
    if found:
        raise _config_error(file, [(fault.key, fault.words) for fault in found])
    return LoadedSite(site=site, folder=file.parent, file=file)


def historian_url(loaded: LoadedSite) -> str:
    """SQLAlchemy URL of the site's historian; a relative SQLite file counts from the site file's folder."""
    storage = loaded.site.storage
    url = (os.environ.get(storage.url_env) if storage.url_env else None) or storage.url
    if url is None:
        return f"sqlite:///{loaded.folder / loaded.site.site.name}.sqlite"
    prefix = "sqlite:///"
    if url.startswith(prefix) and not url.startswith(prefix + "/") and url != prefix + ":memory:":
        return f"{prefix}{loaded.folder / url[len(prefix) :]}"
    return url


def models_folder(loaded: LoadedSite) -> Path:
    """Folder of the site's model files."""
    return loaded.folder / loaded.site.storage.models


def schema() -> dict[str, Any]:
    """JSON Schema of a site file, for editors that complete and check TOML."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "twin-ems site file", **_adapter().json_schema()}


def _document(file: Path) -> dict[str, Any]:
    try:
        text = file.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{file}: no such file; name one with --site or {SITE_ENV}, or make one with `ems init DIR`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text: {error}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _config_error(file: Path, lines: Iterable[tuple[str, str]]) -> ConfigError:
    worded = [f"{key}: {words}" for key, words in lines]
    if len(worded) == 1:
        return ConfigError(f"{file}: {worded[0]}")
    return ConfigError(f"{file}: {len(worded)} faults\n" + "\n".join(f"  {line}" for line in worded))


def _of_the_rest(error: ValidationError, document: dict[str, Any], folder: Path) -> list[tuple[str, str]]:
    """Faults of what the file refers to, where its shape is wrong elsewhere: a person mends both at once."""
    rest = mended(document, error, _adapter().validate_python)
    if rest is None:
        return []
    return [(fault.key, fault.words) for fault in faults(rest.site, folder) if rest.stands(fault)]


def _worded(error: ValidationError, document: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(_key(fault["loc"], document), _words(fault)) for fault in error.errors(include_url=False)]


def _key(place: Sequence[int | str], document: Any) -> str:
    """`assets[pump_1].life.min_up_s`: list items by their name, alternatives of a union left out."""
    text, here = "", document
    for part in place:
        if isinstance(part, int):
            item = here[part] if isinstance(here, list) and part < len(here) else None
            name = item.get("name") if isinstance(item, dict) else None
            text, here = f"{text}[{name if isinstance(name, str) else part}]", item
        elif isinstance(here, dict) and (part in here or part == place[-1]):
            text, here = f"{text}.{part}".lstrip("."), here.get(part)
    return text


def _words(fault: Any) -> str:
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    if kind in {"unexpected_keyword_argument", "extra_forbidden"}:
        return _unknown_key(str(fault["loc"][-1]), fault["loc"])
    if kind in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return "is missing; it must be given"
    shown = json.dumps(value, default=str, ensure_ascii=False)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    if kind in {"literal_error", "enum", "union_tag_invalid"}:
        wanted = context.get("expected") or context.get("expected_tags")
        return f"{shown} is not allowed: one of {wanted}"
    hint = next((hint for start, hint in _HINTS.items() if kind == start), None)
    return f"{shown}: {hint or _sentence(fault['msg'])}"


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _unknown_key(name: str, place: Sequence[int | str]) -> str:
    allowed = _allowed(place[:-1])
    near = difflib.get_close_matches(name, allowed, n=1)
    return f"unknown key {name!r}" + (f"; did you mean {near[0]!r}?" if near else "") + f" (known: {', '.join(allowed)})"


def _allowed(place: Sequence[int | str]) -> list[str]:
    """Keys that the schema knows at a place."""
    whole = schema()
    nodes = [whole]
    for part in place:
        nodes = [inner for node in nodes for inner in _step(_resolved(node, whole), part)]
    return sorted({key for node in nodes for leaf in _resolved(node, whole) for key in leaf.get("properties", {})})


def _resolved(node: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives of a schema node, references followed."""
    if "$ref" in node:
        return _resolved(whole["$defs"][node["$ref"].rsplit("/", 1)[-1]], whole)
    choices = node.get("anyOf") or node.get("oneOf")
    if choices:
        return [leaf for choice in choices for leaf in _resolved(choice, whole)]
    return [node]


def _step(leaves: list[dict[str, Any]], part: int | str) -> list[dict[str, Any]]:
    if isinstance(part, int):
        return [leaf["items"] for leaf in leaves if isinstance(leaf.get("items"), dict)]
    tagged = [leaf for leaf in leaves if leaf.get("properties", {}).get("kind", {}).get("const") == part]
    deeper = [leaf["properties"][part] for leaf in leaves if part in leaf.get("properties", {})]
    return tagged or deeper or leaves
