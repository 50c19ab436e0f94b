"""The loop on a small plant: what goes well, and the bad days."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anomaly.monitor import HealthMonitor
from ems.config import LoadedSite
from ems.historian import Historian
from ems.maintenance import begun
from ems.replay import Replayer, whole
from ems.report import report
from ems.runs import LEASE, Run, RunRecord, run
from ems.site import Works, build
from plant.assets import Mode
from plant.errors import HistorianError, NotConnectedError, RefusedError, SolverError
from plant.events import Alarm, Event, Maintenance, MaintenanceKind, ModeChange
from plant.kpi import Kpi
from plant.orders import Action, Command, Outcome, OutcomeKind, Plan, Reason, Request, Verdict
from plant.situation import Situation
from plant.tags import Quality
from tests.connectors.tank_plant import START, TankPlant
from tests.ems.small import small_site

HOUR = 3600.0


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    with Historian(f"sqlite:///{tmp_path / 'tank.sqlite'}") as made:
        yield made


def works(historian: Historian, plant: TankPlant, **control: object) -> Works:
    site = small_site(**control)
    loaded = LoadedSite(site=site, folder=Path(), file=Path("site.toml"))
    return build(loaded, historian, plant, {}, HealthMonitor(site, {}))


def events(historian: Historian) -> list[str]:
    return [event.kind for event in historian.records("event", Event)]


def test_a_run_controls_records_and_gives_back(historian: Historian) -> None:
    plant = TankPlant()
    done = run(works(historian, plant), for_s=6 * HOUR)
    assert done.finished == "for"
    assert len(done.cycles) == 24
    commands, outcomes = historian.records("command", Command), historian.records("outcome", Outcome)
    assert commands
    assert sorted(command.id for command in commands) == sorted(outcome.command_id for outcome in outcomes)
    orders = [(time, value) for time, tag, value in plant.writes if tag == "pump.command"]
    assert [value for _, value in orders][-1] == "AUTO"
    sent = [command for command in commands if command.action is not Action.RELEASE]
    assert [value for _, value in orders[: len(sent)]] == [command.action.value for command in sent]
    assert historian.verify() > 0
    made = report(done, None)
    assert made.kpi is not None
    assert made.nothing is not None
    assert made.kpi.served_share == 1.0
    assert made.simulated_hours == pytest.approx(6.0)


def test_key_figures_are_journalled_to_the_end(historian: Historian) -> None:
    """The stretch after the last cycle counts too: what is exported adds up to what the run reports."""
    done = run(works(historian, TankPlant()), for_s=2 * HOUR)
    total = report(done, None).kpi
    assert total is not None
    for kind in ("kpi", "nothing"):
        spans = historian.records(kind, Kpi)
        assert (spans[-1].end - spans[0].start).total_seconds() == 2 * HOUR, kind
    assert sum(span.energy_kwh for span in historian.records("kpi", Kpi)) == pytest.approx(total.energy_kwh)


def test_every_decision_replays_and_a_changed_journal_does_not(historian: Historian) -> None:
    run(works(historian, TankPlant()), for_s=2 * HOUR)
    entries = Replayer(historian).plans()
    replayed = whole(historian, entries)
    assert replayed.decisions == replayed.identical == len(entries) > 0
    assert replayed.different == ()
    with historian.database.writing() as connection:
        body = connection.exec_driver_sql("SELECT seq, body FROM journal WHERE kind = 'plan' ORDER BY seq LIMIT 1").one()
        forged = body[1].replace('"strategy":"threshold"', '"strategy":"hold"')
        assert forged != body[1] or "$part" in body[1]
        connection.exec_driver_sql("UPDATE journal SET time = time + 1 WHERE seq = ?", (body[0],))
    assert whole(historian, entries).different[0].id == "journal"


def test_shadow_writes_nothing(historian: Historian) -> None:
    plant = TankPlant()
    run(works(historian, plant, mode=Mode.SHADOW), for_s=6 * HOUR)
    assert plant.writes == []
    outcomes = historian.records("outcome", Outcome)
    assert outcomes
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.NOT_SENT}
    assert all(outcome.words.startswith("SHADOW: would write pump.") for outcome in outcomes)


def test_advise_waits_for_a_person(historian: Historian) -> None:
    plant = TankPlant()
    made = works(historian, plant, mode=Mode.ADVISE)

    def approve(_: Run, __: object) -> None:
        waiting = historian.records("command", Command, newest_first=True, limit=1)
        if waiting and not plant.writes:
            historian.file_request(
                Request(id=f"q-{waiting[0].id}", who="shift lead", time=plant.now(), wish="approve", value=waiting[0].id)
            )

    run(made, for_s=4 * HOUR, on_cycle=approve)
    kinds = {outcome.kind for outcome in historian.records("outcome", Outcome)}
    assert OutcomeKind.NOT_SENT in kinds
    assert OutcomeKind.CONFIRMED in kinds
    operator = [plan for plan in historian.records("plan", Plan) if plan.strategy == "operator"]
    assert operator
    assert "approved by shift lead" in operator[0].commands[0].words
    judged = {verdict.plan_id for verdict in historian.records("verdict", Verdict)}
    assert operator[0].id in judged


def test_an_operators_command_walks_the_same_road_and_the_asset_is_his(historian: Historian) -> None:
    plant = TankPlant()
    made = works(historian, plant, strategy="hold")
    historian.file_request(
        Request(id="q-1", who="shift lead", time=START, wish="command", asset="pump", action=Action.STARTUP, words="flushing")
    )
    run(made, for_s=HOUR)
    command = historian.records("command", Command)[0]
    assert command.words == "flushing"
    assert historian.records("outcome", Outcome)[0].kind is OutcomeKind.CONFIRMED
    assert historian.records("mode", ModeChange)[0].mode is Mode.ADVISE
    assert historian.open_requests() == []


def test_a_wish_that_cannot_be_met_is_answered(historian: Historian) -> None:
    historian.file_request(Request(id="q-2", who="someone", time=START, wish="mode", asset="boiler", value="control"))
    historian.file_request(Request(id="q-3", who="someone", time=START, wish="approve", value="c-none"))
    run(works(historian, TankPlant(), strategy="hold"), for_s=HOUR)
    words = [event.words for event in historian.records("event", Event) if event.kind == "request_refused"]
    assert len(words) == 2
    assert "no asset 'boiler'" in words[0]


def test_a_human_who_changes_a_set_point_takes_the_asset_out(historian: Historian) -> None:
    plant = TankPlant()

    def meddle(_: Run, __: object) -> None:
        if plant.writes and plant.written["pump.command"] != "AUTO":
            plant.written["pump.speed_order"] = 0.55

    run(works(historian, plant), for_s=6 * HOUR, on_cycle=meddle)
    assert "external_change" in events(historian)
    assert historian.records("mode", ModeChange)[0].mode is Mode.OBSERVE
    assert any(alarm.rule == "external_change" for alarm in historian.records("alarm", Alarm))
    after = [time for time, tag, _ in plant.writes if tag == "pump.speed_order"]
    seen = next(event.time for event in historian.records("event", Event) if event.kind == "external_change")
    assert all(time <= seen for time in after)


def test_a_frozen_or_missing_level_takes_the_asset_out_and_the_run_goes_on(historian: Historian) -> None:
    plant = TankPlant()

    def blind(going: Run, _: object) -> None:
        if len(going.cycles) == 4:
            plant.bad["tank.level"] = (Quality.BAD, None)
        if len(going.cycles) == 10:
            del plant.bad["tank.level"]

    done = run(works(historian, plant), for_s=6 * HOUR, on_cycle=blind)
    assert done.failures == []
    assert any(alarm.rule == "bad_data" for alarm in historian.records("alarm", Alarm))
    assert "readings_good" in events(historian)
    situations = historian.records("situation", Situation)
    assert {state.good for situation in situations for state in situation.assets} == {True, False}


class Raising:
    """A strategy that gives nothing."""

    def propose(self, situation: Situation) -> Plan:
        raise SolverError("no incumbent after 1 iterations")


def test_a_strategy_that_raises_means_hold(historian: Historian) -> None:
    made = replace(works(historian, TankPlant()), strategy=Raising())
    chosen: list[str] = []
    done = run(made, for_s=HOUR, on_cycle=lambda _, cycle: chosen.append(cycle.decision.chosen.plan.strategy))
    assert set(chosen) == {"hold"}
    failed = [event for event in historian.records("event", Event) if event.kind == "strategy_failed"]
    assert len(failed) == len(done.cycles)
    assert "no incumbent" in failed[0].words


@pytest.mark.parametrize(("silent", "ends"), [(2, "for"), (10**6, "NotConnectedError: cable out")])
def test_a_plant_that_goes_silent(historian: Historian, silent: int, ends: str) -> None:
    plant, calls = TankPlant(), {"reads": 0}
    made, read = works(historian, plant), plant.read

    def broken() -> object:
        calls["reads"] += 1
        if calls["reads"] <= silent:
            raise NotConnectedError("cable out")
        return read()

    def cut(going: Run, _: object) -> None:
        if len(going.cycles) == 8:
            plant.read = broken  # type: ignore[assignment,method-assign]  # a plant that goes silent

    if ends == "for":
        done = run(made, for_s=6 * HOUR, on_cycle=cut)
        assert (len(done.failures), done.finished) == (2, "for")
    else:
        with pytest.raises(NotConnectedError, match="cable out"):
            run(made, for_s=6 * HOUR, on_cycle=cut)
        assert plant.released
    assert "cycle_failed" in events(historian)


def test_a_second_run_refuses(historian: Historian) -> None:
    import os
    import socket

    other = f"{socket.gethostname()}:{os.getppid()}"
    historian.acquire(LEASE, other, START, 1e6)
    with pytest.raises(RefusedError, match="held by"):
        run(works(historian, TankPlant()), for_s=HOUR)
    assert historian.records("run", RunRecord) == []


def test_what_cannot_be_recorded_is_not_sent(historian: Historian, monkeypatch: pytest.MonkeyPatch) -> None:
    plant = TankPlant()
    made = works(historian, plant)
    append = historian.append_all

    def full(groups: object, **where: object) -> list[str]:
        if plant.now() > START:
            raise HistorianError("database or disk is full")
        return append(groups, **where)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(historian, "append_all", full)
    with pytest.raises(HistorianError, match="full"):
        run(made, for_s=6 * HOUR)
    assert all(time == START for time, tag, value in plant.writes if value != "AUTO")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_gives_back_and_closes_the_journal(historian: Historian, number: signal.Signals) -> None:
    plant = TankPlant()

    def stop(going: Run, _: object) -> None:
        if len(going.cycles) == 9:
            signal.raise_signal(number)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a job's parent may have it
    try:
        done = run(works(historian, plant), for_s=24 * HOUR, on_cycle=stop)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.finished == "stopped"
    assert {item.command.reason for item in done.parted} == {Reason.OPERATOR}
    assert plant.written["pump.command"] == "AUTO"
    assert historian.verify() > 0


def test_a_plant_that_ends_is_success(historian: Historian) -> None:
    from plant.times import after

    done = run(works(historian, TankPlant(until=after(START, 2 * HOUR))))
    assert done.finished == "done"


def test_an_overhaul_is_journalled_and_known_ever_after(historian: Historian) -> None:
    historian.file_request(Request(id="q-4", who="anna", time=START, wish="overhaul", asset="pump", words="new impeller"))
    historian.file_request(Request(id="q-5", who="anna", time=START, wish="overhaul", asset="pump", value="2999-01-01T00:00:00Z"))
    run(works(historian, TankPlant()), for_s=HOUR)
    (noted,) = historian.records("maintenance", Maintenance)
    assert (noted.asset, noted.kind, noted.who, noted.time) == ("pump", MaintenanceKind.OVERHAUL, "anna", START)
    assert begun(historian) == {"pump": START}
    assert events(historian).count("request_refused") == 1
    assert historian.verify() > 0
