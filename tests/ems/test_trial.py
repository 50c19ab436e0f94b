"""A challenger's trial: by rule, on the forecasts that both issued, and only one at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ems.accuracy import best_of, compare, raise_alarms
from ems.config import LoadedSite, historian_url
from ems.historian import Historian
from ems.issued import Issued, IssuedForecasts
from ems.model_record import ModelRecord, State, Trained
from ems.registry import Registry, registry_of
from ems.trial import judge, on_trial
from ems.worker import Worker
from plant.series import Forecast, Series
from tests.ems.test_model_life import END, SPLIT, T0, TARGET, days, demand
from tests.ems.waterworks import loaded


@pytest.fixture
def here(tmp_path: Path) -> LoadedSite:
    made = loaded(tmp_path)
    learning = replace(made.site.learning, forecaster="week_mean", history_days=42, approval="rule", trial_days=4)
    limits = replace(made.site.limits, load=None)
    return replace(made, site=replace(made.site, learning=learning, assets=(), limits=limits))


def registered(registry: Registry, number: int) -> ModelRecord:
    metrics = (("mae", 1.0),)
    trained = Trained(name=f"forecast/{TARGET}", kind="forecast", algorithm="ridge", history=demand(), metrics=metrics)
    record = registry.register(number, trained, T0 + timedelta(hours=number), "ems")
    return registry.approve(record.id, "rule", T0)


def issued(historian: Historian, record: ModelRecord, times: list[datetime], miss: float) -> None:
    """Forecasts of a day that are off by `miss` everywhere."""
    table = demand()
    values = dict(zip(table.times.astype("datetime64[us]").tolist(), table.columns[TARGET].tolist(), strict=True))

    def line(time: datetime, off: float) -> Series:
        came = (values[time.replace(tzinfo=None) + timedelta(minutes=15 * step)] for step in range(96))
        return Series(start=time, step_s=900.0, values=tuple(value + off for value in came), unit="m3/h")

    made = [
        Forecast(target=TARGET, made_at=t, model_id=record.id, p10=line(t, miss - 1), p50=line(t, miss), p90=line(t, miss + 1))
        for t in times
    ]
    IssuedForecasts(historian.database).add([Issued(model=record.id, forecast=each) for each in made])


@pytest.mark.parametrize(("miss", "state", "words"), [(0.5, State.SERVING, "serves"), (3.0, State.REJECTED, "is rejected")])
def test_the_better_one_serves(here: LoadedSite, miss: float, state: State, words: str) -> None:
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        registry = registry_of(here, historian)
        champion, challenger = (registered(registry, number) for number in (1, 2))
        assert [each.id for each in on_trial(here, historian, TARGET)] == [challenger.id]
        assert judge(here, historian, challenger, END, END) is None, "it has issued nothing yet"
        issued(historian, champion, days(SPLIT, 7), 2.0)
        issued(historian, challenger, days(SPLIT + timedelta(days=1), 6), miss)
        assert judge(here, historian, challenger, SPLIT + timedelta(days=4), END) is None, "four days are not over yet"
        said = judge(here, historian, challenger, SPLIT + timedelta(days=8), END)
        assert said is not None
        assert said.startswith(f"{challenger.id} {words}: MAE {miss:g} against 2 of {champion.id} in 6 forecasts of both")
        assert registry.get(challenger.id).state is state
        assert registry.serving(champion.name) == registry.get(challenger.id if state is State.SERVING else champion.id)
        assert on_trial(here, historian, TARGET) == []


@pytest.mark.parametrize(("silent", "state"), [(2, State.REJECTED), (1, State.SERVING)])
def test_a_trial_in_which_one_forecasts_nothing_ends_too(here: LoadedSite, silent: int, state: State) -> None:
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        registry = registry_of(here, historian)
        champion, challenger = (registered(registry, number) for number in (1, 2))
        issued(historian, challenger if silent == 1 else champion, days(SPLIT, 6), 1.0)
        assert judge(here, historian, challenger, END + timedelta(days=7), END) is None
        assert judge(here, historian, challenger, END + timedelta(days=8), END) is not None
        assert registry.get(challenger.id).state is state
        assert on_trial(here, historian, TARGET) == []


def test_only_forecasts_of_both_are_compared_and_only_the_champion_alarms(here: LoadedSite) -> None:
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        registry = registry_of(here, historian)
        champion, challenger = (registered(registry, number) for number in (1, 2))
        issued(historian, champion, days(SPLIT, 2), 9.0)
        issued(historian, champion, days(SPLIT + timedelta(days=2), 2), 1.0)
        issued(historian, challenger, days(SPLIT + timedelta(days=2), 3), 4.0)
        found = compare(here, historian, [champion, challenger], SPLIT, SPLIT + timedelta(days=6))
        assert [each.forecasts for each in found] == [2, 2]
        assert [each.overall.mae for each in found] == pytest.approx([1.0, 4.0])
        best = best_of(found)
        assert best is not None
        assert best.model == champion.id
        assert found[1].degraded
        assert raise_alarms(historian, found, END) == []


def test_nothing_is_trained_while_a_challenger_is_on_trial(here: LoadedSite) -> None:
    with Historian(historian_url(here)) as historian:
        historian.write_table(demand(), {TARGET: "m3/h"})
        clock = [END]
        worker = Worker(here, historian, lambda: clock[0])
        words = []
        for day in range(3):
            clock[0] = END + timedelta(days=day)
            job = worker.do_due("train")
            assert job is not None
            words.append(job.words.partition(" (as of")[0])
        assert words == ["1 of 1 model trained", "1 of 1 model trained", "0 of 0 models trained; 1 on trial"]
        assert [record.state for record in registry_of(here, historian).models()] == [State.APPROVED, State.SERVING]


def test_a_challenger_whose_file_has_changed_is_out(here: LoadedSite) -> None:
    with Historian(historian_url(here)) as historian:
        registry = registry_of(here, historian)
        _, challenger = (registered(registry, number) for number in (1, 2))
        (here.folder / "models" / challenger.file).write_bytes(b"something else")
        said = judge(here, historian, challenger, END, END)
        assert said is not None
        assert "was changed" in said
        assert registry.get(challenger.id).state is State.REJECTED
