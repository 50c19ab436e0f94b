"""Databases for tests: SQLite in a folder, and a PostgreSQL server of our own on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if not found and on_path:
        found = [Path(on_path).resolve()]
    return found[-1].parent if found and (found[-1].parent / "initdb").exists() else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    import psycopg

    for _ in range(400):
        if server.poll() is not None:
            break
        try:
            psycopg.connect(f"postgresql://ems@127.0.0.1:{port}/postgres", connect_timeout=5).close()
        except psycopg.OperationalError:  # it does not listen yet, or says that it is starting up
            time.sleep(0.05)  # noqa: TID251  # a server that starts has no other clock than the wall's
        else:
            return
    pytest.fail(f"PostgreSQL did not start (exit code {server.poll()})")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of a PostgreSQL server that ends with the tests; PostgreSQL refuses root, so it runs as nobody then."""
    programs = _programs()
    if programs is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL tests need a PostgreSQL server: apt-get install postgresql")
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    root = os.geteuid() == 0
    who: dict[str, object] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if root else {}
    folder = Path(tempfile.mkdtemp(prefix="ems-pg-"))
    if root:
        shutil.chown(folder, "nobody", "nogroup")
    data, port = folder / "data", _free_port()
    try:
        make = [programs / "initdb", "-D", data, "-U", "ems", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(make, check=True, capture_output=True, **who)  # type: ignore[call-overload]  # user and group by name
        options = [
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={folder}",
            "-c",
            "fsync=off",
            "-p",
            str(port),
        ]
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who
        )  # type: ignore[call-overload]  # user and group by name
        try:
            _wait_for(port, server)
            yield f"postgresql://ems@127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.sqlite'}"
    import psycopg

    server = request.getfixturevalue("postgresql")
    name = f"ems_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"
