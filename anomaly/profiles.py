"""Two ways of raising an alarm: one for people, one that may stop a machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How cautious an alarm is. All lengths are rows, so that they follow the data's own step."""

    name: str
    average_rows: int
    """Deviations are averaged over so many rows before they are judged."""
    exceedances: float
    """The threshold is the distance that so many independent windows of all healthy ones that were held out exceed …"""
    margin: float
    """… times this."""
    raise_rows: int
    """So many rows in a row beyond the threshold raise the alarm …"""
    clear_rows: int
    """… and so many below it clear it."""
    only_familiar: bool = False
    """Only conditions that the healthy history showed more than once count."""

    def quantile(self, windows: float) -> float:
        """The quantile of healthy distances that is the threshold, given how many independent windows there are."""
        return max(0.5, 1.0 - self.exceedances / windows)


ADVISORY = Profile(name="advisory", average_rows=10, exceedances=1.3, margin=1.0, raise_rows=5, clear_rows=20)
CONTROL = Profile(
    name="control", average_rows=20, exceedances=0.02, margin=1.4, raise_rows=20, clear_rows=20, only_familiar=True
)  # fmt: skip
PROFILES = {profile.name: profile for profile in (ADVISORY, CONTROL)}
