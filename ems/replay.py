"""The same decisions again, from the journal alone, compared bit for bit; or with one thing changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

from ems.decide import unrehearsed, weighed
from ems.differing import Difference, differences
from ems.heed import OPERATOR
from ems.historian import Entry, Historian, parse
from ems.runs import RunRecord
from ems.wording import counted
from ems.workers import end_with_parent
from plant.errors import HistorianError, NotFoundError
from plant.kinds import find
from plant.orders import Command, Cut, Plan, Verdict
from plant.site import Site
from plant.situation import Situation
from policy.guard import check
from policy.invariants import check as invariants
from twin_sim.calibration import Calibration
from twin_sim.model import SiteModel
from twin_sim.rehearsal import rehearse

LEAST_PER_PROCESS = 10
COMMAND = "c-"
"""How ids of commands begin."""
OBJECTIVE_TOLERANCE = 1e-6
PATIENCE_S = 1e6


Found = tuple[str, tuple[Difference, ...]]
"""What came of one decision: `identical`, `verified` or `different`, with what differs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What replaying showed."""

    decisions: int
    identical: int
    verified: int
    """Cut by the clock when they were made: found feasible with the recorded objective instead of derived again."""
    different: tuple[Difference, ...]

    def words(self) -> str:
        """For a person."""
        return said(self.decisions, self.identical, self.verified)


def said(decisions: int, identical: int, verified: int) -> str:
    """What replaying showed, for a person; `verified` alone would sound like a count of what went well."""
    different = decisions - identical - verified
    words = f"{counted(decisions, 'decision')}: {identical} identical, {different} different, "
    return words + f"{verified} cut by the clock (those are verified, not derived again)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One decision as the journal has it."""

    plan: Plan
    verdict: Verdict
    situation: Situation
    """What the strategy was shown."""
    reality: Situation
    """What guard and rehearsal judged it by."""
    run: RunRecord
    calibration: Calibration | None


