"""The models of a site: made from what, how good, which one serves; and a file that is only loaded if it fits."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError

import joblib
import numpy as np
import sqlalchemy as sa
from pydantic import TypeAdapter

from ems.config import LoadedSite, models_folder
from ems.database import Database
from ems.historian import Historian
from ems.model_record import Change, ModelRecord, State, Trained, data_hash, versions
from ems.readings import instant_of, microseconds
from ems.tables import model_change_table, model_table
from plant.errors import DataError, NotFoundError, RefusedError
from plant.identity import canonical, content_id

__all__ = ["RULE", "Change", "ModelRecord", "Registry", "State", "Trained", "registry_of", "versions"]

_MUST_AGREE = ("code", "python", "scikit-learn")
RULE = "rule of the site file"
"""Who it is that approves, promotes and rejects where no person does."""
_SUFFIX = ".joblib"
_UNREADABLE = (AttributeError, EOFError, ImportError, KeyError, TypeError, ValueError, UnpicklingError)
"""How reading a stored object fails where its classes are not those that stored it."""
_ADAPTER = TypeAdapter(ModelRecord)


def registry_of(loaded: LoadedSite, historian: Historian) -> Registry:
    """The registry of a site."""
    return Registry(historian.database, models_folder(loaded))


class Registry:
    """Models of a site: records in its database, files in a folder.

    Parameters
    ----------
    database
        Of the site's historian.
    folder
        Of the model files; made when the first is stored.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database, self._folder = database, folder

    # Storing and loading

    def register(self, model: object, trained: Trained, now: datetime, who: str, *, refused: str = "") -> ModelRecord:
        """Store a model as pending: first its whole file, then its record, so that a record without a file cannot exist.

        Parameters
        ----------
        refused
            Why it is rejected at once; empty if it is not. A refused model is never pending, not even for a moment.

        Raises
        ------
        DataError
            If the file cannot be written.
        HistorianError
            If the database refuses; the file is removed again.
        """
        buffer = BytesIO()
        joblib.dump(model, buffer, compress=3)
        content = buffer.getvalue()
        record = _record(trained, content, now)
        file = self._written(record.file, content)
        try:
            return self._insert(record, now, who, refused)
        except BaseException:
            file.unlink(missing_ok=True)
            raise

    def _written(self, name: str, content: bytes) -> Path:
        file, beside = self._folder / name, self._folder / f".{name}.{os.getpid()}.part"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(file)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            raise DataError(f"{file}: the model cannot be stored: {error.strerror}") from error
        return file

    def load(self, model_id: str) -> object:
        """The model of an id; its file is opened only if it is the one that was stored, by these versions.

        Raises
        ------
        NotFoundError
            If there is no such model.
        RefusedError
            If its file is missing or changed, or libraries differ from those it was stored with.
        """
        record = self.get(model_id)
        content = self._content(record)
        try:
            return joblib.load(BytesIO(content))
        except _UNREADABLE as error:
            raise RefusedError(f"model {record.id} cannot be read by this version ({error}): train it anew") from error

    def _content(self, record: ModelRecord) -> bytes:
        """The file of a model if it is the one that was stored, by these versions; RefusedError says why it is not."""
        file = self._folder / record.file
        try:
            content = file.read_bytes()
        except OSError as error:
            raise RefusedError(f"model {record.id}: its file {file} cannot be read ({error.strerror}); train it anew") from error
        found = hashlib.sha256(content).hexdigest()
        if found != record.sha256:
            words = f"its file {file} was changed: SHA-256 {found[:12]}… instead of {record.sha256[:12]}…"
            raise RefusedError(f"model {record.id}: {words}; train it anew")
        here, then = dict(versions(record.kind)), dict(record.versions)
        other = [f"{name} {then.get(name)} (here {here[name]})" for name in _MUST_AGREE if then.get(name) != here[name]]
        if other:
            raise RefusedError(f"model {record.id} was stored with {', '.join(other)}: it may not read the same; train it anew")
        return content

    def fault(self, record: ModelRecord) -> str | None:
        """Why a model may not be loaded; None if it may."""
        try:
            self._content(record)
        except RefusedError as error:
            return str(error)
        return None

    def sweep(self) -> int:
        """Remove files that are of no use: those a killed training left behind, and those of rejected models; returns how many.

        Call it only while no other process registers a model (under the lease of training).
        """
        if not self._folder.is_dir():
            return 0
        known = {record.file for record in self.models() if record.state is not State.REJECTED}
        found = [*self._folder.glob(f"*{_SUFFIX}"), *self._folder.glob(f".*{_SUFFIX}.*.part")]
        orphans = [file for file in found if file.name not in known and not _being_written(file)]
        for file in orphans:
            file.unlink(missing_ok=True)
        return len(orphans)

    # Looking

    def models(self, name: str | None = None, state: State | None = None) -> list[ModelRecord]:
        """Models, newest first."""
        query = sa.select(model_table.c.body).order_by(model_table.c.trained_at.desc(), model_table.c.id)
        query = query if name is None else query.where(model_table.c.name == name)
        query = query if state is None else query.where(model_table.c.state == state.value)
        with self._database.reading() as connection:
            return [_ADAPTER.validate_json(body) for body in connection.execute(query).scalars()]

    def get(self, model_id: str) -> ModelRecord:
        """The record of an id, or of the only id that begins so.

        Raises
        ------
        NotFoundError
            If there is none, or more than one.
        """
        with self._database.reading() as connection:
            return self._get(connection, model_id)

    def _get(self, connection: sa.Connection, model_id: str) -> ModelRecord:
        query = sa.select(model_table.c.body).where(model_table.c.id.startswith(model_id, autoescape=True)).limit(2)
        bodies = connection.execute(query).scalars().all()
        if len(bodies) != 1 or not model_id:
            raise NotFoundError(
                f"{'several models begin with' if bodies else 'there is no model'} {model_id!r}; see `ems models list`"
            )
        return _ADAPTER.validate_json(bodies[0])

    def serving(self, name: str) -> ModelRecord | None:
        """The model that serves a name; None if none does."""
        found = self.models(name, State.SERVING)
        return found[0] if found else None

    def history(self, name: str) -> list[Change]:
        """Every step in the lives of a name's models, oldest first."""
        query = sa.select(model_change_table).where(model_change_table.c.name == name).order_by(model_change_table.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            Change(model=row.model, time=instant_of(row.time), who=row.who, state=State(row.state), words=row.words) for row in rows
        ]

    # Changing

    def approve(self, model_id: str, who: str, now: datetime, words: str = "") -> ModelRecord:
        """A person (or the site's rule) accepts a pending model; it serves at once where none serves that may be loaded.

        Otherwise it runs beside the serving one until it is promoted.

        Raises
        ------
        RefusedError
            If it is not pending, or may not be loaded.
        """
        with self._changing() as connection:
            record = self._expected(connection, model_id, (State.PENDING,), "approved")
            self._content(record)
            approved = self._changed(connection, record, State.APPROVED, who, now, words)
            present = self._serving(connection, record.name)
            if present is None:
                return self._swap(connection, approved, who, now, "the first of its name")
            if self.fault(present) is not None:
                return self._swap(connection, approved, who, now, f"{present.id} may not be loaded any more")
            return approved

    def reject(self, model_id: str, who: str, now: datetime, words: str) -> ModelRecord:
        """Refuse a model for good; the words say why.

        Raises
        ------
        RefusedError
            If it serves: roll back first.
        """
        with self._changing() as connection:
            record = self._expected(connection, model_id, (State.PENDING, State.APPROVED), "rejected")
            return self._changed(connection, record, State.REJECTED, who, now, words)

    def promote(self, model_id: str, who: str, now: datetime, words: str = "") -> ModelRecord:
        """Let an approved model serve; the one that served retires.

        Raises
        ------
        RefusedError
            If it is not approved (a retired one comes back by `rollback`), or may not be loaded.
        """
        with self._changing() as connection:
            record = self._expected(connection, model_id, (State.APPROVED,), "promoted")
            return self._swap(connection, record, who, now, words)

    def rollback(self, name: str, who: str, now: datetime, words: str = "") -> ModelRecord:
        """Let the model serve again that served before the present one; the present one retires.

        Raises
        ------
        RefusedError
            If none served before, or that one may not be loaded.
        """
        with self._changing() as connection:
            present = self._serving(connection, name)
            query = sa.select(model_change_table.c.model).where(
                model_change_table.c.name == name, model_change_table.c.state == State.SERVING.value
            )
            served = connection.execute(query.order_by(model_change_table.c.number.desc())).scalars().all()
            before = [model for model in served if present is None or model != present.id]
            if not before:
                raise RefusedError(f"{name}: no model served before the present one, so there is none to go back to")
            earlier = self._expected(connection, before[0], (State.RETIRED, State.APPROVED), "served again")
            return self._swap(connection, earlier, who, now, words or "rolled back")

    def supersede(self, newer: ModelRecord, who: str, now: datetime) -> None:
        """Reject older models of the same name and algorithm that still wait for a person: nobody has to look at them any more."""
        with self._changing() as connection:
            query = sa.select(model_table.c.body).where(
                model_table.c.name == newer.name, model_table.c.state == State.PENDING.value, model_table.c.id != newer.id
            )
            for record in map(_ADAPTER.validate_json, connection.execute(query).scalars().all()):
                if record.algorithm == newer.algorithm and record.trained_at <= newer.trained_at:
                    self._changed(connection, record, State.REJECTED, who, now, f"{newer.id} was trained since")

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        """A transaction in which nobody else changes the registry."""
        with self._database.writing() as connection:
            if not self._database.sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(734)"))
            yield connection

    def _swap(self, connection: sa.Connection, record: ModelRecord, who: str, now: datetime, words: str) -> ModelRecord:
        self._content(record)
        present = self._serving(connection, record.name)
        if present is not None:
            self._changed(connection, present, State.RETIRED, who, now, f"{record.id} serves instead")
        return self._changed(connection, record, State.SERVING, who, now, words)

    def _serving(self, connection: sa.Connection, name: str) -> ModelRecord | None:
        query = sa.select(model_table.c.body).where(model_table.c.name == name, model_table.c.state == State.SERVING.value)
        body = connection.execute(query).scalar()
        return None if body is None else _ADAPTER.validate_json(body)

    def _expected(self, connection: sa.Connection, model_id: str, states: Sequence[State], verb: str) -> ModelRecord:
        record = self._get(connection, model_id)
        if record.state not in states:
            allowed = " or ".join(state.value for state in states)
            raise RefusedError(f"model {record.id} is {record.state.value}: only a model that is {allowed} can be {verb}")
        return record

    def _insert(self, record: ModelRecord, now: datetime, who: str, refused: str) -> ModelRecord:
        row = {"id": record.id, "name": record.name, "state": record.state.value, "trained_at": microseconds(record.trained_at)}
        with self._changing() as connection:
            connection.execute(sa.insert(model_table), [{**row, "body": canonical(record)}])
            self._noted(connection, record, who, now)
            return self._changed(connection, record, State.REJECTED, RULE, now, refused) if refused else record

    def _changed(
        self, connection: sa.Connection, record: ModelRecord, state: State, who: str, now: datetime, words: str
    ) -> ModelRecord:
        changed = replace(record, state=state, words=words)
        values = {"state": state.value, "body": canonical(changed)}
        connection.execute(sa.update(model_table).where(model_table.c.id == record.id).values(**values))
        self._noted(connection, changed, who, now)
        return changed

    def _noted(self, connection: sa.Connection, record: ModelRecord, who: str, now: datetime) -> None:
        row: Mapping[str, object] = {
            "model": record.id,
            "name": record.name,
            "time": microseconds(now),
            "who": who,
            "state": record.state.value,
            "words": record.words,
        }
        connection.execute(sa.insert(model_change_table), [row])


def _record(trained: Trained, content: bytes, now: datetime) -> ModelRecord:
    """What is known of a model that was trained now and whose file has this content."""
    checksum, times = hashlib.sha256(content).hexdigest(), trained.history.times.astype(np.int64)
    model_id = content_id("m", trained.name, trained.algorithm, now, checksum)
    return ModelRecord(
        id=model_id,
        name=trained.name,
        kind=trained.kind,
        algorithm=trained.algorithm,
        state=State.PENDING,
        trained_at=now,
        data_start=instant_of(int(times[0])),
        data_end=instant_of(int(times[-1])),
        rows=len(trained.history),
        data_hash=data_hash(trained.history),
        metrics=trained.metrics,
        importances=trained.importances,
        versions=versions(trained.kind),
        file=f"{model_id}{_SUFFIX}",
        sha256=checksum,
        size_bytes=len(content),
    )


def _being_written(file: Path) -> bool:
    """Whether the process that writes a `.part` file still runs."""
    process = file.name.rsplit(".", 2)[-2]
    if not file.name.endswith(".part") or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
