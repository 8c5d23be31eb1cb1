"""How large a cabinet is: what its dossiers say of how long things take. The limits are ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bascule.facts import View
from bascule.ledger import Entry, EntryKind

SOURCE_LISTS = "source-lists"
"""As GE's lists are called where they were kept under the lock-out."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Dossiers from which on a cabinet is medium, and large."""

    medium_from: int = 300
    large_from: int = 1500

    def of(self, dossiers: int | None) -> str | None:
        """small, medium or large; None where nobody has counted."""
        if dossiers is None:
            return None
        if dossiers >= self.large_from:
            return "large"
        return "medium" if dossiers >= self.medium_from else "small"


def dossiers_told(history: Iterable[Entry]) -> int | None:
    """How many dossiers GE held when a proof last looked at its lists; None if none did."""
    told = None
    for entry in history:
        observed = entry.evidence.get("observed", {}) if entry.kind is EntryKind.PROOF else {}
        for lists in (View.GE_LISTS.value, SOURCE_LISTS):
            told = observed.get(lists, {}).get("dossiers", told)
    return told
