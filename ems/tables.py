"""The tables of a site's database."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

schema_table = sa.Table("ems_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

tag_table = sa.Table(
    "tags",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("unit", sa.Text, nullable=False, default=""),
)

reading_table = sa.Table(
    "readings",
    metadata,
    sa.Column("tag", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Double),
    sa.Column("quality", sa.SmallInteger, nullable=False),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("source_time", sa.BigInteger),
    sa.Column("server_time", sa.BigInteger),
    sa.Column("words", sa.Text),
    sqlite_with_rowid=False,
)

journal_table = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("id", sa.Text, nullable=False, index=True),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("cycle", sa.Text, nullable=False, index=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
    sa.Index("ix_journal_kind_time", "kind", "time"),
    sa.Index("ix_journal_kind_seq", "kind", "seq"),
)

part_table = sa.Table(
    "journal_parts",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

head_table = sa.Table(
    "journal_head",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)

request_table = sa.Table(
    "requests",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("taken", sa.Boolean, nullable=False, default=False, index=True),
)

lease_table = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("until", sa.BigInteger, nullable=False),
)

model_table = sa.Table(
    "models",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("trained_at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

model_change_table = sa.Table(
    "model_changes",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("model", sa.Text, nullable=False, index=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
)

issued_table = sa.Table(
    "issued_forecasts",
    metadata,
    sa.Column("model", sa.Text, primary_key=True),
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("issued", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("ix_issued_target", "target", "issued"),
)

notice_table = sa.Table(
    "notices",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

job_table = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("due", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),
)
