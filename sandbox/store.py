"""What survives: the only door to the database. Standings, writes and the scenario in force, in SQLite.

Everything is held in memory too; the database is written behind it, and read once, at the start. A file is written
after every request, so that a killed sandbox goes on where it was. Without a file it is SQLite in memory, in batches.
"""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Column, Float, Integer, MetaData, StaticPool, String, Table, create_engine, delete, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DatabaseError

from sandbox.standing import Operation, Standing, Write

BATCH = 500

_schema = MetaData()
_standings = Table(
    "standings",
    _schema,
    Column("cabinet", String, primary_key=True),
    Column("line", String, nullable=False),
    Column("standing", String, nullable=False),
)
_writes = Table(
    "writes",
    _schema,
    Column("n", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("system", String, nullable=False),
    Column("cabinet", String, nullable=False),
    Column("verb", String, nullable=False),
    Column("key", String),
    Column("outcome", String, nullable=False),
    Column("code", String),
    Column("operation", String),
)
_facts = Table(
    "facts",
    _schema,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

_standing_json = TypeAdapter(Standing)
_operation_json = TypeAdapter(Operation)
_text_json = TypeAdapter(dict[str, Any])


class StateRefused(ValueError):
    """The state file cannot be used."""


@dataclass(frozen=True)
class Kept:
    """What an earlier sandbox left."""

    facts: dict[str, dict[str, Any]]
    standings: dict[str, tuple[str, Standing]]
    """Line of the world and standing, by cabinet."""
    writes: list[Write]


class Store:
    def __init__(self, path: str | None) -> None:
        self._batch = 1 if path else BATCH
        self._engine = _engine(path)
        # Closed when nobody holds the store any more: an ASGI app in a test is never told that it ends.
        self.close = weakref.finalize(self, self._engine.dispose)
        self._new_standings: dict[str, dict[str, Any]] = {}
        self._new_writes: dict[int, dict[str, Any]] = {}
        self._new_facts: dict[str, dict[str, Any]] = {}
        try:
            _schema.create_all(self._engine)
            self.kept = self._read()
        except DatabaseError as refused:
            raise StateRefused(f"the state file {path} cannot be used ({refused.orig})") from None

    def _read(self) -> Kept:
        with self._engine.connect() as connection:
            return Kept(
                facts={row.name: _text_json.validate_json(row.value) for row in connection.execute(select(_facts))},
                standings={
                    row.cabinet: (row.line, _standing_json.validate_json(row.standing))
                    for row in connection.execute(select(_standings))
                },
                writes=[_write(row) for row in connection.execute(select(_writes).order_by(_writes.c.n))],
            )

    def keep_standing(self, cabinet: str, line: str, standing: Standing) -> None:
        text = _standing_json.dump_json(standing).decode()
        self._new_standings[cabinet] = {"cabinet": cabinet, "line": line, "standing": text}

    def keep_write(self, write: Write) -> None:
        self._new_writes[write.n] = {
            "n": write.n,
            "at": write.at,
            "system": write.system,
            "cabinet": write.cabinet,
            "verb": write.verb,
            "key": write.key,
            "outcome": write.outcome,
            "code": write.code,
            "operation": _operation_json.dump_json(write.operation).decode() if write.operation else None,
        }

    def keep_fact(self, name: str, value: dict[str, Any]) -> None:
        self._new_facts[name] = {"name": name, "value": _text_json.dump_json(value).decode()}

    def flush(self) -> None:
        """Write what there is, if it is worth it."""
        waiting = ((_writes, self._new_writes), (_standings, self._new_standings), (_facts, self._new_facts))
        if sum(len(rows) for _, rows in waiting) < self._batch:
            return
        with self._engine.begin() as connection:
            for table, rows in waiting:
                if rows:
                    connection.execute(_upserts[table.name], list(rows.values()))
                    rows.clear()

    def clear(self) -> None:
        for rows in (self._new_writes, self._new_standings, self._new_facts):
            rows.clear()
        with self._engine.begin() as connection:
            for table in _schema.sorted_tables:
                connection.execute(delete(table))


def _engine(path: str | None) -> Engine:
    if path and not Path(path).resolve().parent.is_dir():
        raise StateRefused(f"the state file {path} cannot be made: its folder does not exist")
    if path:
        _make_private(path)
    engine = create_engine(f"sqlite:///{path or ':memory:'}", poolclass=StaticPool)

    @event.listens_for(engine, "connect")
    def _fast_and_still_there_after_a_kill(connection: Any, _record: object) -> None:
        # Only a power failure could lose what the operating system has already taken.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = WAL")

    return engine


def _make_private(path: str) -> None:
    """Nobody else reads it, whatever the umask, nor what SQLite keeps beside it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as refused:
        raise StateRefused(f"the state file {path} cannot be used ({refused.strerror})") from None


def _upsert(table: Table) -> Any:
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)


_upserts = {table.name: _upsert(table) for table in _schema.sorted_tables}


def _write(row: Any) -> Write:
    return Write(
        n=row.n,
        at=row.at,
        system=row.system,
        cabinet=row.cabinet,
        verb=row.verb,
        key=row.key,
        outcome=row.outcome,
        code=row.code,
        operation=_operation_json.validate_json(row.operation) if row.operation else None,
    )
