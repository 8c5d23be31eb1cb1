"""Both sides of a cabinet compared as they are now, at any time after its synchronisation: what differs is *drift*.

Reads the systems, and adds a line to the ledger. Takes no lease: a run may be at work on the cabinet meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from bascule.checks.reconciliation import Reconciliation, compare
from bascule.engine.decisions import proven
from bascule.engine.observing import Observations
from bascule.engine.run import Run
from bascule.errors import RemoteError
from bascule.facts import GeFacts, GeLists, S4aLists, View, to_json
from bascule.ledger import Entry, EntryKind
from bascule.model import Cabinet, ErrorClass, State
from bascule.procedure import RECONCILE, SYNCHRONISE, Kept, differences_in_words, what_to_do_about

READ = (View.GE, View.GE_LISTS, View.S4A_LISTS)

DRIFT, SAME, UNKNOWN = State.FAILED, State.DONE, State.UNKNOWN
"""What the entry of a reconciliation says. Unknown: a side could not be read, or does not tell its dossiers."""
EXPORT_DOSSIERS = "export the dossiers of Client Management, then: bascule reconcile"


def is_synchronised(history: Sequence[Entry], now: datetime) -> bool:
    """Proven, and not ordered again since: then both sides are to be the same."""
    return SYNCHRONISE in proven(history, now, trust=None)


async def reconcile_all(run: Run, cabinets: Collection[Cabinet], *, because: str, at_once: int) -> dict[str, Entry]:
    """What was recorded of each, by code, in the order given; so many cabinets are read at the same time."""
    places = asyncio.Semaphore(at_once)

    async def one(cabinet: Cabinet) -> Entry:
        async with places:
            return await reconcile(run, cabinet, because=because)

    entries = await asyncio.gather(*(one(cabinet) for cabinet in cabinets))
    return {entry.cabinet: entry for entry in entries}


async def reconcile(run: Run, cabinet: Cabinet, *, because: str) -> Entry:
    """On disk when it returns. Tried again where time may mend it; what cannot be read in the end is unknown."""
    attempt = 1
    entry = await _look(run, cabinet, attempt)
    while run.pace.retry.worth_another(entry) and not run.stop.is_set():
        await run.pause(run.pace.retry.pause(entry, run.chance))
        attempt += 1
        entry = await _look(run, cabinet, attempt)
    [written] = await run.ledger.record(replace(entry, evidence={**entry.evidence, "because": because}))
    return written


async def _look(run: Run, cabinet: Cabinet, attempt: int) -> Entry:
    try:
        read = await Observations(cabinet, run.remote, run.clock).read(READ)
    except RemoteError as error:
        told = {"code": error.code, "remedy": error.remedy, "retry_after": error.retry_after}
        evidence = {name: value for name, value in told.items() if value}
        return _entry(run, cabinet, attempt, UNKNOWN, str(error), evidence, error.error_class)
    ge, source, target = (read[view] for view in READ)
    assert isinstance(ge, GeFacts)
    assert isinstance(source, GeLists)
    assert isinstance(target, S4aLists)
    return _told(run, cabinet, attempt, source, target, compare(source, target, cabinet, ge, run.tolerate))


def _told(
    run: Run, cabinet: Cabinet, attempt: int, source: GeLists, target: S4aLists, reconciled: Reconciliation
) -> Entry:
    lists = {kept: to_json(kept.view, read) for kept, read in ((Kept.SOURCE, source), (Kept.TARGET, target))}
    evidence: dict[str, Any] = {
        "lists": {kept.value: hashlib.sha256(content).hexdigest() for kept, content in lists.items()},
        "taken_at": {Kept.SOURCE.value: source.taken_at.isoformat(), Kept.TARGET.value: target.taken_at.isoformat()},
    }
    if not reconciled.tells_anything:
        evidence["remedy"] = EXPORT_DOSSIERS
        evidence["not_compared"] = {one.what: one.not_compared for one in reconciled.not_compared}
        says = f"nobody can say whether both sides are the same; not compared: {reconciled.not_compared_in_words()}"
        return _entry(run, cabinet, attempt, UNKNOWN, says, evidence, ErrorClass.HUMAN)
    evidence["reconciled"] = reconciled.as_json()
    if reconciled.is_same:
        return _entry(run, cabinet, attempt, SAME, _same_in_words(reconciled), evidence)
    # Lists that differ are kept, to be looked into later; of lists that do not, their hash is enough.
    evidence["kept"] = {
        kept.value: run.ledger.keep(cabinet.code, kept.value, content, run.clock()) for kept, content in lists.items()
    }
    evidence["remedy"] = what_to_do_about(reconciled)
    return _entry(run, cabinet, attempt, DRIFT, differences_in_words(reconciled), evidence, ErrorClass.DATA)


def _same_in_words(reconciled: Reconciliation) -> str:
    """With what it is said of, and what it is not."""
    says = f"the same on both sides: {reconciled.of('dossier').source} dossiers"
    if contacts := reconciled.count("expected"):
        says += f"; contacts on one side only, as expected: {contacts}"
    unsaid = reconciled.not_compared_in_words()
    return f"{says}; not compared: {unsaid}" if unsaid else says


def _entry(
    run: Run,
    cabinet: Cabinet,
    attempt: int,
    state: State,
    reason: str,
    evidence: dict[str, Any],
    error_class: ErrorClass | None = None,
) -> Entry:
    return Entry(
        cabinet=cabinet.code,
        kind=EntryKind.RECONCILED,
        at=run.clock(),
        who=run.who,
        wave=run.wave,
        run=run.id,
        step=RECONCILE,
        attempt=attempt,
        state=state,
        reason=reason,
        error_class=error_class,
        evidence=evidence,
    )
