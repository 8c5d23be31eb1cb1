"""Between an entry and its row."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from sqlalchemy import Row

from bascule.ledger.entries import Entry, EntryKind
from bascule.model import ErrorClass, Lifecycle, Outcome, State


def row_of(entry: Entry) -> dict[str, Any]:
    return {
        "cabinet": entry.cabinet,
        "seq": entry.seq,
        "previous": entry.previous,
        "hash": entry.hash,
        "kind": entry.kind.value,
        "at": entry.at.astimezone(UTC),
        "who": entry.who,
        "wave": entry.wave,
        "run": entry.run,
        "step": entry.step,
        "attempt": entry.attempt,
        "state": entry.state and entry.state.value,
        "reason": entry.reason,
        "lifecycle": entry.lifecycle and entry.lifecycle.value,
        "outcome": entry.outcome and entry.outcome.value,
        "error_class": entry.error_class and entry.error_class.value,
        "error_signature": entry.error_signature,
        "verb": entry.verb,
        "key": entry.key,
        "operation": entry.operation,
        "fence": entry.fence,
        "evidence": dict(entry.evidence),
    }


def entry_of(row: Row[Any]) -> Entry:
    return Entry(
        cabinet=row.cabinet,
        seq=row.seq,
        previous=row.previous,
        hash=row.hash,
        kind=EntryKind(row.kind),
        at=row.at,
        who=row.who,
        wave=row.wave,
        run=row.run,
        step=row.step,
        attempt=row.attempt,
        state=State(row.state) if row.state else None,
        reason=row.reason,
        lifecycle=Lifecycle(row.lifecycle) if row.lifecycle else None,
        outcome=Outcome(row.outcome) if row.outcome else None,
        error_class=ErrorClass(row.error_class) if row.error_class else None,
        error_signature=row.error_signature,
        verb=row.verb,
        key=row.key,
        operation=row.operation,
        fence=row.fence,
        evidence=row.evidence,
    )
