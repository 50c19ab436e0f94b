"""Bad days of the database: said in words, and nothing half done."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from ems.historian import Historian
from plant.errors import ConfigError, HistorianError
from plant.events import Event
from plant.table import Table

T0 = datetime(2026, 3, 1, tzinfo=UTC)
EVENT = Event(id="e-1", time=T0, kind="test", asset=None, words="")


def test_locked(tmp_path: Path) -> None:
    file = tmp_path / "h.sqlite"
    with Historian(f"sqlite:///{file}", patience_s=0.1) as historian:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(HistorianError, match="locked by another program; stop that one"):
            historian.append("event", [EVENT], cycle="", time=T0)
        assert historian.entries() == []
        other.execute("ROLLBACK")
        other.close()
        historian.append("event", [EVENT], cycle="", time=T0)
        assert historian.verify() == 1


def test_locked_postgresql(postgresql: str) -> None:
    url = f"{postgresql}/postgres"
    with Historian(url, patience_s=0.1) as historian, Historian(url) as other, other.database.writing() as connection:
        connection.execute(sa.text("LOCK TABLE journal IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(HistorianError, match="locked by another program"):
            historian.append("event", [EVENT], cycle="", time=T0)


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    file = tmp_path / "h.sqlite"
    with Historian(f"sqlite:///{file}", patience_s=0.1) as historian:
        historian.append("event", [EVENT], cycle="", time=T0)
        with historian.database.writing() as connection:
            connection.execute(sa.text("DELETE FROM requests"))
            assert historian.verify() == 1


def test_read_only(tmp_path: Path) -> None:
    file = tmp_path / "h.sqlite"
    with Historian(f"sqlite:///{file}") as historian:
        historian.append("event", [EVENT], cycle="", time=T0)
    with Historian(f"sqlite:///file:{file}?mode=ro&uri=true") as historian:
        assert historian.verify() == 1
        with pytest.raises(HistorianError, match="is read-only; give this user the right"):
            historian.append("event", [EVENT], cycle="", time=T0)


def test_read_only_postgresql(postgresql: str) -> None:
    url = f"{postgresql}/postgres"
    with Historian(url) as historian:

        @sa.event.listens_for(historian.database.engine, "begin")
        def refuse(connection: sa.Connection) -> None:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

        with pytest.raises(HistorianError, match="is read-only; connect to the primary server"):
            historian.append("event", [EVENT], cycle="", time=T0)


def test_disk_full(tmp_path: Path) -> None:
    with Historian(f"sqlite:///{tmp_path / 'h.sqlite'}") as historian:
        historian.append("event", [EVENT], cycle="", time=T0)
        with historian.database.reading() as connection:
            pages = connection.execute(sa.text("PRAGMA page_count")).scalar()

        @sa.event.listens_for(historian.database.engine, "checkout")
        def small(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count={pages}")

        rows = 20_000
        times = np.datetime64("2026-01-01", "us") + np.arange(rows) * np.timedelta64(1, "s")
        with pytest.raises(HistorianError, match="disk is full; free space"):
            historian.write_table(Table(times=times, columns={"a": np.ones(rows)}))
        assert len(historian.table(["a"])) == 0
        assert historian.units() == {}


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(HistorianError, match="cannot be opened: its folder is missing"):
        Historian(f"sqlite:///{tmp_path / 'no' / 'h.sqlite'}")


def test_something_else(tmp_path: Path) -> None:
    file = tmp_path / "h.sqlite"
    file.write_text("a letter to the operator\n" * 100)
    with pytest.raises(HistorianError, match="is not a historian: the file holds something else"):
        Historian(f"sqlite:///{file}")


def test_newer_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'h.sqlite'}"
    with Historian(url) as historian, historian.database.writing() as connection:
        connection.execute(sa.text("INSERT INTO ems_schema VALUES (99)"))
    with pytest.raises(HistorianError, match="newer version of twin-ems"):
        Historian(url)


@pytest.mark.parametrize("url", ["history.sqlite", "", "mysql+nothing://x", "oracle://x"])
def test_no_database_url(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///"):
        Historian(url)


def test_no_server_and_no_password_shown() -> None:
    with pytest.raises(HistorianError, match="does not answer") as found:
        Historian("postgresql://ems:secret@127.0.0.1:1/x")
    assert "secret" not in str(found.value)


_WRITER = """
import sys
from datetime import UTC, datetime
from ems.historian import Historian
from plant.events import Event
with Historian(sys.argv[1]) as historian:
    number = 0
    while True:
        number += 1
        time = datetime(2026, 3, 1, tzinfo=UTC)
        event = Event(id=f"e-{number}", time=time, kind="t", asset=None, words="x" * 3000)
        historian.append("event", [event] * 3, cycle="c", time=time)
        print(number, flush=True)
"""


def test_kill_leaves_whole_transactions(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'h.sqlite'}"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, url], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    promised = [int(writer.stdout.readline()) for _ in range(5)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    promised = max([promised, *map(int, writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    with Historian(url) as historian:
        rows = historian.verify()
        assert rows % 3 == 0
        assert rows >= 3 * promised
