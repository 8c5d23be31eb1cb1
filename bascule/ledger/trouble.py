"""What a database complains of, in words that tell a person what to do."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from bascule.errors import LedgerBusy, LedgerError, LedgerFull, LedgerReadOnly, LedgerUnreachable


def in_words(trouble: BaseException) -> BaseException:
    """The error to raise instead; what is not the database's is returned as it is."""
    if not isinstance(trouble, DBAPIError):
        return trouble
    said = str(trouble.orig).strip()
    lower = said.lower()
    if "database is locked" in lower or "database table is locked" in lower:
        return LedgerBusy(
            "Another program has held the ledger for writing too long",
            remedy="let it end, then run the same command again: nothing is lost",
        )
    if "readonly" in lower or "read-only" in lower:
        return LedgerReadOnly(
            "The ledger may only be read: nothing can be recorded, so nothing was done",
            remedy="make the file and its folder writable",
        )
    if "disk is full" in lower or "no space left" in lower or "disk i/o error" in lower or "could not extend" in lower:
        return LedgerFull(
            f"The ledger could not be written ({said})",
            remedy="make room where the ledger lies, then run the same command again: what was done is not done twice",
        )
    if "unable to open" in lower or "connection" in lower or "could not connect" in lower:
        return LedgerUnreachable(f"The ledger cannot be opened ({said})", remedy="check BASCULE_LEDGER_URL")
    if "not a database" in lower or "malformed" in lower:
        return LedgerUnreachable(
            f"The ledger's file is not a ledger ({said})",
            remedy="check BASCULE_LEDGER_URL, or bring the file back from a backup",
        )
    return LedgerError(f"The ledger refused ({said})")
