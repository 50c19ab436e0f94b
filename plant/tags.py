"""One measured or writable point of a plant, what it reads, and all of them at one instant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Value = bool | float | str


class Quality(StrEnum):
    """OPC UA's three severities of a status code."""

    GOOD = "GOOD"
    UNCERTAIN = "UNCERTAIN"
    BAD = "BAD"


class ValueType(StrEnum):
    """The type that goes on the wire; a write is always typed explicitly."""

    FLOAT = "float"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A point of the plant."""

    __pydantic_config__ = {"extra": "forbid"}

    name: str
    """Name used everywhere in this product."""
    unit: str
    """Unit of the value as this product sees it; `1` for none."""
    address: str = ""
    """Address on the wire (OPC UA: `s=Plant.Tank.Level` or `nsu=URI;s=…`); empty for a virtual tag."""
    type: ValueType = ValueType.FLOAT
    low: float | None = None
    """Lowest plausible value; a reading below is BAD."""
    high: float | None = None
    """Highest plausible value; a reading above is BAD."""
    max_age_s: float = field(default=900.0, metadata={"gt": 0})
    """A reading older than this is BAD."""
    frozen_after_s: float | None = field(default=None, metadata={"gt": 0})
    """A value that did not change at all for this long is UNCERTAIN; None for values that may stand still."""
    writable: bool = False
    scale: float = 1.0
    """value = wire value × scale + offset."""
    offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a tag read at a time."""

    tag: str
    time: datetime
    """Source time: the plant's clock in lock-step, the server's source timestamp otherwise."""
    value: Value | None
    """None where there is no value; then the quality is BAD."""
    quality: Quality = Quality.GOOD
    server_time: datetime | None = None
    """The server's own stamp, judged only by whether it moves."""
    words: str = ""
    """Why the quality is not GOOD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All readings of a plant at one instant."""

    time: datetime
    readings: tuple[Reading, ...]

    def find(self, tag: str) -> Reading | None:
        """The reading of a tag, None if the plant did not give one."""
        return next((reading for reading in self.readings if reading.tag == tag), None)

    def number(self, tag: str) -> float | None:
        """The value of a tag as a number (True is 1), None if missing, BAD or text."""
        reading = self.find(tag)
        if reading is None or reading.quality is Quality.BAD or isinstance(reading.value, (str, type(None))):
            return None
        return float(reading.value)

    def truth(self, tag: str) -> bool | None:
        """The value of a tag as a yes or no (a number counts as yes from 0.5), None if missing, BAD or text."""
        value = self.number(tag)
        return None if value is None else value >= 0.5
