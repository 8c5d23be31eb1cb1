"""Before which instants a cabinet's lists prove nothing of its synchronisation, as the ledger tells. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bascule.checks.list_age import SAME_AS_BEFORE, Bound, content_hash
from bascule.connectors import Basis
from bascule.engine.decisions import said_of
from bascule.facts import GeLists, S4aLists, View
from bascule.ledger import Entry, EntryKind
from bascule.procedure import LOCK_OUT, OUR_NAME, SYNCHRONISE

CONTENT_BEFORE = "content_before"
"""In an intent's evidence: the hash of what Client Management listed before the synchronisation."""


def why_unproven(lists: GeLists | S4aLists, basis: Basis, history: Sequence[Entry]) -> str:
    """Why lists prove nothing of the synchronisation; empty where they do. `basis`: who says the lists."""
    bound = source_bound(history) if isinstance(lists, GeLists) else target_bound(history)
    too_old = bound.why_too_old(lists, basis) if bound is not None else ""
    if too_old or isinstance(lists, GeLists):
        return too_old
    return SAME_AS_BEFORE if content_hash(lists) == _content_before(history) else ""


def source_bound(history: Sequence[Entry]) -> Bound | None:
    """Since when users were kept out for the last synchronisation; where nothing tells, when it began."""
    shown = list(_shown(history, View.GE, (LOCK_OUT, SYNCHRONISE)))
    bounds = [
        Bound(datetime.fromisoformat(ge["locked_out_at"]), "the lock-out", basis)
        for ge, basis in shown
        if ge["locked_out_by"] == OUR_NAME and ge["locked_out_at"]
    ]
    order = said_of(LOCK_OUT, history)
    if order is not None and order.answer is not None and "locked_out_at" in order.answer.evidence:
        locked_out_at = datetime.fromisoformat(order.answer.evidence["locked_out_at"])
        bounds.append(Bound(locked_out_at, "the lock-out", Basis.PEOPLE))
    if not bounds:
        bounds = [
            Bound(datetime.fromisoformat(ge["synchronisation"]["started_at"]), "the synchronisation began", basis)
            for ge, basis in shown
            if ge["synchronisation"]
        ]
    return max(bounds, key=lambda bound: bound.at, default=None)


def target_bound(history: Sequence[Entry]) -> Bound | None:
    """When Client Management had received the last synchronisation."""
    proofs = [entry for entry in history if entry.kind is EntryKind.PROOF]
    received = [
        Bound(datetime.fromisoformat(s4a["synchronised_at"]), "the synchronisation had ended there", basis)
        for s4a, basis in _shown(proofs, View.S4A, (SYNCHRONISE,))
        if s4a["synchronised_at"]
    ]
    return received[-1] if received else None


def _content_before(history: Sequence[Entry]) -> str | None:
    """Of the last synchronisation that was asked for."""
    told = (entry.evidence.get(CONTENT_BEFORE) for entry in reversed(history) if entry.kind is EntryKind.INTENT)
    return next((content for content in told if content), None)


def _shown(history: Iterable[Entry], view: View, steps: tuple[str, ...]) -> Iterable[tuple[Mapping[str, Any], Basis]]:
    """What these steps' entries say was observed of a view, and who said it."""
    for entry in history:
        observed = entry.evidence.get("observed", {}).get(view.value)
        if entry.step in steps and observed:
            yield observed, Basis(entry.evidence.get("basis", {}).get(view.value, Basis.AGENT))
