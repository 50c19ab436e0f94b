"""Static limits beside the learned detectors: with deadband and delay, each with cause, consequence and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from anomaly.features import Bools, utc_of
from plant.events import Event, Priority
from plant.identity import content_id
from plant.table import Floats, Table, Times

HELD_S = 3600.0
"""A reading counts until the next one, but no longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One side of a comparison: a reading times a factor plus an offset, or a constant."""

    part: str | None = None
    """Column; None = the constant `offset` alone."""
    factor: float = 1.0
    offset: float = 0.0

    def values(self, columns: Mapping[str, Floats], rows: int) -> Floats:
        """The term over all rows; NaN where its reading is missing."""
        if self.part is None:
            return np.full(rows, self.offset)
        return columns.get(self.part, np.full(rows, np.nan)) * self.factor + self.offset

    def words(self) -> str:
        """The term as a person reads it."""
        if self.part is None:
            return f"{self.offset:g}"
        factor = "" if self.factor == 1.0 else f"{self.factor:g} × "
        return f"{factor}{self.part}" + (f" {self.offset:+g}" if self.offset else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`left` beyond `right`."""

    left: Term
    beyond: Literal["above", "below"]
    right: Term

    def excess(self, columns: Mapping[str, Floats], rows: int) -> Floats:
        """How far beyond, in the unit of the readings; negative = inside, NaN = not known."""
        distance = self.left.values(columns, rows) - self.right.values(columns, rows)
        return distance if self.beyond == "above" else -distance

    @property
    def parts(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return tuple(term.part for term in (self.left, self.right) if term.part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A limit of one machine."""

    name: str
    limit: Comparison
    while_: tuple[Comparison, ...] = ()
    """All of these must hold too, all the while."""
    deadband: float = 0.0
    """It clears only once the reading is back inside by so much, in its unit."""
    delay_s: float = 0.0
    """It must hold so long without interruption."""
    priority: Priority = Priority.MEDIUM
    words: str
    cause: str
    consequence: str
    advice: str

    @property
    def parts(self) -> tuple[str, ...]:
        """Columns that it reads."""
        return tuple(dict.fromkeys((*self.limit.parts, *(part for each in self.while_ for part in each.parts))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """A stretch of time over which a rule was broken."""

    rule: Rule
    asset: str
    raised_at: datetime
    cleared_at: datetime | None
    """None = it still is at the end of the readings."""

    def event(self) -> Event:
        """The trigger as an event."""
        rule = self.rule
        return Event(
            id=content_id("e", rule.name, self.asset, self.raised_at), time=self.raised_at, kind=rule.name, asset=self.asset,
            words=rule.words, cause=rule.cause, consequence=rule.consequence, advice=rule.advice,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """What a rule found in a stretch of readings."""

    rule: Rule
    missing: tuple[str, ...]
    """Readings it needs and nobody gave: it was not judged."""
    known_share: float
    """Share of the rows in which it could be judged."""
    episodes: tuple[Episode, ...]


def held(table: Table, held_s: float = HELD_S) -> dict[str, Floats]:
    """Each column with its gaps filled by the value before, up to `held_s` old."""
    seconds = (table.times - table.times[0]).astype(np.int64) / 1e6 if len(table) else np.empty(0)
    filled = {}
    for name, column in table.columns.items():
        last = np.maximum.accumulate(np.where(np.isfinite(column), np.arange(len(table)), -1))
        fresh = (last >= 0) & (seconds - seconds[np.maximum(last, 0)] <= held_s)
        filled[name] = np.where(fresh, column[np.maximum(last, 0)], np.nan) if len(table) else column
    return filled


def broken(rule: Rule, table: Table, held_s: float = HELD_S) -> tuple[Bools, Bools]:
    """In which rows a rule is broken, deadband and delay applied, and in which it could be judged; both shape (rows,)."""
    return _broken(rule, held(table, held_s), table.times)


def _broken(rule: Rule, columns: Mapping[str, Floats], times: Times) -> tuple[Bools, Bools]:
    rows = times.size
    excess = rule.limit.excess(columns, rows)
    guards = [each.excess(columns, rows) for each in rule.while_]
    known: Bools = np.isfinite(excess)
    allowed: Bools = np.ones(rows, dtype=bool)
    for guard in guards:
        known &= np.isfinite(guard)
        allowed &= np.nan_to_num(guard, nan=-1.0) > 0.0
    beyond = np.flatnonzero(known & allowed & (excess > 0.0))
    found = np.zeros(rows, dtype=bool)
    if not beyond.size:
        return found, known
    seconds = (times - times[0]).astype(np.int64) / 1e6
    state, since = False, -1.0
    for row in range(int(beyond[0]), rows):
        if not known[row]:
            state, since = False, -1.0
        elif state:
            state = bool(allowed[row]) and excess[row] > -rule.deadband
            since = since if state else -1.0
        elif allowed[row] and excess[row] > 0.0:
            since = seconds[row] if since < 0.0 else since
            state = bool(seconds[row] - since >= rule.delay_s)
        else:
            since = -1.0
        found[row] = state
    return found, known


def report(rules: Sequence[Rule], table: Table, asset: str, held_s: float = HELD_S) -> tuple[RuleReport, ...]:
    """Every rule over a stretch of readings, with all its episodes."""
    reports, columns = [], held(table, held_s)
    for rule in rules:
        missing = tuple(part for part in rule.parts if not np.isfinite(table.columns.get(part, np.empty(0))).any())
        on, known = _broken(rule, columns, table.times)
        share = float(known.mean()) if known.size else 0.0
        reports.append(RuleReport(rule=rule, missing=missing, known_share=share, episodes=_episodes(rule, asset, table, on)))
    return tuple(reports)


def standing(rules: Sequence[Rule], table: Table, asset: str, held_s: float = HELD_S) -> tuple[Episode, ...]:
    """The rules broken at the last row, each with the time since when."""
    found = (entry.episodes[-1] for entry in report(rules, table, asset, held_s) if entry.episodes)
    return tuple(episode for episode in found if episode.cleared_at is None)


def _episodes(rule: Rule, asset: str, table: Table, on: Bools) -> tuple[Episode, ...]:
    edges = np.diff(np.concatenate([[False], on, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return tuple(
        Episode(
            rule=rule, asset=asset, raised_at=utc_of(table.times[start]),
            cleared_at=utc_of(table.times[end]) if end < len(table) else None,
        )
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    )  # fmt: skip
