"""What does not wait for the next cycle: wishes, alarms, machines that changed unasked, a peak that nobody planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from anomaly.monitor import HealthMonitor
from ems import runs
from ems.config import LoadedSite
from ems.cycle import Cycle
from ems.historian import Historian
from ems.issued import Notices
from ems.runs import Run, run
from ems.site import Works, build
from plant.errors import DataError
from plant.events import Alarm, AlarmState, Event, Priority
from plant.orders import Request
from plant.site import Site
from plant.tags import Quality, Snapshot
from tests.connectors.tank_plant import START, TankPlant
from tests.ems.small import small_site

HOUR = 3600.0
QUARTER = timedelta(minutes=15)


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    with Historian(f"sqlite:///{tmp_path / 'tank.sqlite'}") as made:
        yield made


def works(historian: Historian, plant: TankPlant, site: Site) -> Works:
    return build(LoadedSite(site=site, folder=Path(), file=Path("site.toml")), historian, plant, {}, HealthMonitor(site, {}))


def hourly(**control: object) -> Site:
    return small_site(**{"every_s": HOUR, **control})


def once(act: Callable[[], object]) -> Callable[[Run, object], None]:
    """Does something after the first cycle."""

    def acts(going: Run, _: object) -> None:
        if len(going.cycles) == 1:
            act()

    return acts


def minutes(done: Run) -> list[float]:
    return [(cycle.time - START).total_seconds() / 60.0 for cycle in done.cycles]


def said(historian: Historian) -> list[str]:
    return [event.words for event in historian.records("event", Event) if event.kind == "woken"]


def test_nothing_happens_and_every_cycle_keeps_its_time(historian: Historian) -> None:
    done = run(works(historian, TankPlant(), hourly()), for_s=3 * HOUR)
    assert minutes(done) == [0.0, 60.0, 120.0]
    assert said(historian) == []


def test_a_wish_is_met_at_the_next_look_and_the_clock_is_kept_afterwards(historian: Historian) -> None:
    wish = Request(id="q-1", who="anna", time=START, wish="lock", asset="pump", value="30min", words="oil change")
    done = run(works(historian, TankPlant(), hourly()), for_s=2 * HOUR, on_cycle=once(lambda: historian.file_request(wish)))
    assert minutes(done) == [0.0, 15.0, 60.0]
    assert said(historian) == ["the next cycle comes at once: anna asks for lock pump"]
    assert historian.open_requests() == []


def test_looks_are_as_often_as_the_site_asks(historian: Historian) -> None:
    wish = Request(id="q-1", who="anna", time=START, wish="lock", asset="pump", value="30min", words="oil change")
    site = hourly(look_s=60.0)
    done = run(works(historian, TankPlant(), site), for_s=HOUR, on_cycle=once(lambda: historian.file_request(wish)))
    assert minutes(done) == [0.0, 3.0]  # reading the first orders back took two minutes


def test_a_machine_that_somebody_else_changes_wakes(historian: Historian) -> None:
    plant = TankPlant()

    def pushed() -> None:
        plant.written["pump.command"] = "SHUTDOWN" if plant.written["pump.command"] != "SHUTDOWN" else "STARTUP"

    plant.level = 1.2
    done = run(works(historian, plant, hourly()), for_s=2 * HOUR, on_cycle=once(pushed))
    assert minutes(done) == [0.0, 15.0, 60.0]
    assert "somebody else changed pump" in said(historian)[0]
    assert "external_change" in {event.kind for event in historian.records("event", Event)}


def test_a_selector_that_turns_wakes_and_one_that_cannot_be_read_does_not(historian: Historian) -> None:
    plant, site = TankPlant(), hourly()
    pump = site.assets[0]
    site = replace(site, assets=(replace(pump, tags=replace(pump.tags, remote="pump.lamp")),))
    plant.written["pump.lamp"] = True

    def turned() -> None:
        plant.written["pump.lamp"] = False

    done = run(works(historian, plant, site), for_s=2 * HOUR, on_cycle=once(turned))
    assert minutes(done) == [0.0, 15.0, 60.0]
    assert said(historian) == ["the next cycle comes at once: pump.lamp of pump turned false"]
    plant.reset()
    plant.written["pump.lamp"] = True
    plant.time = START + timedelta(hours=3)

    def lost() -> None:
        plant.bad["pump.lamp"] = (Quality.BAD, None)

    done = run(works(historian, plant, site), for_s=2 * HOUR, on_cycle=once(lost))
    assert len(done.cycles) == 2


def test_an_alarm_of_the_worker_wakes(historian: Historian) -> None:
    alarm = Alarm(
        id="a-1",
        rule="accuracy",
        asset=None,
        priority=Priority.MEDIUM,
        state=AlarmState.UNACKNOWLEDGED,
        raised_at=START,
        changed_at=START,
        words="forecasts of the demand went bad",
        cause="",
        consequence="",
        advice="",
    )
    notices = Notices(historian.database)
    done = run(works(historian, TankPlant(), hourly()), for_s=2 * HOUR, on_cycle=once(lambda: notices.add([alarm])))
    assert minutes(done) == [0.0, 15.0, 60.0]
    assert said(historian) == ["the next cycle comes at once: an alarm: forecasts of the demand went bad"]


class Hungry(TankPlant):
    """Draws much more than it should from five minutes past midnight on."""

    def read(self) -> Snapshot:
        seen = super().read()
        if self.time < START + timedelta(minutes=5):
            return seen
        found = tuple(replace(item, value=40.0) if item.tag == "pump.power" else item for item in seen.readings)
        return replace(seen, readings=found)


@pytest.mark.parametrize("charge", [0.0, 8.0])
def test_a_window_on_its_way_above_the_planned_peak_wakes_once_where_peaks_cost(historian: Historian, charge: float) -> None:
    site = hourly(strategy="optimal", look_s=60.0)
    site = replace(site, tariff=replace(site.tariff, demand_charge_per_kw=charge))
    done = run(works(historian, Hungry(), site), for_s=HOUR)
    woken = [words for words in said(historian) if "2026-03-02T00:00:00Z is on its way to" in words]
    assert len(woken) == (1 if charge else 0)
    assert minutes(done)[1:2] == ([5.0] if charge else [])


def test_a_window_on_its_way_above_the_contract_wakes_though_peaks_cost_nothing(historian: Historian) -> None:
    site = hourly(strategy="optimal", look_s=60.0)
    site = replace(site, limits=replace(site.limits, import_kw=25.0))
    done = run(works(historian, Hungry(), site), for_s=HOUR)
    assert "25 kW are contracted" in next(words for words in said(historian) if "is on its way to" in words)
    assert minutes(done)[1] <= 10.0


def test_a_cycle_that_failed_keeps_its_time(historian: Historian, monkeypatch: pytest.MonkeyPatch) -> None:
    real, times = runs.run_cycle, []

    def failing(works: Works, *others: Any) -> Cycle:
        times.append(works.plant.now())
        if len(times) == 2:
            raise DataError("no luck")
        return real(works, *others)

    monkeypatch.setattr(runs, "run_cycle", failing)
    wish = Request(id="q-1", who="anna", time=START, wish="lock", asset="pump", value="5h", words="oil change")
    run(works(historian, TankPlant(), hourly()), for_s=3 * HOUR, on_cycle=once(lambda: historian.file_request(wish)))
    assert [time - START for time in times] == [timedelta(), QUARTER, 4 * QUARTER, 8 * QUARTER]


def test_a_plant_by_the_walls_clock_is_looked_at_every_few_seconds() -> None:
    site = small_site()
    free = replace(site, connection=replace(site.connection, lock_step=None))
    stops = list(runs._stops(free, START + timedelta(minutes=14, seconds=51), START + 2 * QUARTER))
    assert stops[0] == (START + timedelta(minutes=14, seconds=55), False)
    assert stops[1] == (START + QUARTER, True)
    assert stops[2] == (START + timedelta(minutes=15, seconds=5), False)
    assert stops[-1] == (START + timedelta(minutes=29, seconds=55), False)
