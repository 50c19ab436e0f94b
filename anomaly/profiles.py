"""Two ways of raising an alarm: one for people, one that may stop a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How cautious an alarm is. All lengths are rows, so that they follow the data's own step."""

    name: str
    average_rows: int
    """Deviations are averaged over so many rows before they are judged."""
    quantile: float
    """The threshold is this quantile of the distances of healthy rows that were held out of the fit …"""
    margin: float
    """… times this."""
    raise_rows: int
    """So many rows in a row beyond the threshold raise the alarm …"""
    clear_rows: int
    """… and so many below it clear it."""


ADVISORY = Profile(name="advisory", average_rows=10, quantile=0.97, margin=1.0, raise_rows=10, clear_rows=10)
CONTROL = Profile(name="control", average_rows=20, quantile=0.999, margin=1.65, raise_rows=20, clear_rows=20)
PROFILES = {profile.name: profile for profile in (ADVISORY, CONTROL)}
