"""What a database complains of becomes an error with a remedy."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from bascule.errors import LedgerBusy, LedgerError, LedgerFull, LedgerReadOnly, LedgerUnreachable
from bascule.ledger.trouble import in_words


@pytest.mark.parametrize(
    ("complaint", "error"),
    [
        ("database is locked", LedgerBusy),
        ("attempt to write a readonly database", LedgerReadOnly),
        ("cannot execute INSERT in a read-only transaction", LedgerReadOnly),
        ("database or disk is full", LedgerFull),
        ("disk I/O error", LedgerFull),
        ('could not extend file "base/1/2": No space left on device', LedgerFull),
        ("unable to open database file", LedgerUnreachable),
        ('connection to server at "127.0.0.1", port 5432 failed: Connection refused', LedgerUnreachable),
        ("file is not a database", LedgerUnreachable),
        ("database disk image is malformed", LedgerUnreachable),
    ],
)
def test_a_complaint_becomes_an_error_that_says_what_to_do(complaint: str, error: type[LedgerError]) -> None:
    said = in_words(OperationalError("INSERT …", {}, Exception(complaint)))

    assert type(said) is error
    assert isinstance(said, LedgerError)
    assert said.remedy


def test_a_complaint_that_nobody_knows_is_quoted_without_the_statement() -> None:
    said = in_words(OperationalError("INSERT … secret", {}, Exception("out of cheese")))

    assert type(said) is LedgerError
    assert "out of cheese" in str(said)
    assert "secret" not in str(said)


def test_what_is_not_the_databases_stays_what_it_is() -> None:
    bug = KeyError("x")

    assert in_words(bug) is bug
