"""Synthetic ledgers: what a run would have written of a cabinet, without a run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bascule.ledger import Entry, EntryKind, Ledger, this_process
from bascule.model import ErrorClass, Lifecycle, Outcome, State

WHEN = datetime(2026, 12, 1, 19, 0, tzinfo=UTC)
_second = count()

History = list[Entry]


def from_the_beginning() -> None:
    """The next entry is made at WHEN, whatever was made before it."""
    global _second  # noqa: PLW0603  # the clock of all these histories
    _second = count()


def line(code: str, kind: EntryKind, **fields: Any) -> Entry:
    """An entry a second later than the one made before it."""
    at = WHEN + timedelta(seconds=next(_second))
    blank = Entry(cabinet=code, kind=kind, at=at, who="ops", wave="pilot", run="R1")
    return replace(blank, **fields)


def planned(code: str, **fields: Any) -> History:
    evidence = {"name": f"Cabinet {code}", "owner": "claire", "site": None, "inventory": "0" * 64}
    evidence |= fields.pop("evidence", {})
    return [line(code, EntryKind.PLANNED, lifecycle=Lifecycle.PLANNED, evidence=evidence, **fields)]


def began(code: str, **fields: Any) -> History:
    return [line(code, EntryKind.BEGAN, lifecycle=Lifecycle.RUNNING, **fields)]


def acted(code: str, step: str, seconds: float = 0, **fields: Any) -> History:
    """A step that was carried out."""
    intent = line(code, EntryKind.INTENT, step=step, verb=step, key=f"{code}-{step}", **fields)
    proof = line(code, EntryKind.PROOF, step=step, state=State.DONE, **fields)
    return [intent, replace(proof, at=intent.at + timedelta(seconds=seconds)) if seconds else proof]


def proved(code: str, step: str, **fields: Any) -> History:
    return [line(code, EntryKind.PROOF, step=step, state=State.DONE, **fields)]


def judged(code: str, step: str, state: State, reason: str, **fields: Any) -> History:
    return [line(code, EntryKind.VERDICT, step=step, state=state, reason=reason, **fields)]


def ended(
    code: str, outcome: Outcome, *, remedy: str = "", lifecycle: Lifecycle = Lifecycle.ENDED, **fields: Any
) -> History:
    evidence = {"remedy": remedy} if remedy else {}
    return [line(code, EntryKind.ENDED, lifecycle=lifecycle, outcome=outcome, evidence=evidence, **fields)]


def blocked(code: str, groups: str = "SOCIAL") -> History:
    """A run that found the AdminSage without rights."""
    reason = f"the AdminSage lacks rights on some dossier groups: {groups}"
    error: dict[str, Any] = {
        "error_class": ErrorClass.DATA,
        "error_signature": "admin-rights: the AdminSage lacks rights",
    }
    return [
        *began(code),
        *judged(code, "admin-rights", State.FAILED, reason, outcome=Outcome.BLOCKED, **error),
        *ended(code, Outcome.BLOCKED, step="admin-rights", reason=reason, remedy="give the rights in GE", **error),
    ]


def ok(code: str) -> History:
    return [*began(code), *proved(code, "admin-rights"), *acted(code, "admin-sage"), *ended(code, Outcome.OK)]


def write(ledger: Ledger, *histories: Iterable[Entry], wave: str = "pilot", run: str = "R1") -> None:
    """As one run of the wave, which begins before everything else."""
    first = line(f"@{wave}", EntryKind.RUN_BEGAN, wave=wave, run=run)
    entries = [replace(entry, wave=wave) for history in histories for entry in history]
    asyncio.run(ledger.record(first, *entries))


def take_up(ledger: Ledger, codes: Sequence[str]) -> None:
    """Leases of this process, which is alive."""

    async def take() -> None:
        for code in codes:
            await ledger.take_lease(code, this_process(), datetime.now(UTC))

    asyncio.run(take())
