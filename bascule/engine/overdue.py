"""Users who should be back by now: an alarm at every look, one line of the ledger a lock-out, never a reopen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from bascule.checks.findings import Level
from bascule.engine.run import Run
from bascule.ledger import Entry, EntryKind, LockOut
from bascule.procedure import REOPEN

log = logging.getLogger("bascule.engine")

DEADLINE_MISSED = "LCK-01"
"""The rule under which it is noted that users should have been back."""


async def raise_alarms(run: Run, waves: Mapping[str, str]) -> tuple[tuple[LockOut, ...], tuple[LockOut, ...]]:
    """`waves`: of the cabinets that are looked at, by code. All lock-outs that are overdue, and those of which this is the first word."""
    now = run.clock()
    held = await asyncio.to_thread(run.ledger.lock_outs, now) if waves else ()
    late = tuple(out for out in held if out.cabinet in waves and now >= out.deadline)
    noted = run.ledger.histories([out.cabinet for out in late], [EntryKind.FINDING]) if late else {}
    new = tuple(out for out in late if not any(_tells_of(entry, out) for entry in noted[out.cabinet]))
    for out in new:
        await run.ledger.record(_alarm(run, out, waves[out.cabinet]))
    return late, new


def in_words(out: LockOut) -> str:
    return f"users should have been back by {out.deadline:%Y-%m-%d %H:%M} UTC: they are locked out since {out.since:%Y-%m-%d %H:%M}"


def _alarm(run: Run, out: LockOut, wave: str) -> Entry:
    return Entry(
        cabinet=out.cabinet,
        kind=EntryKind.FINDING,
        at=run.clock(),
        who=run.who,
        wave=wave,
        run=run.id,
        step=REOPEN,
        reason=in_words(out),
        evidence={
            "rule": DEADLINE_MISSED,
            "level": Level.NOTE.value,
            "about": [out.cabinet],
            "remedy": f"see whether the synchronisation still runs; if it does not: bascule unlock {out.cabinet} --because TEXT --by NAME",
        },
    )


def _tells_of(entry: Entry, out: LockOut) -> bool:
    return entry.evidence.get("rule") == DEADLINE_MISSED and entry.at >= out.since
