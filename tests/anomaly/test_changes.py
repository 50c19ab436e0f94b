from datetime import UTC, datetime, timedelta

import pytest

from anomaly.changes import events
from plant.assets import Asset, AssetTags
from plant.orders import Action, Command
from plant.site import Connection, Identity, Site
from plant.tags import Reading, Snapshot, Tag, Value
from plant.tariff import FlatPrice, Tariff

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
TAGS = AssetTags(running="p.running", setpoint="p.setpoint", tripped="p.tripped", remote="p.remote")
SITE = Site(
    site=Identity(name="s"),
    connection=Connection(endpoint="opc.tcp://127.0.0.1:4840"),
    tariff=Tariff(energy=FlatPrice(kind="flat", per_kwh=0.2)),
    tags=tuple(Tag(name=name, unit="1") for name in ("p.running", "p.setpoint", "p.tripped", "p.remote")),
    assets=(Asset(name="p", kind="pump", tags=TAGS),),
)
USUAL: dict[str, Value] = {"p.running": False, "p.setpoint": 0.8, "p.tripped": False, "p.remote": True}


def _snapshot(minutes: int, **changes: Value) -> Snapshot:
    time = NOW + timedelta(minutes=minutes)
    values = USUAL | {f"p.{name}": value for name, value in changes.items()}
    return Snapshot(time=time, readings=tuple(Reading(tag=tag, time=time, value=value) for tag, value in values.items()))


def _command(action: Action) -> Command:
    return Command(
        id="c", asset="p", action=action, setpoint=0.6 if action is Action.OPTIMIZE else None, at=NOW,
        expires=NOW + timedelta(minutes=5), reason="r", words="w",
    )  # fmt: skip


def test_nothing_changed_nothing_happened() -> None:
    assert events(SITE, _snapshot(0), _snapshot(1), ()) == ()


@pytest.mark.parametrize(
    ("changes", "action", "kind"),
    [
        ({"running": True}, Action.STARTUP, "started"),
        ({"setpoint": 0.6}, Action.OPTIMIZE, "setpoint"),
    ],
)
def test_a_change_is_ours_only_if_a_command_explains_it(changes: dict[str, Value], action: Action, kind: str) -> None:
    (ours,) = events(SITE, _snapshot(0), _snapshot(1, **changes), (_command(action),))
    (theirs,) = events(SITE, _snapshot(0), _snapshot(1, **changes), ())
    (other,) = events(SITE, _snapshot(0), _snapshot(1, **changes), (_command(Action.SHUTDOWN),))
    assert (ours.kind, theirs.kind, other.kind) == (kind, f"external_{kind}", f"external_{kind}")
    assert "not by our command" in theirs.words
    assert "not by our command" not in ours.words


def test_stops_trips_and_selectors() -> None:
    before = _snapshot(0, running=True)
    found = {event.kind for event in events(SITE, before, _snapshot(1, tripped=True, remote=False), ())}
    assert found == {"external_stopped", "tripped", "set_to_local"}


def test_a_bad_reading_is_no_change() -> None:
    before = _snapshot(0)
    after = Snapshot(time=NOW + timedelta(minutes=1), readings=())
    assert events(SITE, before, after, ()) == ()
