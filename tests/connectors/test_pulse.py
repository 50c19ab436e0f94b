"""Signs of life."""

from __future__ import annotations

import pytest

from connectors import pulse
from connectors.backoff import Backoff
from connectors.pulse import Pulse
from plant.site import Heartbeat


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(pulse.time, "monotonic", lambda: now[0])
    return now


def beating() -> Pulse:
    return Pulse(Heartbeat(write="s=In", every_s=5.0, missed=3), idle_s=60.0)


def test_a_loop_that_hangs_stops_beating(clock: list[float]) -> None:
    """The thread that beats lives on when the loop above it hangs; the plant must not be fooled by that."""
    heart = beating()
    heart.begin()
    clock[0] += 3600.0
    assert heart.alive(), "waiting on the plant is living"
    heart.end()
    clock[0] += 59.0
    assert heart.alive(), "thinking is living"
    clock[0] += 2.0
    assert not heart.alive()
    heart.begin()
    assert heart.alive()


def test_a_plant_whose_counter_stands_still_is_silent(clock: list[float]) -> None:
    heart = beating()
    for count in (1.0, 2.0, 2.0, 2.0):
        heart.saw(count)
    assert not heart.plant_silent
    heart.saw(None)
    assert heart.plant_silent
    heart.saw(3.0)
    assert not heart.plant_silent


def test_beats_are_counted() -> None:
    heart = beating()
    assert [heart.next_count() for _ in range(3)] == [1, 2, 3]


def test_patience_grows_to_a_bound_and_starts_anew() -> None:
    backoff = Backoff(first_s=1.0, most_s=5.0)
    assert [backoff.next_s() for _ in range(5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    backoff.reset()
    assert backoff.next_s() == 1.0
