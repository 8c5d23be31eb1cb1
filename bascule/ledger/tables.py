"""The ledger's tables. Rows are added, never changed; `lease` and `lock_out` alone are rewritten: they say who holds what now.

No text has a length: SQLite minds none, and what a remote calls an operation is not for PostgreSQL to cut short.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

REVISION = "0003"
"""The revision this version of Bascule reads and writes. A test holds it to Alembic's head."""


class Instant(TypeDecorator[datetime]):
    """A time-zone-aware instant, UTC in the database whatever the database thinks of zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("The ledger takes no instant without a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only where the key is a plain INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

entry = Table(
    "entry",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("cabinet", String, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", String, nullable=False),
    Column("wave", String, nullable=False),
    Column("run", String, nullable=False),
    Column("step", String),
    Column("attempt", Integer, nullable=False),
    Column("state", String),
    Column("reason", Text, nullable=False),
    Column("lifecycle", String),
    Column("outcome", String),
    Column("error_class", String),
    Column("error_signature", Text),
    Column("verb", String),
    Column("key", String),
    Column("operation", String),
    Column("fence", BigInteger, nullable=False),
    Column("evidence", JSON, nullable=False),
    UniqueConstraint("cabinet", "seq", name="entry_has_one_place"),
    Index("entry_by_wave_and_kind", "wave", "kind"),
    Index("entry_by_run", "run"),
    Index("entry_by_kind", "kind"),
    Index("entry_by_operation", "operation"),
)

evidence = Table(
    "evidence",
    metadata,
    Column("hash", String, primary_key=True),
    Column("cabinet", String, nullable=False),
    Column("what", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

inventory = Table(
    "inventory",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("digest", String, nullable=False),
    Column("at", Instant, nullable=False),
    Column("who", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("content", JSON, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("cabinet", String, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("owner", String, nullable=False),
    Column("host", String, nullable=False),
    Column("boot", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", BigInteger, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

lock_out = Table(
    "lock_out",
    metadata,
    Column("cabinet", String, primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("owner", String, nullable=False),
    Column("host", String, nullable=False),
    Column("boot", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", BigInteger, nullable=False),
    Column("since", Instant, nullable=False),
    Column("deadline", Instant, nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)
