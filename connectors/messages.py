"""The words of the WebSocket wire, version 1: JSON objects, one per message, each with its `type`.

`messages.schema.json` beside this file is their JSON schema, for everybody who writes the other end. A session:

    client  hello                                 first, within five seconds
    server  welcome, then a snapshot
    client  write | advance | beat                numbered 1, 2, 3, …
    server  ack                                   one per numbered message, after the snapshot that shows its effect
    server  snapshot                              on its own whenever there is news, numbered without gaps

Values are those of the plant's own wire (before the site file's scale and offset), keyed by the site file's addresses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from plant.errors import DataError
from plant.tags import Quality

VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("messages.schema.json")

Finite = Annotated[float, Field(allow_inf_nan=False)]
WireValue = bool | int | Finite | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Who wants to speak."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["hello"] = "hello"
    version: int = VERSION
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """What the plant is."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["welcome"] = "welcome"
    version: int = VERSION
    site: str
    lock_step: bool
    refresh_s: float
    """Seconds between snapshots when nothing is written; a much longer silence means that the plant is lost."""
    seq: int
    """Number of the last snapshot before this session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One reading."""

    __pydantic_config__ = {"extra": "forbid"}

    address: str
    value: WireValue | None
    quality: Quality = Quality.GOOD
    time: AwareDatetime
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """The plant at one instant: the first of a session holds all points, later ones those with news."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["snapshot"] = "snapshot"
    seq: int
    time: AwareDatetime
    ended: bool
    beat: int
    """The plant's own sign of life: a counter."""
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Set one value."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["write"] = "write"
    seq: int
    address: str
    value: WireValue
    expires: AwareDatetime | None = None
    """The plant refuses it later than this, by its own clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Let the plant's time pass (lock-step). It names the end, not the length: repeating it after a loss does no harm."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["advance"] = "advance"
    seq: int
    until: AwareDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """The controller lives."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["beat"] = "beat"
    seq: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """What became of one numbered message."""

    __pydantic_config__ = {"extra": "forbid"}

    type: Literal["ack"] = "ack"
    re: int
    """The number of the message; 0 = the session itself, which ends."""
    ok: bool
    words: str = ""


Message = Annotated[Hello | Welcome | Points | Write | Advance | Beat | Ack, Field(discriminator="type")]
_MESSAGE: TypeAdapter[Any] = TypeAdapter(Message)


def encode(message: Hello | Welcome | Points | Write | Advance | Beat | Ack) -> bytes:
    """A message as JSON.

    Raises
    ------
    ValueError
        If a number is NaN or infinite: JSON has neither, and they must not silently become null.
    """
    values = [point.value for point in message.points] if isinstance(message, Points) else [getattr(message, "value", None)]
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise ValueError("NaN or infinity cannot be sent: a missing value is null with quality BAD")
    return orjson.dumps(message, option=orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC)


def decode(text: str | bytes) -> Hello | Welcome | Points | Write | Advance | Beat | Ack:
    """The message that a JSON text holds.

    Raises
    ------
    DataError
        If it is not one of the messages above.
    """
    try:
        message: Hello | Welcome | Points | Write | Advance | Beat | Ack = _MESSAGE.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DataError(f"not a message of version {VERSION}: {place}: {first['msg']}") from error
    return message


def schema() -> dict[str, Any]:
    """The JSON schema of all messages."""
    made = _MESSAGE.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"twin-ems plant wire, version {VERSION}",
        "description": (__doc__ or "").strip(),
        **made,
    }
