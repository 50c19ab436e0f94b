"""The site that `ems init` writes, as a text to be changed by tests."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ems.config import LoadedSite, load

TEXT = files("ems.templates").joinpath("site.toml").read_text(encoding="utf-8")


def written(folder: Path, old: str = "", new: str = "") -> Path:
    """The site file with its first `old` replaced by `new`."""
    assert old in TEXT, f"{old!r} is not in the template any more"
    file = folder / "site.toml"
    file.write_text(TEXT.replace(old, new, 1) if old else TEXT, encoding="utf-8")
    return file


def loaded(folder: Path) -> LoadedSite:
    return load(written(folder))
