"""The registry: one serves, the way back is open, and a file that does not fit its record is never loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import joblib
import numpy as np
import pytest
import sqlalchemy as sa

from ems.historian import Historian
from ems.model_record import ModelRecord, State, Trained
from ems.registry import Registry
from plant.errors import DataError, HistorianError, NotFoundError, RefusedError
from plant.table import Table

T0 = datetime(2026, 3, 1, tzinfo=UTC)
TABLE = Table(times=np.datetime64("2026-01-01", "us") + np.arange(10) * np.timedelta64(1, "h"), columns={"a": np.arange(10.0)})


def trained(name: str = "forecast/a") -> Trained:
    return Trained(name=name, kind="forecast", algorithm="ridge", history=TABLE, metrics=(("mae", 1.5),))


def register(registry: Registry, number: int, name: str = "forecast/a") -> ModelRecord:
    return registry.register({"number": number}, trained(name), T0 + timedelta(hours=number), "ems")


def states(registry: Registry) -> list[str]:
    return [record.state.value for record in reversed(registry.models("forecast/a"))]


def test_a_model_comes_back_as_it_was(url: str, tmp_path: Path) -> None:
    with Historian(url) as historian:
        registry = Registry(historian.database, tmp_path / "models")
        record = register(registry, 1)
        assert registry.load(record.id) == {"number": 1}
        assert registry.get(record.id[:6]) == record
        assert (record.state, record.rows, record.metric("mae"), record.metric("rmse")) == (State.PENDING, 10, 1.5, None)
        assert record.data_start == datetime(2026, 1, 1, tzinfo=UTC)
        with pytest.raises(NotFoundError, match="no model 'm-x'"):
            registry.get("m-x")


def test_the_whole_life(url: str, tmp_path: Path) -> None:
    with Historian(url) as historian:
        registry = Registry(historian.database, tmp_path)
        first, second, third = (register(registry, number) for number in (1, 2, 3))
        assert registry.approve(first.id, "anna", T0).state is State.SERVING
        assert registry.approve(second.id, "anna", T0).state is State.APPROVED
        assert registry.reject(third.id, "anna", T0, "trained on the outage").state is State.REJECTED
        assert states(registry) == ["serving", "approved", "rejected"]
        assert registry.promote(second.id, "ben", T0).state is State.SERVING
        assert states(registry) == ["retired", "serving", "rejected"]
        assert registry.rollback("forecast/a", "anna", T0).id == first.id
        assert states(registry) == ["serving", "retired", "rejected"]
        assert registry.rollback("forecast/a", "anna", T0).id == second.id
        assert registry.serving("forecast/a") == registry.get(second.id)
        life = [(change.model, change.state.value, change.who) for change in registry.history("forecast/a")]
        assert life[:3] == [(first.id, "pending", "ems"), (second.id, "pending", "ems"), (third.id, "pending", "ems")]
        assert life[-1] == (second.id, "serving", "anna")


def test_what_is_refused(url: str, tmp_path: Path) -> None:
    with Historian(url) as historian:
        registry = Registry(historian.database, tmp_path)
        first, second = register(registry, 1), register(registry, 2)
        with pytest.raises(RefusedError, match="is pending: only a model that is approved can be promoted"):
            registry.promote(first.id, "anna", T0)
        with pytest.raises(RefusedError, match="none to go back to"):
            registry.rollback("forecast/a", "anna", T0)
        registry.approve(first.id, "anna", T0)
        with pytest.raises(RefusedError, match="is serving: only a model that is pending or approved can be rejected"):
            registry.reject(first.id, "anna", T0, "")
        registry.reject(second.id, "anna", T0, "no")
        with pytest.raises(RefusedError, match="is rejected: only a model that is pending can be approved"):
            registry.approve(second.id, "anna", T0)
        with pytest.raises(RefusedError, match="none to go back to"):
            registry.rollback("forecast/a", "anna", T0)


def test_a_changed_file_is_never_loaded(tmp_path: Path) -> None:
    with Historian("sqlite://") as historian:
        registry = Registry(historian.database, tmp_path)
        record = register(registry, 1)
        file = tmp_path / record.file
        marker = tmp_path / "opened"

        class Trap:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return (os.mkdir, (str(marker),))

        joblib.dump(Trap(), file)
        with pytest.raises(RefusedError, match=r"was changed: SHA-256 \w+… instead of"):
            registry.load(record.id)
        assert not marker.exists()
        file.unlink()
        with pytest.raises(RefusedError, match="cannot be read"):
            registry.load(record.id)


def test_a_changed_file_never_comes_to_serve(url: str, tmp_path: Path) -> None:
    with Historian(url) as historian:
        registry = Registry(historian.database, tmp_path)
        first, second, third = (register(registry, number) for number in (1, 2, 3))
        registry.approve(first.id, "anna", T0)
        registry.approve(second.id, "anna", T0)
        for record in (first, second, third):
            (tmp_path / record.file).write_bytes(b"something else")
        with pytest.raises(RefusedError, match="was changed"):
            registry.approve(third.id, "anna", T0)
        with pytest.raises(RefusedError, match="was changed"):
            registry.promote(second.id, "anna", T0)
        assert states(registry) == ["serving", "approved", "pending"]


def test_the_way_back_is_closed_where_the_file_has_changed(tmp_path: Path) -> None:
    with Historian("sqlite://") as historian:
        registry = Registry(historian.database, tmp_path)
        first, second = (register(registry, number) for number in (1, 2))
        for record in (first, second):
            registry.approve(record.id, "anna", T0)
        registry.promote(second.id, "anna", T0)
        (tmp_path / first.file).unlink()
        with pytest.raises(RefusedError, match="cannot be read"):
            registry.rollback("forecast/a", "anna", T0)
        assert states(registry) == ["retired", "serving"]


def test_a_champion_that_may_not_be_loaded_gives_way(url: str, tmp_path: Path) -> None:
    """After an update of the product nothing old may be loaded: the first model that is accepted then serves at once."""
    with Historian(url) as historian:
        registry = Registry(historian.database, tmp_path)
        first, second = (register(registry, number) for number in (1, 2))
        registry.approve(first.id, "anna", T0)
        (tmp_path / first.file).write_bytes(b"something else")
        served = registry.approve(second.id, "anna", T0)
        assert (served.state, served.words) == (State.SERVING, f"{first.id} may not be loaded any more")
        assert states(registry) == ["retired", "serving"]


def test_a_refused_model_was_never_pending_to_anybody_and_leaves_no_file(tmp_path: Path) -> None:
    with Historian("sqlite://") as historian:
        registry = Registry(historian.database, tmp_path)
        kept = register(registry, 1)
        refused = registry.register({"number": 2}, trained(), T0, "ems", refused="mase 2 is above 1")
        assert (refused.state, refused.words) == (State.REJECTED, "mase 2 is above 1")
        assert registry.get(refused.id) == refused
        assert registry.sweep() == 1
        assert [file.name for file in tmp_path.iterdir()] == [kept.file]


def test_a_newer_model_takes_the_place_of_those_that_wait(url: str, tmp_path: Path) -> None:
    with Historian(url) as historian:
        registry = Registry(historian.database, tmp_path)
        old = register(registry, 1)
        other = registry.register({}, replace(trained(), algorithm="forest"), T0, "ems")
        served = register(registry, 2)
        registry.approve(served.id, "anna", T0)
        new = register(registry, 3)
        registry.supersede(new, "rule", T0)
        assert registry.get(old.id).words == f"{new.id} was trained since"
        found = {record.id: record.state for record in registry.models()}
        assert found == {old.id: State.REJECTED, other.id: State.PENDING, served.id: State.SERVING, new.id: State.PENDING}


def test_a_class_that_is_gone_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("gone")
    module.Model = type("Model", (), {"__module__": "gone"})  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "gone", module)
    with Historian("sqlite://") as historian:
        registry = Registry(historian.database, tmp_path)
        record = registry.register(module.Model(), trained(), T0, "ems")
        monkeypatch.delitem(sys.modules, "gone")
        with pytest.raises(RefusedError, match=r"cannot be read by this version \(No module named 'gone'\): train it anew"):
            registry.load(record.id)


@pytest.mark.parametrize("name", ["code", "python", "scikit-learn"])
def test_a_model_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with Historian("sqlite://") as historian:
        registry = Registry(historian.database, tmp_path)
        record = register(registry, 1)
        now = dict(record.versions) | {name: "0.0"}
        monkeypatch.setattr("ems.registry.versions", lambda kind: tuple(now.items()))
        with pytest.raises(RefusedError, match=rf"was stored with {name} .* \(here 0\.0\)"):
            registry.load(record.id)


def test_a_record_that_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    with Historian("sqlite://") as historian:
        registry = Registry(historian.database, tmp_path)
        with historian.database.writing() as connection:
            connection.execute(sa.text("DROP TABLE models"))
        with pytest.raises(HistorianError):
            register(registry, 1)
        assert list(tmp_path.iterdir()) == []


_TRAINING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from ems.historian import Historian
from ems.registry import Registry
from tests.ems.test_registry import trained
with Historian(sys.argv[1]) as historian:
    registry = Registry(historian.database, Path(sys.argv[2]))
    registry._insert = lambda *_: (print("stored", flush=True), __import__("time").sleep(60))
    registry.register({"number": 1}, trained(), datetime(2026, 3, 1, tzinfo=UTC), "ems")
"""


def test_a_folder_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file", encoding="utf-8")
    with Historian(f"sqlite:///{tmp_path / 'h.sqlite'}") as historian:
        registry = Registry(historian.database, tmp_path / "models")
        with pytest.raises(DataError, match="the model cannot be stored"):
            register(registry, 1)
        assert registry.models() == []


def test_a_killed_training_leaves_nothing_registered(tmp_path: Path) -> None:
    """Killed between the file and its record: the file is an orphan, and the next training sweeps it away."""
    url, folder = f"sqlite:///{tmp_path / 'h.sqlite'}", tmp_path / "models"
    running = subprocess.Popen([sys.executable, "-c", _TRAINING, url, str(folder)], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline() == "stored\n"
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    running.stdout.close()
    (folder / f".m-1.joblib.{running.pid}.part").write_bytes(b"half")
    with Historian(url) as historian:
        registry = Registry(historian.database, folder)
        assert registry.models() == []
        kept = register(registry, 2)
        assert registry.sweep() == 2
        assert [file.name for file in folder.iterdir()] == [kept.file]
        assert registry.load(kept.id) == {"number": 2}