class Replayer:
    """Derives journalled decisions again.

    Parameters
    ----------
    historian
        Whose journal is replayed.
    """

    def __init__(self, historian: Historian) -> None:
        self._historian = historian
        self._runs = [(entry.seq, parse(entry, RunRecord)) for entry in historian.entries("run")]
        self._calibrations = [(entry.seq, parse(entry, Calibration)) for entry in historian.entries("calibration")]
        self._models: dict[str, SiteModel] = {}
        self._strategies: dict[tuple[str, str], Any] = {}

    def plans(self, named: str | None = None) -> list[Entry]:
        """Journalled plans: one, named by its own id or that of its situation, cycle or one of its commands; or all.

        Raises
        ------
        NotFoundError
            If there is no such plan.
        """
        entries = list(self._historian.entries("plan"))
        if named is None:
            return entries
        if named.startswith(COMMAND):
            return [self._of_command(named)]
        found = [entry for entry in entries if named in (entry.id, entry.cycle, parse(entry, Plan).situation)]
        if not found:
            raise NotFoundError(f"the journal has no decision {named!r}: name a plan, situation, cycle or command id")
        return found

    def _of_command(self, command_id: str) -> Entry:
        """The plan that a command belongs to: of those weighed in its cycle, the last that holds it was carried out."""
        given = self._historian.find(command_id)
        plans = self._historian.entries("plan", cycle=given.cycle) if given.cycle else []
        found = [entry for entry in plans if command_id in [command.id for command in parse(entry, Plan).commands]]
        if not found:
            words = parse(given, Command).words if given.kind == "command" else given.kind
            raise NotFoundError(f"{command_id} belongs to no plan, so there is no decision to derive again ({words})")
        return found[-1]

    def replay(self, entries: Sequence[Entry]) -> Iterator[Found]:
        """Each decision again: `identical`, `verified` or `different`, with what differs."""
        for entry in entries:
            yield self.one(self.recorded(entry))

    def recorded(self, entry: Entry) -> Recorded:
        """A decision with all that it rested on.

        Raises
        ------
        HistorianError
            If the journal lacks a part of it.
        """
        plan = parse(entry, Plan)
        verdicts = [found for found in self._historian.records("verdict", Verdict, cycle=entry.cycle) if found.plan_id == plan.id]
        runs = [(seq, run) for seq, run in self._runs if seq < entry.seq]
        calibrations = [found for seq, found in self._calibrations if runs and seq < runs[-1][0]]
        if not verdicts or not runs:
            raise HistorianError(f"the journal lacks the verdict or the run of plan {plan.id}")
        return Recorded(
            plan=plan,
            verdict=verdicts[0],
            situation=parse(self._historian.find(plan.situation), Situation),
            reality=parse(self._historian.find(verdicts[0].situation), Situation),
            run=runs[-1][1],
            calibration=calibrations[-1] if calibrations else None,
        )

    def one(self, recorded: Recorded) -> Found:
        """One decision again."""
        plan, situation = recorded.plan, recorded.situation
        given = plan.strategy == OPERATOR or plan.cut is Cut.TIME
        again = plan if given else self.proposed(recorded, situation)
        model = self._model(recorded)
        judge = (lambda made, seen: rehearse(made, seen, model)) if recorded.run.rehearsal else unrehearsed
        verdict = weighed(situation, again, check, judge, reality=recorded.reality).verdict
        found = (*differences(plan.id, plan, again), *differences(plan.id, recorded.verdict, verdict, "verdict."))
        if plan.cut is Cut.TIME and not found:
            return self._verified(recorded)
        return ("different" if found else "identical"), found

    def proposed(self, recorded: Recorded, situation: Situation) -> Plan:
        """What the same strategy proposes for a situation."""
        plan = recorded.plan
        kind = plan.strategy
        key = (kind, recorded.run.id)
        if key not in self._strategies:
            self._strategies[key] = find("policy.strategies", kind)(_patient(recorded.run.site))
        made: Plan = self._strategies[key].propose(situation)
        return replace(made, rung=plan.rung, situation=situation.id)

    def _model(self, recorded: Recorded) -> SiteModel:
        key = f"{recorded.run.id} {recorded.calibration.end if recorded.calibration else ''}"
        if key not in self._models:
            self._models[key] = SiteModel(recorded.run.site, recorded.calibration)
        return self._models[key]

    def _verified(self, recorded: Recorded) -> Found:
        """A plan that the clock cut: feasible, and inside its own bound."""
        plan = recorded.plan
        broken = invariants(plan, recorded.situation)
        if broken:
            return "different", (Difference(id=plan.id, field="feasible", recorded="yes", replayed="; ".join(broken)),)
        if (
            plan.objective is not None
            and plan.bound is not None
            and plan.objective < plan.bound - OBJECTIVE_TOLERANCE * abs(plan.bound)
        ):
            words = f"objective {plan.objective:g} below its bound {plan.bound:g}"
            return "different", (Difference(id=plan.id, field="objective", recorded=f"{plan.objective:g}", replayed=words),)
        return "verified", ()


def _patient(site: Site) -> Site:
    """The same site without the guard of wall time: what no clock cut is derived again however slow the machine is."""
    return replace(site, control=replace(site.control, time_limit_s=PATIENCE_S))


def whole(historian: Historian, entries: Sequence[Entry], processes: int = 1) -> Replay:
    """All of the given decisions again, the journal's chain checked first.

    Parameters
    ----------
    processes
        Over how many processes; each derives its share from the historian by itself.
    """
    return summed(historian, list(_each(historian, entries, processes)))


def summed(historian: Historian, found: Sequence[Found]) -> Replay:
    """What came of decisions that were derived again, the journal's chain checked too."""
    different = [item for _, items in found for item in items]
    try:
        historian.verify()
    except HistorianError as error:
        different.insert(0, Difference(id="journal", field="chain", recorded="unbroken", replayed=str(error)))
    states = [state for state, _ in found]
    return Replay(
        decisions=len(found), identical=states.count("identical"), verified=states.count("verified"), different=tuple(different)
    )


def _each(historian: Historian, entries: Sequence[Entry], processes: int) -> Iterator[Found]:
    url = historian.database.url
    if processes <= 1 or len(entries) < LEAST_PER_PROCESS * processes:
        yield from Replayer(historian).replay(entries)
        return
    size = -(-len(entries) // processes)
    with ProcessPoolExecutor(processes, get_context("spawn"), end_with_parent) as pool:
        for found in pool.map(_share, [(url, entries[first : first + size]) for first in range(0, len(entries), size)]):
            yield from found


def _share(task: tuple[str, Sequence[Entry]]) -> list[Found]:
    url, entries = task
    with Historian(url) as historian:
        return list(Replayer(historian).replay(entries))
