"""What a person tells a running wave, and how the wave answers: both are lines of the wave's chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bascule.ledger import Entry, EntryKind, Ledger
from bascule.waves.governor import Word

PATIENCE = 20.0
"""Seconds until a run that has not answered is said not to have: it looks every two."""
LOOK = 0.5


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a word."""

    by_run: str | None
    """The run that took note of it; None: none did in time."""
    says: str


async def command(
    ledger: Ledger,
    *,
    wave: str,
    word: Word,
    by: str,
    because: str = "",
    patience: float = PATIENCE,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Answered:
    """Writes the word down, and waits for the run to say what it did."""
    [written] = await ledger.record(
        Entry(
            cabinet=f"@{wave}",
            kind=EntryKind.COMMAND,
            at=datetime.now(UTC),
            who=by,
            wave=wave,
            run="",
            reason=because,
            evidence={"word": word.value},
        )
    )
    waited = 0.0
    while waited < patience:
        notes = ledger.histories([written.cabinet], [EntryKind.NOTE])[written.cabinet]
        for entry in notes:
            if entry.evidence.get("answers", 0) >= written.seq:
                return Answered(entry.run, entry.reason)
        await sleep(LOOK)
        waited += LOOK
    return Answered(None, "it is written down; no run has answered yet")
