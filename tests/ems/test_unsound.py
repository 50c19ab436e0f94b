"""A plan that cannot be is never rehearsed, goes down the ladder, and is an alarm until plans can be again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import ems.cycle
from anomaly.monitor import HealthMonitor
from ems.config import LoadedSite
from ems.decide import UNSOUND, decide
from ems.historian import Historian
from ems.replay import Replayer, whole
from ems.runs import run
from ems.site import Works, build
from plant.events import Alarm, AlarmState
from plant.orders import Plan, Verdict
from plant.situation import Situation
from policy.guard import check
from policy.instances import works as made_works
from policy.strategies.hold import Hold
from policy.strategies.optimal import Optimal
from policy.strategies.threshold import Threshold
from tests.connectors.tank_plant import TankPlant
from tests.ems.small import small_site

HOUR = 3600.0


class Broken:
    """Proposes what a strategy does, but fills its first store from nowhere."""

    def __init__(self, sound: Optimal) -> None:
        self.name, self._sound = "optimal", sound

    def propose(self, situation: Situation) -> Plan:
        plan = self._sound.propose(situation)
        course = plan.stores[0]
        levels = tuple(level + 10.0 * min(step, 1) for step, level in enumerate(course.level.values))
        lifted = replace(course, level=replace(course.level, values=levels))
        return replace(plan, stores=(lifted, *plan.stores[1:]))


def test_it_never_reaches_rehearsal_and_the_next_rung_is_taken() -> None:
    made = made_works(3, 8, seed=4)
    seen: list[Plan] = []

    def rehearse(plan: Plan, situation: Situation) -> Verdict:
        seen.append(plan)
        return Verdict(plan_id=plan.id, ok=True, violations=(), futures=1, seed=situation.seed, credibility=1.0)

    broken = Broken(Optimal(made.site))
    decision = decide(made.situation, broken, (("hold", Hold(made.site)),), check, rehearse)
    assert [plan.strategy for plan in seen] == ["hold"]
    first, chosen = decision.attempts[0].verdict, decision.chosen
    assert not first.ok
    assert first.futures == 0
    assert {item.rule for item in first.violations} == {UNSOUND}
    assert first.words.startswith("invariants: step 0: the content of s0 changes")
    assert chosen.plan.rung == "hold"


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    with Historian(f"sqlite:///{tmp_path / 'tank.sqlite'}") as made:
        yield made


def control(historian: Historian, plant: TankPlant) -> Works:
    site = small_site()
    return build(LoadedSite(site=site, folder=Path(), file=Path("site.toml")), historian, plant, {}, HealthMonitor(site, {}))


class Early:
    """Proposes what the rule table does, but ends its plans before they begin while it is `ill`."""

    name = "threshold"

    def __init__(self, works: Works) -> None:
        self._sound, self.asked, self.ill = Threshold(works.site), 0, 2

    def propose(self, situation: Situation) -> Plan:
        plan = self._sound.propose(situation)
        self.asked += 1
        return replace(plan, until=plan.made_at) if self.asked <= self.ill else plan


def test_it_is_an_alarm_that_stands_until_plans_can_be_again(historian: Historian, monkeypatch: pytest.MonkeyPatch) -> None:
    works = control(historian, TankPlant())
    works = replace(works, strategy=Early(works))
    rehearsed: list[Plan] = []

    def watched(plan: Plan, situation: Situation, *rest: object) -> Verdict:
        rehearsed.append(plan)
        return lived(plan, situation, *rest)  # type: ignore[arg-type]

    lived = ems.cycle.rehearse
    monkeypatch.setattr(ems.cycle, "rehearse", watched)
    run(works, for_s=HOUR)
    alarms = [alarm for alarm in historian.records("alarm", Alarm) if alarm.rule == UNSOUND]
    assert [alarm.state for alarm in alarms] == [AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED]
    assert len({alarm.id for alarm in alarms}) == 1
    assert "the plan ends before it begins" in alarms[0].words
    assert all(plan.until > plan.made_at for plan in rehearsed)
    verdicts = historian.records("verdict", Verdict)
    assert sum(item.violations[0].rule == UNSOUND for item in verdicts if item.violations) == 2
    assert [plan.rung for plan in historian.records("plan", Plan)][:4] == ["best", "hold", "best", "hold"]


def test_decisions_of_sound_plans_replay_as_before(historian: Historian) -> None:
    run(control(historian, TankPlant()), for_s=2 * HOUR)
    entries = Replayer(historian).plans()
    assert whole(historian, entries).identical == len(entries) > 0
