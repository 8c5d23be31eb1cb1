"""Whether lists are young enough for what they are to prove, and say something new."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bascule.checks.instants import in_words
from bascule.connectors import Basis
from bascule.facts import CLOCKS_DIFFER, EARLIEST, GeLists, S4aLists, View, to_json

LIST_OWNER = {GeLists: "GE", S4aLists: "Client Management"}

SAME_AS_BEFORE = "the lists of Client Management hold exactly what they held before the synchronisation: they are old, or it carried nothing over"


@dataclass(frozen=True, slots=True)
class Bound:
    """An instant before which lists prove nothing, what happened then, and who says so."""

    at: datetime
    event: str
    basis: Basis

    def why_too_old(self, lists: GeLists | S4aLists, basis: Basis) -> str:
        """`basis`: who says the lists. On one clock not a moment is forgiven; two clocks may differ. Empty: young enough."""
        one_clock = self.basis is Basis.AGENT and basis is Basis.AGENT
        if lists.taken_at >= self.at - (timedelta() if one_clock else CLOCKS_DIFFER):
            return ""
        owner = LIST_OWNER[type(lists)]
        return f"the lists of {owner} are of {in_words(lists.taken_at)}, from before {self.event} ({in_words(self.at)})"


def content_hash(lists: S4aLists) -> str:
    """The same for the same content, whenever it was read."""
    return hashlib.sha256(to_json(View.S4A_LISTS, replace(lists, taken_at=EARLIEST))).hexdigest()
