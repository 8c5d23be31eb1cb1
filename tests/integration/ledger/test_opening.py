"""A ledger that cannot be used says why, and what to do."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, insert, text

from bascule.errors import LedgerNewer, LedgerOlder, LedgerReadOnly, LedgerUnreachable
from bascule.ledger import Ledger, schema, tables
from bascule.ledger.rows import row_of
from bascule.ledger.schema import known_revisions
from tests.unit.ledger.lines import chain, line


def test_a_new_ledger_has_the_tables_that_the_code_knows(ledger: Ledger, database: Engine) -> None:
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_the_revision_that_the_code_needs_is_the_newest_there_is(ledger: Ledger, database: Engine) -> None:
    assert max(known_revisions()) == tables.REVISION
    with database.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == tables.REVISION


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(ledger_url: str, database: Engine) -> None:
    Ledger(ledger_url).close()
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(LedgerNewer, match="9999") as refused:
        Ledger(ledger_url)

    assert "newer version" in refused.value.remedy
    with database.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"


def test_a_ledger_of_an_older_version_says_how_to_upgrade(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(ledger_url).close()
    monkeypatch.setattr(schema, "REVISION", "9999")

    with pytest.raises(LedgerOlder, match=tables.REVISION) as refused:
        Ledger(ledger_url)

    assert "bascule ledger upgrade" in refused.value.remedy


async def test_a_ledger_of_the_first_revision_keeps_what_it_holds_when_it_is_upgraded(
    ledger_url: str, database: Engine
) -> None:
    with database.begin() as connection:
        config = schema._alembic()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        (old,) = chain(line(reason="old"))
        connection.execute(insert(tables.entry), row_of(old))

    schema.upgrade(database)

    with Ledger(ledger_url) as ledger:
        (new,) = await ledger.record(line(reason="new", operation="x" * 1_000))
        assert ledger.history("C0001") == (old, new)
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_a_database_of_something_else_is_left_alone(ledger_url: str, database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE invoices (id INTEGER)"))

    with pytest.raises(LedgerUnreachable, match="other tables"):
        Ledger(ledger_url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("code;raison_sociale\n" * 100)

    with pytest.raises(LedgerUnreachable, match="not a ledger") as refused:
        Ledger(f"sqlite:///{path}")

    assert "BASCULE_LEDGER_URL" in refused.value.remedy


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ledger.db", "not a database address"),
        ("mysql://ops@db.example/ledger", "on SQLite or on PostgreSQL, not on mysql"),
        ("postgresql+psycopg2://ops@db.example/ledger", "No driver is installed for postgresql\\+psycopg2"),
        ("postgresql+psycopg://ops@127.0.0.1:1/ledger", "cannot be opened"),
        ("postgresql+psycopg://ops@nowhere.invalid/ledger", "cannot be opened"),
        ("postgresql+psycopg:///ledger?host=/nowhere", "cannot be opened"),
    ],
)
def test_an_address_where_no_ledger_can_be_is_refused(address: str, said: str) -> None:
    with pytest.raises(LedgerUnreachable, match=said) as refused:
        Ledger(address)

    assert refused.value.remedy


def test_a_folder_in_the_way_of_the_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnreachable):
        Ledger(f"sqlite:///{tmp_path}")


def test_a_file_in_the_way_of_the_ledgers_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")

    with pytest.raises(LedgerUnreachable, match="cannot be made"):
        Ledger(f"sqlite:///{tmp_path / 'runs' / 'ledger.db'}")


async def test_a_ledger_that_may_only_be_read_says_so_before_anything_is_done(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger(f"sqlite:///{path}") as ledger:
        await ledger.record(line())
    url = f"sqlite:///file:{path}?mode=ro&uri=true"

    # At opening, or at the first write: never after an act.
    with pytest.raises(LedgerReadOnly) as refused, Ledger(url) as ledger:
        await ledger.record(line())
    assert "writable" in refused.value.remedy

    with Ledger(url, read_only=True) as reading:
        assert len(reading.history("C0001")) == 1


def test_a_ledgers_file_is_its_owners_to_write(tmp_path: Path) -> None:
    Ledger(f"sqlite:///{tmp_path / 'deep' / 'er' / 'ledger.db'}").close()

    mode = (tmp_path / "deep" / "er" / "ledger.db").stat().st_mode
    assert not mode & stat.S_IWOTH
