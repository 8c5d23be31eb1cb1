"""What a database complains of, in words that tell a person what to do."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from bascule.errors import LedgerBusy, LedgerError, LedgerFull, LedgerReadOnly, LedgerUnreachable

COLLISIONS = frozenset({"40001", "40P01", "23505"})
"""PostgreSQL's codes for a transaction that another one crossed, and that was undone: serialisation, deadlock, place taken."""


def in_words(trouble: BaseException) -> BaseException:
    """The error to raise instead; what is not the database's is returned as it is."""
    if not isinstance(trouble, DBAPIError):
        return trouble
    said = str(trouble.orig).strip()
    lower, code = said.lower(), _code_of(trouble)
    if code == "55P03" or "database is locked" in lower or "database table is locked" in lower:
        return LedgerBusy(
            "Another program has held the ledger for writing too long",
            remedy="let it end, then run the same command again: nothing is lost",
        )
    if code in {"25006", "42501"}:
        return LedgerReadOnly(
            f"The ledger may only be read: nothing can be recorded, so nothing was done ({said})",
            remedy="let BASCULE_LEDGER_URL name the primary server, and a user who may write to its tables",
        )
    if "readonly" in lower or "read-only" in lower:
        return LedgerReadOnly(
            "The ledger may only be read: nothing can be recorded, so nothing was done",
            remedy="make the file and its folder writable",
        )
    if (
        code == "53100"
        or "disk is full" in lower
        or "no space left" in lower
        or "disk i/o error" in lower
        or "could not extend" in lower
    ):
        return LedgerFull(
            f"The ledger could not be written ({said})",
            remedy="make room where the ledger lies, then run the same command again: what was done is not done twice",
        )
    if trouble.connection_invalidated:
        return LedgerUnreachable(
            f"The connection to the ledger was lost ({said})",
            remedy="see that PostgreSQL runs and can be reached, then run the same command again: what was done is not done twice",
        )
    if is_lost(trouble) or "unable to open" in lower or "connection" in lower:
        return LedgerUnreachable(f"The ledger cannot be opened ({said})", remedy="check BASCULE_LEDGER_URL")
    if "not a database" in lower or "malformed" in lower:
        return LedgerUnreachable(
            f"The ledger's file is not a ledger ({said})",
            remedy="check BASCULE_LEDGER_URL, or bring the file back from a backup",
        )
    return LedgerError(f"The ledger refused ({said})")


def is_lost(trouble: DBAPIError) -> bool:
    """There is no connection any more, or none could be made: PostgreSQL gives every other complaint a code."""
    return trouble.connection_invalidated or (isinstance(trouble, OperationalError) and _code_of(trouble) is None)


def is_collision(trouble: DBAPIError) -> bool:
    return _code_of(trouble) in COLLISIONS


def is_nobodys_fault(trouble: BaseException) -> bool:
    """It would meet any write alike: a ledger that is busy, full or gone."""
    return isinstance(trouble, OperationalError | InterfaceError | LedgerError)


def _code_of(trouble: DBAPIError) -> str | None:
    """PostgreSQL's SQLSTATE, which is the same in every language of the server. SQLite has none."""
    return getattr(trouble.orig, "sqlstate", "SQLite")
