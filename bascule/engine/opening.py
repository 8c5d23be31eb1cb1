"""How a run begins and ends in the ledger: who is planned, under which inventory, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from bascule.engine.conduct import Conducted
from bascule.engine.run import Run
from bascule.ledger import Entry, EntryKind, Ledger
from bascule.model import Cabinet, Lifecycle


async def begin(run: Run, cabinets: Sequence[Cabinet], evidence: Mapping[str, Any], because: str = "") -> None:
    """On disk before anything is asked of a system: the run, and each cabinet that is new to the wave or whose row changed.

    `evidence`: what the run stands on, such as the inventory's digest and the plan's hash; who, why, which version of Bascule
    and which process are added.
    """
    run.because = because
    await run.ledger.sign_on(run.id, run.owner, run.clock())
    stands_on = {**evidence, "version": version("bascule"), "process": asdict(run.owner)}
    entries = [run.wave_entry(EntryKind.RUN_BEGAN, because, stands_on)]
    planned = {entry.cabinet: entry.evidence.get("row") for entry in run.ledger.of_wave(run.wave, [EntryKind.PLANNED])}
    for cabinet in cabinets:
        row = digest_of(cabinet)
        if planned.get(cabinet.code) != row:
            told = {"row": row, "name": cabinet.name, "owner": cabinet.owner, "site": cabinet.site}
            entries.append(
                Entry(
                    cabinet=cabinet.code,
                    kind=EntryKind.PLANNED,
                    at=run.clock(),
                    who=run.who,
                    wave=run.wave,
                    run=run.id,
                    lifecycle=Lifecycle.PLANNED,
                    evidence={**told, "inventory": evidence.get("inventory")},
                )
            )
    await run.ledger.record(*entries)


async def end(run: Run, conducted: Conducted) -> None:
    evidence = {
        "outcomes": {outcome.value: count for outcome, count in conducted.outcomes.items()},
        "taken": conducted.taken,
        "defects": conducted.defects,
        "stopped": conducted.stopped,
    }
    await run.ledger.record(run.wave_entry(EntryKind.RUN_ENDED, "", evidence))


def digest_of(cabinet: Cabinet) -> str:
    """SHA-256 of a cabinet's row, so that a change of the inventory shows."""
    return hashlib.sha256(
        json.dumps(asdict(cabinet), sort_keys=True, ensure_ascii=False, default=str).encode()
    ).hexdigest()


async def order_again(ledger: Ledger, *, wave: str, code: str, step: str, by: str, because: str) -> None:
    """A person's word that a step, proven or not, is to be done once more. What stands on it is then open again too."""
    now = datetime.now(UTC)
    await ledger.record(
        Entry(
            cabinet=code,
            kind=EntryKind.NOTE,
            at=now,
            who=by,
            wave=wave,
            run="",
            step=step,
            reason=because,
            evidence={"again": True},
        )
    )
