"""Opening a database as a ledger: engines, and the revision it must have."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from bascule.errors import LedgerNewer, LedgerOlder, LedgerUnreachable
from bascule.ledger.tables import REVISION
from bascule.ledger.trouble import in_words
from bascule.private import make_folder, open_file

BUSY_SECONDS = 30.0
"""How long one who wants to write waits for another before they say so."""

WRITING = 7295182
"""The number of PostgreSQL's advisory lock that whoever writes to the ledger holds until they have committed."""

SILENCE = {"connect_timeout": 10, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""How soon a PostgreSQL that vanished without a word is given up, in seconds: by itself, TCP would wait for hours."""


def engine_for(url: str, *, writes: bool, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """A pooled engine. Writers take turns, on either database: a transaction that writes has the ledger to itself.

    So nobody comes between what a transaction reads and what it then writes, none fails midway because of another, and a
    fencing number that was looked at is still the newest when the entry under it is committed.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as wrong:
        raise LedgerUnreachable(
            f"{url!r} is not a database address",
            remedy="set BASCULE_LEDGER_URL, for example sqlite:///.bascule/ledger.db",
        ) from wrong
    match parsed.get_backend_name():
        case "sqlite":
            return _on_sqlite(parsed, writes, busy_seconds)
        case "postgresql":
            return _on_postgresql(parsed, writes, busy_seconds)
        case other:
            raise LedgerUnreachable(
                f"A ledger is kept on SQLite or on PostgreSQL, not on {other}", remedy="check BASCULE_LEDGER_URL"
            )


def _on_sqlite(url: URL, writes: bool, busy_seconds: float) -> Engine:
    if writes and (file := file_of(url)) is not None:
        _make_folder(file.parent)
    engine = create_engine(url, connect_args={"timeout": busy_seconds, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        # SQLAlchemy's own BEGIN, not the driver's: see "begin" below.
        connection.isolation_level = None
        if writes:
            _write_ahead(connection, until=monotonic() + busy_seconds)
            # An intent is on disk before its act, also when the machine loses power.
            connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: sqlite3.Connection, until: float) -> None:
    """So that reading goes on while somebody writes. For this one change SQLite does not wait by itself for who is there."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as trouble:
            if trouble.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() >= until:
                raise
            sleep(0.01)


def _on_postgresql(url: URL, writes: bool, busy_seconds: float) -> Engine:
    """What the address itself says of a connection is left as it is."""
    asked = {"application_name": "bascule", **SILENCE}
    try:
        engine = create_engine(
            url,
            pool_size=1 if writes else 5,
            # Each statement sees what was committed before it, whatever the server's default: see "begin" below.
            isolation_level="READ COMMITTED",
            connect_args={name: value for name, value in asked.items() if name not in url.query},
        )
    except (NoSuchModuleError, ModuleNotFoundError) as missing:
        raise LedgerUnreachable(
            f"No driver is installed for {url.drivername}", remedy="pip install 'bascule[postgres]'"
        ) from missing

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {int(busy_seconds * 1000)}")
            # A writer that was cut off mid-transaction gives up its turn before those who wait for it give up.
            cursor.execute(f"SET idle_in_transaction_session_timeout = {int(busy_seconds * 1000 * 2 / 3)}")
        connection.commit()

    if writes:

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITING})")

    return engine


def ensure_revision(engine: Engine, *, makes_one: bool = True) -> None:
    """Makes a new database a ledger, unless it is only to be read; refuses one that this version cannot read."""
    file = file_of(engine.url)
    if file is not None and not file.exists():
        # SQLite makes a file of whatever it is asked to open.
        found = None
        if makes_one:
            _make_file(file)
    else:
        found = revision_of(engine)
    if found is None and not makes_one:
        raise LedgerUnreachable(
            "There is no ledger yet", remedy="bascule run --inventory FILE makes one; or check BASCULE_LEDGER_URL"
        )
    if found is None:
        upgrade(engine)
    elif found != REVISION and found in known_revisions():
        raise LedgerOlder(
            f"The ledger has revision {found}, this version of Bascule needs {REVISION}",
            remedy="back it up, then run: bascule ledger upgrade",
        )
    elif found != REVISION:
        raise LedgerNewer(
            f"The ledger was made by a newer version of Bascule (revision {found}; this one knows up to {REVISION})",
            remedy="use the newer version; nothing was changed",
        )


def revision_of(engine: Engine) -> str | None:
    """None for an empty database."""
    try:
        with engine.connect() as connection:
            tables = set(inspect(connection).get_table_names())
            if "alembic_version" in tables:
                return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
    except DBAPIError as trouble:
        raise in_words(trouble) from trouble
    if tables:
        raise LedgerUnreachable(
            "The database is not a ledger: it holds other tables", remedy="check BASCULE_LEDGER_URL"
        )
    return None


def upgrade(engine: Engine) -> None:
    """Brings a ledger to the revision of this version. Alembic is dear to import, so only who needs it pays."""
    from alembic import command

    try:
        with engine.begin() as connection:
            # Two processes may both find an empty database: one makes the ledger, the other then finds it made.
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as trouble:
        raise in_words(trouble) from trouble


def known_revisions() -> frozenset[str]:
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory.from_config(_alembic()).walk_revisions())


def _alembic() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "revisions"))
    return config


def file_of(url: URL | str) -> Path | None:
    """Where a ledger on SQLite is; None for one that is in memory, or on a server."""
    parsed = make_url(url)
    kept = parsed.database if parsed.get_backend_name() == "sqlite" else None
    return Path(kept) if kept and not kept.startswith(("file:", ":memory:")) else None


def _make_folder(folder: Path) -> None:
    try:
        make_folder(folder)
    except OSError as trouble:
        raise LedgerUnreachable(
            f"The ledger's folder {folder} cannot be made ({trouble.strerror})", remedy="check BASCULE_LEDGER_URL"
        ) from trouble


def _make_file(file: Path) -> None:
    """What SQLite keeps beside it has the same rights."""
    try:
        open_file(file, "ab").close()
    except OSError as trouble:
        raise LedgerUnreachable(
            f"The ledger {file} cannot be made ({trouble.strerror})", remedy="check BASCULE_LEDGER_URL"
        ) from trouble
