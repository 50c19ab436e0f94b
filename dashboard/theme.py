"""Colours in the manner of ISA-101: grey for what is normal, colour only for what needs attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours that figures need; the style sheet holds the same ones under the same names."""

    name: ThemeName
    panel: str
    ink: str
    muted: str
    grid: str
    measured: str
    planned: str
    planned_band: str
    other: str
    fill: str
    limit: str
    attention: str
    alarm: str


LIGHT = Theme(
    name="light",
    panel="#f4f5f6",
    ink="#1b2126",
    muted="#5a646c",
    grid="#d5d9dc",
    measured="#2b343b",
    planned="#1f6391",
    planned_band="rgba(31,99,145,0.16)",
    other="#8b959c",
    fill="rgba(90,100,108,0.12)",
    limit="#6a737a",
    attention="#b86e00",
    alarm="#c2161c",
)

DARK = Theme(
    name="dark",
    panel="#22272b",
    ink="#dde2e5",
    muted="#98a2a9",
    grid="#363d42",
    measured="#d3dade",
    planned="#6db3e2",
    planned_band="rgba(109,179,226,0.18)",
    other="#7c878e",
    fill="rgba(152,162,169,0.14)",
    limit="#98a2a9",
    attention="#e8a13a",
    alarm="#f2545b",
)


def theme(name: str | None) -> Theme:
    """The theme of a name; light unless it is `dark`."""
    return DARK if name == "dark" else LIGHT
