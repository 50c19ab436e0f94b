"""Results of `ems whatif --json`, kept as files in the folder `whatif` beside the site file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FOLDER = "whatif"
BOUND = "clairvoyant"
"""Not lived through: what the others are measured by."""


class Figure(BaseModel):
    """One key figure over the futures."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    mean: float
    p5: float
    p50: float
    p95: float


class Broken(BaseModel):
    """How far and how long a rule was broken."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    unit: str
    worst: float
    hours: float


class Lived(BaseModel):
    """One strategy's figures, and the share of futures in which it broke a rule."""

    model_config = ConfigDict(frozen=True)

    kpi: dict[str, Figure]
    violations: dict[str, float] = {}
    broken: dict[str, Broken] = {}
    levels_end: dict[str, Figure] = {}


class Document(BaseModel):
    """The JSON shape of `ems whatif --json`; keys may be added to it."""

    model_config = ConfigDict(frozen=True)

    start: str = Field(alias="from")
    days: float
    futures: int
    strategies: dict[str, Lived] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A result file: its document, or why it cannot be read."""

    name: str
    document: Document | None
    fault: str = ""


def answers(folder: Path) -> tuple[Answer, ...]:
    """All results beside a site file, newest file first.

    Parameters
    ----------
    folder
        Folder of the site file.
    """
    place = folder / FOLDER
    if not place.is_dir():
        return ()
    files = sorted(place.glob("*.json"), key=lambda file: (file.stat().st_mtime, file.name), reverse=True)
    return tuple(_read(file) for file in files)


def _read(file: Path) -> Answer:
    try:
        return Answer(name=file.stem, document=Document.model_validate_json(file.read_bytes()))
    except OSError as error:
        return Answer(name=file.stem, document=None, fault=f"{file.name} cannot be read: {error.strerror}")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        return Answer(
            name=file.stem, document=None, fault=f"{file.name} is no answer of `ems whatif --json`: {place}: {first['msg']}"
        )
