"""Faults do what their name says, and the larger the more."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from plant.errors import NotFoundError
from tests.twin_sim.little import START, drivers, site
from twin_sim.faults import Fault, FaultKind, Size, drawn, in_plant, in_telemetry
from twin_sim.history import past_life
from twin_sim.model import SiteModel

DAYS = 3.0


def fault(kind: FaultKind, size: Size, target: str) -> Fault:
    return Fault(kind=kind, size=size, target=target, at=START + timedelta(days=1), until=START + timedelta(days=3))


def energy(*faults: Fault) -> float:
    given = in_plant(drivers(days=4), site(), faults)
    return float(past_life(SiteModel(site()), given, start=START, days=DAYS, noise=False).telemetry.columns["total"].sum())


@pytest.mark.parametrize(("kind", "target"), [(FaultKind.FOULING, "lead"), (FaultKind.LEAK, "receiver")])
def test_machine_faults_cost_energy_the_more_the_larger(kind: FaultKind, target: str) -> None:
    healthy = energy()
    cost = [energy(fault(kind, size, target)) - healthy for size in Size]
    assert 0 < cost[0] < cost[1] < cost[2]


def test_a_stuck_machine_stands_still() -> None:
    stuck = in_plant(drivers(days=4), site(), [fault(FaultKind.STUCK, Size.LARGE, "lead")])
    shown = past_life(SiteModel(site()), stuck, start=START, days=DAYS, noise=False).telemetry.columns["lead.running"]
    assert shown[96 + 1 : 96 + 47].max() == 0.0
    assert shown[:96].max() == 1.0


def test_sensor_faults_change_their_sensor_only() -> None:
    table = past_life(SiteModel(site()), drivers(days=4), start=START, days=DAYS).telemetry
    rng = np.random.default_rng(0)
    for kind in (FaultKind.DRIFT, FaultKind.FREEZE, FaultKind.SPIKE, FaultKind.LOST):
        ill = in_telemetry(table, site(), [fault(kind, Size.LARGE, "room")], rng)
        same = [name for name in table.columns if np.array_equal(table.columns[name], ill.columns[name], equal_nan=True)]
        assert set(table.columns) - set(same) == {"room"}
        assert np.array_equal(table.columns["room"][:96], ill.columns["room"][:96])


def test_drawn_by_seed() -> None:
    first, again, other = (drawn(site(), np.random.default_rng(seed), count=30, start=START, days=10.0) for seed in (1, 1, 2))
    assert first == again != other
    assert len({item.kind for item in first}) >= 5


def test_names_what_does_not_exist() -> None:
    with pytest.raises(NotFoundError, match="lead"):
        in_plant(drivers(), site(), [fault(FaultKind.FOULING, Size.SMALL, "nobody")])
