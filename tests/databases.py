"""Databases for tests to write in: a file of SQLite, and a throw-away PostgreSQL that each test process starts for itself."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import OperationalError

from bascule.ledger import Ledger

POSTGRESQL_URL = "BASCULE_TEST_POSTGRESQL_URL"
"""Names a server to make databases on, instead of one that is started here."""

DEBIANS = Path("/usr/lib/postgresql")
"""Where Debian keeps what is not meant for a PATH, a folder a version."""

NOBODY_KEEPS_IT = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
QUIET = ["-c", "log_min_messages=fatal", "-c", "listen_addresses=", "-c", "max_connections=60"]


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server on which databases may be made; skips, saying why, where there is none."""
    named = os.environ.get(POSTGRESQL_URL)
    if named:
        yield named
        return
    if why_not := missing():
        pytest.skip(f"no PostgreSQL to test on: {why_not}, or name a server in {POSTGRESQL_URL}")
    with started() as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_room(postgresql_server: str) -> Iterator[Engine]:
    """A database in which every test has a schema of its own: a tenth of what a database for each would cost."""
    name = f"bascule_{uuid4().hex}"
    server = create_engine(postgresql_server, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    room = create_engine(server.url.set(database=name), isolation_level="AUTOCOMMIT")
    yield room
    room.dispose()
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture
def postgresql_url(postgresql_room: Engine) -> Iterator[str]:
    """An empty database on PostgreSQL, as far as who is given this address can tell."""
    name = f"test_{uuid4().hex}"
    with postgresql_room.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    url = postgresql_room.url.update_query_dict({"options": f"-csearch_path={name}"})
    yield url.render_as_string(hide_password=False)
    with postgresql_room.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {name} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger(ledger_url) as ledger:
        yield ledger


def missing() -> str | None:
    """What keeps a server from being started here."""
    if not programs():
        return "install Debian's postgresql (apt-get install postgresql)"
    if not shutil.which("setpriv"):
        return "setpriv is missing (apt-get install util-linux)"
    return None


@contextmanager
def started() -> Iterator[str]:
    """A server that listens on a socket in a folder of its own, and goes when this process goes, however it goes."""
    found = programs()
    assert found
    folder = Path(tempfile.mkdtemp(prefix="bascule-pg-"))  # not pytest's: a socket's path may have 107 characters
    as_postgres = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
        shutil.chown(folder, "postgres", "postgres")
        as_postgres += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    data = folder / "data"
    try:
        initdb: list[str | Path] = [
            found / "initdb",
            "-D",
            data,
            "-U",
            "bascule",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale",
            "C",
            "-N",
        ]
        subprocess.run([*as_postgres, *initdb], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        serve: list[str | Path] = [found / "postgres", "-D", data, "-k", folder, *NOBODY_KEEPS_IT, *QUIET]
        server = subprocess.Popen([*as_postgres, *serve], cwd=folder)
        try:
            url = f"postgresql+psycopg://bascule@/postgres?host={folder}"
            wait_for(url, server)
            yield url
        finally:
            server.send_signal(signal.SIGINT)  # cuts who is still connected
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    engine = create_engine(url)
    for _ in range(300):
        try:
            engine.connect().close()
            break
        except OperationalError:
            assert server.poll() is None, "PostgreSQL did not start"
            time.sleep(0.05)
    engine.dispose()


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs."""
    by_version = sorted(DEBIANS.glob("*/bin/initdb"), key=lambda found: int(found.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    found = [*by_version, *([Path(on_path).resolve()] if on_path else [])]
    return found[0].parent if found else None
