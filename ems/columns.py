"""Which column of a history file is which tag, in which unit."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import TypeAdapter, ValidationError

from ems.naming import near
from ems.units import conversion
from plant.errors import ConfigError, DataError, NotFoundError
from plant.site import Site, VirtualTag
from plant.tags import Tag, ValueType

_BRACKETS = re.compile(r"^(?P<name>.*\S)\s*[\[(](?P<unit>[^\])]*)[\])]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedTag:
    """What a map file says of one column."""

    __pydantic_config__ = {"extra": "forbid"}

    tag: str
    unit: str | None = None
    """Unit in the file; None = the tag's own."""
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """A map file: which column is which tag."""

    __pydantic_config__ = {"extra": "forbid"}

    columns: dict[str, str | MappedTag] = field(default_factory=dict)
    time: str | None = None
    """Column of the time."""
    time_format: str | None = None
    """strptime format where the times are not ISO 8601."""
    timezone: str | None = None
    """Zone of times that name none."""
    decimal: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column to be imported: tag value = file value × scale + offset."""

    column: str
    tag: str
    unit: str
    """Of the tag."""
    scale: float
    offset: float
    low: float | None
    high: float | None


def read_map(file: Path | None) -> ColumnMap:
    """Read a map file (TOML); None = an empty one.

    Raises
    ------
    NotFoundError
        If there is no such file.
    ConfigError
        If it cannot be read or holds something else.
    """
    if file is None:
        return ColumnMap()
    if not file.is_file():
        raise NotFoundError(f"--map {file}: no such file")
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
        found = TypeAdapter(ColumnMap).validate_python(document)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file}: not a readable map: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{file}: {place}: {first['msg']} (found {first['input']!r})") from error
    if found.timezone is not None:
        zone(found.timezone, str(file))
    return found


def zone(name: str, where: str) -> ZoneInfo:
    """The time zone of a name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{where}: timezone: {name!r} is no time zone; write for example Europe/Berlin or UTC") from error


def columns(site: Site, names: list[str], chosen: ColumnMap, where: str) -> tuple[Column, ...]:
    """The columns to import, in the file's order.

    A column that the map does not name is a tag of that name (`flow` or `flow [L/s]`), or the only tag whose address
    ends in it (then the tag's scale and offset apply, as they do on the wire).

    Raises
    ------
    ConfigError
        If the map names a column or tag that does not exist, two columns are one tag, or nothing fits.
    """
    for name in chosen.columns:
        if name not in names:
            raise ConfigError(f"{where}: the map names column {name!r}, which is not there{near(name, names)}")
    every: tuple[Tag | VirtualTag, ...] = (*site.tags, *site.virtual_tags)
    tags = {tag.name: tag for tag in every}
    found = [column for name in names if (column := _column(name, chosen.columns.get(name), tags, where)) is not None]
    if not found:
        raise ConfigError(f"{where}: no column is a tag of the site; name them with --map (columns: {', '.join(names[:12])})")
    for column in found:
        twins = [other.column for other in found if other.tag == column.tag]
        if len(twins) > 1:
            raise ConfigError(
                f"{where}: columns {' and '.join(map(repr, twins))} are both tag {column.tag!r}; choose one with --map"
            )
    return tuple(found)


def _column(name: str, mapped: str | MappedTag | None, tags: dict[str, Tag | VirtualTag], where: str) -> Column | None:
    if mapped is not None:
        wanted = MappedTag(tag=mapped) if isinstance(mapped, str) else mapped
        if wanted.tag not in tags:
            words = f"the map gives column {name!r} to {wanted.tag!r}, which is no tag of the site"
            raise ConfigError(f"{where}: {words}{near(wanted.tag, list(tags))}")
        return _converted(name, tags[wanted.tag], wanted.unit, wanted.scale, wanted.offset, where)
    brackets = _BRACKETS.match(name)
    plain = brackets["name"] if brackets else name
    unit = brackets["unit"].strip() if brackets else None
    tag = tags.get(name) or tags.get(plain)
    if tag is not None:
        return None if _is_text(tag) else _converted(name, tag, unit, 1.0, 0.0, where)
    ends = [tag for tag in tags.values() if isinstance(tag, Tag) and _ends_in(tag.address, plain)]
    if len(ends) != 1 or _is_text(ends[0]):
        return None
    return _converted(name, ends[0], None, ends[0].scale, ends[0].offset, where)


def _is_text(tag: Tag | VirtualTag) -> bool:
    return isinstance(tag, Tag) and tag.type is ValueType.TEXT


def _ends_in(address: str, name: str) -> bool:
    return bool(name) and (address == name or address.endswith((f".{name}", f"/{name}", f"={name}")))


def _converted(name: str, tag: Tag | VirtualTag, unit: str | None, scale: float, offset: float, where: str) -> Column:
    if unit is not None and unit != tag.unit:
        try:
            change = conversion(unit, tag.unit)
        except DataError as error:
            raise ConfigError(f"{where}: column {name!r} of tag {tag.name!r}: {error}") from error
        scale, offset = scale * change.scale, offset * change.scale + change.offset
    return Column(column=name, tag=tag.name, unit=tag.unit, scale=scale, offset=offset, low=tag.low, high=tag.high)
