"""Both sides of a cabinet compared as they are now, at any time after its synchronisation: what differs is *drift*.

Reads the systems, and adds a line to the ledger. Takes no lease: a run may be at work on the cabinet meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bascule.checks.list_age import Bound
from bascule.checks.reconciliation import Reconciliation, compare
from bascule.connectors import Basis
from bascule.engine.decisions import proven, second_synchronisation
from bascule.engine.list_bounds import why_unproven
from bascule.engine.list_reading import ComparedLists, Lists, read_until_proven
from bascule.engine.observing import Observations
from bascule.engine.run import Run
from bascule.errors import RemoteError
from bascule.facts import GeFacts, GeLists, S4aLists, View, to_json
from bascule.ledger import Entry, EntryKind
from bascule.model import Cabinet, ErrorClass, State
from bascule.procedure import MAKE_FRESH, RECONCILE, SYNCHRONISE, Kept, differences_in_words, what_to_do_about

FACTS = (View.GE, View.S4A)
"""Read first: when they were read is when the lists were asked for, by the clock of their own system."""

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
        both = await _read(run, cabinet)
    except RemoteError as error:
        told = {"code": error.code, "remedy": error.remedy, "retry_after": error.retry_after}
        evidence = {name: value for name, value in told.items() if value}
        return _entry(run, cabinet, attempt, UNKNOWN, str(error), evidence, error.error_class)
    reconciled = compare(both.source, both.target, cabinet, both.ge, run.tolerate, both.unproven)
    return _told(run, cabinet, attempt, both, reconciled)


@dataclass(frozen=True, slots=True)
class BothSides:
    """A cabinet as it is now."""

    ge: GeFacts
    lists: Mapping[Kept, ComparedLists]

    @property
    def source(self) -> GeLists:
        lists = self.lists[Kept.SOURCE].lists
        assert isinstance(lists, GeLists)
        return lists

    @property
    def target(self) -> S4aLists:
        lists = self.lists[Kept.TARGET].lists
        assert isinstance(lists, S4aLists)
        return lists

    @property
    def unproven(self) -> str:
        return "; ".join(filter(None, (lists.unproven for lists in self.lists.values())))


async def _read(run: Run, cabinet: Cabinet) -> BothSides:
    """Raises RemoteError."""
    observations = Observations(cabinet, run.remote, run.clock)
    facts = await observations.read(FACTS)
    history = await run.ledger.history_soon(cabinet.code)

    async def lists_of(kept: Kept, view: View) -> ComparedLists:
        remote = run.remote(cabinet, view.system)
        basis, asked = remote.basis(kept.view), Bound(facts[view].taken_at, "they were asked for", remote.basis(view))

        def why(lists: Lists) -> str:
            # Exported lists are as old as the settings allow.
            too_old = asked.why_too_old(lists, basis) if basis is not Basis.LISTS else ""
            return too_old or why_unproven(lists, basis, history)

        lists, unproven = await read_until_proven(observations, kept.view, run, live=remote.live, why_unproven=why)
        return ComparedLists(lists, basis, unproven=unproven)

    source, target = await asyncio.gather(lists_of(Kept.SOURCE, View.GE), lists_of(Kept.TARGET, View.S4A))
    ge = facts[View.GE]
    assert isinstance(ge, GeFacts)
    return BothSides(ge, {Kept.SOURCE: source, Kept.TARGET: target})


def _told(run: Run, cabinet: Cabinet, attempt: int, both: BothSides, reconciled: Reconciliation) -> Entry:
    lists = {kept: to_json(kept.view, read.lists) for kept, read in both.lists.items()}
    evidence: dict[str, Any] = {
        "lists": {kept.value: hashlib.sha256(content).hexdigest() for kept, content in lists.items()},
        "taken_at": {kept.value: read.lists.taken_at.isoformat() for kept, read in both.lists.items()},
        "basis": {kept.value: read.basis.value for kept, read in both.lists.items()},
    }
    if not reconciled.tells_anything:
        evidence["remedy"] = f"{MAKE_FRESH}, then: bascule reconcile" if both.unproven else EXPORT_DOSSIERS
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
    second = second_synchronisation(run.ledger.history(cabinet.code)) if reconciled.doubled else None
    evidence["remedy"] = what_to_do_about(reconciled, second)
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
