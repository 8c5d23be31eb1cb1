"""Ledgers to write in, on SQLite and on PostgreSQL, and what goes on behind their backs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from tests.databases import ledger, ledger_url

__all__ = ["ledger", "ledger_url"]


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
