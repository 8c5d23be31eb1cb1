"""Ledgers on a throw-away PostgreSQL, whose connections may be cut; and whether somebody is writing to one, wherever it is."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from tests import databases


@dataclass
class PostgreSql:
    server: Engine

    def new_ledger(self) -> str:
        """The URL of an empty database."""
        name = f"bascule_{uuid4().hex}"
        with self.server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            # Connections that were cut are nothing to report: they are what this is for.
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET log_min_messages = panic")
        return self.server.url.set(database=name).render_as_string(hide_password=False)

    def cut(self, ledger_url: str, chance: random.Random) -> None:
        """Ends one connection to a ledger, or all."""
        of_the_ledger = text(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'bascule' AND datname = :name ORDER BY pid"
        )
        with self.server.connect() as connection:
            pids = connection.scalars(of_the_ledger, {"name": make_url(ledger_url).database}).all()
            for pid in [chance.choice(pids)] if pids and chance.random() < 0.5 else pids:
                connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})

    def drop(self, ledger_url: str) -> None:
        with self.server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {make_url(ledger_url).database} WITH (FORCE)")


def is_being_written(ledger_url: str) -> bool:
    url = make_url(ledger_url)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database), timeout=0, isolation_level=None)) as ledger:
            try:
                ledger.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        turns = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = "
        return bool(connection.scalar(text(f"{turns}(SELECT oid FROM pg_database WHERE datname = current_database())")))


@contextmanager
def postgresql() -> Iterator[PostgreSql | str]:
    """A server, or why there is none."""
    named = os.environ.get(databases.POSTGRESQL_URL)
    with ExitStack() as stack:
        if not named and (why_not := databases.missing()):
            yield why_not
            return
        server = create_engine(named or stack.enter_context(databases.started()), isolation_level="AUTOCOMMIT")
        stack.callback(server.dispose)
        try:
            server.connect().close()
        except OperationalError as silent:
            raise SystemExit(
                f"The PostgreSQL that {databases.POSTGRESQL_URL} names cannot be used: {silent.orig}"
            ) from None
        yield PostgreSql(server)
