"""Ledgers to write in: on SQLite, and on PostgreSQL too where BASCULE_TEST_POSTGRESQL_URL names a server to make databases on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from bascule.ledger import Ledger

POSTGRESQL = os.environ.get("BASCULE_TEST_POSTGRESQL_URL")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRESQL else [])])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    assert POSTGRESQL
    name = f"bascule_{uuid4().hex}"
    server = create_engine(POSTGRESQL, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield make_url(POSTGRESQL).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger(ledger_url) as ledger:
        yield ledger


@pytest.fixture
def database(ledger_url: str) -> Iterator[Engine]:
    """The back door: what somebody with a database client could do."""
    engine = create_engine(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture
def commits() -> Iterator[list[str]]:
    """One item a committed transaction, of whatever engine, from now on."""
    seen: list[str] = []

    def count(_: Connection) -> None:
        seen.append("commit")

    event.listen(Engine, "commit", count)
    yield seen
    event.remove(Engine, "commit", count)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement sent to a database from now on."""
    seen: list[str] = []

    def note(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)
